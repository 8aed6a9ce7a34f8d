// Commits parsed once and kept as numbers: tree, committer time, parents. No strings, no object for each commit.
// Invariant: a commit that is loaded has a tree and parents in the set (the store is closed); else CorruptError.
import { CorruptError, hex } from '../../base/index.ts'
import { hashBytes, Kind } from '../format/object-id.ts'
import type { PackSet } from '../odb/pack-set.ts'
import type { ObjectSource } from './repository.ts'

const newline = 10
const greater = 62
const minus = 45
const zero = 48

export class CommitTable {
  readonly #set: PackSet
  readonly #objects: ObjectSource
  readonly #idBytes: number
  readonly #id = new Uint8Array(32)
  readonly #slots: Int32Array // slot + 1 of each number; 0 = not loaded
  #count = 0
  #trees = new Int32Array(1024)
  #times = new Float64Array(1024)
  #firstParents = new Int32Array(1025) // slot → place in #parents; one more than the last, too
  #parents = new Int32Array(1024)

  constructor(set: PackSet, objects: ObjectSource) {
    this.#set = set
    this.#objects = objects
    this.#idBytes = hashBytes(set.format)
    this.#slots = new Int32Array(set.size)
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
    return this.#trees[this.#slot(number)] as number
  }

  /** The committer's time, in seconds since 1970. */
  time(number: number): number {
    return this.#times[this.#slot(number)] as number
  }

  parentCount(number: number): number {
    const slot = this.#slot(number)
    return (this.#firstParents[slot + 1] as number) - (this.#firstParents[slot] as number)
  }

  /** Number of the commit's parent at that place, from 0. */
  parent(number: number, place: number): number {
    return this.#parents[(this.#firstParents[this.#slot(number)] as number) + place] as number
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
    const width = this.#idBytes * 2
    if (!startsWith(bytes, 0, 'tree ')) throw this.#corrupt(number, 'does not begin with its tree')
    this.#trees[slot] = this.#find(number, bytes, 5)
    let at = 5 + width + 1
    let next = this.#firstParents[slot] as number
    while (startsWith(bytes, at, 'parent ')) {
      if (next >= this.#parents.length) this.#parents = grown(this.#parents, new Int32Array(next * 2))
      this.#parents[next++] = this.#find(number, bytes, at + 7)
      at += 7 + width + 1
    }
    this.#firstParents[slot + 1] = next
    this.#times[slot] = committerTime(bytes, at)
    this.#count++
    this.#slots[number] = slot + 1
  }

  #find(number: number, bytes: Uint8Array, at: number): number {
    for (let i = 0; i < this.#idBytes; i++) {
      const high = nibble(bytes[at + i * 2])
      const low = nibble(bytes[at + i * 2 + 1])
      this.#id[i] = (high << 4) | low
    }
    const found = this.#set.find(this.#id, 0)
    if (found < 0) throw this.#corrupt(number, `refers to ${hex(this.#id.subarray(0, this.#idBytes))}, which is not stored`)
    return found
  }

  #corrupt(number: number, what: string): CorruptError {
    return new CorruptError('object', `object ${hex(this.#set.oid(number))} ${what}`)
  }
}

function nibble(code: number | undefined): number {
  if (code === undefined) return 0
  return code < 58 ? code - zero : code - 87
}

function grown<T extends Int32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old)
  return larger
}

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false
  return true
}

/** The time in the `committer` line at or after `at`; 0 when there is none, as git takes it. */
function committerTime(bytes: Uint8Array, at: number): number {
  let line = at
  while (line < bytes.length && bytes[line] !== newline && !startsWith(bytes, line, 'committer ')) {
    line = bytes.indexOf(newline, line) + 1
    if (line === 0) return 0
  }
  let end = bytes.indexOf(newline, line)
  if (end < 0) end = bytes.length
  let from = end
  while (from > line && bytes[from - 1] !== greater) from--
  let time = 0
  let negative = false
  for (let i = from + 1; i < end; i++) {
    const code = bytes[i] as number
    if (code === minus && i === from + 1) negative = true
    else if (code < zero || code > 57) break
    else time = time * 10 + code - zero
  }
  return negative ? -time : time
}
