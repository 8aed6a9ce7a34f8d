// Public keys as ssh-keygen writes them, and what isn't taken for one.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { InputError } from '../base/index.ts'
import { decodeSshKey, formatFingerprint, formatSshKey, parseSshKeyLine } from './ssh-public-key.ts'

const folder = mkdtempSync(join(tmpdir(), 'stemma-keys-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const hasKeygen = spawnSync('ssh-keygen', ['-?']).error === undefined
const keygen = hasKeygen ? {} : { skip: 'ssh-keygen is not on this machine' }

function string(bytes: Uint8Array | string): Buffer {
  const body = Buffer.from(bytes as string)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body])
}

const line = (type: string, ...fields: (Uint8Array | string)[]) =>
  `${type} ${Buffer.concat([string(type), ...fields.map(string)]).toString('base64')}`
const point = Buffer.alloc(32, 7)
const good = line('ssh-ed25519', point)

function refusal(text: string): string {
  try {
    parseSshKeyLine(text)
  } catch (error) {
    assert.ok(error instanceof InputError, String(error))
    return `${error.code}: ${error.message}`
  }
  return 'taken'
}

for (const [type, args] of [
  ['ssh-ed25519', ['-t', 'ed25519']],
  ['ecdsa-sha2-nistp256', ['-t', 'ecdsa', '-b', '256']],
  ['ecdsa-sha2-nistp384', ['-t', 'ecdsa', '-b', '384']],
  ['ecdsa-sha2-nistp521', ['-t', 'ecdsa', '-b', '521']],
  ['ssh-rsa', ['-t', 'rsa', '-b', '2048']],
] as const) {
  test(`${type} as ssh-keygen writes it`, keygen, () => {
    const path = join(folder, type)
    spawnSync('ssh-keygen', [...args, '-q', '-N', '', '-C', 'me@home, mostly', '-f', path])
    const text = readFileSync(`${path}.pub`, 'utf8')
    const { comment, key } = parseSshKeyLine(text)
    assert.deepEqual([key.type, comment], [type, 'me@home, mostly'])
    assert.equal(formatSshKey(key), text.split(' ').slice(0, 2).join(' '))
    const shown = spawnSync('ssh-keygen', ['-l', '-f', `${path}.pub`]).stdout.toString()
    assert.ok(shown.includes(formatFingerprint(key.fingerprint)), shown)
    // the key itself: what its private half signs, it verifies
    const pem = spawnSync('ssh-keygen', ['-p', '-m', 'PEM', '-N', '', '-P', '', '-f', path])
    if (type === 'ssh-rsa' || type.startsWith('ecdsa')) {
      assert.equal(pem.status, 0)
      const signature = sign('sha256', point, readFileSync(path, 'utf8'))
      assert.ok(verify('sha256', point, key.key, signature))
    }
  })
}

test('weak keys are refused, and the refusal says what to do', keygen, () => {
  spawnSync('ssh-keygen', ['-t', 'rsa', '-b', '1024', '-q', '-N', '', '-f', join(folder, 'short')])
  assert.match(
    refusal(readFileSync(join(folder, 'short.pub'), 'utf8')),
    /^weak-key: RSA keys have at least 2048 bits here, this one has 1024: /,
  )
  assert.match(refusal(line('ssh-dss', point, point, point, point)), /^weak-key: DSA .*ssh-keygen -t ed25519$/)
})

test('keys of security keys are taken', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const uncompressed = Buffer.concat([Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
  const ed25519 = parseSshKeyLine(`${line('sk-ssh-ed25519@openssh.com', point, 'ssh:')} token`)
  const ecdsa = parseSshKeyLine(line('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', uncompressed, 'ssh:work'))
  assert.deepEqual([ed25519.key.application, ed25519.comment, ecdsa.key.application], ['ssh:', 'token', 'ssh:work'])
})

test('what is no public key is refused', () => {
  assert.equal(refusal(good), 'taken')
  const other = Buffer.concat([string('ssh-ed25519'), string(point), Buffer.from('more')]).toString('base64')
  const curve = Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 9)])
  for (const text of [
    '',
    'ssh-ed25519',
    point.toString('base64'),
    `command="sh" ${good}`,
    `${good}\n${good}`,
    `${good}\r\nssh-rsa x`,
    `ssh-ed25519 ${other}`,
    good.replace('ssh-ed25519', 'ssh-rsa'),
    line('ssh-ed25519', Buffer.alloc(31)),
    line('ecdsa-sha2-nistp256', 'nistp256', curve),
    line('ecdsa-sha2-nistp256', 'nistp384', curve),
    line('ssh-rsa', Buffer.from([1]), Buffer.alloc(257, 0x7f)),
    line('ssh-rsa', Buffer.alloc(200, 3), Buffer.alloc(256, 0x7f)),
    line('ssh-rsa', Buffer.from([1, 0, 1]), Buffer.alloc(256, 0xff)), // negative
    line('ssh-rsa', Buffer.from([1, 0, 1]), Buffer.alloc(3000, 0x7f)),
    line('ssh-ed25519-cert-v01@openssh.com', point),
    `ssh-ed25519 ${'A'.repeat(20_000)}`,
  ]) {
    assert.match(refusal(text), /^(bad|weak)-key: /, text.slice(0, 80))
  }
  assert.match(refusal('-----BEGIN OPENSSH PRIVATE KEY-----'), /^bad-key: This is not a public key/)
})

test('noise is refused and nothing else happens', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (noise, isPrefixed) => {
      const blob = isPrefixed ? Buffer.concat([string('ecdsa-sha2-nistp521'), noise]) : noise
      assert.throws(() => decodeSshKey(blob), InputError)
    }),
  )
})
