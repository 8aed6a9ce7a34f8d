// Commits by row: ids, times, parents, and for each a way up its line of first parents in few steps. Rows are only added; a commit's parents
// stand in lower rows than it does.
// A row's `jump` leads far up the line, so that any ancestor on it is reached in about 2·log₂(its depth) steps (Myers, "An applicative
// random-access stack"): it costs a word for each row and never has to be worked out again.

/** Room for so many at first: most networks are never asked. */
const firstRows = 32

export class CommitRows {
  readonly #h: number
  #count = 0
  #ids: Uint8Array
  #slots: Int32Array // row + 1 by hash of the id
  #times = new Float64Array(firstRows)
  #firstParents = new Uint32Array(firstRows + 1) // row → place in #parents; one more than the last, too
  #parents = new Uint32Array(firstRows)
  #depths = new Uint32Array(firstRows)
  #jumps = new Int32Array(firstRows) // −1: the row is a root
  #oldest = new Float64Array(firstRows) // lowest time among the row and those that its jump leads over

  /** @param h bytes of an id */
  constructor(h: number) {
    this.#h = h
    this.#ids = new Uint8Array(firstRows * h)
    this.#slots = new Int32Array(firstRows * 4)
  }

  get count(): number {
    return this.#count
  }

  /** The row of the commit whose id starts at `at` in `oids`, or −1. */
  find(oids: Uint8Array, at = 0): number {
    const slot = this.#slot(oids, at)
    return (this.#slots[slot] as number) - 1
  }

  id(row: number): Uint8Array {
    return this.#ids.subarray(row * this.#h, (row + 1) * this.#h)
  }

  /** Committer's time, seconds since 1970. */
  time(row: number): number {
    return this.#times[row] as number
  }

  parentCount(row: number): number {
    return (this.#firstParents[row + 1] as number) - (this.#firstParents[row] as number)
  }

  parent(row: number, place: number): number {
    return this.#parents[(this.#firstParents[row] as number) + place] as number
  }

  /** @returns its row; the commit must not be in any yet */
  add(oids: Uint8Array, at: number, time: number, parents: ArrayLike<number>): number {
    const row = this.#count
    if (row + 1 >= this.#times.length) this.#grow()
    const first = this.#firstParents[row] as number
    if (first + parents.length > this.#parents.length) this.#parents = grown(this.#parents, (first + parents.length) * 2)
    for (let place = 0; place < parents.length; place++) this.#parents[first + place] = parents[place] as number
    this.#firstParents[row + 1] = first + parents.length
    for (let i = 0; i < this.#h; i++) this.#ids[row * this.#h + i] = oids[at + i] as number
    this.#times[row] = time
    this.#count++
    this.#slots[this.#slot(oids, at)] = row + 1
    if (parents.length === 0) {
      this.#depths[row] = 0
      this.#jumps[row] = -1
      this.#oldest[row] = time
      return row
    }
    const parent = parents[0] as number
    const far = this.#jumps[parent] as number
    this.#depths[row] = (this.#depths[parent] as number) + 1
    const step = (this.#depths[parent] as number) - (far < 0 ? 0 : (this.#depths[far] as number))
    const next = far < 0 ? -1 : (this.#jumps[far] as number)
    const isDouble = far >= 0 && next >= 0 && step === (this.#depths[far] as number) - (this.#depths[next] as number)
    this.#jumps[row] = isDouble ? next : parent
    this.#oldest[row] = isDouble ? Math.min(time, this.#oldest[parent] as number, this.#oldest[far] as number) : time
    return row
  }

  /** Is the second on the first one's line of first parents? So is a commit itself. */
  isOnLine(row: number, ancestor: number): boolean {
    return ancestor <= row && this.#climb(row, ancestor) === ancestor
  }

  /** The lowest time on the line of first parents from the one to the other, both included; the second must be on it. */
  oldestTime(row: number, ancestor: number): number {
    let oldest = this.#times[ancestor] as number
    const depth = this.#depths[ancestor] as number
    for (let at = row; at !== ancestor; ) {
      const far = this.#jumps[at] as number
      const jumps = far >= 0 && (this.#depths[far] as number) >= depth
      oldest = Math.min(oldest, (jumps ? this.#oldest[at] : this.#times[at]) as number)
      at = jumps ? far : this.parent(at, 0)
    }
    return oldest
  }

  /** Where the line has the depth of `ancestor`; above its root, or below that depth: another row. */
  #climb(row: number, ancestor: number): number {
    const depth = this.#depths[ancestor] as number
    let at = row
    while ((this.#depths[at] as number) > depth) {
      const far = this.#jumps[at] as number
      at = far >= 0 && (this.#depths[far] as number) >= depth ? far : this.parent(at, 0)
    }
    return at
  }

  #slot(oids: Uint8Array, at: number): number {
    const mask = this.#slots.length - 1
    let slot =
      ((oids[at] as number) | ((oids[at + 1] as number) << 8) | ((oids[at + 2] as number) << 16) | ((oids[at + 3] as number) << 24)) & mask
    for (; ; slot = (slot + 1) & mask) {
      const row = (this.#slots[slot] as number) - 1
      if (row < 0) return slot
      let i = 0
      while (i < this.#h && this.#ids[row * this.#h + i] === oids[at + i]) i++
      if (i === this.#h) return slot
    }
  }

  #grow(): void {
    const size = this.#times.length * 2
    this.#times = grown(this.#times, size)
    this.#depths = grown(this.#depths, size)
    this.#jumps = grown(this.#jumps, size)
    this.#oldest = grown(this.#oldest, size)
    this.#firstParents = grown(this.#firstParents, size + 1)
    this.#ids = grown(this.#ids, size * this.#h)
    if (size * 2 <= this.#slots.length) return
    this.#slots = new Int32Array(size * 4)
    for (let row = 0; row < this.#count; row++) this.#slots[this.#slot(this.#ids, row * this.#h)] = row + 1
  }
}

type Words = Uint8Array | Int32Array | Uint32Array | Float64Array

function grown<T extends Words>(old: T, length: number): T {
  const larger = new (old.constructor as new (length: number) => T)(length)
  larger.set(old)
  return larger
}
