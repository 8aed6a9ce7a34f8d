// Reads one whole object back from the indexed pack: for the few that are looked at again when all ids are known.
import { inflateSync } from 'node:zlib'
import { applyDelta } from '../format/delta.ts'
import type { EntryTable } from './entry-table.ts'
import type { PackSource } from './entry-reader.ts'
import { LARGE_BYTES } from './workspace.ts'

/** The object's bytes; null when it, or something on its way, is above LARGE_BYTES. The entry must be resolved. */
export function readStored(table: EntryTable, source: PackSource, entry: number): Uint8Array | null {
  const { columns } = table
  const chain: number[] = []
  for (let at = entry; at >= 0; at = columns.bases[at]!) {
    if (columns.sizes[at]! > LARGE_BYTES || columns.payloads[at]! > LARGE_BYTES) return null
    chain.push(at)
  }
  let bytes = inflated(table, source, chain.pop()!)
  for (let at = chain.pop(); at !== undefined; at = chain.pop()) bytes = applyDelta(bytes, inflated(table, source, at))
  return bytes
}

function inflated(table: EntryTable, source: PackSource, entry: number): Uint8Array {
  const outside = table.outsideBytes(entry)
  if (outside !== null) return outside
  const { offsets, headers, payloads } = table.columns
  const from = offsets[entry]! + headers[entry]!
  const stored = new Uint8Array(table.endOf(entry) - from)
  source.read(from, stored)
  return inflateSync(stored, { maxOutputLength: Math.max(1, payloads[entry]!) })
}
