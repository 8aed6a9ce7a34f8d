// Commits as numbers: tree, committer time, parents. Out of the history table, or parsed once and kept. No strings, no object for each.
// Invariant: a commit that is loaded has a tree and parents in the set (the store is closed); else CorruptError. Commits at which the
// repository itself is cut off have no parents here.
import { CorruptError, hex, InputError } from '../../base/index.ts'
import { type CommitLinks, parseCommitLinks, readHexId } from '../format/commit.ts'
import { hashBytes, Kind } from '../format/object-id.ts'
import type { PackSet } from '../odb/pack-set.ts'
import type { History } from './history.ts'
import type { ObjectSource } from './repository.ts'

export class CommitTable {
  readonly #set: PackSet
  readonly #objects: ObjectSource
  readonly #history: History
  readonly #cutOff: ReadonlySet<number>
  readonly #rows: number // slots below this one are the history table's rows
  readonly #id: Uint8Array
  readonly #slots: Int32Array // slot + 1 of each number; 0 = not loaded
  #count = 0
  #trees = new Int32Array(1024)
  #times = new Float64Array(1024)
  #firstParents = new Int32Array(1025) // slot less #rows → place in #parents; one more than the last, too
  #parents = new Int32Array(1024)

  constructor(set: PackSet, objects: ObjectSource, history: History, cutOff: ReadonlySet<number> = new Set()) {
    this.#set = set
    this.#objects = objects
    this.#history = history
    this.#cutOff = cutOff
    this.#id = new Uint8Array(hashBytes(set.format))
    this.#slots = new Int32Array(set.size)
    this.#rows = history.commits.length
    for (let row = 0; row < this.#rows; row++) this.#slots[history.commits[row] as number] = row + 1
  }

  /** The commit's row in the history table, or −1. */
  row(number: number): number {
    const slot = (this.#slots[number] as number) - 1
    return slot < this.#rows ? slot : -1
  }

  /** Makes the commit of that number known. Undefined when it is (or was) at once. CorruptError when it isn't a sound commit. */
  load(number: number): Promise<void> | undefined {
    if (this.#slots[number] !== 0) return undefined
    if (this.#set.kind(number) !== Kind.commit) throw this.#corrupt(number, 'is not a commit')
    const bytes = this.#objects.read(number)
    if (bytes instanceof Promise) return bytes.then((read) => this.#add(number, read))
    this.#add(number, bytes)
    return undefined
  }

  /** Number of the commit's tree. */
  tree(number: number): number {
    const slot = this.#slot(number)
    return (slot < this.#rows ? this.#history.trees[slot] : this.#trees[slot - this.#rows]) as number
  }

  /** The committer's time, in seconds since 1970. */
  time(number: number): number {
    const slot = this.#slot(number)
    return (slot < this.#rows ? this.#history.times[slot] : this.#times[slot - this.#rows]) as number
  }

  parentCount(number: number): number {
    const slot = this.#slot(number)
    const firsts = slot < this.#rows ? this.#history.firstParents : this.#firstParents
    const at = slot < this.#rows ? slot : slot - this.#rows
    return (firsts[at + 1] as number) - (firsts[at] as number)
  }

  /** Number of the commit's parent at that place, from 0. */
  parent(number: number, place: number): number {
    const slot = this.#slot(number)
    if (slot >= this.#rows) return this.#parents[(this.#firstParents[slot - this.#rows] as number) + place] as number
    const { commits, firstParents, parents } = this.#history
    return commits[parents[(firstParents[slot] as number) + place] as number] as number
  }

  #slot(number: number): number {
    const slot = (this.#slots[number] as number) - 1
    if (slot < 0) throw new Error('the commit was not loaded')
    return slot
  }

  #add(number: number, bytes: Uint8Array): void {
    if (this.#slots[number] !== 0) return // two loads of one commit met
    const slot = this.#count
    if (slot + 1 >= this.#trees.length) {
      this.#trees = grown(this.#trees, new Int32Array(slot * 2 + 2))
      this.#times = grown(this.#times, new Float64Array(slot * 2 + 2))
      this.#firstParents = grown(this.#firstParents, new Int32Array(slot * 2 + 3))
    }
    const links = this.#parse(number, bytes)
    this.#trees[slot] = this.#find(number, bytes, links.treeAt)
    let next = this.#firstParents[slot] as number
    const parentCount = this.#cutOff.has(number) ? 0 : links.parentCount
    for (let place = 0; place < parentCount; place++) {
      if (next >= this.#parents.length) this.#parents = grown(this.#parents, new Int32Array(next * 2))
      this.#parents[next++] = this.#find(number, bytes, links.parentsAt + place * links.parentStride)
    }
    this.#firstParents[slot + 1] = next
    this.#times[slot] = links.committerTime
    this.#count++
    this.#slots[number] = this.#rows + slot + 1
  }

  #parse(number: number, bytes: Uint8Array): CommitLinks {
    try {
      return parseCommitLinks(bytes, this.#set.format)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
      throw this.#corrupt(number, 'is not a sound commit', error)
    }
  }

  #find(number: number, bytes: Uint8Array, at: number): number {
    readHexId(bytes, at, this.#set.format, this.#id)
    const found = this.#set.find(this.#id, 0)
    if (found < 0) throw this.#corrupt(number, `refers to ${hex(this.#id)}, which is not stored`)
    return found
  }

  #corrupt(number: number, what: string, cause?: unknown): CorruptError {
    return new CorruptError('object', `object ${hex(this.#set.oid(number))} ${what}`, { cause })
  }
}

function grown<T extends Int32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old)
  return larger
}
