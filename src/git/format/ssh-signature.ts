// Signatures by SSH keys (OpenSSH's PROTOCOL.sshsig): armored, over a digest of the message, for one purpose. Pure.
import { createHash } from 'node:crypto'
import { asBuffer, concatBytes, InputError, latin1, utf8 } from '../../base/index.ts'

export interface SshSignature {
  /** As it goes over the wire: what names the signer. */
  readonly publicKey: Uint8Array
  /** git's is `git`. */
  readonly namespace: string
  readonly hash: 'sha256' | 'sha512'
  /** `ssh-ed25519`, `rsa-sha2-512`, … */
  readonly algorithm: string
  readonly signature: Uint8Array
  /** Of keys in hardware: what stands behind the signature itself. */
  readonly rest: Uint8Array
}

const armor = /^-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)\r?\n-----END SSH SIGNATURE-----\s*$/
const magic = 'SSHSIG'
const mostCharacters = 16_384

/** InputError `ssh-signature`. */
export function parseSshSignature(text: string): SshSignature {
  const base64 = text.length > mostCharacters ? undefined : armor.exec(text)?.[1]?.replaceAll(/[\r\n]/g, '')
  if (base64 === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw malformed('no armored signature')
  const bytes = asBuffer(Buffer.from(base64, 'base64'))
  if (bytes.length < 10 || latin1(bytes.subarray(0, 6)) !== magic || bytes.readUInt32BE(6) !== 1) throw malformed('no SSHSIG of version 1')
  const outer = new Fields(bytes.subarray(10))
  const publicKey = outer.take()
  const namespace = latin1(outer.take())
  outer.take() // reserved
  const hash = latin1(outer.take())
  if (hash !== 'sha256' && hash !== 'sha512') throw malformed('an unknown hash')
  const inner = new Fields(outer.take())
  if (outer.rest.length > 0) throw malformed('something stands behind it')
  const algorithm = latin1(inner.take())
  return { publicKey, namespace, hash, algorithm, signature: inner.take(), rest: inner.rest }
}

/** What the key signs. */
export function sshSignedData({ namespace, hash }: Pick<SshSignature, 'namespace' | 'hash'>, message: Uint8Array): Uint8Array {
  const digest = createHash(hash).update(message).digest()
  return concatBytes([utf8(magic), field(utf8(namespace)), field(new Uint8Array(0)), field(utf8(hash)), field(digest)])
}

function field(bytes: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return concatBytes([length, bytes])
}

function malformed(why: string): InputError {
  return new InputError('ssh-signature', `not a signature of SSH: ${why}`)
}

/** Strings with their lengths before them (RFC 4251 §5). */
export class Fields {
  rest: Buffer

  constructor(bytes: Uint8Array) {
    this.rest = asBuffer(bytes)
  }

  take(): Uint8Array {
    const length = this.rest.length < 4 ? -1 : this.rest.readUInt32BE(0)
    if (length < 0 || this.rest.length < 4 + length) throw malformed('it ends early')
    const value = this.rest.subarray(4, 4 + length)
    this.rest = this.rest.subarray(4 + length)
    return value
  }
}
