// Blocks of immutable values in memory: least recently used go first, counted by bytes.
// Invariant: held bytes ≤ limit, always. Views that were handed out keep a dropped block alive for as long as they are kept.

import type { Key } from './bucket.ts'

/** Blocks by where they were found, for `GET /metrics`. `near`: read from a near bucket past the blocks. */
export interface BlockCounts {
  memory: number
  disk: number
  bucket: number
  near: number
}

/** Names a block in memory and, hashed, on disk. */
export function blockName(key: Key, blockBytes: number, at: number): string {
  return `${blockBytes} ${key} ${at}`
}

export class MemoryBlocks {
  readonly #limitBytes: number
  // Insertion order is the order of use.
  readonly #blocks = new Map<string, Uint8Array>()
  #heldBytes = 0
  #newest = ''

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** The block, which counts as used; undefined when it isn't here. */
  get(name: string): Uint8Array | undefined {
    const block = this.#blocks.get(name)
    if (block !== undefined && this.#newest !== name) {
      this.#blocks.delete(name)
      this.#blocks.set(name, block)
      this.#newest = name
    }
    return block
  }

  /** Without counting as a use. */
  has(name: string): boolean {
    return this.#blocks.has(name)
  }

  /** Keeps the block unless it alone exceeds the limit. Its bytes must be its own: a view would keep more alive than is counted. */
  set(name: string, block: Uint8Array): void {
    this.delete(name)
    if (block.length > this.#limitBytes) return
    this.#blocks.set(name, block)
    this.#newest = name
    this.#heldBytes += block.length
    for (const oldest of this.#blocks.keys()) {
      if (this.#heldBytes <= this.#limitBytes) break
      this.delete(oldest)
    }
  }

  delete(name: string): void {
    const block = this.#blocks.get(name)
    if (block === undefined) return
    this.#blocks.delete(name)
    this.#heldBytes -= block.length
    if (this.#newest === name) this.#newest = ''
  }

  clear(): void {
    this.#blocks.clear()
    this.#heldBytes = 0
    this.#newest = ''
  }
}
