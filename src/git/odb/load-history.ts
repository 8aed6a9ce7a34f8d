// Loads a network's history table: one value, or several that go on where the one before them ends, joined in memory that all threads share.
import type { BlockReader } from '../../bucket/index.ts'
import {
  assertHistoryHash,
  assertGoesOn,
  decodeHistory,
  encodeHistory,
  endOf,
  type HistoryEnd,
  joinHistories,
  noHistory,
  type StoredHistory,
} from '../format/history-table.ts'
import { loadValue } from './load-value.ts'
import type { HistoryHandle } from './pack-handle.ts'

/** @param rows the stored tables in their order */
export async function loadHistory(
  reader: BlockReader,
  rows: readonly { readonly key: string; readonly size_bytes: number }[],
  previous: HistoryHandle | null,
  failed: (error: unknown, key: string) => void,
): Promise<HistoryHandle | null> {
  const key = rows.map((row) => row.key).join()
  if (key === previous?.key) return previous
  // what was loaded before is the beginning, as long as none of it was replaced
  const isGrown = previous?.parts.every((part, i) => part.key === rows[i]?.key)
  const known = isGrown && previous ? previous : null
  const tables: StoredHistory[] = known ? [decodeHistory(new Uint8Array(known.bytes))] : []
  const parts: { key: string; end: HistoryEnd }[] = [...(known?.parts ?? [])]
  let bytes = known?.bytes ?? null
  for (const row of rows.slice(parts.length)) {
    try {
      const loaded = await loadValue(reader, row.key, 0, row.size_bytes)
      const view = new Uint8Array(loaded.bytes)
      assertHistoryHash(view, loaded.sha256)
      const table = decodeHistory(view)
      assertGoesOn(table, parts.at(-1)?.end ?? noHistory)
      tables.push(table)
      parts.push({ key: row.key, end: endOf(table) })
      bytes = loaded.bytes
    } catch (error) {
      failed(error, row.key) // those before it are of use without it
      break
    }
  }
  if (bytes === null) return null
  return {
    key: parts.map((part) => part.key).join(),
    parts,
    bytes: tables.length === 1 ? bytes : shared(encodeHistory(joinHistories(tables))),
  }
}

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.length)
  new Uint8Array(buffer).set(bytes)
  return buffer
}
