// What was found out about whole files line by line, kept by a path index: a version of a file comes from where it comes from for ever.

/** Lines [start, start + count) of a version of a file, counted from 0, came with that row's commit, where they are those from `at` on of `path`. */
export interface Come {
  readonly start: number
  readonly count: number
  readonly row: number
  readonly path: string
  readonly at: number
}

/** So many runs of lines are kept, some 100 bytes each. */
const mostRuns = 100_000

export class KeptBlames {
  readonly #files = new Map<string, readonly Come[]>()
  #runs = 0

  /** Of the version that came with that row's commit: all its lines, in order. Undefined: nothing is known of it. */
  get(row: number, path: string): readonly Come[] | undefined {
    const key = `${row} ${path}`
    const found = this.#files.get(key)
    if (!found) return undefined
    this.#files.delete(key)
    this.#files.set(key, found)
    return found
  }

  keep(row: number, path: string, runs: readonly Come[]): void {
    const key = `${row} ${path}`
    if (runs.length > mostRuns / 4 || this.#files.has(key)) return
    this.#files.set(key, runs)
    this.#runs += runs.length + 1
    for (const [oldest, gone] of this.#files) {
      if (this.#runs <= mostRuns) break
      this.#files.delete(oldest)
      this.#runs -= gone.length + 1
    }
  }
}
