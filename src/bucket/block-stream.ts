// A range of a value in order, in windows of 4 MiB that are made of pieces of 1 MiB: each from the disk cache, else from the bucket with
// one request for each gap. What was fetched is kept on the disk, nothing in memory. Pieces, and not the blocks of reads, because the
// work for a file of the cache hardly depends on its size: 143 MB kept as 256 KiB files took four times the processor time of 1 MiB files.
// Invariant: streams that are held up by their consumers take 8 MiB each only while there are few; further ones take a piece each.
import type { Bucket, ByteRange, Key } from './bucket.ts'
import type { DiskBlocks } from './disk-blocks.ts'
import { assertRange, throwIfAborted } from './errors.ts'
import type { BlockCounts } from './memory-blocks.ts'

const windowBytes = 4 << 20
/** So many streams of one reader have whole windows, one read ahead. */
const mostWide = 16
/** Pieces are cut at multiples of this, and where a range starts or ends. */
export const pieceBytes = 1 << 20

/** Names a piece on disk: its place is part of the name, so a cut piece at the end of a pack is found by the next stream of that pack. */
export function pieceName(key: Key, from: number, until: number): string {
  return `stream ${key} ${from}-${until}`
}

export interface StreamLayers {
  readonly bucket: Bucket
  readonly disk: DiskBlocks | null
  readonly counts: BlockCounts
  /** Streams that have whole windows. */
  readonly wide: { count: number }
}

interface Piece {
  readonly from: number
  readonly until: number
}

export class BlockStream implements AsyncIterable<Uint8Array> {
  readonly #layers: StreamLayers
  readonly #key: Key
  readonly #range: ByteRange
  readonly #signal: AbortSignal | undefined

  constructor(layers: StreamLayers, key: Key, range: ByteRange, signal: AbortSignal | undefined) {
    this.#layers = layers
    this.#key = key
    this.#range = range
    this.#signal = signal
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    assertRange(this.#key, this.#range)
    throwIfAborted(this.#signal)
    const { offset, sizeBytes } = this.#range
    const end = offset + sizeBytes
    // Also a range of nothing asks whether the value is there.
    if (sizeBytes === 0) return void (await this.#layers.bucket.get(this.#key, this.#range, this.#signal))
    const stop = new AbortController()
    const stopNow = (): void => stop.abort(this.#signal?.reason)
    this.#signal?.addEventListener('abort', stopNow, { once: true })
    let next: Promise<Uint8Array> | null = null
    const { wide } = this.#layers
    let isWide = false
    try {
      for (let at = offset; at < end; ) {
        if (!isWide && wide.count < mostWide) {
          isWide = true
          wide.count++
        }
        const sizeBytes = isWide ? windowBytes : pieceBytes
        const window: Uint8Array = await (next ?? this.#window(at, end, sizeBytes, stop.signal))
        at += window.length
        next = at < end && isWide ? this.#window(at, end, sizeBytes, stop.signal) : null
        next?.catch(() => {}) // awaited above, unless the consumer leaves first
        yield window
        throwIfAborted(this.#signal)
      }
    } finally {
      if (isWide) wide.count--
      this.#signal?.removeEventListener('abort', stopNow)
      stop.abort()
    }
  }

  /** From `start` to the next multiple of the size, or the end. */
  async #window(start: number, end: number, sizeBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    const stop = Math.min(end, nextMultiple(start, sizeBytes))
    const pieces: Piece[] = []
    for (let from = start; from < stop; ) {
      const until = Math.min(stop, nextMultiple(from, pieceBytes))
      pieces.push({ from, until })
      from = until
    }
    const found = await Promise.all(pieces.map((piece) => this.#fromDisk(piece)))
    // Nothing cached, which is the first time: the answer itself is handed out, uncopied.
    if (found.every((bytes) => bytes === null)) return this.#fetch(pieces, signal)
    const out = new Uint8Array(Buffer.allocUnsafeSlow(stop - start).buffer)
    for (let at = 0; at < pieces.length; ) {
      let last = at
      while (found[at] === null && found[last + 1] === null) last++
      const bytes = found[at] ?? (await this.#fetch(pieces.slice(at, last + 1), signal))
      out.set(bytes, (pieces[at] as Piece).from - start)
      at = last + 1
    }
    return out
  }

  async #fromDisk({ from, until }: Piece): Promise<Uint8Array | null> {
    const bytes = (await this.#layers.disk?.get(pieceName(this.#key, from, until))) ?? null
    if (bytes === null || bytes.length !== until - from) return null
    this.#layers.counts.disk++
    return bytes
  }

  /** Neighbouring pieces with one request. */
  async #fetch(pieces: readonly Piece[], signal: AbortSignal): Promise<Uint8Array> {
    const start = (pieces[0] as Piece).from
    const sizeBytes = (pieces.at(-1) as Piece).until - start
    const bytes = await this.#layers.bucket.get(this.#key, { offset: start, sizeBytes }, signal)
    this.#layers.counts.bucket += pieces.length
    for (const { from, until } of pieces) {
      // A copy: the consumer may change what it gets before this is written.
      this.#layers.disk?.set(pieceName(this.#key, from, until), bytes.slice(from - start, until - start))
    }
    return bytes
  }
}

function nextMultiple(after: number, of: number): number {
  return (Math.floor(after / of) + 1) * of
}
