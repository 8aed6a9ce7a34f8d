// What is counted beside requests: in memory, and written now and then, many in one statement. A node that dies takes what it had not written yet with it.
import type { Log } from '../base/index.ts'

export interface TallySettings {
  /** From one writing to the next. */
  readonly everyMs: number
  /** So many things that were counted are written at once, though it isn't time. */
  readonly most: number
}

const defaults: TallySettings = { everyMs: 10_000, most: 5000 }

export interface TallyParts<K> {
  readonly log: Log
  /** What is counted, in the plural: for the log. */
  readonly what: string
  readonly save: (counts: ReadonlyMap<K, number>) => Promise<void>
}

/** Lives as long as the server. */
export class Tally<K> {
  readonly #parts: TallyParts<K>
  readonly #settings: TallySettings
  #counts = new Map<K, number>()
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> = Promise.resolve()

  constructor(parts: TallyParts<K>, settings: Partial<TallySettings> = {}) {
    this.#parts = parts
    this.#settings = { ...defaults, ...settings }
  }

  count(key: K): void {
    this.#add(key, 1)
    if (this.#counts.size >= this.#settings.most) void this.write()
    else this.#startTimer()
  }

  /** Writes what was counted so far; what can't be written is counted on. Before the server stops: writes what is left. */
  write(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const counts = this.#counts
    this.#counts = new Map()
    this.#writing = this.#writing.then(() => this.#write(counts))
    return this.#writing
  }

  async #write(counts: ReadonlyMap<K, number>): Promise<void> {
    if (counts.size === 0) return
    const { log, save, what } = this.#parts
    try {
      await save(counts)
    } catch (error) {
      log.debug({ err: error }, `${what} could not be written; they are written later`)
      if (this.#counts.size < this.#settings.most) for (const [key, count] of counts) this.#add(key, count)
      this.#startTimer()
    }
  }

  #add(key: K, count: number): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + count)
  }

  #startTimer(): void {
    this.#timer ??= setTimeout(() => void this.write(), this.#settings.everyMs).unref()
  }
}
