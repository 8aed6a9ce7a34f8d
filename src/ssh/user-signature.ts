// Whether whoever logs in holds the key that he names (RFC 4252 §7, RFC 8332, RFC 8709 §6, OpenSSH's PROTOCOL.u2f).
import { createHash, type KeyObject, verify } from 'node:crypto'
import type { SshPublicKey } from '../access/index.ts'
import { asBuffer } from '../base/index.ts'

export interface UserSignature {
  /** What was signed: the connection, and what is asked for in it. */
  readonly signed: Uint8Array
  /** Without its name. Of ECDSA as DER, as ssh2 makes it. */
  readonly signature: Uint8Array
  /** Of RSA: `sha256` or `sha512`. Without it the client signs by SHA-1. */
  readonly hash: string | undefined
}

const ecdsaHashes = {
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
} as const

/** False for whatever isn't right, malformed signatures and SHA-1 among it. */
export function isSignatureGood({ application, key, type }: SshPublicKey, { hash, signature, signed }: UserSignature): boolean {
  switch (type) {
    case 'ssh-ed25519':
      return isGood(null, signed, key, signature)
    case 'ssh-rsa':
      return (hash === 'sha256' || hash === 'sha512') && isGood(hash, signed, key, signature)
    case 'sk-ssh-ed25519@openssh.com':
    case 'sk-ecdsa-sha2-nistp256@openssh.com':
      return isTokenSignatureGood(type, key, application ?? '', signed, signature)
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return isGood(ecdsaHashes[type], signed, key, signature)
  }
}

function isGood(hash: string | null, signed: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(hash, signed, key, signature)
  } catch {
    return false // OpenSSL throws at what isn't even one
  }
}

/** A security key signs the application, its flags, its counter and the hash of what is to be signed. */
function isTokenSignatureGood(type: string, key: KeyObject, application: string, signed: Uint8Array, signature: Uint8Array): boolean {
  const bytes = asBuffer(signature)
  const isEd25519 = type === 'sk-ssh-ed25519@openssh.com'
  // flags (1) and counter (4) stand behind the signature proper
  const end = bytes.length - 5
  const own = isEd25519 ? bytes.subarray(0, end) : stringsAsDer(bytes.subarray(0, Math.max(0, end)))
  if (end < 0 || own === null) return false
  const flags = bytes[end] as number
  const isUserPresent = (flags & 1) === 1
  const message = Buffer.concat([digest(application), bytes.subarray(end), digest(signed)])
  return isUserPresent && isGood(isEd25519 ? null : 'sha256', message, key, own)
}

function digest(bytes: Uint8Array | string): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** Two mpints, each behind its length, as a DER sequence; null when they are none. */
function stringsAsDer(bytes: Buffer): Buffer | null {
  const parts: Buffer[] = []
  let at = 0
  while (at < bytes.length) {
    if (at + 4 > bytes.length) return null
    const end = at + 4 + bytes.readUInt32BE(at)
    const value = bytes.subarray(at + 4, end)
    if (end > bytes.length || value.length === 0 || value.length > 33) return null
    parts.push(Buffer.concat([Buffer.from([2, value.length]), value]))
    at = end
  }
  const body = Buffer.concat(parts)
  return parts.length === 2 ? Buffer.concat([Buffer.from([0x30, body.length]), body]) : null
}
