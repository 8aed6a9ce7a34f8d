// SSH public keys: lines as OpenSSH writes them (`ssh-ed25519 AAAA… comment`, sshd(8) AUTHORIZED_KEYS FILE FORMAT), and the blobs in them (RFC 4253
// §6.6, RFC 5656 §3.1, RFC 8709 §4, OpenSSH's PROTOCOL.u2f). Bytes in, values out. What is weak isn't taken: DSA, and RSA below 2048 bits.
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { asBuffer, InputError, latin1 } from '../base/index.ts'

export const sshKeyTypes = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
] as const
export type SshKeyType = (typeof sshKeyTypes)[number]

export interface SshPublicKey {
  readonly type: SshKeyType
  /** As it goes over the wire. */
  readonly blob: Uint8Array
  /** SHA-256 of the blob: what `ssh-keygen -l` shows. */
  readonly fingerprint: Uint8Array
  /** Checks signatures; of an `sk-` key those of the token within (`application` is what they are bound to). */
  readonly key: KeyObject
  readonly application: string | null
}

/** Longer than any line of a key that is taken. */
const mostLineCharacters = 16_384
const rsaBits = { least: 2048, most: 16_384 }
const notAKey =
  'The key is not one in OpenSSH’s form: one line such as “ssh-ed25519 AAAA… comment”, the content of a file that ends in .pub'

/** The key of one line, and what stands behind it. InputError `bad-key` or `weak-key`, which say what would do. */
export function parseSshKeyLine(line: string): { readonly key: SshPublicKey; readonly comment: string } {
  const text = line.trim()
  if (/-----BEGIN|PRIVATE KEY/.test(text)) {
    throw new InputError('bad-key', 'This is not a public key. If it is a private one: whoever has seen it can use it; make another one')
  }
  const match = /^([a-z0-9@.-]{1,64})[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t]+([^\r\n]*))?$/.exec(text)
  if (text.length > mostLineCharacters || match === null) throw new InputError('bad-key', notAKey)
  const [, type = '', base64 = '', comment = ''] = match
  const blob = new Uint8Array(Buffer.from(base64, 'base64'))
  const key = decodeSshKey(blob)
  if (key.type !== type) throw new InputError('bad-key', notAKey)
  return { key, comment: comment.trim() }
}

/** `ssh-ed25519 AAAA…`, without a comment. */
export function formatSshKey({ type, blob }: Pick<SshPublicKey, 'type' | 'blob'>): string {
  return `${type} ${asBuffer(blob).toString('base64')}`
}

/** `SHA256:…`, as OpenSSH shows it. */
export function formatFingerprint(fingerprint: Uint8Array): string {
  return `SHA256:${asBuffer(fingerprint).toString('base64').replace(/=+$/, '')}`
}

export function fingerprintOf(blob: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(blob).digest())
}

/** The key in a blob. InputError `bad-key` or `weak-key`. */
export function decodeSshKey(blob: Uint8Array): SshPublicKey {
  const fields = new Fields(blob)
  const type = latin1(fields.take())
  const { key, application = null } = keyOf(type, fields)
  fields.end()
  return { type: type as SshKeyType, blob, fingerprint: fingerprintOf(blob), key, application }
}

function keyOf(type: string, fields: Fields): { key: KeyObject; application?: string } {
  switch (type) {
    case 'ssh-ed25519':
      return { key: ed25519Key(fields.take()) }
    case 'sk-ssh-ed25519@openssh.com':
      return { key: ed25519Key(fields.take()), application: latin1(fields.take()) }
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return { key: ecdsaKey(type.slice('ecdsa-sha2-'.length), fields) }
    case 'sk-ecdsa-sha2-nistp256@openssh.com':
      return { key: ecdsaKey('nistp256', fields), application: latin1(fields.take()) }
    case 'ssh-rsa':
      return { key: rsaKey(fields.takeNumber(), fields.takeNumber()) }
    case 'ssh-dss':
      throw new InputError('weak-key', 'DSA keys are not taken: they are too weak. Make an Ed25519 key: ssh-keygen -t ed25519')
    default:
      if (type.includes('-cert-v')) throw new InputError('bad-key', 'This is a certificate; give the public key that it is about')
      throw new InputError('bad-key', `${notAKey}. Types: ${sshKeyTypes.join(', ')}`)
  }
}

function ed25519Key(point: Uint8Array): KeyObject {
  if (point.length !== 32) throw new InputError('bad-key', notAKey)
  return importKey({ kty: 'OKP', crv: 'Ed25519', x: base64Url(point) })
}

const curves: Readonly<Record<string, { readonly crv: string; readonly sizeBytes: number }>> = {
  nistp256: { crv: 'P-256', sizeBytes: 32 },
  nistp384: { crv: 'P-384', sizeBytes: 48 },
  nistp521: { crv: 'P-521', sizeBytes: 66 },
}

function ecdsaKey(name: string, fields: Fields): KeyObject {
  const curve = curves[name]
  const said = latin1(fields.take())
  const point = fields.take()
  // uncompressed: 4, x, y (SEC 1 §2.3.3)
  if (!curve || said !== name || point.length !== 1 + 2 * curve.sizeBytes || point[0] !== 4) throw new InputError('bad-key', notAKey)
  const x = base64Url(point.subarray(1, 1 + curve.sizeBytes))
  return importKey({ kty: 'EC', crv: curve.crv, x, y: base64Url(point.subarray(1 + curve.sizeBytes)) })
}

function rsaKey(exponent: Uint8Array, modulus: Uint8Array): KeyObject {
  const bits = modulus.length === 0 ? 0 : modulus.length * 8 - Math.clz32(modulus[0] as number) + 24
  if (bits < rsaBits.least) {
    const better = 'make an Ed25519 key (ssh-keygen -t ed25519) or a longer one (ssh-keygen -t rsa -b 3072)'
    throw new InputError('weak-key', `RSA keys have at least ${rsaBits.least} bits here, this one has ${bits}: ${better}`)
  }
  if (bits > rsaBits.most) throw new InputError('bad-key', `RSA keys have at most ${rsaBits.most} bits here`)
  // a long exponent makes every check of a signature slow
  const isOdd = ((exponent.at(-1) ?? 0) & 1) === 1
  if (!isOdd || exponent.length > 8 || (exponent.length === 1 && exponent[0] === 1)) throw new InputError('bad-key', notAKey)
  return importKey({ kty: 'RSA', n: base64Url(modulus), e: base64Url(exponent) })
}

function importKey(key: Record<string, string>): KeyObject {
  try {
    return createPublicKey({ key, format: 'jwk' })
  } catch (cause) {
    throw new InputError('bad-key', notAKey, { cause }) // a point that is not on its curve
  }
}

function base64Url(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64url')
}

/** Strings with their lengths before them (RFC 4251 §5), one after the other. */
class Fields {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = asBuffer(bytes)
  }

  take(): Uint8Array {
    const start = this.#at + 4
    if (start > this.#bytes.length) throw new InputError('bad-key', notAKey)
    const end = start + this.#bytes.readUInt32BE(this.#at)
    if (end > this.#bytes.length) throw new InputError('bad-key', notAKey)
    this.#at = end
    return this.#bytes.subarray(start, end)
  }

  /** A positive number, big end first, without the zero before it (RFC 4251 §5 mpint, which has one form for each number). */
  takeNumber(): Uint8Array {
    const bytes = this.take()
    const [first = 0x80, second = 0] = bytes
    if (first >= 0x80 || (first === 0 && second < 0x80)) throw new InputError('bad-key', notAKey)
    return first === 0 ? bytes.subarray(1) : bytes
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new InputError('bad-key', notAKey)
  }
}
