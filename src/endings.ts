// How the server ends: its parts one after another, each with a limit to its time.
import type { Log } from './base/index.ts'

const usualLimitMs = 5000

/** What has to be ended, latest first, whatever of it was begun. */
export class Endings {
  readonly #parts: { readonly name: string; readonly end: () => Promise<void>; readonly limitMs: number }[] = []
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** A part that takes longer than `limitMs` (default 5 s) is passed over. */
  add(name: string, end: () => Promise<void>, limitMs: number = usualLimitMs): void {
    this.#parts.push({ name, end, limitMs })
  }

  /** Resolves when all were ended or given up, after the sum of their limits at the latest; never rejects. */
  async run(): Promise<void> {
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      const { name, end, limitMs } = part
      const begun = performance.now()
      const ms = (): number => Math.round(performance.now() - begun)
      const limit = Promise.withResolvers<'late'>()
      const timer = setTimeout(() => limit.resolve('late'), limitMs)
      try {
        if ((await Promise.race([end(), limit.promise])) === 'late') this.#log.error({ part: name, ms: ms() }, 'a part did not end in time')
        else this.#log.debug({ part: name, ms: ms() }, 'a part ended')
      } catch (error) {
        this.#log.error({ err: error, part: name, ms: ms() }, 'a part did not end in order')
      } finally {
        clearTimeout(timer)
      }
    }
  }
}
