// The end of whole copies: their rows go, and their keys later.
import { wholeKey } from '../../bucket/index.ts'
import { sql, type Tx } from '../../db/index.ts'
import { deleteKeys } from './upload-rows.ts'

/** Ends the whole copies of contents that the transaction has locked: readers that have begun go on for a day. */
export async function deleteWholes(tx: Tx, digests: readonly Uint8Array[], hours: number): Promise<void> {
  if (digests.length === 0) return
  const { rows } = await sql<{ uuid: string }>`delete from whole_part where digest = any(${[...digests]}::bytea[]) returning uuid`.execute(
    tx,
  )
  await sql`delete from content_whole where digest = any(${[...digests]}::bytea[])`.execute(tx)
  await deleteKeys(
    tx,
    rows.map((row) => wholeKey(row.uuid)),
    hours,
  )
}
