// Keys that rows name: what a backup copies, and what a restored place must have.
import { segmentKey, wholeKey } from '../bucket/index.ts'
import { sql, type Tx } from '../db/index.ts'
import type { NamedKey } from './copy-keys.ts'

/** Keys that rows of one kind name, read in the transaction's snapshot. */
type KeySource = (tx: Tx) => Promise<readonly NamedKey[]>

const packsAndTables: KeySource = async (tx) => {
  const { rows } = await sql<NamedKey>`
    select key, size_bytes as "sizeBytes" from pack where key is not null union all select key, size_bytes from history
      union all select key, size_bytes from path_table`.execute(tx)
  return rows
}

const segments: KeySource = async (tx) => {
  const { rows } = await sql<{ uuid: string; sizeBytes: number }>`
    select uuid::text as uuid, size_bytes as "sizeBytes" from segment where tail is null`.execute(tx)
  return rows.map(({ uuid, sizeBytes }) => ({ key: segmentKey(uuid), sizeBytes }))
}

const wholeParts: KeySource = async (tx) => {
  const { rows } = await sql<{ uuid: string; sizeBytes: number }>`
    select uuid::text as uuid, stored_bytes as "sizeBytes" from whole_part where tail is null`.execute(tx)
  return rows.map(({ uuid, sizeBytes }) => ({ key: wholeKey(uuid), sizeBytes }))
}

/** Each once. */
export async function namedKeys(tx: Tx): Promise<readonly NamedKey[]> {
  const keys = new Map<string, NamedKey>()
  for (const source of [packsAndTables, segments, wholeParts]) for (const named of await source(tx)) keys.set(named.key, named)
  return [...keys.values()]
}
