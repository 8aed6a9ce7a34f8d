// What was used last, up to a weight: a map that forgets what nobody has asked for the longest time.

export class Recent<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly weight: number }>()
  readonly #most: number
  #weight = 0

  /** `most`: how much all that is kept may weigh together; a thing weighs 1 where nothing else is said. */
  constructor(most: number) {
    this.#most = most
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  set(key: string, value: V, weight = 1): void {
    this.delete(key)
    if (weight > this.#most) return
    this.#entries.set(key, { value, weight })
    this.#weight += weight
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#most) return
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    this.#weight -= this.#entries.get(key)?.weight ?? 0
    this.#entries.delete(key)
  }
}
