// Trees and what stands in them, marked in bulk. The hot loop of every fetch that isn't served by whole packs.
// A tree is compared with a version of it that was marked before (its commit's child's): entries that are the same need no look-up, and a
// history costs what its commits changed, not what they contain.
import { CorruptError, hex } from '../../base/index.ts'
import { hashBytes } from '../format/object-id.ts'
import { Mark } from './commit-walk.ts'
import { objectSteps } from './pace.ts'
import type { PacedRepository } from './repository.ts'

const space = 32
const slash = 47
const one = 49
const four = 52
const six = 54
const nothing = new Uint8Array(0)
/** Bytes of a tree that are looked through at a time. */
const sliceBytes = 64 << 10

/**
 * Sets `send` on the tree and all below it that the client isn't known to have.
 * @param like a tree that was given to this function before, or −1
 * @throws CorruptError when a tree is not well formed or names something that isn't stored
 */
export async function sendTree(repository: PacedRepository, marks: Uint8Array, tree: number, like: number): Promise<void> {
  await new TreeMarker(repository, marks, Mark.send, Mark.send | Mark.client).mark(tree, like)
}

/** Sets `client` on the tree and all below it. Errors as `sendTree`. */
export async function markClientTree(repository: PacedRepository, marks: Uint8Array, tree: number): Promise<void> {
  await new TreeMarker(repository, marks, Mark.client, Mark.client).mark(tree, -1)
}

class TreeMarker {
  readonly #repository: PacedRepository
  readonly #marks: Uint8Array
  readonly #mark: number
  readonly #stopAt: number
  readonly #idBytes: number
  readonly #stack: number[] = [] // tree, version of it (−1: none), …
  #at = 0 // how far the open tree was looked through
  #knownAt = 0

  constructor(repository: PacedRepository, marks: Uint8Array, mark: number, stopAt: number) {
    this.#repository = repository
    this.#marks = marks
    this.#mark = mark
    this.#stopAt = stopAt
    this.#idBytes = hashBytes(repository.set.format)
  }

  async mark(tree: number, like: number): Promise<void> {
    const { objects, pace } = this.#repository
    if (!this.#set(tree)) return
    this.#stack.push(tree, like)
    while (this.#stack.length > 0) {
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
        this.#entries(next, bytes, knownBytes)
        const turn = pace.turn(objectSteps + ((this.#at - from) >> 6))
        if (turn) await turn
      } while (this.#at < bytes.length)
    }
  }

  #set(number: number): boolean {
    const present = this.#marks[number] as number
    if (present & this.#stopAt) return false
    this.#marks[number] = present | this.#mark
    return true
  }

  /** Looks a slice of the tree through. Both are sorted by name, so entries of one name meet. */
  #entries(tree: number, bytes: Uint8Array, known: Uint8Array): void {
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
      this.#entry(tree, bytes, start, id, known, knownId)
    }
    this.#at = at
    this.#knownAt = knownAt
  }

  /** An entry that no marked version of the tree has: `knownId` is where the id of the same name stands in `known`, or −1. */
  #entry(tree: number, bytes: Uint8Array, start: number, id: number, known: Uint8Array, knownId: number): void {
    // "40000 " is a tree, "160000 " a submodule's commit that is none of ours, anything else a blob
    if (bytes[start] === one && bytes[start + 1] === six) return
    const { set } = this.#repository
    const number = set.find(bytes, id)
    if (number < 0) {
      const oid = hex(bytes.subarray(id, id + this.#idBytes))
      throw new CorruptError('object', `tree ${hex(set.oid(tree))} refers to ${oid}, which is not stored`)
    }
    if (!this.#set(number) || bytes[start] !== four) return
    const like = knownId > 0 ? set.find(known, knownId) : -1
    this.#stack.push(number, like >= 0 && set.kind(like) === set.kind(number) ? like : -1)
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
