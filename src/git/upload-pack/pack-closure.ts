// Which packs are reachable as wholes from what is wanted, by their sources and externals (docs/design/pack-key.md): no object is walked.
// A pack is taken when each of its sources is wanted, or is an external of a taken pack, or stands in a taken pack.
// An object that was appended to complete a thin pack says nothing of its own: another taken pack must hold it, else the pack isn't taken.
// A pack that leaves out externals which others lead to is believed only when all that it names stands in older packs that are closed by those before
// them: then whatever these lead to is taken, by induction. Without that order two packs could each leave to the other what neither holds.
import { hashBytes } from '../format/object-id.ts'
import type { PackSet, StoredPack } from '../odb/pack-set.ts'
import { objectSteps, type Pace } from './pace.ts'

export interface PackClosure {
  readonly taken: readonly StoredPack[]
  /** Wanted objects and externals of taken packs that no taken pack holds: what still has to be walked. None: `taken` is the closure. */
  readonly rest: readonly number[]
}

/**
 * @param wants numbers of wanted objects
 * @returns the taken packs, in the set's order; every object in them is reachable from the wants
 */
export async function closePacks(set: PackSet, wants: readonly number[], pace: Pace): Promise<PackClosure> {
  const refused = new Set<StoredPack>()
  for (;;) {
    const closure = await takePacks(set, wants, refused, pace)
    const loose: StoredPack[] = []
    const closed = new Set<StoredPack>()
    const leaves = closure.taken.some(({ index }) => index.leavesOut)
    for (const pack of closure.taken) {
      if (await hasLooseAppended(closure.taken, pack, pace)) loose.push(pack)
      else if (leaves && (await isClosedBy(set, closed, pack, pace))) closed.add(pack)
      else if (pack.index.leavesOut) loose.push(pack)
    }
    if (loose.length === 0) return closure
    for (const pack of loose) refused.add(pack)
  }
}

async function takePacks(set: PackSet, wants: readonly number[], refused: ReadonlySet<StoredPack>, pace: Pace): Promise<PackClosure> {
  const width = hashBytes(set.format)
  const taken = new Set<StoredPack>()
  const reached = new Set<number>(wants) // canonical numbers
  const open = new Set(set.packs.filter((pack) => !refused.has(pack) && pack.index.count > 0))
  for (let before = -1; before !== taken.size; ) {
    before = taken.size
    // the newest pack first: it is what the tips stand in, and its externals lead to the older ones
    for (const pack of [...open].reverse()) {
      const { sources, externals } = pack.index
      if (!(await everyId(sources, width, pace, (at) => reached.has(set.find(sources, at)) || holds(taken, sources, at)))) continue
      open.delete(pack)
      // in a store that isn't closed, a walk finds out what is missing
      if (!(await everyId(externals, width, pace, (at) => set.find(externals, at) >= 0))) continue
      taken.add(pack)
      for (let at = 0; at < externals.length; at += width) {
        const turn = pace.turn()
        if (turn) await turn
        reached.add(set.find(externals, at))
      }
    }
  }
  const rest: number[] = []
  for (const number of reached) {
    const turn = pace.turn()
    if (turn) await turn
    if (number >= 0 && !holds(taken, set.oid(number), 0)) rest.push(number)
  }
  return { taken: set.packs.filter((pack) => taken.has(pack)), rest }
}

async function everyId(ids: Uint8Array, width: number, pace: Pace, test: (at: number) => boolean): Promise<boolean> {
  const turn = pace.turn(objectSteps)
  if (turn) await turn
  for (let at = 0; at < ids.length; at += width) {
    if (!test(at)) return false
    const next = pace.turn()
    if (next) await next
  }
  return true
}

/** True when one of the packs holds the id as an object of its own. */
function holds(packs: Iterable<StoredPack>, ids: Uint8Array, at: number): boolean {
  for (const { index } of packs) {
    const position = index.find(ids, at)
    if (position >= 0 && !index.isAppended(position)) return true
  }
  return false
}

async function hasLooseAppended(taken: readonly StoredPack[], pack: StoredPack, pace: Pace): Promise<boolean> {
  for (const position of pack.index.appended()) {
    const turn = pace.turn(objectSteps)
    if (turn) await turn
    if (!holds(taken, pack.index.oid(position), 0)) return true
  }
  return false
}

/** True when the older packs hold, as objects of their own, all that the pack names outside of itself and all that was appended to it. */
async function isClosedBy(set: PackSet, older: ReadonlySet<StoredPack>, { index }: StoredPack, pace: Pace): Promise<boolean> {
  const isHeld = (ids: Uint8Array, at: number) => {
    const number = set.find(ids, at)
    const oldest = number < 0 ? null : set.packOf(number)
    if (oldest && older.has(oldest) && !oldest.index.isAppended(number - oldest.first)) return true
    return holds(older, ids, at)
  }
  for (const position of index.appended()) if (!isHeld(index.oid(position), 0)) return false
  return everyId(index.externals, hashBytes(set.format), pace, (at) => isHeld(index.externals, at))
}

/**
 * True when every object of the pack is known by its number in this pack: no older one holds a copy.
 * Costs a look-up for each object of the older packs, none for those of this one: meant for the largest.
 */
export async function hasOldestCopies(set: PackSet, pack: StoredPack, pace: Pace): Promise<boolean> {
  for (const older of set.packs) {
    if (older === pack) break
    for (let position = 0; position < older.index.count; position++) {
      const turn = pace.turn()
      if (turn) await turn
      if (pack.index.find(older.index.oid(position), 0) >= 0) return false
    }
  }
  return true
}
