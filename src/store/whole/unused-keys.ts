// Keys of uploads that turned out to be content that is there already: deleted behind the answer, not with the next sweeping. Their rows stay until they are gone.
import type { Key } from '../../bucket/index.ts'
import { sweepKeys } from '../../jobs/index.ts'
import type { SegmentParts } from '../segment-writer.ts'

export class UnusedKeys {
  readonly #parts: Pick<SegmentParts, 'db' | 'bucket'>
  #waiting: Key[] = []
  #isAtWork = false

  constructor(parts: Pick<SegmentParts, 'db' | 'bucket'>) {
    this.#parts = parts
  }

  /** To be told of them when the transaction that queued them for deletion has ended. */
  drop(keys: readonly Key[]): void {
    this.#waiting.push(...keys)
    if (!this.#isAtWork) void this.#work()
  }

  async #work(): Promise<void> {
    this.#isAtWork = true
    const { db, bucket } = this.#parts
    while (this.#waiting.length > 0) {
      // what fails, also because the server stops, is the sweeper's
      await sweepKeys(db, bucket, this.#waiting.splice(0)).catch(() => {})
    }
    this.#isAtWork = false
  }
}
