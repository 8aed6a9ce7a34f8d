// What of a commit or a tag is its signature, and what it signs: the object's bytes without it (gitformat-signature(5); git's commit.c
// `parse_buffer_signed_by_header` and gpg-interface.c `parse_signature`, whose reading is the one that counts). Pure.
import { concatBytes, latin1 } from '../../base/index.ts'
import type { ObjectFormat } from './object-id.ts'

const NEWLINE = 0x0a
const SPACE = 0x20

export interface SignedParts {
  /** One character for each byte. */
  readonly signature: string
  readonly payload: Uint8Array
}

/** Null: it isn't signed. Several headers are one signature after the other, as git takes them: none of them counts (verifySignature). */
export function signedCommit(bytes: Uint8Array, format: ObjectFormat): SignedParts | null {
  const { taken, left } = splitHeaders(bytes, format === 'sha1' ? 'gpgsig' : 'gpgsig-sha256')
  return taken.length === 0 ? null : { signature: taken.join(''), payload: left }
}

/** The same of a tag, whose signature is the end of its message. */
export function signedTag(bytes: Uint8Array, format: ObjectFormat): SignedParts | null {
  const at = signatureAt(bytes)
  if (at === bytes.length) return null
  const { left } = splitHeaders(bytes.subarray(0, at), format === 'sha1' ? 'gpgsig' : 'gpgsig-sha256')
  return { signature: latin1(bytes.subarray(at)), payload: left }
}

/** Signatures by the other hash (of a repository that has ids of both) are no part of what is signed. */
function splitHeaders(bytes: Uint8Array, header: string): { readonly taken: readonly string[]; readonly left: Uint8Array } {
  const taken: string[] = []
  const left: Uint8Array[] = []
  let into: 'signature' | 'nothing' | 'payload' = 'payload'
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === NEWLINE) {
      left.push(bytes.subarray(at))
      break
    }
    const end = bytes.indexOf(NEWLINE, at)
    const next = end === -1 ? bytes.length : end + 1
    const line = bytes.subarray(at, next)
    if (line[0] !== SPACE) into = kindOf(line, header)
    if (into === 'signature') taken.push(latin1(line.subarray(line[0] === SPACE ? 1 : header.length + 1)))
    else if (into === 'payload') left.push(line)
    at = next
  }
  return { taken, left: left.length === 1 ? (left[0] as Uint8Array) : concatBytes(left) }
}

const longestHeader = 'gpgsig-sha256 '.length

function kindOf(line: Uint8Array, header: string): 'signature' | 'nothing' | 'payload' {
  const start = latin1(line.subarray(0, longestHeader))
  if (!start.startsWith('gpgsig')) return 'payload'
  return start.startsWith(`${header} `) ? 'signature' : 'nothing'
}

export type SignatureKind = 'openpgp' | 'ssh' | 'x509'

const beginnings: readonly (readonly [string, SignatureKind])[] = [
  ['-----BEGIN PGP SIGNATURE-----', 'openpgp'],
  ['-----BEGIN PGP MESSAGE-----', 'openpgp'],
  ['-----BEGIN SSH SIGNATURE-----', 'ssh'],
  ['-----BEGIN SIGNED MESSAGE-----', 'x509'],
]

/** By its first line; null: none that git knows. */
export function signatureKind(signature: string): SignatureKind | null {
  return beginnings.find(([beginning]) => signature.startsWith(beginning))?.[1] ?? null
}

/** Where the last line stands that begins a signature; the length, where there is none. */
export function signatureAt(bytes: Uint8Array): number {
  let found = bytes.length
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === 0x2d && signatureKind(latin1(bytes.subarray(at, at + 40))) !== null) found = at
    const end = bytes.indexOf(NEWLINE, at)
    if (end === -1) break
    at = end + 1
  }
  return found
}
