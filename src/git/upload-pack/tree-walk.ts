// Trees and what stands in them, marked in bulk. The hot loop of every fetch that isn't served by whole packs.
// A tree is compared with a version of it that was seen before (its commit's child's, or parent's): entries that are the same need no
// look-up, and a history costs what its commits changed, not what they contain.
import { CorruptError, hex } from '../../base/index.ts'
import { hashBytes, Kind } from '../format/object-id.ts'
import { Mark } from './commit-walk.ts'
import { objectSteps } from './pace.ts'
import type { PacedRepository } from './repository.ts'

const space = 32
const slash = 47
const zero = 48
const one = 49
const four = 52
const six = 54
const nothing = new Uint8Array(0)
/** Bytes of the mode and the space behind it; files' modes have six digits. */
const treeModeBytes = 6
const fileModeBytes = 7
/** Bytes of a tree that are looked through at a time. */
const sliceBytes = 64 << 10

/** Who is told of what a walk meets. */
export interface TreeVisitor {
  /**
   * An object, at each place where it is met. `bytes` holds its name from `nameAt` on, up to a zero byte; a root tree has none.
   * @param context what was given for the tree that it stands in
   * @returns −1: what is below was visited, or isn't to be; else what is given as the context of everything below. No matter for blobs
   */
  meet(number: number, isTree: boolean, context: number, bytes: Uint8Array, nameAt: number): number
  /** The number of what stands at the same place in the other tree, or −1; called after `meet` where that has not returned −1. */
  readonly older?: (number: number, like: number) => void
  /** Of a visitor that thinks long of each object: the steps (Pace) that this took since it was set to 0. */
  cost?: number
}

/** A visitor that has taken so many steps is followed by a look at the clock. */
const stepsAtOnce = 10_000

/**
 * Sets `send` on the tree and all below it that the client isn't known to have.
 * @param like a tree that was given to this function before, or −1
 * @throws CorruptError when a tree is not well formed or names something that isn't stored
 */
export async function sendTree(repository: PacedRepository, marks: Uint8Array, tree: number, like: number): Promise<void> {
  await new TreeWalk(repository, marking(marks, Mark.send, Mark.send | Mark.client)).walk(tree, like)
}

/** Sets `mark` on the tree and all below it, but for what has one of `stopAt`. Errors as `sendTree`. */
export async function markTree(repository: PacedRepository, marks: Uint8Array, tree: number, mark: number, stopAt: number): Promise<void> {
  await new TreeWalk(repository, marking(marks, mark, stopAt)).walk(tree, -1)
}

function marking(marks: Uint8Array, mark: number, stopAt: number): TreeVisitor {
  const meet = (number: number): number => {
    const present = marks[number] as number
    if (present & stopAt) return -1
    marks[number] = present | mark
    return 0
  }
  return { meet }
}

/** Goes through a tree and all below it, leaving out what stands at the same place in another tree. */
export class TreeWalk {
  readonly #repository: PacedRepository
  readonly #visitor: TreeVisitor
  readonly #idBytes: number
  readonly #stack: number[] = [] // tree, version of it (−1: none), context, …
  #at = 0 // how far the open tree was looked through
  #knownAt = 0

  constructor(repository: PacedRepository, visitor: TreeVisitor) {
    this.#repository = repository
    this.#visitor = visitor
    this.#idBytes = hashBytes(repository.set.format)
  }

  /** @param like the tree whose entries are left out, or −1 */
  async walk(tree: number, like: number, context = 0): Promise<void> {
    const { objects, pace } = this.#repository
    const below = this.#visitor.meet(tree, true, context, nothing, 0)
    if (below < 0) return
    this.#visitor.older?.(tree, like)
    this.#stack.push(tree, like, below)
    while (this.#stack.length > 0) {
      const inside = this.#stack.pop() as number
      const known = this.#stack.pop() as number
      const next = this.#stack.pop() as number
      const read = objects.read(next)
      const bytes = read instanceof Promise ? await read : read
      const readKnown = known < 0 ? nothing : objects.read(known)
      const knownBytes = readKnown instanceof Promise ? await readKnown : readKnown
      this.#at = 0
      this.#knownAt = 0
      do {
        const from = this.#at
        this.#entries(next, bytes, knownBytes, inside)
        const turn = pace.turn(objectSteps + ((this.#at - from) >> 6) + (this.#visitor.cost ?? 0))
        if (this.#visitor.cost) this.#visitor.cost = 0
        if (turn) await turn
      } while (this.#at < bytes.length)
    }
  }

  /** Looks a slice of the tree through. Both are sorted by name, so entries of one name meet. */
  #entries(tree: number, bytes: Uint8Array, known: Uint8Array, context: number): void {
    const idBytes = this.#idBytes
    const end = bytes.length
    const words = new DataView(bytes.buffer, bytes.byteOffset, end)
    const knownWords = new DataView(known.buffer, known.byteOffset, known.length)
    const lastWord = end - 4
    const lastKnownWord = known.length - 4
    const stop = Math.min(end, this.#at + sliceBytes)
    let at = this.#at
    let knownAt = this.#knownAt
    while (at < stop) {
      const start = at
      let same = knownAt
      // as long as the two are the same, mode and name included, both run on: four bytes at a time up to one that is zero
      while (at <= lastWord && same <= lastKnownWord) {
        const word = words.getInt32(at)
        if (word !== knownWords.getInt32(same) || ((word - 0x01010101) & ~word & 0x80808080) !== 0) break
        at += 4
        same += 4
      }
      while (at < end && bytes[at] !== 0 && bytes[at] === known[same]) {
        at++
        same++
      }
      let order = 0
      let knownId = same + 1
      if (bytes[at] !== 0 || known[same] !== 0) {
        order = knownAt < known.length ? compareNames(bytes, start, known, knownAt) : -1
        knownId = order === 0 ? known.indexOf(0, knownAt) + 1 : -1 // another mode
        while (at < end && bytes[at] !== 0) at++
      }
      const id = at + 1
      at = id + idBytes
      if (at > end) throw new CorruptError('object', `tree ${hex(this.#repository.set.oid(tree))} is cut off`)
      if (order > 0) {
        // the other has a name that this lacks: skip that one, look at this again
        knownAt = entryEnd(known, knownAt, idBytes)
        at = start
        continue
      }
      if (order === 0) {
        knownAt = knownId + idBytes
        if (knownAt > known.length) throw new CorruptError('object', 'a tree is cut off')
        let k = 0
        while (k < idBytes && words.getInt32(id + k) === knownWords.getInt32(knownId + k)) k += 4
        if (k === idBytes) continue
      }
      this.#entry(tree, bytes, start, id, known, knownId, context)
      if (this.#visitor.cost !== undefined && this.#visitor.cost > stepsAtOnce) break
    }
    this.#at = at
    this.#knownAt = knownAt
  }

  /** An entry that differs: `knownId` is where the id of the same name stands in `known`, or −1. */
  #entry(tree: number, bytes: Uint8Array, start: number, id: number, known: Uint8Array, knownId: number, context: number): void {
    // "40000 " is a tree, "160000 " a submodule's commit that is none of ours, anything else a blob; old tools put zeros before the mode
    let mode = start
    while (bytes[mode] === zero) mode++
    if (bytes[mode] === one && bytes[mode + 1] === six) return
    const isTree = bytes[mode] === four
    const { set } = this.#repository
    const number = set.find(bytes, id)
    if (number < 0 && this.#repository.mayLack) return
    if (number < 0) {
      const oid = hex(bytes.subarray(id, id + this.#idBytes))
      throw new CorruptError('object', `tree ${hex(set.oid(tree))} refers to ${oid}, which is not stored`)
    }
    const below = this.#visitor.meet(number, isTree, context, bytes, mode + (isTree ? treeModeBytes : fileModeBytes))
    if (below < 0 || (!isTree && !this.#visitor.older)) return
    const like = knownId > 0 ? set.find(known, knownId) : -1
    this.#visitor.older?.(number, like)
    if (isTree) this.#stack.push(number, like >= 0 && set.kind(like) === Kind.tree ? like : -1, below)
  }
}

function entryEnd(bytes: Uint8Array, at: number, idBytes: number): number {
  const zero = bytes.indexOf(0, at)
  return zero < 0 ? bytes.length : zero + 1 + idBytes
}

/** Orders two entries as trees are sorted: by name, a tree's as if it ended in a slash. 0 for the same name and sort of entry. */
function compareNames(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number): number {
  const aTree = a[aStart] === four
  const bTree = b[bStart] === four
  let i = aStart
  let j = bStart
  while (i < a.length && a[i] !== space) i++
  while (j < b.length && b[j] !== space) j++
  for (i++, j++; ; i++, j++) {
    const x = a[i] ?? 0
    const y = b[j] ?? 0
    if (x === y && x !== 0) continue
    const left = x === 0 && aTree ? slash : x
    const right = y === 0 && bTree ? slash : y
    return x === 0 && y === 0 ? left - right : left - right || -1
  }
}
