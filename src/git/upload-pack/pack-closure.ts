// Which packs are reachable as wholes from what is wanted, by their sources and externals (docs/design/pack-key.md): no object is walked.
// A pack is taken when each of its sources is wanted, or is an external of a taken pack, or stands in a taken pack.
// An object that was appended to complete a thin pack says nothing of its own: another taken pack must hold it, else the pack isn't taken.
import { hashBytes } from '../format/object-id.ts'
import type { PackSet, StoredPack } from '../odb/pack-set.ts'

export interface PackClosure {
  readonly taken: readonly StoredPack[]
  /** Wanted objects and externals of taken packs that no taken pack holds: what still has to be walked. None: `taken` is the closure. */
  readonly rest: readonly number[]
}

/**
 * @param wants numbers of wanted objects
 * @returns the taken packs, in the set's order; every object in them is reachable from the wants
 */
export function closePacks(set: PackSet, wants: readonly number[]): PackClosure {
  const refused = new Set<StoredPack>()
  for (;;) {
    const closure = takePacks(set, wants, refused)
    const loose = closure.taken.filter((pack) => hasLooseAppended(closure.taken, pack))
    if (loose.length === 0) return closure
    for (const pack of loose) refused.add(pack)
  }
}

function takePacks(set: PackSet, wants: readonly number[], refused: ReadonlySet<StoredPack>): PackClosure {
  const width = hashBytes(set.format)
  const taken = new Set<StoredPack>()
  const reached = new Set<number>(wants) // canonical numbers
  const open = new Set(set.packs.filter((pack) => !refused.has(pack) && pack.index.count > 0))
  for (let before = -1; before !== taken.size; ) {
    before = taken.size
    // the newest pack first: it is what the tips stand in, and its externals lead to the older ones
    for (const pack of [...open].reverse()) {
      const { sources, externals } = pack.index
      if (!everyId(sources, width, (at) => reached.has(set.find(sources, at)) || holds(taken, sources, at))) continue
      taken.add(pack)
      open.delete(pack)
      for (let at = 0; at < externals.length; at += width) reached.add(set.find(externals, at))
    }
  }
  const rest = [...reached].filter((number) => number >= 0 && !holds(taken, set.oid(number), 0))
  return { taken: set.packs.filter((pack) => taken.has(pack)), rest }
}

function everyId(ids: Uint8Array, width: number, test: (at: number) => boolean): boolean {
  for (let at = 0; at < ids.length; at += width) if (!test(at)) return false
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

function hasLooseAppended(taken: readonly StoredPack[], pack: StoredPack): boolean {
  for (let position = 0; position < pack.index.count; position++) {
    if (pack.index.isAppended(position) && !holds(taken, pack.index.oid(position), 0)) return true
  }
  return false
}

/**
 * True when every object of the pack is known by its number in this pack: no other pack holds a copy that is preferred.
 * Costs two look-ups for each object of the other packs, none for those of this one: meant for the largest.
 */
export function isPreferred(set: PackSet, pack: StoredPack): boolean {
  for (const other of set.packs) {
    if (other === pack) continue
    for (let position = 0; position < other.index.count; position++) {
      const oid = other.index.oid(position)
      const own = pack.index.find(oid, 0)
      if (own >= 0 && set.find(oid, 0) !== pack.first + own) return false
    }
  }
  return true
}
