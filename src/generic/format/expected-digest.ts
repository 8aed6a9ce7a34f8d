// What a client says that the bytes are which it sends: Content-Digest (RFC 9530), or x-checksum-sha256 in hexadecimal.
import { InputError } from '../../base/index.ts'

export interface SaidDigest {
  readonly algorithm: 'sha256' | 'sha512'
  readonly digest: Uint8Array
}

/** Null: nothing is said. SHA-256 goes before SHA-512; other digests are passed over. InputError 'bad-digest'. */
export function expectedDigest(headers: Readonly<Record<string, unknown>>): SaidDigest | null {
  const { 'x-checksum-sha256': hexadecimal, 'content-digest': structured = '' } = headers
  if (hexadecimal !== undefined) {
    const isWhole = /^[0-9a-f]{64}$/i.test(String(hexadecimal))
    return sized('sha256', Buffer.from(isWhole ? String(hexadecimal) : '', 'hex'), 32)
  }
  const said = new Map([...String(structured).matchAll(/([\w-]+)=:([A-Za-z0-9+/=]*):/g)].map(([, name, text]) => [name, text]))
  const [sha256, sha512] = [said.get('sha-256'), said.get('sha-512')]
  if (sha256 !== undefined) return sized('sha256', Buffer.from(sha256, 'base64'), 32)
  if (sha512 !== undefined) return sized('sha512', Buffer.from(sha512, 'base64'), 64)
  if (structured !== '' && said.size === 0) throw new InputError('bad-digest', 'Content-Digest looks like this: sha-256=:BASE64:')
  return null
}

function sized(algorithm: SaidDigest['algorithm'], digest: Uint8Array, length: number): SaidDigest {
  if (digest.length !== length) throw new InputError('bad-digest', `A ${algorithm} has ${length} bytes, in hexadecimal digits or base64`)
  return { algorithm, digest }
}
