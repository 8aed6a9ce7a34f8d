// A range of a value in order, in windows: each block of a window from memory (without counting as a use), else from the disk cache,
// else from the bucket with one request for each gap. Whole blocks that were fetched are kept on the disk, none in memory.
import type { Bucket, ByteRange, Key } from './bucket.ts'
import type { DiskBlocks } from './disk-blocks.ts'
import { assertRange, throwIfAborted } from './errors.ts'
import { type BlockCounts, blockName } from './memory-blocks.ts'

const windowBytes = 4 << 20

export interface BlockLayers {
  readonly bucket: Bucket
  readonly disk: DiskBlocks | null
  readonly peek: (name: string) => Uint8Array | undefined
  readonly counts: BlockCounts
}

export class BlockStream implements AsyncIterable<Uint8Array> {
  readonly #layers: BlockLayers
  readonly #blockBytes: number
  readonly #key: Key
  readonly #range: ByteRange
  readonly #signal: AbortSignal | undefined

  constructor(layers: BlockLayers, blockBytes: number, key: Key, range: ByteRange, signal: AbortSignal | undefined) {
    this.#layers = layers
    this.#blockBytes = blockBytes
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
    try {
      for (let at = offset; at < end; ) {
        const window: Uint8Array = await (next ?? this.#window(at, end, stop.signal))
        at += window.length
        next = at < end ? this.#window(at, end, stop.signal) : null
        next?.catch(() => {}) // awaited above, unless the consumer leaves first
        yield window
        throwIfAborted(this.#signal)
      }
    } finally {
      this.#signal?.removeEventListener('abort', stopNow)
      stop.abort()
    }
  }

  /** From `start` to the next multiple of the window's size, or the end. */
  async #window(start: number, end: number, signal: AbortSignal): Promise<Uint8Array> {
    const stop = Math.min(end, (Math.floor(start / windowBytes) + 1) * windowBytes)
    const out = new Uint8Array(Buffer.allocUnsafeSlow(stop - start).buffer)
    const firstBlock = Math.floor(start / this.#blockBytes)
    const lastBlock = Math.floor((stop - 1) / this.#blockBytes)
    const numbers = Array.from({ length: lastBlock - firstBlock + 1 }, (_, at) => firstBlock + at)
    const found = await Promise.all(numbers.map((number) => this.#near(number, start, stop, out)))
    for (let at = 0; at < numbers.length; at++) {
      if (found[at] === true) continue
      let last = at
      while (last + 1 < numbers.length && found[last + 1] !== true) last++
      await this.#fetch(numbers[at] as number, numbers[last] as number, start, stop, out, signal)
      at = last
    }
    return out
  }

  /** Copies a block's part of the window into it, if memory or disk has it. */
  async #near(number: number, start: number, stop: number, out: Uint8Array): Promise<boolean> {
    const name = blockName(this.#key, this.#blockBytes, number)
    const inMemory = this.#layers.peek(name)
    const block = inMemory ?? (await this.#layers.disk?.get(name))
    const from = Math.max(start, number * this.#blockBytes)
    const until = Math.min(stop, (number + 1) * this.#blockBytes)
    const blockStart = number * this.#blockBytes
    if (block === undefined || block === null || block.length < until - blockStart) return false
    this.#layers.counts[inMemory === undefined ? 'disk' : 'memory']++
    out.set(block.subarray(from - blockStart, until - blockStart), from - start)
    return true
  }

  async #fetch(first: number, last: number, start: number, stop: number, out: Uint8Array, signal: AbortSignal): Promise<void> {
    const from = Math.max(start, first * this.#blockBytes)
    const until = Math.min(stop, (last + 1) * this.#blockBytes)
    const bytes = await this.#layers.bucket.get(this.#key, { offset: from, sizeBytes: until - from }, signal)
    out.set(bytes, from - start)
    this.#layers.counts.bucket += last - first + 1
    for (let number = first; number <= last && this.#layers.disk !== null; number++) {
      const at = number * this.#blockBytes - from
      if (at < 0 || at + this.#blockBytes > bytes.length) continue
      // The window's bytes go to the consumer, who may change them: the disk gets the request's own.
      this.#layers.disk.set(blockName(this.#key, this.#blockBytes, number), bytes.subarray(at, at + this.#blockBytes))
    }
  }
}
