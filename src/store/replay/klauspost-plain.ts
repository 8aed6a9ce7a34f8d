// klauspost's compress/flate without matches: level 0 (stored, 65,535 bytes a block) and level −2 (Huffman codes only, 32 KiB a block).
import type { FlateStream } from './flate-stream.ts'
import { KlauspostBlocks, mostStoredBytes } from './klauspost-blocks.ts'

export class KlauspostPlain implements FlateStream {
  readonly blocks: KlauspostBlocks
  readonly #isStored: boolean
  readonly #block: Uint8Array
  #size = 0

  constructor(isStored: boolean, revision: number) {
    this.#isStored = isStored
    this.#block = new Uint8Array(isStored ? mostStoredBytes : 32 * 1024)
    this.blocks = new KlauspostBlocks(isStored ? 0 : 10, revision >= 4)
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#size === this.#block.length) this.#put(false)
      const size = Math.min(bytes.length - at, this.#block.length - this.#size)
      this.#block.set(bytes.subarray(at, at + size), this.#size)
      this.#size += size
      at += size
    }
  }

  sync(): void {
    if (this.#size > 0) this.#put(true)
  }

  restart(): void {
    this.blocks.reset()
    this.#size = 0
  }

  #put(isSync: boolean): void {
    const bytes = this.#block.subarray(0, this.#size)
    if (this.#isStored) this.blocks.stored(bytes)
    else this.blocks.onlyLiterals(bytes, isSync)
    this.#size = 0
  }
}
