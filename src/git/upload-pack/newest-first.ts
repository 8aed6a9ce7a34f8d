// Commits in the order of their dates, for walks; of equal ones, who was met first comes first, as in git.

/** A heap. */
export class NewestFirst {
  readonly #time: (commit: number) => number
  readonly #heap: number[] = []
  /** When each was added. */
  readonly #turns: number[] = []
  #turn = 0

  constructor(time: (commit: number) => number) {
    this.#time = time
  }

  get size(): number {
    return this.#heap.length
  }

  add(commit: number): void {
    let at = this.#heap.length
    const [time, turn] = [this.#time(commit), this.#turn++]
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!this.#isBehind(above, time, turn)) break
      this.#move(above, at)
      at = above
    }
    this.#put(at, commit, turn)
  }

  take(): number {
    const top = this.#heap[0] as number
    const last = this.#heap.pop() as number
    const turn = this.#turns.pop() as number
    const size = this.#heap.length
    if (size === 0) return top
    const time = this.#time(last)
    let at = 0
    for (;;) {
      let below = at * 2 + 1
      if (below >= size) break
      const [next, nextTurn] = [this.#heap[below + 1], this.#turns[below + 1] as number]
      if (next !== undefined && this.#isBehind(below, this.#time(next), nextTurn)) below++
      if (this.#isBehind(below, time, turn)) break
      this.#move(below, at)
      at = below
    }
    this.#put(at, last, turn)
    return top
  }

  /** Whether what stands there comes behind such a one. */
  #isBehind(place: number, time: number, turn: number): boolean {
    const own = this.#time(this.#heap[place] as number)
    return own < time || (own === time && (this.#turns[place] as number) > turn)
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#heap[from] as number, this.#turns[from] as number)
  }

  #put(at: number, commit: number, turn: number): void {
    this.#heap[at] = commit
    this.#turns[at] = turn
  }
}
