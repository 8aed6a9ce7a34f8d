// Base64 in lines, as GitHub has contents in its documents.
import { asBuffer } from '../../base/index.ts'

const lineBytes = 45
const newline = '\n'.charCodeAt(0)

/** As text. */
export function base64Lines(bytes: Uint8Array): string {
  return Buffer.from(linesOf(bytes, [newline])).toString('latin1')
}

/** The same as it stands in a JSON string: line ends escaped. In memory of its own. */
export function base64Json(bytes: Uint8Array): Uint8Array {
  return linesOf(bytes, [...Buffer.from('\\n', 'latin1')])
}

function linesOf(bytes: Uint8Array, lineEnd: readonly number[]): Uint8Array {
  const source = asBuffer(bytes)
  const lines = Math.ceil(bytes.length / lineBytes)
  const out = Buffer.from(new ArrayBuffer(Math.ceil(bytes.length / 3) * 4 + lines * lineEnd.length))
  let at = 0
  for (let from = 0; from < bytes.length; from += lineBytes) {
    at += out.write(source.toString('base64', from, Math.min(from + lineBytes, bytes.length)), at, 'latin1')
    for (const byte of lineEnd) out[at++] = byte
  }
  return new Uint8Array(out.buffer, 0, at)
}
