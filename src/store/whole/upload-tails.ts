// Tails: what uploads have in PostgreSQL, because it is little.
import { InputError } from '../../base/index.ts'
import { type Database, fixedQuery, sql, type Tx } from '../../db/index.ts'
import type { UploadState } from '../content-uploads.ts'
import { tailBytes } from '../sizes.ts'
import { isFree, mostParts, refuse, type StateRow, stateOf } from './upload-rows.ts'

export interface TailOptions {
  readonly id: string
  readonly scope: string
  readonly offset: number | undefined
  readonly limitBytes: number
  /** For the row, where it makes one. */
  readonly uuid: string
}

/** Adds some bytes, in PostgreSQL: to those that came before, where these are few, too. Null: no such upload. InputError as `markUpload`; 'too-large'. */
export async function addTail(db: Database, bytes: Uint8Array, options: TailOptions): Promise<UploadState | null> {
  const { id, scope, offset, limitBytes, uuid } = options
  return db.transaction(
    async (tx) => {
      const { rows } = await sql<StateRow & { part_count: number }>`
        select size_bytes::float8 as size_bytes, algorithm, begun_at, part_count from content_upload where id = ${id}::uuid and scope = ${scope}
          and ${isFree} and (${offset ?? null}::bigint is null or size_bytes = ${offset ?? null}::bigint) for update`.execute(tx)
      const row = rows[0]
      if (row === undefined) return refuse(tx, id, scope, offset)
      if (row.size_bytes + bytes.length > limitBytes) throw new InputError('too-large', 'the content is larger than what is allowed')
      const isMerged = await mergeTail(tx, id, row.part_count - 1, bytes)
      if (!isMerged && row.part_count >= mostParts) return refuse(tx, id, scope, offset)
      if (!isMerged) {
        await sql`
          insert into whole_part (uuid, upload_id, ordinal, size_bytes, stored_bytes, tail, has_digest)
          values (${uuid}::uuid, ${id}::uuid, ${row.part_count}, ${bytes.length}, 0, ${bytes}, false)`.execute(tx)
      }
      await sql`
        update content_upload set size_bytes = size_bytes + ${bytes.length}, part_count = part_count + ${isMerged ? 0 : 1}, adding = null, touched_at = now()
        where id = ${id}::uuid`.execute(tx)
      return { ...stateOf(id, row), sizeBytes: row.size_bytes + bytes.length }
    },
    { mayRetry: true },
  )
}

async function mergeTail(tx: Tx, id: string, ordinal: number, bytes: Uint8Array): Promise<boolean> {
  const { rows } = await sql`
    update whole_part set tail = tail || ${bytes}::bytea, size_bytes = size_bytes + ${bytes.length}
    where upload_id = ${id}::uuid and ordinal = ${ordinal} and tail is not null and size_bytes + ${bytes.length} <= ${tailBytes} returning 1`.execute(
    tx,
  )
  return rows.length > 0
}

/** Ends an upload that is in PostgreSQL alone, if it is free and has exactly so many bytes; false: it isn't so. */
export async function endTails(tx: Tx, id: string, scope: string, sizeBytes: number): Promise<boolean> {
  return (await deleteTails(tx, id, scope, sizeBytes)).length > 0
}

const deleteTails = fixedQuery((queries, id: string, scope: string, sizeBytes: number) => {
  const statement = sql<{ id: string }>`
    with gone as (
        delete from content_upload u where id = ${id}::uuid and scope = ${scope}::text and size_bytes = ${sizeBytes}::bigint and ${isFree}
          and not exists (select from whole_part p where p.upload_id = u.id and tail is null)
        returning id),
      parts as (delete from whole_part where upload_id in (select id from gone))
    select id from gone`
  return { compile: () => statement.compile(queries) }
})
