// Thin packs: deltas may rest on objects that the network holds but the pack doesn't. They stay so (docs/design/pack-key.md, Bases outside),
// unless the base lies at the end of a long chain already: then it is appended, whole, and the pack's header and trailer are written anew
// (git's "fix thin").
import { createHash } from 'node:crypto'
import { crc32, deflateSync } from 'node:zlib'
import { concatBytes, hex } from '../../base/index.ts'
import type { Kind } from '../format/object-id.ts'
import { encodeEntryHeader, encodePackHeader } from '../format/pack.ts'
import { type EntryTable, IS_APPENDED } from './entry-table.ts'
import { refuse } from './errors.ts'
import { deepestBase, type IndexOptions } from './index-pack.ts'
import type { NamedBase } from './receiver.ts'
import { LARGE_BYTES } from './workspace.ts'

/** What is read from the spool at once. */
const PIECE_BYTES = 1024 * 1024

/** Of the waiting deltas, those whose base is there to build on. */
export async function splitByExistence(
  waiting: readonly NamedBase[],
  options: IndexOptions,
): Promise<{ readonly outside: NamedBase[]; readonly inside: NamedBase[] }> {
  const kinds = await options.existing.kinds(concatBytes(waiting.map(({ base }) => base)))
  return { outside: waiting.filter((_, i) => kinds[i] !== 0), inside: waiting.filter((_, i) => kinds[i] === 0) }
}

/**
 * Gives each base a row and links its deltas to it: a row outside of the pack, or, where the base is stored as too many deltas itself or there
 * is no memory for its bytes, one of the pack, with the object appended to it.
 */
export async function placeBases(table: EntryTable, waiting: readonly NamedBase[], options: IndexOptions): Promise<void> {
  const deltas = new Map<string, NamedBase[]>()
  for (const named of waiting) {
    const name = hex(named.base)
    const same = deltas.get(name)
    if (same) same.push(named)
    else deltas.set(name, [named])
  }
  const outside: OutsideBase[] = []
  let room = Math.floor(options.limits.memoryBytes / 8)
  for (const [name, named] of deltas) {
    const id = (named[0] as NamedBase).base
    const object = await options.existing.read(id)
    if (object === null) throw refuse('pack-unresolved', `pack has an unresolved delta: its base ${name} is missing`)
    if (object.depth < deepestBase && object.bytes.length <= Math.min(room, LARGE_BYTES)) {
      room -= object.bytes.length
      outside.push({ id, kind: object.kind, bytes: object.bytes, deltas: named })
      continue
    }
    const row = append(table, id, object.kind, object.bytes, options)
    for (const { entry } of named) table.link(entry, row)
  }
  if (outside.length > 0) addOutside(table, outside)
}

interface OutsideBase {
  readonly id: Uint8Array
  readonly kind: Kind
  readonly bytes: Uint8Array
  readonly deltas: readonly NamedBase[]
}

function addOutside(table: EntryTable, bases: readonly OutsideBase[]): void {
  const first = table.count
  const ends = new Float64Array(new SharedArrayBuffer(bases.length * 8))
  const bytes = new Uint8Array(new SharedArrayBuffer(bases.reduce((sum, base) => sum + base.bytes.length, 0)))
  let end = 0
  for (const [i, base] of bases.entries()) {
    bytes.set(base.bytes, end)
    ends[i] = end += base.bytes.length
    const row = table.add(0)
    const { columns } = table
    columns.offsets[row] = table.packEnd
    columns.headers[row] = 0
    columns.payloads[row] = base.bytes.length
    columns.sizes[row] = base.bytes.length
    columns.crcs[row] = 0
    columns.kinds[row] = base.kind
    columns.depths[row] = 0
    table.oid(row).set(base.id)
    for (const { entry } of base.deltas) table.link(entry, row)
  }
  table.outside = { first, bytes, ends }
}

function append(table: EntryTable, id: Uint8Array, kind: Kind, bytes: Uint8Array, { spool }: IndexOptions): number {
  const header = encodeEntryHeader(kind, bytes.length)
  const stored = concatBytes([header, deflateSync(bytes)])
  const entry = table.add(0)
  const { columns } = table
  columns.offsets[entry] = table.packEnd
  columns.headers[entry] = header.length
  columns.payloads[entry] = bytes.length
  columns.sizes[entry] = bytes.length
  columns.crcs[entry] = crc32(stored)
  columns.kinds[entry] = kind | IS_APPENDED
  columns.depths[entry] = 0
  table.oid(entry).set(id)
  // The first one takes the old trailer's place.
  spool.overwrite(table.packEnd, stored)
  table.packEnd += stored.length
  return entry
}

/**
 * Appended bases (rows from `received` on) that came up among the pack's own results go again, and the rest close up: an object stands in a pack
 * once. What rested on them rests on the pack's own entries. One whose own entry rests on it in the end has to stay, which makes it a double.
 * Returns how many entries the pack has then.
 */
export function dropDoubles(table: EntryTable, received: number, options: IndexOptions): number {
  const { packed, columns } = table
  const own = ownEntries(table, received)
  const dropped = new Set<number>()
  for (let row = received; row < packed; row++) {
    const entry = own.get(row)
    if (entry === undefined || restsOn(table, entry, row)) continue
    for (let delta = columns.firsts[row]!; delta >= 0; delta = columns.nexts[delta]!) columns.bases[delta] = entry
    columns.depths[row] = 0xffff // chooseEntries takes the other
    dropped.add(row)
  }
  if (dropped.size > 0) closeUp(table, received, dropped, options)
  return packed - dropped.size
}

/** For each appended row, the first entry of the pack as it came that is the same object. */
function ownEntries(table: EntryTable, received: number): Map<number, number> {
  const rows = new Map<string, number>()
  const firstWords = new Set<number>()
  const { oids } = table.columns
  for (let row = received; row < table.packed; row++) {
    rows.set(hex(table.oid(row)), row)
    firstWords.add(oids[row * table.idWords]!)
  }
  const own = new Map<number, number>()
  for (let entry = received - 1; entry >= 0; entry--) {
    if (!firstWords.has(oids[entry * table.idWords]!)) continue
    const row = rows.get(hex(table.oid(entry)))
    if (row !== undefined) own.set(row, entry)
  }
  return own
}

function restsOn({ columns }: EntryTable, entry: number, row: number): boolean {
  let at = entry
  while (at >= 0 && at !== row) at = columns.bases[at]!
  return at === row
}

/** Moves the appended entries that stay to where the pack as it came ends, one behind the other. */
function closeUp(table: EntryTable, received: number, dropped: ReadonlySet<number>, { spool }: IndexOptions): void {
  const { packed, columns } = table
  let end = columns.offsets[received]!
  for (let row = received; row < packed; row++) {
    const from = columns.offsets[row]!
    const sizeBytes = (row + 1 < packed ? columns.offsets[row + 1]! : table.packEnd) - from
    columns.offsets[row] = end
    if (dropped.has(row)) continue
    for (let done = 0; from !== end && done < sizeBytes; done += PIECE_BYTES) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes - done))
      spool.read(from + done, piece)
      spool.overwrite(end + done, piece)
    }
    end += sizeBytes
  }
  table.packEnd = end
  for (let row = packed; row < table.count; row++) columns.offsets[row] = end
  spool.truncate(end)
}

/** Makes header and trailer right for the appended bases. */
export function rewriteEnds(table: EntryTable, entryCount: number, { spool, format }: IndexOptions): void {
  spool.overwrite(0, encodePackHeader(entryCount))
  const hash = createHash(format)
  const buffer = new Uint8Array(PIECE_BYTES)
  for (let at = 0; at < table.packEnd; ) {
    const count = spool.read(at, buffer.subarray(0, Math.min(buffer.length, table.packEnd - at)))
    hash.update(buffer.subarray(0, count))
    at += count
  }
  spool.overwrite(table.packEnd, hash.digest())
}
