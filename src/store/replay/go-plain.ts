// Go's compress/flate without matches: level 0 (stored) and level −2 (Huffman codes only). Blocks of 65,535 bytes.
import type { DeflateEncoder } from './engine.ts'
import { GoBlocks, mostStoredBytes } from './go-blocks.ts'

export class GoPlain implements DeflateEncoder {
  readonly #isStored: boolean
  readonly #blocks = new GoBlocks()
  readonly #block = new Uint8Array(mostStoredBytes)
  #size = 0

  constructor(isStored: boolean) {
    this.#isStored = isStored
  }

  push(bytes: Uint8Array): Uint8Array[] {
    for (let at = 0; at < bytes.length; ) {
      const size = Math.min(bytes.length - at, mostStoredBytes - this.#size)
      this.#block.set(bytes.subarray(at, at + size), this.#size)
      this.#size += size
      at += size
      if (this.#size === mostStoredBytes) this.#put()
    }
    return this.#blocks.sink.take()
  }

  end(): Uint8Array[] {
    this.#put()
    this.#blocks.storedHeader(0, true)
    this.#blocks.sink.align()
    return this.#blocks.sink.take()
  }

  #put(): void {
    if (this.#size === 0) return
    const bytes = this.#block.subarray(0, this.#size)
    if (this.#isStored) this.#blocks.stored(bytes)
    else this.#blocks.literals(bytes)
    this.#size = 0
  }
}
