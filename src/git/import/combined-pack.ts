// One pack out of everything that a repository on disk holds: entries of its packs as they stand, deltas and all, then its loose objects.
// What another pack holds already is left out; a delta whose base moved gets a new distance, one whose base was left out names it instead.
// Invariant: an entry of one pack rests only on entries of that pack or (by name) of packs before it, so deltas never lead in a circle.
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { deflate, deflateSync } from 'node:zlib'
import { concatBytes } from '../../base/index.ts'
import type { DiskObjects, DiskPack } from '../disk/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { encodeEntryHeader, encodePackHeader, EntryType, PACK_HEADER_BYTES } from '../format/pack.ts'

const pieceBytes = 256 << 10
const compress = promisify(deflate)

interface PackPart {
  readonly pack: DiskPack
  /** 1 for each rank that is taken; null: all of them, as they stand. */
  readonly taken: Uint8Array | null
}

export interface CombinedPack {
  readonly objectCount: number
  /** Of the entries that are copied; loose objects come on top. */
  readonly packedBytes: number
  readonly parts: readonly PackPart[]
  readonly loose: readonly ObjectId[]
  /** Objects that are there and not chosen. */
  readonly leftOut: number
  readonly choice: ObjectChoice
}

export interface ObjectChoice {
  /** The receiver has it already: it need not come, and deltas may rest on it. */
  isStored(oid: Uint8Array): boolean
  /** It is to be had. What isn't is left behind, and deltas that rest on it are made whole. */
  isChosen(oid: Uint8Array): boolean
}

export function planCombinedPack(objects: DiskObjects, choice: ObjectChoice): CombinedPack {
  // the largest first: what is left out of the others then moves least
  const packs = [...objects.packs].sort((a, b) => b.idx.count - a.idx.count)
  const parts: PackPart[] = []
  let objectCount = 0
  let packedBytes = 0
  let leftOut = 0
  for (const [place, pack] of packs.entries()) {
    const before = packs.slice(0, place)
    const taken = new Uint8Array(pack.idx.count)
    let count = 0
    for (let rank = 0; rank < taken.length; rank++) {
      const position = pack.order.positions[rank] as number
      const oid = pack.idx.oid(position)
      // an object may stand in one pack twice: the entry that a search finds is the one that is taken
      if (pack.idx.find(oid, 0) !== position || before.some((other) => other.idx.find(oid, 0) >= 0)) continue
      if (!choice.isChosen(oid)) leftOut++
      if (!choice.isChosen(oid) || choice.isStored(oid)) continue
      taken[rank] = 1
      count++
      packedBytes += pack.endOf(rank) - (pack.order.offsets[rank] as number)
    }
    objectCount += count
    if (count > 0) parts.push({ pack, taken: count === taken.length ? null : taken })
  }
  const loose: ObjectId[] = []
  for (const oid of objects.looseIds()) {
    const id = Buffer.from(oid, 'hex')
    if (packs.some((pack) => pack.idx.find(id, 0) >= 0)) continue
    if (!choice.isChosen(id)) leftOut++
    else if (!choice.isStored(id)) loose.push(oid)
  }
  return { objectCount: objectCount + loose.length, packedBytes, parts, loose, leftOut, choice }
}

/** The pack's bytes, trailer and all. InputError `disk-pack` or `disk-object` for what is found damaged on the way. */
export async function* combinedPack(
  objects: DiskObjects,
  plan: CombinedPack,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash(objects.format)
  let offset = 0
  const pieces = new Pieces()
  const emit = function* (bytes: Uint8Array): Generator<Uint8Array> {
    hash.update(bytes)
    offset += bytes.length
    signal.throwIfAborted()
    yield bytes
  }
  yield* emit(encodePackHeader(plan.objectCount))
  for (const part of plan.parts) {
    const entries = part.taken === null ? wholeEntries(part.pack) : movedEntries(objects, plan, part.pack, part.taken, offset)
    for (const bytes of entries) for (const piece of pieces.add(bytes)) yield* emit(piece)
    for (const piece of pieces.flush()) yield* emit(piece)
  }
  for (const oid of plan.loose) {
    const object = objects.read(oid)
    if (object === null) continue // packed or pruned meanwhile: the pack comes up short, and the caller tries again
    const entry = concatBytes([encodeEntryHeader(object.kind, object.bytes.length), await compress(object.bytes)])
    for (const piece of pieces.add(entry)) yield* emit(piece)
  }
  for (const piece of pieces.flush()) yield* emit(piece)
  yield new Uint8Array(hash.digest())
}

function* wholeEntries(pack: DiskPack): Generator<Uint8Array> {
  for (let at = PACK_HEADER_BYTES; at < pack.entriesEnd; at += pieceBytes) yield pack.read(at, Math.min(pieceBytes, pack.entriesEnd - at))
}

/** @param start where in the new pack these entries begin */
function* movedEntries(
  objects: DiskObjects,
  { choice }: CombinedPack,
  pack: DiskPack,
  taken: Uint8Array,
  start: number,
): Generator<Uint8Array> {
  const moved = new Float64Array(taken.length)
  let at = start
  for (let rank = 0; rank < taken.length; rank++) {
    if (taken[rank] === 0) continue
    moved[rank] = at
    const bytes = pack.entry(rank)
    pack.checkCrc(rank, bytes)
    const parts = rebased(pack, rank, bytes, taken, moved, choice) ?? whole(objects, pack, rank)
    for (const part of parts) {
      at += part.length
      yield part
    }
  }
}

/** The entry for its new place; null when what it rests on doesn't come along. */
function rebased(
  pack: DiskPack,
  rank: number,
  bytes: Uint8Array,
  taken: Uint8Array,
  moved: Float64Array,
  choice: ObjectChoice,
): Uint8Array[] | null {
  const offset = pack.order.offsets[rank] as number
  const header = pack.header(bytes, offset)
  const base = pack.baseRank(header, offset)
  if (base < 0) return [bytes]
  if (taken[base] === 0) {
    const id = pack.idx.oid(pack.order.positions[base] as number)
    if (!choice.isChosen(id) && !choice.isStored(id)) return null
    return [encodeEntryHeader(EntryType.refDelta, header.sizeBytes, id), bytes.subarray(header.headerBytes)]
  }
  if (header.type === EntryType.refDelta) return [bytes]
  const distance = (moved[rank] as number) - (moved[base] as number)
  if (distance === header.baseDistance) return [bytes]
  return [encodeEntryHeader(EntryType.ofsDelta, header.sizeBytes, distance), bytes.subarray(header.headerBytes)]
}

function whole(objects: DiskObjects, pack: DiskPack, rank: number): Uint8Array[] {
  const object = objects.readEntry(pack, rank)
  return [encodeEntryHeader(object.kind, object.bytes.length), deflateSync(object.bytes)]
}

/** Joins small parts to pieces of a size that is worth passing on. */
class Pieces {
  readonly #parts: Uint8Array[] = []
  #sizeBytes = 0;

  *add(part: Uint8Array): Generator<Uint8Array> {
    this.#parts.push(part)
    this.#sizeBytes += part.length
    if (this.#sizeBytes >= pieceBytes) yield* this.flush()
  }

  *flush(): Generator<Uint8Array> {
    if (this.#sizeBytes === 0) return
    yield concatBytes(this.#parts)
    this.#parts.length = 0
    this.#sizeBytes = 0
  }
}
