// Whether an SSH key made a signature: RFC 8032, 5656, 8332 for the algorithms, OpenSSH's PROTOCOL.u2f for keys in hardware. In a worker.
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { concatBytes } from '../../base/index.ts'
import { Fields, type SshSignature, sshSignedData } from '../format/ssh-signature.ts'

/** A key as threads hand it to each other. */
export interface SshVerifyKey {
  /** `ssh-ed25519`, … */
  readonly type: string
  /** SPKI, DER. */
  readonly der: Uint8Array
  /** Of keys in hardware. */
  readonly application: string | null
}

/** Keys in hardware say that somebody touched them. */
const touched = 1

/** As git has ssh-keygen do it: a signature for another purpose than git's, or by an algorithm that isn't the key's, is no good. */
export function verifySsh(sent: SshSignature, key: SshVerifyKey, payload: Uint8Array): boolean {
  if (sent.namespace !== 'git') return false
  const object = createPublicKey({ key: Buffer.from(key.der), format: 'der', type: 'spki' })
  const data = sshSignedData(sent, payload)
  try {
    if (key.application !== null) return verifyHardware(sent, key.type, object, key.application, data)
    return sent.rest.length === 0 && verifyPlain(sent.algorithm, key.type, object, data, sent.signature)
  } catch {
    return false // what the algorithm can't even read
  }
}

const rsaHashes: Readonly<Record<string, string>> = { 'rsa-sha2-256': 'sha256', 'rsa-sha2-512': 'sha512' }
const ecdsaHashes: Readonly<Record<string, string>> = {
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
}
const curveBytes: Readonly<Record<string, number>> = { 'ecdsa-sha2-nistp256': 32, 'ecdsa-sha2-nistp384': 48, 'ecdsa-sha2-nistp521': 66 }

function verifyPlain(algorithm: string, type: string, key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  if (type === 'ssh-rsa') {
    const hash = rsaHashes[algorithm]
    return hash !== undefined && verify(hash, data, key, signature)
  }
  if (algorithm !== type) return false
  if (type === 'ssh-ed25519') return verify(null, data, key, signature)
  const hash = ecdsaHashes[type]
  return hash !== undefined && verifyEcdsa(hash, curveBytes[type] as number, key, data, signature)
}

/** The token signs what it was told, and its own word of it: flags and a counter. */
function verifyHardware(sent: SshSignature, type: string, key: KeyObject, application: string, data: Uint8Array): boolean {
  const { algorithm, rest, signature } = sent
  if (algorithm !== type || rest.length !== 5 || ((rest[0] as number) & touched) === 0) return false
  const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest()
  const whole = concatBytes([sha256(application), rest, sha256(data)])
  if (type === 'sk-ssh-ed25519@openssh.com') return verify(null, whole, key, signature)
  return type === 'sk-ecdsa-sha2-nistp256@openssh.com' && verifyEcdsa('sha256', 32, key, whole, signature)
}

/** Two numbers (mpint), where node takes them side by side in their full length. */
function verifyEcdsa(hash: string, sizeBytes: number, key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  const fields = new Fields(signature)
  const [r, s] = [number(fields.take(), sizeBytes), number(fields.take(), sizeBytes)]
  if (r === null || s === null || fields.rest.length > 0) return false
  return verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, concatBytes([r, s]))
}

function number(bytes: Uint8Array, sizeBytes: number): Uint8Array | null {
  const plain = bytes[0] === 0 ? bytes.subarray(1) : bytes
  if (plain.length > sizeBytes) return null
  const whole = new Uint8Array(sizeBytes)
  whole.set(plain, sizeBytes - plain.length)
  return whole
}
