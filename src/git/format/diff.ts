// The difference of two texts, line by line: the same as git's own with its default settings (Myers, indent heuristic), and its unified form.
// Pure.
import { isUtf8 } from 'node:buffer'
import { concatBytes } from '../../base/index.ts'
import { searchChanges } from './line-search.ts'
import { slideChanges } from './slide-changes.ts'
import { LineReader, type TextLines } from './text-lines.ts'

export { LineReader, type TextLines }

/** Lines [oldStart, oldStart + oldCount) became [newStart, newStart + newCount); lines are counted from 0. */
export interface LineChange {
  readonly oldStart: number
  readonly oldCount: number
  readonly newStart: number
  readonly newCount: number
}

const LF = 0x0a

export interface DiffOptions {
  /**
   * Leave out the equal end of both texts before they are compared, as git does where it shows no context (blame; diff -U0): changes are then not
   * moved into it.
   */
  readonly trimTail?: boolean
}

/**
 * What became what, in order; of two texts of one reader. Takes at most about lines × root of lines steps; memory a few words for each line.
 */
export function diffLines(a: TextLines, b: TextLines, options: DiffOptions = {}): LineChange[] {
  const trimmed = options.trimTail === true ? equalTail(a.bytes, b.bytes) : 0
  const left = { kinds: a.kinds, count: linesBefore(a, a.bytes.length - trimmed) }
  const right = { kinds: b.kinds, count: linesBefore(b, b.bytes.length - trimmed) }
  const changed = searchChanges(left, right)
  const slidLeft = { ...left, changed: changed.a, indent: (line: number) => indentOf(a, line) }
  const slidRight = { ...right, changed: changed.b, indent: (line: number) => indentOf(b, line) }
  slideChanges(slidLeft, slidRight)
  slideChanges(slidRight, slidLeft)
  return script(changed.a, left.count, changed.b, right.count)
}

function script(a: Uint8Array, aCount: number, b: Uint8Array, bCount: number): LineChange[] {
  const changes: LineChange[] = []
  for (let i = 0, j = 0; i < aCount || j < bCount; ) {
    const [oldStart, newStart] = [i, j]
    while (a[i + 1] === 1) i++
    while (b[j + 1] === 1) j++
    if (i > oldStart || j > newStart) changes.push({ oldStart, oldCount: i - oldStart, newStart, newCount: j - newStart })
    i++
    j++
  }
  return changes
}

const tailBlock = 1024

/** Equal bytes at the end that git leaves out: whole blocks, but for what makes up a line with what is before them. */
function equalTail(a: Uint8Array, b: Uint8Array): number {
  const smaller = Math.min(a.length, b.length)
  const [left, right] = [Buffer.from(a.buffer, a.byteOffset, a.length), Buffer.from(b.buffer, b.byteOffset, b.length)]
  let tail = 0
  while (tail + tailBlock <= smaller) {
    const [aAt, bAt] = [a.length - tail, b.length - tail]
    if (left.compare(right, bAt - tailBlock, bAt, aAt - tailBlock, aAt) !== 0) break
    tail += tailBlock
  }
  const end = tail === 0 ? -1 : a.indexOf(LF, a.length - tail)
  return end < 0 ? 0 : a.length - end - 1
}

function linesBefore({ starts, count }: TextLines, end: number): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((starts[middle] as number) < end) low = middle + 1
    else high = middle
  }
  return low
}

const mostIndent = 200

/** Columns before the line's first character, a tab leading to the next multiple of 8; −1: nothing but white space. */
function indentOf({ bytes, starts }: TextLines, line: number): number {
  let columns = 0
  for (let at = starts[line] as number, end = starts[line + 1] as number; at < end; at++) {
    const byte = bytes[at] as number
    if (!isSpace(byte)) return columns
    if (byte === 0x20) columns++
    else if (byte === 0x09) columns += 8 - (columns % 8)
    if (columns >= mostIndent) return mostIndent
  }
  return -1
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === LF || byte === 0x0d
}

/** Changes that are shown together, with the lines around them. */
export interface DiffHunk extends LineChange {
  readonly changes: readonly LineChange[]
  /** What a reader may take for the head of the function: a line before the hunk. Null: none. */
  readonly heading: Uint8Array | null
}

/** @param context lines around each change; changes that come so near that these would touch are one hunk */
export function diffHunks(old: TextLines, made: TextLines, changes: readonly LineChange[], context = 3): DiffHunk[] {
  const hunks: DiffHunk[] = []
  let heading: Uint8Array | null = null
  let looked = -1
  for (let from = 0, to = 0; from < changes.length; from = to) {
    to = from + 1
    while (to < changes.length && gap(changes, to) <= 2 * context) to++
    const first = changes[from] as LineChange
    const last = changes[to - 1] as LineChange
    const oldStart = Math.max(first.oldStart - context, 0)
    const newStart = Math.max(first.newStart - context, 0)
    const [oldEnd, newEnd] = [last.oldStart + last.oldCount, last.newStart + last.newCount]
    const after = Math.min(context, old.count - oldEnd, made.count - newEnd)
    heading = headingAbove(old, oldStart - 1, looked) ?? heading
    looked = oldStart - 1
    const lines = { oldStart, oldCount: oldEnd + after - oldStart, newStart, newCount: newEnd + after - newStart }
    hunks.push({ ...lines, changes: changes.slice(from, to), heading })
  }
  return hunks
}

function gap(changes: readonly LineChange[], to: number): number {
  const before = changes[to - 1] as LineChange
  return (changes[to] as LineChange).oldStart - before.oldStart - before.oldCount
}

const headingBytes = 80

/** The nearest line above that begins with a letter, `_` or `$`, as far as lines weren't looked at before. */
function headingAbove({ bytes, starts }: TextLines, from: number, looked: number): Uint8Array | null {
  for (let line = from; line > looked && line >= 0; line--) {
    const start = starts[line] as number
    const first = bytes[start] as number
    const letter = first | 0x20
    if (!(letter >= 0x61 && letter <= 0x7a) && first !== 0x5f && first !== 0x24) continue
    let end = Math.min(starts[line + 1] as number, start + headingBytes)
    while (end > start && isSpace(bytes[end - 1] as number)) end--
    while (!isUtf8(bytes.subarray(start, end))) end-- // up to the first byte that is no character's
    return bytes.subarray(start, end)
  }
  return null
}

/** Hunks in unified form, from `@@` on: what stands below the `+++` line of `git diff`. */
export function formatHunks(old: TextLines, made: TextLines, hunks: readonly DiffHunk[]): Uint8Array {
  const parts: Uint8Array[] = []
  const line = (text: TextLines, at: number, sign: string) => {
    const bytes = text.bytes.subarray(text.starts[at], text.starts[at + 1])
    parts.push(Buffer.from(sign, 'latin1'), bytes)
    if (bytes.at(-1) !== LF) parts.push(Buffer.from('\n\\ No newline at end of file\n', 'latin1'))
  }
  for (const hunk of hunks) {
    const range = `@@ -${formatRange(hunk.oldStart, hunk.oldCount)} +${formatRange(hunk.newStart, hunk.newCount)} @@`
    parts.push(Buffer.from(hunk.heading === null ? `${range}\n` : `${range} `, 'latin1'))
    if (hunk.heading !== null) parts.push(hunk.heading, Uint8Array.of(LF))
    let at = hunk.newStart
    for (const { oldStart, oldCount, newStart, newCount } of hunk.changes) {
      for (; at < newStart; at++) line(made, at, ' ')
      for (let i = 0; i < oldCount; i++) line(old, oldStart + i, '-')
      for (; at < newStart + newCount; at++) line(made, at, '+')
    }
    for (; at < hunk.newStart + hunk.newCount; at++) line(made, at, ' ')
  }
  return concatBytes(parts)
}

function formatRange(start: number, count: number): string {
  return count === 1 ? String(start + 1) : `${count === 0 ? start : start + 1},${count}`
}

/** The unified form of the difference of two texts, without the lines that name the files; empty when they are equal. */
export function unifiedDiff(old: Uint8Array, made: Uint8Array, context = 3): Uint8Array {
  const reader = new LineReader()
  const a = reader.read(old)
  const b = reader.read(made, a)
  return formatHunks(a, b, diffHunks(a, b, diffLines(a, b, { trimTail: context === 0 }), context))
}

const binaryBytes = 8000

/** git's rule: a NUL among the first 8,000 bytes. */
export function isBinary(bytes: Uint8Array): boolean {
  const zero = bytes.indexOf(0)
  return zero >= 0 && zero < binaryBytes
}
