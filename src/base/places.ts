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
