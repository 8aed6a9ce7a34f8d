// Blocks of whole contents in memory: those that were asked for twice of late, up to a number of bytes. What is here was checked when it was read, and a part's
// bytes never change.
import { Recent } from '../../base/index.ts'

/** Blocks that were asked for once are remembered by name: a second time, within so many others, they stay. */
const mostNames = 4096

/** Lives as long as its store. Blocks are shared: for reading only. */
export class HotBlocks {
  readonly #kept: Recent<Uint8Array>
  readonly #asked = new Recent<true>(mostNames)

  constructor(mostBytes: number) {
    this.#kept = new Recent(mostBytes)
  }

  kept(name: string): Uint8Array | undefined {
    return this.#kept.get(name)
  }

  /** A block was read and checked. True: it stays here, and its memory belongs to it from now on. */
  keeps(name: string, block: Uint8Array): boolean {
    if (this.#asked.get(name) === undefined) {
      this.#asked.set(name, true)
      return false
    }
    if (this.#kept.get(name) !== undefined) return false // another reader was first
    this.#kept.set(name, block, block.buffer.byteLength)
    return this.#kept.get(name) === block
  }
}
