// Completes thin packs: deltas may rest on objects that the network holds but the pack doesn't. Those are appended, whole, and the pack's
// header and trailer are written anew (git's "fix thin").
import { createHash } from 'node:crypto'
import { crc32, deflateSync } from 'node:zlib'
import { concatBytes, hex } from '../../base/index.ts'
import { encodeEntryHeader, encodePackHeader } from '../format/pack.ts'
import { type EntryTable, IS_APPENDED } from './entry-table.ts'
import { refuse } from './errors.ts'
import type { IndexOptions } from './index-pack.ts'
import type { NamedBase } from './receiver.ts'

/** Of the waiting deltas, those whose base is there to build on. */
export async function splitByExistence(
  waiting: readonly NamedBase[],
  options: IndexOptions,
): Promise<{ readonly outside: NamedBase[]; readonly inside: NamedBase[] }> {
  const kinds = await options.existing.kinds(concatBytes(waiting.map(({ base }) => base)))
  return { outside: waiting.filter((_, i) => kinds[i] !== 0), inside: waiting.filter((_, i) => kinds[i] === 0) }
}

/** Appends the bases and links the deltas to them. */
export async function appendBases(table: EntryTable, waiting: readonly NamedBase[], options: IndexOptions): Promise<void> {
  const appended = new Map<string, number>()
  for (const { entry, base } of waiting) {
    const name = hex(base)
    let at = appended.get(name)
    if (at === undefined) {
      const object = await options.existing.read(base)
      if (object === null) throw refuse('pack-unresolved', `pack has an unresolved delta: its base ${name} is missing`)
      at = append(table, base, object.kind, object.bytes, options)
      appended.set(name, at)
    }
    table.link(entry, at)
  }
}

function append(table: EntryTable, id: Uint8Array, kind: 1 | 2 | 3 | 4, bytes: Uint8Array, { spool }: IndexOptions): number {
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

/** Makes header and trailer right for the appended bases. */
export function rewriteEnds(table: EntryTable, { spool, format }: IndexOptions): void {
  spool.overwrite(0, encodePackHeader(table.count))
  const hash = createHash(format)
  const buffer = new Uint8Array(1024 * 1024)
  for (let at = 0; at < table.packEnd; ) {
    const count = spool.read(at, buffer.subarray(0, Math.min(buffer.length, table.packEnd - at)))
    hash.update(buffer.subarray(0, count))
    at += count
  }
  spool.overwrite(table.packEnd, hash.digest())
}
