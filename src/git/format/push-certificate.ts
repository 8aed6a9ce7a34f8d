// A push certificate (gitprotocol-pack(5), Push Certificate): headers, an empty line, the commands, and a signature over all of that.
//   certificate version 0.1 | pusher IDENT TIME ZONE | pushee URL | nonce NONCE | push-option TEXT …
// Invariant: nothing here is trusted. Whether the nonce is ours and whose the signature is, is decided elsewhere, over the same bytes.
import { asBuffer, InputError, latin1 } from '../../base/index.ts'
import { printable } from './capabilities.ts'

export interface PushCertificate {
  /** The whole certificate as it came, signature included: what the signer's tools and ours check. */
  readonly bytes: Uint8Array
  /** How many of the bytes are signed; all of them when there is no signature. */
  readonly payloadBytes: number
  readonly signature: 'openpgp' | 'x509' | 'ssh' | null
  readonly version: string | null
  readonly pusher: string | null
  /** Where the signer believed to push: a URL, as he had it. */
  readonly pushee: string | null
  readonly nonce: string | null
  readonly options: readonly string[]
  /** The lines between the empty line and the signature: `old SP new SP ref`. */
  readonly commands: readonly Uint8Array[]
}

/** Where a line begins with one of these, the signature begins (git's gpg-interface). */
const markers = [
  ['-----BEGIN PGP SIGNATURE-----', 'openpgp'],
  ['-----BEGIN PGP MESSAGE-----', 'openpgp'],
  ['-----BEGIN SIGNED MESSAGE-----', 'x509'],
  ['-----BEGIN SSH SIGNATURE-----', 'ssh'],
] as const

const newline = 0x0a

/** InputError `push-certificate` when there is no empty line behind the headers, as git refuses it. */
export function parsePushCertificate(bytes: Uint8Array): PushCertificate {
  const { at: payloadBytes, kind: signature } = findSignature(bytes)
  const headersEnd = asBuffer(bytes).indexOf('\n\n')
  if (headersEnd < 0) throw new InputError('push-certificate', `malformed push certificate ${printable(latin1(bytes.subarray(0, 100)))}`)
  const headers = asBuffer(bytes.subarray(0, headersEnd)).toString('utf8').split('\n')
  const header = (name: string) => headers.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? null
  return {
    bytes,
    payloadBytes,
    signature,
    version: header('certificate version'),
    pusher: header('pusher'),
    pushee: header('pushee'),
    nonce: header('nonce'),
    options: headers.filter((line) => line.startsWith('push-option ')).map((line) => line.slice('push-option '.length)),
    commands: [...lines(bytes, headersEnd + 2, payloadBytes)],
  }
}

/** The last line that begins a signature. */
function findSignature(bytes: Uint8Array): { at: number; kind: PushCertificate['signature'] } {
  let found: { at: number; kind: PushCertificate['signature'] } = { at: bytes.length, kind: null }
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === 0x2d) {
      const line = latin1(bytes.subarray(at, at + 40))
      const marker = markers.find(([text]) => line.startsWith(text))
      if (marker) found = { at, kind: marker[1] }
    }
    const end = bytes.indexOf(newline, at)
    at = end < 0 ? bytes.length : end + 1
  }
  return found
}

function* lines(bytes: Uint8Array, from: number, to: number): Generator<Uint8Array, void, undefined> {
  for (let at = from; at < to; ) {
    const found = bytes.indexOf(newline, at)
    const end = found < 0 || found > to ? to : found
    yield bytes.subarray(at, end)
    at = end + 1
  }
}
