// Digests as the protocol writes them (image-spec descriptor.md, Digests): `sha256:` and 64 hex digits, `sha512:` and 128, in lower case.
import { fromHex, hex } from '../../base/index.ts'
import { ociError } from './errors.ts'

export type DigestAlgorithm = 'sha256' | 'sha512'

/** Of a blob or a manifest. */
export interface OciDigest {
  readonly algorithm: DigestAlgorithm
  /** 32 or 64, as the database keeps them. */
  readonly bytes: Uint8Array
  /** `sha256:…` */
  readonly text: string
}

const shape = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

export function isDigest(text: string): boolean {
  return shape.test(text)
}

/** Null where it is none, or of an algorithm that isn't taken. */
export function parseDigest(text: string): OciDigest | null {
  if (!shape.test(text)) return null
  const algorithm = text.slice(0, 6) as DigestAlgorithm
  return { algorithm, bytes: fromHex(text.slice(7)), text }
}

/** Its bytes; null where it is none. */
export function parseDigestBytes(text: string): Uint8Array | null {
  return parseDigest(text)?.bytes ?? null
}

/** InputError 'digest-invalid'. */
export function assertDigest(text: unknown): OciDigest {
  const digest = typeof text === 'string' ? parseDigest(text) : null
  if (digest === null) throw ociError('digest-invalid', 'a digest is sha256: and 64, or sha512: and 128 hexadecimal digits in lower case')
  return digest
}

/** Of 32 or 64 bytes. */
export function digestText(bytes: Uint8Array): string {
  if (bytes.length !== 32 && bytes.length !== 64) throw new RangeError(`a digest has 32 or 64 bytes, not ${bytes.length}`)
  return `${bytes.length === 32 ? 'sha256' : 'sha512'}:${hex(bytes)}`
}

/** Of 32 or 64 bytes. */
export function digestNamed(bytes: Uint8Array): OciDigest {
  return { algorithm: bytes.length === 32 ? 'sha256' : 'sha512', bytes, text: digestText(bytes) }
}

/** InputError 'digest-invalid' for what isn't taken. */
export function assertAlgorithm(text: unknown): DigestAlgorithm {
  if (text === 'sha256' || text === 'sha512') return text
  throw ociError('digest-invalid', 'digest-algorithm must be sha256 or sha512')
}
