// Signatures of a login: good ones of each type, and none of the others.
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { test } from 'node:test'
import { decodeSshKey, type SshKeyType } from '../access/index.ts'
import { isSignatureGood } from './user-signature.ts'

function string(bytes: Uint8Array | string): Buffer {
  const body = Buffer.from(bytes as string)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body])
}

const signed = Buffer.from('the session, and who asks for what')
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest()

function jwk(key: KeyObject): { x: Buffer; y: Buffer; n: Buffer; e: Buffer } {
  const { x = '', y = '', n = '', e = '' } = key.export({ format: 'jwk' })
  const bytes = (text: string) => Buffer.from(text, 'base64url')
  return { x: bytes(x), y: bytes(y), n: bytes(n), e: bytes(e) }
}

const blobOf = (type: string, ...fields: (Uint8Array | string)[]) => decodeSshKey(Buffer.concat([string(type), ...fields.map(string)]))

function pointKey(type: SshKeyType, curve: string, namedCurve: string, ...more: string[]) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  const { x, y } = jwk(publicKey)
  return { privateKey, key: blobOf(type, curve, Buffer.concat([Buffer.from([4]), x, y]), ...more) }
}

test('Ed25519, ECDSA and RSA, and nothing that was changed', () => {
  const ed = generateKeyPairSync('ed25519')
  const edKey = blobOf('ssh-ed25519', jwk(ed.publicKey).x)
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { e, n } = jwk(rsa.publicKey)
  const rsaKey = blobOf('ssh-rsa', e, Buffer.concat([Buffer.from([0]), n]))
  const p256 = pointKey('ecdsa-sha2-nistp256', 'nistp256', 'P-256')
  const p521 = pointKey('ecdsa-sha2-nistp521', 'nistp521', 'P-521')
  const cases = [
    { key: edKey, hash: undefined, signature: sign(null, signed, ed.privateKey) },
    { key: rsaKey, hash: 'sha256', signature: sign('sha256', signed, rsa.privateKey) },
    { key: rsaKey, hash: 'sha512', signature: sign('sha512', signed, rsa.privateKey) },
    { key: p256.key, hash: undefined, signature: sign('sha256', signed, p256.privateKey) },
    { key: p521.key, hash: undefined, signature: sign('sha512', signed, p521.privateKey) },
  ]
  for (const { key, ...given } of cases) {
    assert.ok(isSignatureGood(key, { ...given, signed }), key.type)
    assert.ok(!isSignatureGood(key, { ...given, signed: Buffer.from('another session') }), key.type)
    assert.ok(!isSignatureGood(key, { ...given, signed, signature: given.signature.subarray(1) }), key.type)
    assert.ok(!isSignatureGood(key, { ...given, signed, signature: Buffer.alloc(0) }), key.type)
  }
  // SHA-1, by the name that means it and by one that doesn't exist
  for (const hash of [undefined, 'sha1', 'md5']) {
    assert.ok(!isSignatureGood(rsaKey, { signed, hash, signature: sign('sha1', signed, rsa.privateKey) }))
  }
})

test('security keys: what their token signs, with somebody there', () => {
  const ed = generateKeyPairSync('ed25519')
  const edKey = blobOf('sk-ssh-ed25519@openssh.com', jwk(ed.publicKey).x, 'ssh:')
  const p256 = pointKey('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', 'P-256', 'ssh:')
  const about = (flags: number) => Buffer.from([flags, 0, 0, 0, 7])
  const message = (flags: number, application = 'ssh:') => Buffer.concat([sha256(application), about(flags), sha256(signed)])
  const byEd = (flags: number, application?: string) =>
    Buffer.concat([sign(null, message(flags, application), ed.privateKey), about(flags)])
  const byPoint = (flags: number) => {
    const raw = sign('sha256', message(flags), { key: p256.privateKey, dsaEncoding: 'ieee-p1363' })
    const mpint = (bytes: Buffer) => string((bytes[0] as number) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : trimmed(bytes))
    return Buffer.concat([mpint(raw.subarray(0, 32)), mpint(raw.subarray(32)), about(flags)])
  }
  const good = (key: typeof edKey, signature: Buffer) => isSignatureGood(key, { signed, signature, hash: undefined })
  assert.ok(good(edKey, byEd(1)))
  assert.ok(good(p256.key, byPoint(5)))
  assert.ok(!good(edKey, byEd(0)), 'nobody touched it')
  assert.ok(!good(p256.key, byPoint(4)), 'nobody touched it')
  assert.ok(!good(edKey, byEd(1, 'https:')), 'of another application')
  for (const length of [0, 3, 5, 20]) {
    assert.ok(!good(edKey, byEd(1).subarray(0, length)))
    assert.ok(!good(p256.key, byPoint(1).subarray(0, length)))
  }
})

function trimmed(bytes: Buffer): Buffer {
  let at = 0
  while (bytes[at] === 0 && (bytes[at + 1] ?? 0x80) < 0x80) at++
  return bytes.subarray(at)
}
