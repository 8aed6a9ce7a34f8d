// A document's text as bytes, packed as clients take it. A long one is never whole in memory as text, and holds up nothing else: it is made and packed in pieces,
// the packing in zlib's own threads.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { constants, createBrotliCompress, createGzip } from 'node:zlib'
import { concatBytes, InputError, utf8 } from '../../base/index.ts'
import type { Coding } from '../format/accept.ts'

const pieceLength = 64 << 10
/** Of one document, as it is sent: many thousands of versions. */
const mostBytes = 64 << 20

/** InputError 'document-large'. */
export async function packed(text: AsyncIterable<string>, coding: Coding): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  const take = (part: Uint8Array): void => {
    parts.push(part)
    sizeBytes += part.length
    if (sizeBytes > mostBytes) throw new InputError('document-large', 'The package has too many versions for one document; ask for each')
  }
  if (coding === 'identity') {
    for await (const piece of pieces(text)) {
      take(piece)
      await turn()
    }
  } else {
    await pipeline(Readable.from(pieces(text), { highWaterMark: 1 }), packer(coding), async (source: AsyncIterable<Buffer>) => {
      for await (const part of source) take(part)
    })
  }
  return concatBytes(parts)
}

/** Brotli at 5 takes as long as gzip at 6 and makes a tenth less of it. */
function packer(coding: 'gzip' | 'br') {
  if (coding === 'gzip') return createGzip({ level: 6 })
  return createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })
}

async function* pieces(text: AsyncIterable<string>): AsyncGenerator<Uint8Array, void, undefined> {
  let gathered = ''
  for await (const part of text) {
    gathered += part
    if (gathered.length < pieceLength) continue
    yield utf8(gathered)
    gathered = ''
  }
  if (gathered !== '') yield utf8(gathered)
}
