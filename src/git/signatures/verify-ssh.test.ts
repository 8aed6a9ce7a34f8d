import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { InputError } from '../../base/index.ts'
import { parseSshSignature, sshSignedData } from '../format/ssh-signature.ts'
import { type SshVerifyKey, verifySsh } from './verify-ssh.ts'

const field = (bytes: Uint8Array | string) => {
  const value = Buffer.from(bytes as string)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(value.length)
  return Buffer.concat([length, value])
}
const payload = Buffer.from('tree 1\n\nwords\n')

interface Parts {
  readonly algorithm: string
  readonly signature: Uint8Array
  readonly rest?: Uint8Array
  readonly namespace?: string
  readonly hash?: string
  readonly version?: number
}

function armored({ algorithm, signature, rest = Buffer.alloc(0), namespace = 'git', hash = 'sha512', version = 1 }: Parts): string {
  const versionBytes = Buffer.alloc(4)
  versionBytes.writeUInt32BE(version)
  const inner = Buffer.concat([field(algorithm), field(signature), rest])
  const blob = Buffer.concat([Buffer.from('SSHSIG'), versionBytes, field('key'), field(namespace), field(''), field(hash), field(inner)])
  return `-----BEGIN SSH SIGNATURE-----\n${blob.toString('base64').replace(/(.{70})/g, '$1\n')}\n-----END SSH SIGNATURE-----\n`
}

const verifyKey = (type: string, key: KeyObject, application: string | null = null): SshVerifyKey => ({
  type,
  der: key.export({ type: 'spki', format: 'der' }),
  application,
})
const verdict = (parts: Parts, key: SshVerifyKey, message: Uint8Array = payload) =>
  verifySsh(parseSshSignature(armored(parts)), key, message)
const signed = (namespace = 'git', hash: 'sha256' | 'sha512' = 'sha512') => Buffer.from(sshSignedData({ namespace, hash }, payload))

test('an Ed25519 signature: of that message, that purpose, that hash, by that key, and no longer', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const key = verifyKey('ssh-ed25519', publicKey)
  const good = { algorithm: 'ssh-ed25519', signature: sign(null, signed(), privateKey) }
  assert.equal(verdict(good, key), true)
  assert.equal(verdict({ ...good, hash: 'sha256', signature: sign(null, signed('git', 'sha256'), privateKey) }, key), true)
  assert.equal(verdict({ ...good, hash: 'sha256' }, key), false)
  assert.equal(verdict(good, key, Buffer.from('other words')), false)
  assert.equal(verdict({ ...good, namespace: 'file', signature: sign(null, signed('file'), privateKey) }, key), false)
  assert.equal(verdict({ ...good, rest: Buffer.from([1]) }, key), false)
  assert.equal(verdict({ ...good, algorithm: 'rsa-sha2-512' }, key), false)
  assert.equal(verdict({ ...good, signature: good.signature.subarray(1) }, key), false)
  assert.equal(verdict(good, verifyKey('ssh-ed25519', generateKeyPairSync('ed25519').publicKey)), false)
})

test('RSA: by SHA-2 alone', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = verifyKey('ssh-rsa', publicKey)
  for (const hash of ['sha256', 'sha512']) {
    const signature = sign(hash, signed(), privateKey)
    assert.equal(verdict({ algorithm: `rsa-sha2-${hash.slice(3)}`, signature }, key), true)
    assert.equal(verdict({ algorithm: 'ssh-rsa', signature }, key), false)
  }
  assert.equal(verdict({ algorithm: 'ssh-rsa', signature: sign('sha1', signed(), privateKey) }, key), false)
})

const numbers = (side: Uint8Array) => {
  const half = side.length / 2
  const mpint = (bytes: Uint8Array) => {
    const first = bytes.findIndex((byte) => byte !== 0)
    const short = bytes.subarray(first)
    return field(Buffer.concat([(short[0] as number) >= 0x80 ? Buffer.from([0]) : Buffer.alloc(0), short]))
  }
  return Buffer.concat([mpint(side.subarray(0, half)), mpint(side.subarray(half))])
}

test('ECDSA: numbers of any length that the curve has', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = verifyKey('ecdsa-sha2-nistp256', publicKey)
  for (let n = 0; n < 300; n++) {
    const signature = numbers(sign('sha256', signed(), { key: privateKey, dsaEncoding: 'ieee-p1363' }))
    assert.equal(verdict({ algorithm: 'ecdsa-sha2-nistp256', signature }, key), true)
  }
  assert.equal(
    verdict({ algorithm: 'ecdsa-sha2-nistp256', signature: Buffer.concat([field(Buffer.alloc(40, 1)), field('x')]) }, key),
    false,
  )
  assert.equal(verdict({ algorithm: 'ecdsa-sha2-nistp256', signature: Buffer.from('no numbers') }, key), false)
})

test('keys in hardware: what the token says belongs to it, and somebody must have touched it', () => {
  const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest()
  const whole = (flags: number, application = 'ssh:') =>
    Buffer.concat([sha256(application), Buffer.from([flags, 0, 0, 0, 7]), sha256(signed())])
  const ed = generateKeyPairSync('ed25519')
  const edKey = verifyKey('sk-ssh-ed25519@openssh.com', ed.publicKey, 'ssh:')
  const by = (flags: number, application?: string) => ({
    algorithm: 'sk-ssh-ed25519@openssh.com',
    signature: sign(null, whole(flags, application), ed.privateKey),
    rest: Buffer.from([flags, 0, 0, 0, 7]),
  })
  assert.equal(verdict(by(1), edKey), true)
  assert.equal(verdict(by(5), edKey), true)
  assert.equal(verdict(by(0), edKey), false)
  assert.equal(verdict(by(1, 'ssh:other'), edKey), false)
  assert.equal(verdict({ ...by(1), rest: Buffer.from([1, 0, 0, 0, 8]) }, edKey), false)
  assert.equal(verdict({ ...by(1), rest: Buffer.alloc(0) }, edKey), false)
  assert.equal(verdict({ algorithm: 'ssh-ed25519', signature: sign(null, signed(), ed.privateKey) }, edKey), false)
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecKey = verifyKey('sk-ecdsa-sha2-nistp256@openssh.com', ec.publicKey, 'ssh:')
  const signature = numbers(sign('sha256', whole(1), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }))
  assert.equal(verdict({ algorithm: 'sk-ecdsa-sha2-nistp256@openssh.com', signature, rest: Buffer.from([1, 0, 0, 0, 7]) }, ecKey), true)
})

test('what is no signature of SSH is refused as such, whatever it is', () => {
  const good = armored({ algorithm: 'ssh-ed25519', signature: Buffer.alloc(64) })
  assert.equal(parseSshSignature(good).namespace, 'git')
  for (const parts of [{ version: 2 }, { hash: 'md5' }]) {
    assert.throws(() => parseSshSignature(armored({ algorithm: 'x', signature: Buffer.alloc(1), ...parts })), { code: 'ssh-signature' })
  }
  for (const text of [
    '',
    good + good,
    good.replace('-----END', ''),
    good.replace(/\n[A-Za-z0-9+/=]+\n-/, '\n-'),
    `${good}x`,
    'x'.repeat(20_000),
  ]) {
    assert.throws(() => parseSshSignature(text), { code: 'ssh-signature' })
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      const text = `-----BEGIN SSH SIGNATURE-----\n${Buffer.concat([Buffer.from('SSHSIG\0\0\0\x01', 'latin1'), noise]).toString('base64')}\n-----END SSH SIGNATURE-----\n`
      try {
        parseSshSignature(text)
      } catch (error) {
        assert.ok(error instanceof InputError)
      }
    }),
  )
})
