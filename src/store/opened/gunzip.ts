// A gzip stream taken apart as it comes: headers, deflate streams, what those hold, and what stands behind the last member. Checks each member's sum and size (RFC 1952).
import { once } from 'node:events'
import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib'
import { asBuffer, InputError } from '../../base/index.ts'
import { ByteInput } from './byte-input.ts'
import { type GzipHeader, mostGzipHeaderBytes, parseGzipHeader } from './format/gzip-header.ts'

export type GunzipPiece =
  | { readonly kind: 'header'; readonly header: GzipHeader; readonly bytes: Uint8Array }
  /** Of a member's deflate stream; comes before what it holds. */
  | { readonly kind: 'deflated'; readonly bytes: Uint8Array }
  | { readonly kind: 'plain'; readonly bytes: Uint8Array }
  | { readonly kind: 'trailing'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }

/** Inflated at once, 33 MiB at worst. */
const stepBytes = 32 << 10
const trailerBytes = 8

/** InputError 'gzip-damaged' where it is no gzip stream, or not a whole one. Pieces are good until the next is asked for. */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<GunzipPiece, void, undefined> {
  const input = new ByteInput(source)
  let members = 0
  try {
    for (;;) {
      const header = await readHeader(input)
      if (header === null) break
      yield { kind: 'header', header, bytes: await input.take(header.sizeBytes) }
      yield* inflateMember(input)
      members++
      yield { kind: 'end' }
    }
    if (members === 0) throw damaged('has no header')
    for (let bytes = await input.some(); bytes !== null; bytes = await input.some()) yield { kind: 'trailing', bytes }
  } finally {
    await input.end()
  }
}

async function readHeader(input: ByteInput): Promise<GzipHeader | null> {
  for (let bytes = 16; ; bytes *= 2) {
    const seen = await input.look(bytes)
    const header = parseGzipHeader(seen)
    if (header !== 'more') return header
    if (seen.length < bytes || bytes > 2 * mostGzipHeaderBytes) return null
  }
}

async function* inflateMember(input: ByteInput): AsyncGenerator<GunzipPiece, void, undefined> {
  const inflating = new Inflating()
  let sum = 0
  let sizeBytes = 0
  try {
    while (!inflating.hasEnded) {
      const bytes = await input.some(stepBytes)
      if (bytes === null) throw damaged('ends within a member')
      const { plain, used } = await inflating.push(bytes)
      input.giveBack(bytes.subarray(used))
      if (used > 0) yield { kind: 'deflated', bytes: bytes.subarray(0, used) }
      for (const piece of plain) {
        sum = crc32(piece, sum)
        sizeBytes += piece.length
        yield { kind: 'plain', bytes: piece }
      }
    }
  } finally {
    inflating.close()
  }
  const trailer = asBuffer(await input.take(trailerBytes))
  if (trailer.length < trailerBytes || trailer.readUInt32LE(0) !== sum || trailer.readUInt32LE(4) !== sizeBytes % 2 ** 32)
    throw damaged('has a wrong sum')
}

/** One raw deflate stream. */
class Inflating {
  readonly #inflate: InflateRaw = createInflateRaw({ chunkSize: 256 << 10 })
  #plain: Uint8Array[] = []
  #error: Error | null = null
  hasEnded = false

  constructor() {
    this.#inflate.on('data', (bytes: Uint8Array) => this.#plain.push(bytes))
    this.#inflate.on('end', () => (this.hasEnded = true))
    this.#inflate.on('error', (error) => (this.#error = error))
  }

  /** What the bytes hold, and how many of them belong to the stream: fewer than all only where it has ended. */
  async push(bytes: Uint8Array): Promise<{ readonly plain: readonly Uint8Array[]; readonly used: number }> {
    const before = this.#inflate.bytesWritten
    await new Promise<void>((resolve) => {
      this.#inflate.once('close', resolve)
      this.#inflate.write(bytes, () => {
        this.#inflate.off('close', resolve)
        resolve()
      })
    })
    const used = this.#inflate.bytesWritten - before
    if (used < bytes.length && !this.hasEnded && this.#error === null)
      await Promise.race([once(this.#inflate, 'end'), once(this.#inflate, 'close')])
    if (this.#error !== null) throw damaged('cannot be inflated')
    const plain = this.#plain
    this.#plain = []
    return { plain, used }
  }

  close(): void {
    this.#inflate.destroy()
  }
}

function damaged(what: string): InputError {
  return new InputError('gzip-damaged', `the gzip stream ${what}`)
}
