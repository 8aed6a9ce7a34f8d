// Which lines of two texts belong together: Myers' search ("An O(ND) Difference Algorithm and its Variations") from both ends at once, with the
// short cuts that git's diff takes, at the same points: where a cut is taken decides which of several diffs comes out, and people compare ours
// with git's. Pure.

/** One side: what kind of line stands where. Equal lines of both sides have equal kinds, which are small numbers. */
export interface LineKinds {
  readonly kinds: Int32Array
  /** So many of them count. */
  readonly count: number
}

/** A byte for each line, 1: it has no partner. Line i's stands at i + 1; the first and the last byte are always 0. */
export type Changed = Uint8Array

/** A run of so many equal lines is worth a cut, once the search has taken `leastCost` steps, if it came so many times as far as it cost. */
const longRun = 20
const leastCost = 256
const worth = 4
/** A line that stands on the other side as often as this (or as the root of the lines) is left out where its neighbours have no partner. */
const mostOften = 1024
const lookAround = 100
const leftOutEach = 4
const never = 0x7fffffff

/** Marks the lines of both sides that have no partner. Takes at most about (lines × root of lines) steps. */
export function searchChanges(a: LineKinds, b: LineKinds): { readonly a: Changed; readonly b: Changed } {
  const changed = { a: new Uint8Array(a.count + 2), b: new Uint8Array(b.count + 2) }
  const most = Math.min(a.count, b.count)
  let start = 0
  while (start < most && a.kinds[start] === b.kinds[start]) start++
  let same = 0
  while (same < most - start && a.kinds[a.count - 1 - same] === b.kinds[b.count - 1 - same]) same++
  if (start + same === a.count && a.count === b.count) return changed
  const left = keep(a, start, a.count - same, occurrences(b), changed.a)
  const right = keep(b, start, b.count - same, occurrences(a), changed.b)
  new Search(left, right, changed.a, changed.b).run()
  return changed
}

function occurrences({ kinds, count }: LineKinds): Uint32Array {
  let highest = -1
  for (let i = 0; i < count; i++) if ((kinds[i] as number) > highest) highest = kinds[i] as number
  const found = new Uint32Array(highest + 1)
  for (let i = 0; i < count; i++) (found[kinds[i] as number] as number)++
  return found
}

/** The lines that are searched: their kinds, and where they stand. */
interface Kept {
  readonly kinds: Int32Array
  readonly places: Int32Array
  readonly count: number
}

const Fate = { leaveOut: 0, keep: 1, ask: 2 } as const

/** Lines without a partner are marked at once; so are very frequent ones among them. */
function keep({ kinds, count }: LineKinds, from: number, to: number, others: Uint32Array, changed: Changed): Kept {
  const often = Math.min(roughRoot(count), mostOften)
  const fates = new Uint8Array(Math.max(0, to - from))
  for (let i = 0; i < fates.length; i++) {
    const found = others[kinds[from + i] as number] ?? 0
    fates[i] = found === 0 ? Fate.leaveOut : found < often ? Fate.keep : Fate.ask
  }
  const left = { kinds: new Int32Array(fates.length), places: new Int32Array(fates.length) }
  let at = 0
  for (let i = 0; i < fates.length; i++) {
    const isKept = fates[i] === Fate.keep || (fates[i] === Fate.ask && !isAmongLeftOut(fates, i))
    if (!isKept) {
      changed[from + i + 1] = 1
      continue
    }
    left.kinds[at] = kinds[from + i] as number
    left.places[at] = from + i
    at++
  }
  return { ...left, count: at }
}

/** Of a frequent line: is it in the midst of lines that have no partner? */
function isAmongLeftOut(fates: Uint8Array, at: number): boolean {
  const count = (step: 1 | -1, end: number) => {
    const found = { leftOut: 0, asked: 1 }
    for (let i = at + step; i !== end + step; i += step) {
      if (fates[i] === Fate.keep) break
      if (fates[i] === Fate.leaveOut) found.leftOut++
      else found.asked++
    }
    return found
  }
  const before = count(-1, Math.max(0, at - lookAround))
  if (before.leftOut === 0) return false
  const behind = count(1, Math.min(fates.length - 1, at + lookAround))
  if (behind.leftOut === 0) return false
  const asked = before.asked + behind.asked
  return asked * leftOutEach < asked + before.leftOut + behind.leftOut
}

/** A power of two, between the root and twice the root. */
function roughRoot(n: number): number {
  let root = 1
  for (let left = n; left > 0; left = Math.floor(left / 4)) root *= 2
  return root
}

/** Where a box is cut in two, and whether either half is to be searched to the end. */
interface Cut {
  a: number
  b: number
  exactBefore: boolean
  exactBehind: boolean
}

/** The search proper. A box is a range of lines on either side; diagonal d holds the pairs of lines with a − b = d. */
class Search {
  readonly #a: Int32Array
  readonly #b: Int32Array
  readonly #left: Kept
  readonly #right: Kept
  readonly #changedA: Changed
  readonly #changedB: Changed
  /** The farthest line of `a` that was reached on each diagonal, forward and backward; diagonal d at d + #zero. */
  readonly #forward: Int32Array
  readonly #backward: Int32Array
  readonly #zero: number
  readonly #mostCost: number
  readonly #cut: Cut = { a: 0, b: 0, exactBefore: false, exactBehind: false }

  constructor(left: Kept, right: Kept, changedA: Changed, changedB: Changed) {
    this.#left = left
    this.#right = right
    this.#a = left.kinds
    this.#b = right.kinds
    this.#changedA = changedA
    this.#changedB = changedB
    const diagonals = left.count + right.count + 3
    this.#forward = new Int32Array(diagonals)
    this.#backward = new Int32Array(diagonals)
    this.#zero = right.count + 1
    this.#mostCost = Math.max(roughRoot(diagonals), leastCost)
  }

  run(): void {
    const boxes: [number, number, number, number, boolean][] = [[0, this.#left.count, 0, this.#right.count, false]]
    for (let box = boxes.pop(); box !== undefined; box = boxes.pop()) {
      let [a, aEnd, b, bEnd] = box
      while (a < aEnd && b < bEnd && this.#a[a] === this.#b[b]) {
        a++
        b++
      }
      while (a < aEnd && b < bEnd && this.#a[aEnd - 1] === this.#b[bEnd - 1]) {
        aEnd--
        bEnd--
      }
      if (a === aEnd) for (; b < bEnd; b++) this.#changedB[(this.#right.places[b] as number) + 1] = 1
      else if (b === bEnd) for (; a < aEnd; a++) this.#changedA[(this.#left.places[a] as number) + 1] = 1
      else {
        this.#split(a, aEnd, b, bEnd, box[4])
        const { a: cutA, b: cutB, exactBefore, exactBehind } = this.#cut
        boxes.push([cutA, aEnd, cutB, bEnd, exactBehind], [a, cutA, b, cutB, exactBefore])
      }
    }
  }

  /** Sets `#cut` to a point on a shortest way through the box, or on a good one. */
  #split(a: number, aEnd: number, b: number, bEnd: number, exact: boolean): void {
    const zero = this.#zero
    const [forward, backward] = [this.#forward, this.#backward]
    const lowest = a - bEnd
    const highest = aEnd - b
    const middle = a - b
    const middleBack = aEnd - bEnd
    const isOdd = ((middle - middleBack) & 1) !== 0
    let [low, high] = [middle, middle]
    let [lowBack, highBack] = [middleBack, middleBack]
    forward[middle + zero] = a
    backward[middleBack + zero] = aEnd
    for (let cost = 1; ; cost++) {
      let found = false
      if (low > lowest) forward[--low - 1 + zero] = -1
      else low++
      if (high < highest) forward[++high + 1 + zero] = -1
      else high--
      for (let d = high; d >= low; d -= 2) {
        const [below, above] = [forward[d - 1 + zero] as number, forward[d + 1 + zero] as number]
        let i = below >= above ? below + 1 : above
        const before = i
        for (let j = i - d; i < aEnd && j < bEnd && this.#a[i] === this.#b[j]; j++) i++
        if (i - before > longRun) found = true
        forward[d + zero] = i
        if (isOdd && lowBack <= d && d <= highBack && (backward[d + zero] as number) <= i) return this.#cutAt(i, i - d, true, true)
      }
      if (lowBack > lowest) backward[--lowBack - 1 + zero] = never
      else lowBack++
      if (highBack < highest) backward[++highBack + 1 + zero] = never
      else highBack--
      for (let d = highBack; d >= lowBack; d -= 2) {
        const [below, above] = [backward[d - 1 + zero] as number, backward[d + 1 + zero] as number]
        let i = below < above ? below : above - 1
        const before = i
        for (let j = i - d; i > a && j > b && this.#a[i - 1] === this.#b[j - 1]; j--) i--
        if (before - i > longRun) found = true
        backward[d + zero] = i
        if (!isOdd && low <= d && d <= high && i <= (forward[d + zero] as number)) return this.#cutAt(i, i - d, true, true)
      }
      if (exact) continue
      const box = { a, aEnd, b, bEnd }
      if (found && cost > leastCost) {
        if (this.#cutAtFind(box, cost, low, high)) return
        if (this.#cutAtFindBack(box, cost, lowBack, highBack)) return
      }
      if (cost >= this.#mostCost) return this.#giveUp(box, low, high, lowBack, highBack)
    }
  }

  #cutAt(a: number, b: number, exactBefore: boolean, exactBehind: boolean): void {
    Object.assign(this.#cut, { a, b, exactBefore, exactBehind })
  }

  /** At the end of a long run of equal lines that lies far ahead for what it cost, and near the middle. */
  #cutAtFind({ a, aEnd, b, bEnd }: Box, cost: number, low: number, high: number): boolean {
    let best = 0
    for (let d = high; d >= low; d -= 2) {
      const i = this.#forward[d + this.#zero] as number
      const j = i - d
      const value = i - a + (j - b) - Math.abs(d - (a - b))
      if (value <= worth * cost || value <= best || i < a + longRun || i >= aEnd || j < b + longRun || j >= bEnd) continue
      let run = 0
      while (run < longRun && this.#a[i - run - 1] === this.#b[j - run - 1]) run++
      if (run < longRun) continue
      best = value
      this.#cutAt(i, j, true, false)
    }
    return best > 0
  }

  #cutAtFindBack({ a, aEnd, b, bEnd }: Box, cost: number, low: number, high: number): boolean {
    let best = 0
    for (let d = high; d >= low; d -= 2) {
      const i = this.#backward[d + this.#zero] as number
      const j = i - d
      const value = aEnd - i + (bEnd - j) - Math.abs(d - (aEnd - bEnd))
      if (value <= worth * cost || value <= best || i <= a || i > aEnd - longRun || j <= b || j > bEnd - longRun) continue
      let run = 0
      while (run < longRun && this.#a[i + run] === this.#b[j + run]) run++
      if (run < longRun) continue
      best = value
      this.#cutAt(i, j, false, true)
    }
    return best > 0
  }

  /** At the farthest point that was reached from either end. */
  #giveUp({ a, aEnd, b, bEnd }: Box, low: number, high: number, lowBack: number, highBack: number): void {
    let [farthest, farthestA] = [-1, -1]
    for (let d = high; d >= low; d -= 2) {
      let i = Math.min(this.#forward[d + this.#zero] as number, aEnd)
      if (i - d > bEnd) i = bEnd + d
      if (farthest < i + i - d) [farthest, farthestA] = [i + i - d, i]
    }
    let [nearest, nearestA] = [never, never]
    for (let d = highBack; d >= lowBack; d -= 2) {
      let i = Math.max(a, this.#backward[d + this.#zero] as number)
      if (i - d < b) i = b + d
      if (i + i - d < nearest) [nearest, nearestA] = [i + i - d, i]
    }
    if (aEnd + bEnd - nearest < farthest - (a + b)) this.#cutAt(farthestA, farthest - farthestA, true, false)
    else this.#cutAt(nearestA, nearest - nearestA, false, true)
  }
}

interface Box {
  readonly a: number
  readonly aEnd: number
  readonly b: number
  readonly bEnd: number
}
