// What an object that has no delta of use to this client might be a delta of: something like it that the client has or gets.
// Likeness is not searched for by content. It is known: from the history table (what stood at the same path before), and from the stored
// deltas (what rests on the object, what it rests on, and what else rests on that).
import { noOlder } from '../format/history-table.ts'
import { Kind } from '../format/object-id.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { Mark } from './commit-walk.ts'
import { objectSteps, stretch, stretchSteps } from './pace.ts'
import type { PacedRepository } from './repository.ts'
import type { PackRequest, Selection } from './selection.ts'
import { sentPositions } from './sent-positions.ts'

/** For the numbers of objects that may become deltas, what they might rest on, the likeliest first. */
export type DeltaCandidates = ReadonlyMap<number, readonly number[]>

/** Objects searched for in one answer at most: the work for each is bounded, so the whole is. */
const mostObjects = 20_000
const leastBytes = 64
const mostBytes = 1 << 20
/** How far up its stored chain, or back along its path, something that the client has or gets is looked for. */
const mostSteps = 12
const mostCandidates = 3

/** @param selection what is sent and what the client has */
export async function findDeltaCandidates(
  repository: PacedRepository,
  selection: Selection,
  request: PackRequest,
): Promise<DeltaCandidates> {
  const search = new DeltaSearch(repository, selection, request)
  await search.choose()
  if (search.objects.length === 0) return new Map()
  await search.readPaths()
  await search.readFamilies()
  return search.found
}

class DeltaSearch {
  readonly #repository: PacedRepository
  readonly #marks: Uint8Array
  readonly #whole: ReadonlySet<StoredPack>
  /** Bits that make something a base: of thin packs what the client has, too. */
  readonly #available: number
  readonly #thin: boolean
  readonly objects: number[] = []
  readonly #older = new Map<number, number>()
  readonly found = new Map<number, readonly number[]>()
  readonly #family = new Map<number, Child>() // entries and what they rest on → the likest that rests on it
  #sent = 0

  constructor(repository: PacedRepository, { marks, whole }: Selection, request: PackRequest) {
    this.#repository = repository
    this.#marks = marks
    this.#whole = whole
    this.#thin = request.thinPack && request.haves.length > 0
    this.#available = this.#thin ? Mark.send | Mark.client : Mark.send
  }

  /** Sent trees and blobs whose stored delta is of no use; of thin packs also those that are stored whole. */
  async choose(): Promise<void> {
    const { pace, set } = this.#repository
    for (const pack of set.packs) {
      // every delta's base is sent, too
      if (!this.#thin && this.#whole.has(pack) && pack.index.outsideCount === 0) continue
      const { first, index } = pack
      for (const position of await sentPositions(pack, this.#marks, pace)) {
        const turn = pace.turn()
        if (turn) await turn
        this.#sent++
        const kind = index.kind(position)
        if (kind !== Kind.tree && kind !== Kind.blob) continue
        const base = set.baseObject(pack, position)
        if (base < 0 ? !this.#thin : this.#isAvailable(base)) continue
        const sizeBytes = index.sizeBytes(position)
        if (sizeBytes < leastBytes || sizeBytes > mostBytes) continue
        if (this.objects.push(first + position) >= mostObjects) return
      }
    }
  }

  /** What stood at the sent objects' paths before. */
  async readPaths(): Promise<void> {
    if (!this.#thin || this.#sent > mostObjects * 4) return
    const { added, history, pace } = this.#repository
    const { commits, firstAdded } = history
    for (let row = commits.length - 1; row >= 0; row--) {
      if (!((this.#marks[commits[row] as number] as number) & Mark.send)) continue
      const turn = pace.turn()
      if (turn) await turn
      for (let at = firstAdded[row] as number; at < (firstAdded[row + 1] as number); at++) {
        const older = history.older[at] as number
        if (older !== noOlder) this.#older.set(history.added[at] as number, older)
      }
    }
    for (const [commit, lists] of added.all()) {
      if (!((this.#marks[commit] as number) & Mark.send)) continue
      for (const [i, number] of lists.added.entries())
        if ((lists.older[i] as number) >= 0) this.#older.set(number, lists.older[i] as number)
    }
    for (const number of this.objects) {
      const found = new Set<number>()
      this.#alongPath(number, found)
      this.#keep(number, found)
    }
  }

  /** For the others: of all that rests on one of them, or on what they rest on, the likest, which is that with the shortest delta. */
  async readFamilies(): Promise<void> {
    const left = this.objects.filter((number) => !this.found.has(number))
    if (left.length === 0) return
    const { pace, set } = this.#repository
    const packs = new Set<StoredPack>()
    const isFamily = new Uint8Array(set.size)
    for (const number of left) {
      const turn = pace.turn(objectSteps / 2)
      if (turn) await turn
      for (let at = number, steps = 0; at >= 0 && steps < 3; steps++) {
        const pack = set.packOf(at)
        packs.add(pack)
        isFamily[at] = 1
        if (!this.#family.has(at)) this.#family.set(at, { number: -1, sizeBytes: 0 })
        at = set.base(pack, at - pack.first)
      }
    }
    for (const pack of packs) {
      const { index } = pack
      for (let position = 0; position < index.count; position++) {
        const turn = position % stretch === 0 ? pace.turn(stretchSteps) : undefined
        if (turn) await turn
        const base = set.base(pack, position)
        const known = base >= 0 && isFamily[base] !== 0 ? this.#family.get(base) : undefined
        if (!known) continue
        const child = this.#canonical(pack, position)
        if (!this.#isAvailable(child)) continue
        const sizeBytes = index.end(position) - index.offset(position)
        if (known.number < 0 || sizeBytes < known.sizeBytes) this.#family.set(base, { number: child, sizeBytes })
      }
    }
    for (const number of left) {
      const found = new Set<number>()
      this.#inFamily(number, found)
      this.#keep(number, found)
    }
  }

  #keep(number: number, found: Set<number>): void {
    found.delete(number)
    if (found.size > 0) this.found.set(number, [...found].slice(0, mostCandidates))
  }

  #alongPath(number: number, found: Set<number>): void {
    let at = number
    for (let steps = 0; steps < mostSteps; steps++) {
      const older = this.#older.get(at)
      if (older === undefined) return
      if ((this.#marks[older] as number) & this.#available) found.add(older)
      if ((this.#marks[older] as number) & Mark.client) return
      at = older
    }
  }

  #inFamily(number: number, found: Set<number>): void {
    const { set } = this.#repository
    for (let at = number, steps = 0; at >= 0 && steps < mostSteps; steps++) {
      const pack = set.packOf(at)
      const object = this.#canonical(pack, at - pack.first)
      if (steps > 0 && this.#isAvailable(object)) {
        found.add(object)
        return
      }
      const child = this.#family.get(at)
      if (child && child.number >= 0) found.add(child.number)
      at = set.base(pack, at - pack.first)
    }
  }

  #isAvailable(number: number): boolean {
    return ((this.#marks[number] as number) & this.#available) !== 0
  }

  #canonical(pack: StoredPack, position: number): number {
    const { set } = this.#repository
    return set.packs.length === 1 ? position : set.find(pack.index.oid(position), 0)
  }
}

interface Child {
  readonly number: number
  readonly sizeBytes: number
}
