// The chunks that a put, or several of them together, adds to the store: packed into blocks, and known by their hash from then on.
import type { Asking } from './asking.ts'
import { BlockPacker, buffersOf } from './block-packer.ts'

/** Own chunks that are remembered: some 4 GiB of content. What repeats itself from farther away is stored again. */
const mostOwn = 65_536

export class OwnChunks {
  readonly #packer: BlockPacker
  /** By hash: content repeats itself. */
  readonly #known = new Map<string, number>()
  #count = 0
  #sizeBytes = 0

  constructor(asking: Asking, level?: number) {
    this.#packer = new BlockPacker((block) => asking.ask('block', block, buffersOf(block)), level)
  }

  /** Of all chunks so far, before they are compressed. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** A chunk's place among them, counted from the first one. */
  find(name: string): number | undefined {
    return this.#known.get(name)
  }

  /** Copies the bytes of one that isn't known. */
  async add(bytes: Uint8Array, hash: Uint8Array, name: string): Promise<number> {
    await this.#packer.add(bytes, hash)
    this.#sizeBytes += bytes.length
    if (this.#known.size >= mostOwn) this.#known.clear()
    this.#known.set(name, this.#count)
    return this.#count++
  }

  /** Resolves when every block has been taken. */
  finish(): Promise<void> {
    return this.#packer.finish()
  }
}
