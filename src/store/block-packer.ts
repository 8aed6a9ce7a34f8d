// Packs chunks into blocks and compresses them, a few at a time on the thread pool while the next one is filled; blocks leave in their order.
import { promisify } from 'node:util'
import { constants, crc32, zstdCompress } from 'node:zlib'
import { type Block, Codec } from './format/segment.ts'
import { blockBytes } from './sizes.ts'

const compress = promisify(zstdCompress)
/** Blocks that are being compressed or taken. */
const mostUnderWay = 3
/** Compressed blocks are kept where they are smaller by at least a 32nd. */
const paysBelow = 31 / 32
/** Of a block, so many samples are tried first at the fastest level, of so many bytes: where they don't yield, the rest won't either. */
const samples = 8
const sampleBytes = 8 << 10

/** What the probe makes smaller than half is worth the higher level; numbers of a model, or text among noise, gain 1 % by it, at a sixth of the speed. */
const worthBelow = 1 / 2
const fastLevel = 1
const usualLevel = 5
/** Where nobody waits: 3 % smaller than at the usual one, at half the speed; reading costs the same. */
export const slowLevel = 9

export class BlockPacker {
  readonly #take: (block: Block) => Promise<unknown>
  readonly #level: number
  #bytes = Buffer.allocUnsafeSlow(blockBytes)
  #filled = 0
  #hashes: Uint8Array[] = []
  #sizes: number[] = []
  readonly #underWay: Promise<unknown>[] = []
  #order: Promise<unknown> = Promise.resolve()

  /** `take` is given the blocks, one after the other; what it throws, the next call here throws. */
  constructor(take: (block: Block) => Promise<unknown>, level = usualLevel) {
    this.#take = take
    this.#level = level
  }

  /** Copies the chunk. */
  async add(chunk: Uint8Array, hash: Uint8Array): Promise<void> {
    if (this.#filled > 0 && this.#filled + chunk.length > blockBytes) await this.#close()
    if (chunk.length > this.#bytes.length) throw new RangeError(`a chunk of ${chunk.length} bytes`)
    this.#bytes.set(chunk, this.#filled)
    this.#filled += chunk.length
    this.#hashes.push(hash)
    this.#sizes.push(chunk.length)
  }

  /** Resolves when every block has been taken. */
  async finish(): Promise<void> {
    if (this.#filled > 0) await this.#close()
    await this.#order
  }

  async #close(): Promise<void> {
    const bytes = this.#bytes.subarray(0, this.#filled)
    const hashes = new Uint8Array(Buffer.concat(this.#hashes))
    const sizes = Uint32Array.from(this.#sizes)
    this.#bytes = Buffer.allocUnsafeSlow(blockBytes)
    this.#filled = 0
    this.#hashes = []
    this.#sizes = []
    while (this.#underWay.length >= mostUnderWay) await this.#underWay.shift()
    const packed = packBlock(bytes, hashes, sizes, this.#level)
    const taken = Promise.all([packed, this.#order]).then(([block]) => this.#take(block))
    taken.catch(() => {}) // thrown where it is waited for
    this.#order = taken
    this.#underWay.push(taken)
  }
}

/** A block of those chunks, as zstd makes it where that pays. `bytes` may become part of it. */
export async function packBlock(bytes: Uint8Array, hashes: Uint8Array, sizes: Uint32Array, level = usualLevel): Promise<Block> {
  const share = await probe(bytes)
  const packed = share < paysBelow ? await squeeze(bytes, share < worthBelow ? level : fastLevel) : null
  const isPacked = packed !== null && packed.length < bytes.length * paysBelow
  // a copy of its own size: it is handed over to another thread, and may wait there
  const stored = new Uint8Array(isPacked ? packed : bytes)
  return { stored, codec: isPacked ? Codec.zstd : Codec.raw, sizeBytes: bytes.length, crc: crc32(stored), hashes, sizes }
}

/** How much of the bytes is left at the fastest level, going by samples: 0 … 1 and a little. */
async function probe(bytes: Uint8Array): Promise<number> {
  if (bytes.length <= samples * sampleBytes) return 0
  const sampled = new Uint8Array(samples * sampleBytes)
  for (let n = 0; n < samples; n++) {
    const at = Math.floor(((bytes.length - sampleBytes) * n) / (samples - 1))
    sampled.set(bytes.subarray(at, at + sampleBytes), n * sampleBytes)
  }
  return (await squeeze(sampled, fastLevel)).length / sampled.length
}

function squeeze(bytes: Uint8Array, at: number): Promise<Uint8Array> {
  return compress(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: at },
    pledgedSrcSize: bytes.length,
    chunkSize: bytes.length + (bytes.length >> 7) + 1024, // all in one step: each is a round through the thread pool
  })
}

/** What a block hands over with a message. */
export function buffersOf({ stored, hashes, sizes }: Block): ArrayBuffer[] {
  return [stored, hashes, sizes].map(({ buffer }) => buffer).filter((buffer) => buffer instanceof ArrayBuffer)
}
