// A number of places that are taken and given back: bounds how much of something costly happens at once. Who waits first comes first,
// also who needs more places than are free before others who need fewer.

export class Places {
  readonly #count: number
  #free: number
  readonly #waiting: { readonly count: number; readonly go: () => void }[] = []

  constructor(count: number) {
    this.#count = count
    this.#free = count
  }

  /** How many are taken now. */
  get taken(): number {
    return this.#count - this.#free
  }

  /** Who waits for some. */
  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * Resolves when so many places are free, with the function that gives them back (once; more calls do nothing). Who needs more than there
   * are gets all of them.
   */
  async take(wanted = 1): Promise<() => void> {
    const count = Math.min(wanted, this.#count)
    if (this.#waiting.length === 0 && count <= this.#free) this.#free -= count
    else await new Promise<void>((go) => this.#waiting.push({ count, go }))
    let taken = true
    return () => {
      if (!taken) return
      taken = false
      this.#free += count
      this.#letIn()
    }
  }

  #letIn(): void {
    for (let first = this.#waiting[0]; first && first.count <= this.#free; first = this.#waiting[0]) {
      this.#free -= first.count
      this.#waiting.shift()
      first.go()
    }
  }
}

/** One caller may have such a part of the places: of those that are left the others are served, however long he holds his. */
const largestShare = 4

/**
 * Places that several callers take, each no more than a quarter of them: whoever is slow, or means to be, keeps himself waiting. Who waits first comes
 * first, of those who may have one more.
 */
export class SharedPlaces {
  readonly #count: number
  readonly #each: number
  #free: number
  readonly #held = new Map<string, number>()
  readonly #waiting: { readonly caller: string; readonly go: () => void }[] = []

  constructor(count: number) {
    this.#count = count
    this.#each = Math.max(1, Math.ceil(count / largestShare))
    this.#free = count
  }

  get taken(): number {
    return this.#count - this.#free
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Resolves when the caller has a place, with the function that gives it back (once; more calls do nothing). */
  async take(caller: string): Promise<() => void> {
    if (this.#mayHave(caller)) this.#give(caller)
    else await new Promise<void>((go) => this.#waiting.push({ caller, go }))
    let isTaken = true
    return () => {
      if (!isTaken) return
      isTaken = false
      this.#free++
      const held = (this.#held.get(caller) ?? 1) - 1
      if (held === 0) this.#held.delete(caller)
      else this.#held.set(caller, held)
      this.#letIn()
    }
  }

  #mayHave(caller: string): boolean {
    return this.#free > 0 && (this.#held.get(caller) ?? 0) < this.#each
  }

  #give(caller: string): void {
    this.#free--
    this.#held.set(caller, (this.#held.get(caller) ?? 0) + 1)
  }

  #letIn(): void {
    const next = this.#waiting.findIndex(({ caller }) => this.#mayHave(caller))
    const [waiter] = next < 0 ? [] : this.#waiting.splice(next, 1)
    if (waiter === undefined) return
    this.#give(waiter.caller)
    waiter.go()
  }
}
