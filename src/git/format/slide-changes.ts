// A run of changed lines can often stand some lines higher or lower and mean the same. They are moved as git moves them: joined where they
// meet, put beside a change of the other side, or else where the indentation says that something begins and ends. Pure.
import type { Changed } from './line-search.ts'

export interface SlidLines {
  readonly kinds: Int32Array
  readonly count: number
  readonly changed: Changed
  /** Columns before the first character of that line; −1 when there is none. */
  indent(line: number): number
}

/** A run of changed lines [start, end); an empty one lies between any two unchanged lines. */
class Group {
  readonly #side: SlidLines
  start = 0
  end = 0

  constructor(side: SlidLines) {
    this.#side = side
    this.#growDown()
  }

  #growDown(): void {
    while (this.#side.changed[this.end + 1] === 1) this.end++
  }

  #growUp(): void {
    while (this.#side.changed[this.start] === 1) this.start--
  }

  next(): boolean {
    if (this.end === this.#side.count) return false
    this.start = ++this.end
    this.#growDown()
    return true
  }

  previous(): boolean {
    if (this.start === 0) return false
    this.end = --this.start
    this.#growUp()
    return true
  }

  slideDown(): boolean {
    const { changed, kinds, count } = this.#side
    if (this.end >= count || kinds[this.start] !== kinds[this.end]) return false
    changed[++this.start] = 0
    changed[++this.end] = 1
    this.#growDown()
    return true
  }

  slideUp(): boolean {
    const { changed, kinds } = this.#side
    if (this.start === 0 || kinds[this.start - 1] !== kinds[this.end - 1]) return false
    changed[this.start--] = 1
    changed[this.end--] = 0
    this.#growUp()
    return true
  }
}

/** A group is tried at no more places than this. */
const mostSlides = 100

/** Moves the changed lines of `side`; `other` stays as it is. */
export function slideChanges(side: SlidLines, other: SlidLines): void {
  const group = new Group(side)
  const beside = new Group(other)
  do {
    if (group.end > group.start) place(side, group, beside)
    if (!group.next()) return
  } while (beside.next())
}

function place(side: SlidLines, group: Group, beside: Group): void {
  let size: number
  let highest: number // end of the group at the highest place that it can have
  let besideOther: number
  do {
    size = group.end - group.start
    besideOther = -1
    while (group.slideUp()) beside.previous()
    highest = group.end
    if (beside.end > beside.start) besideOther = group.end
    while (group.slideDown()) {
      beside.next()
      if (beside.end > beside.start) besideOther = group.end
    }
  } while (size !== group.end - group.start)
  if (group.end === highest) return
  const end = besideOther >= 0 ? -1 : bestEnd(side, group.end, size, highest)
  while (end < 0 ? beside.end === beside.start : group.end > end) {
    if (!group.slideUp()) return
    beside.previous()
  }
}

/** Where a group of that size ends best, between the highest and the lowest place. */
function bestEnd(side: SlidLines, lowest: number, size: number, highest: number): number {
  let best: Score | null = null
  let end = -1
  for (let at = Math.max(highest, lowest - size - 1, lowest - mostSlides); at <= lowest; at++) {
    const score = { indent: 0, penalty: 0 }
    addSplit(score, side, at)
    addSplit(score, side, at - size)
    if (best !== null && compareScores(score, best) > 0) continue
    best = score
    end = at
  }
  return end
}

/** How bad a place is. */
interface Score {
  indent: number
  penalty: number
}

function compareScores(a: Score, b: Score): number {
  return indentWeight * Math.sign(a.indent - b.indent) + (a.penalty - b.penalty)
}

// git's weights, found by trying them on many histories; only their proportions count
const indentWeight = 60
const atStart = 1
const atEnd = 21
const eachBlank = -30
const eachBlankBehind = 6
/** Of a line that is indented more than the one before it; less than both neighbours; less than the one before it. With blank lines around: [1]. */
const deeper = [-4, 10] as const
const between = [24, 17] as const
const shallower = [23, 17] as const

/** So many blank lines are passed over to the next one that is indented. */
const mostBlanks = 20

interface Neighbour {
  readonly indent: number
  readonly blanks: number
}

function neighbour(side: SlidLines, from: number, step: 1 | -1): Neighbour {
  let blanks = 0
  for (let line = from; line >= 0 && line < side.count; line += step) {
    const indent = side.indent(line)
    if (indent >= 0) return { indent, blanks }
    if (++blanks === mostBlanks) return { indent: 0, blanks }
  }
  return { indent: -1, blanks }
}

/** Adds what speaks against a border above `line`. */
function addSplit(score: Score, side: SlidLines, line: number): void {
  const isEnd = line >= side.count
  const own = isEnd ? -1 : side.indent(line)
  const before = neighbour(side, line - 1, -1)
  const behind = neighbour(side, line + 1, 1)
  if (before.indent === -1 && before.blanks === 0) score.penalty += atStart
  if (isEnd) score.penalty += atEnd
  const blanksBehind = own === -1 ? 1 + behind.blanks : 0
  const blanks = before.blanks + blanksBehind
  score.penalty += eachBlank * blanks + eachBlankBehind * blanksBehind
  const indent = own === -1 ? behind.indent : own
  score.indent += indent
  if (indent === -1 || before.indent === -1 || indent === before.indent) return
  const weights = indent > before.indent ? deeper : behind.indent > indent ? between : shallower
  score.penalty += weights[blanks === 0 ? 0 : 1]
}
