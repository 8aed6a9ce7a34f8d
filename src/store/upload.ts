// The main thread's half of a put: takes the blocks that the worker makes. Few of them wait in memory for the group commit; many go into segments of
// the put's own, one after the other, each completed while the next one fills.
import type { Block } from './format/segment.ts'
import { heldBytes, segmentBytes } from './sizes.ts'
import { discardSegment, type SegmentParts, SegmentWriter, type StagedSegment } from './segment-writer.ts'

export class Upload {
  readonly #parts: SegmentParts
  #held: Block[] = []
  #heldBytes = 0
  #writer: SegmentWriter | null = null
  /** Segments whose last bytes are on their way; nothing waits for more than one. */
  #completing: Promise<unknown> = Promise.resolve()
  readonly #staged: Promise<StagedSegment>[] = []
  #adding: Promise<void> = Promise.resolve()
  #isAborted = false

  constructor(parts: SegmentParts) {
    this.#parts = parts
  }

  /** Takes one block. One at a time. */
  add(block: Block): Promise<void> {
    this.#adding = this.#add(block)
    return this.#adding
  }

  /** Blocks for the group commit; none where the put has segments of its own. */
  get held(): readonly Block[] {
    return this.#held
  }

  /** Resolves when the put's own segments are durable but for one, which is still open: `finish` writes the recipe into it. */
  async settle(): Promise<{ readonly staged: readonly StagedSegment[]; readonly open: SegmentWriter | null }> {
    return { staged: await Promise.all(this.#staged), open: this.#writer }
  }

  /** The open one was completed by whoever settled. */
  closed(last: StagedSegment): void {
    this.#writer = null
    this.#staged.push(Promise.resolve(last))
  }

  /** What was staged has its rows: nothing is removed any more. */
  kept(): void {
    this.#isAborted = true
  }

  /** Removes what was staged; never throws. */
  async abort(): Promise<void> {
    if (this.#isAborted) return
    this.#isAborted = true
    await this.#adding.catch(() => {}) // which may be about to begin a segment
    await this.#writer?.abort()
    for (const staged of await Promise.allSettled(this.#staged)) {
      if (staged.status === 'fulfilled') await discardSegment(this.#parts, staged.value.uuid)
    }
  }

  async #add(block: Block): Promise<void> {
    if (this.#isAborted) return
    if (this.#writer === null) {
      this.#held.push(block)
      this.#heldBytes += block.stored.length
      if (this.#heldBytes <= heldBytes) return
      this.#writer = await SegmentWriter.begin(this.#parts)
      const held = this.#held
      this.#held = []
      for (const one of held) await this.#writer.append(one)
      return
    }
    if (this.#writer.sizeBytes + block.stored.length > segmentBytes) {
      await this.#completing
      this.#complete(this.#writer)
      this.#writer = await SegmentWriter.begin(this.#parts)
    }
    await this.#writer.append(block)
  }

  #complete(writer: SegmentWriter): void {
    const staged = writer.complete([])
    staged.catch(() => {}) // thrown where it is waited for
    this.#completing = staged
    this.#staged.push(staged)
  }
}
