// Rows of uploads. One request at a time adds to an upload or finishes it: it marks the row with the UUID of the key that it will write, together with that key's
// intent row. A mark ends by itself where its request has died; whoever comes then takes the upload over, and the late one finds its mark gone.
import { InputError, UnavailableError } from '../../base/index.ts'
import { type Key, wholeKey } from '../../bucket/index.ts'
import { type Database, fixedQuery, type Queries, sql, type Tx } from '../../db/index.ts'
import type { BeginOptions, UploadAlgorithm, UploadState } from '../content-uploads.ts'
import { intentHours } from '../segment-writer.ts'
import type { StagedPart } from './part-writer.ts'

/** A mark lasts so long from when its request last said that it lives. */
export const markSeconds = 60
/** Parts of one upload. Small ones that follow each other are one. */
export const mostParts = 10_000

/** No request adds to it now. */
export const isFree = sql`(adding is null or adding_until < now())`

/** An upload that the caller alone may change. */
export interface MarkedUpload extends UploadState {
  readonly scope: string
  /** Of the key that may be written. */
  readonly uuid: string
}

/** A part as its row tells of it. */
export interface PartRow {
  readonly uuid: string
  readonly sizeBytes: number
  readonly tail: Uint8Array | null
  readonly sums: Uint8Array | null
  readonly hasDigest: boolean
}

export interface StateRow {
  readonly size_bytes: number
  readonly algorithm: string
  readonly begun_at: Date
}

/** InputError 'too-many-uploads'. */
export async function insertUpload({ queries }: Database, id: string, { scope, algorithm, most }: Required<BeginOptions>): Promise<void> {
  const made = await insertRow(queries, id, scope, algorithm, most)
  if (made.length === 0) throw new InputError('too-many-uploads', `at most ${most} uploads at one time`)
}

const insertRow = fixedQuery((queries, id: string, scope: string, algorithm: UploadAlgorithm, most: number) => {
  const statement = sql`
    insert into content_upload (id, scope, algorithm) select ${id}::uuid, ${scope}::text, ${algorithm}::text
    where not exists (select from content_upload where scope = ${scope}::text offset ${most}::bigint - 1 limit 1) returning 1`
  return { compile: () => statement.compile(queries) }
})

export async function findUpload(queries: Queries, id: string, scope: string): Promise<UploadState | null> {
  const [row] = await findRow(queries, id, scope)
  return row === undefined ? null : stateOf(id, row)
}

export interface MarkOptions {
  readonly id: string
  readonly scope: string
  readonly offset: number | undefined
  /** Of the key, where it stands at the beginning. */
  readonly firstUuid: string
  /** Of the key, where others come before it. */
  readonly nextUuid: string
}

const findRow = fixedQuery((queries, id: string, scope: string) =>
  queries.selectFrom('content_upload').select(['size_bytes', 'algorithm', 'begun_at']).where('id', '=', id).where('scope', '=', scope),
)

/** Null: no such upload. InputError 'upload-busy', 'upload-offset', 'too-many-parts'. */
export async function markUpload({ queries }: Database, options: MarkOptions): Promise<MarkedUpload | null> {
  const { id, scope, offset, firstUuid, nextUuid } = options
  const [row] = await mark(queries, id, scope, offset ?? null, firstUuid, nextUuid, wholeKey(firstUuid), wholeKey(nextUuid))
  return row === undefined ? refuse(queries, id, scope, offset) : { ...stateOf(id, row), scope, uuid: row.adding }
}

type MarkParameters = readonly [
  id: string,
  scope: string,
  offset: number | null,
  firstUuid: string,
  nextUuid: string,
  firstKey: string,
  nextKey: string,
]

const mark = fixedQuery<MarkParameters, StateRow & { adding: string }>((queries, id, scope, offset, firstUuid, nextUuid, ...keys) => {
  const [firstKey, nextKey] = keys
  const statement = sql<StateRow & { adding: string }>`
    with marked as (
        update content_upload set adding = case when size_bytes = 0 then ${firstUuid}::uuid else ${nextUuid}::uuid end,
          adding_until = now() + ${markSeconds}::int * interval '1 second', touched_at = now()
        where id = ${id}::uuid and scope = ${scope}::text and ${isFree} and part_count < ${mostParts}::int
          and (${offset}::bigint is null or size_bytes = ${offset}::bigint)
        returning size_bytes::float8 as size_bytes, algorithm, begun_at, adding::text as adding),
      intent as (
        insert into upload_intent (key, expires_at)
        select case when size_bytes = 0 then ${firstKey}::text else ${nextKey}::text end, now() + ${intentHours}::int * interval '1 hour' from marked)
    select * from marked`
  return { compile: () => statement.compile(queries) }
})

/** Why it can't be added to; null: there is none. */
export async function refuse(queries: Queries, id: string, scope: string, offset: number | undefined): Promise<null> {
  const { rows } = await sql<{ size_bytes: number; part_count: number; is_free: boolean }>`
    select size_bytes::float8 as size_bytes, part_count, ${isFree} as is_free from content_upload where id = ${id}::uuid and scope = ${scope}`.execute(
    queries,
  )
  const row = rows[0]
  if (row === undefined) return null
  if (row.is_free && row.part_count >= mostParts) throw new InputError('too-many-parts', `an upload may have ${mostParts} parts at most`)
  if (row.is_free && offset !== undefined && row.size_bytes !== offset) throw wrongOffset(row.size_bytes)
  throw uploadBusy()
}

export function wrongOffset(sizeBytes: number): InputError {
  return new InputError('upload-offset', `the upload has ${sizeBytes} bytes so far: it goes on there`)
}

/** Says that the request still lives. False: it was taken over, or the upload is gone. */
export async function extendMark({ queries }: Database, { id, uuid }: MarkedUpload): Promise<boolean> {
  const { rows } = await sql`
    update content_upload set adding_until = now() + ${markSeconds} * interval '1 second', touched_at = now() where id = ${id}::uuid and adding = ${uuid}::uuid returning 1`.execute(
    queries,
  )
  return rows.length > 0
}

/** Ends the mark, where it still is one. What becomes of the key is the caller's. */
export async function unmark({ queries }: Database, { id, uuid }: MarkedUpload): Promise<void> {
  await queries.updateTable('content_upload').set({ adding: null }).where('id', '=', id).where('adding', '=', uuid).execute()
}

/** Adds the part whose key the mark was for, and ends the mark. UnavailableError 'lease-lost': nothing was added. */
export async function addPart({ queries }: Database, marked: MarkedUpload, part: StagedPart): Promise<void> {
  const { uuid, sizeBytes, storedBytes, sums, hasDigest } = part
  const added = await insertPart(queries, marked.id, marked.uuid, uuid, wholeKey(uuid), sizeBytes, storedBytes, sums, hasDigest)
  if (added.length === 0) throw markLost()
}

type PartParameters = readonly [
  id: string,
  markUuid: string,
  uuid: string,
  key: string,
  sizeBytes: number,
  storedBytes: number,
  sums: Uint8Array,
  hasDigest: boolean,
]

const insertPart = fixedQuery<PartParameters, unknown>((queries, id, markUuid, uuid, key, sizeBytes, ...more) => {
  const [storedBytes, sums, hasDigest] = more
  const statement = sql`
    with gone as (delete from upload_intent where key = ${key}::text returning 1),
      added as (
        update content_upload set size_bytes = size_bytes + ${sizeBytes}::bigint, part_count = part_count + 1, adding = null, touched_at = now()
        where id = ${id}::uuid and adding = ${markUuid}::uuid and exists (select from gone) returning part_count)
    insert into whole_part (uuid, upload_id, ordinal, size_bytes, stored_bytes, sums, has_digest)
    select ${uuid}::uuid, ${id}::uuid, part_count - 1, ${sizeBytes}::bigint, ${storedBytes}::bigint, ${sums}::bytea, ${hasDigest}::boolean from added
    returning 1`
  return { compile: () => statement.compile(queries) }
})

export function markLost(): UnavailableError {
  return new UnavailableError('lease-lost', 'the upload was ended, or taken over by another request')
}

/** Nothing was added, and nothing will be. */
export function isMarkLost(error: unknown): boolean {
  return error instanceof UnavailableError && error.code === 'lease-lost'
}

/** In order. */
export async function partsOfUpload(queries: Queries, id: string): Promise<readonly PartRow[]> {
  const rows = await queries
    .selectFrom('whole_part')
    .select(['uuid', 'size_bytes', 'tail', 'sums', 'has_digest'])
    .where('upload_id', '=', id)
    .orderBy('ordinal')
    .execute()
  return rows.map((row) => ({ uuid: row.uuid, sizeBytes: row.size_bytes, tail: row.tail, sums: row.sums, hasDigest: row.has_digest }))
}

/** A part without its bytes. */
export interface PartPlace {
  readonly uuid: string
  readonly sizeBytes: number
  readonly isTail: boolean
  readonly hasDigest: boolean
}

/** In order. */
export async function placesOfUpload(queries: Queries, id: string): Promise<readonly PartPlace[]> {
  const { rows } = await sql<PartPlace>`
    select uuid::text as uuid, size_bytes::float8 as "sizeBytes", tail is not null as "isTail", has_digest as "hasDigest"
    from whole_part where upload_id = ${id}::uuid order by ordinal`.execute(queries)
  return rows
}

/** An upload that the transaction has locked. */
export interface LockedUpload {
  readonly sizeBytes: number
  /** The key that a request may be writing now. */
  readonly mark: string | null
}

/** Nobody else adds to it or ends it before the transaction does. Null: there is none. */
export async function lockUpload(tx: Tx, id: string, scope: string): Promise<LockedUpload | null> {
  const { rows } = await sql<LockedUpload>`
    select size_bytes::float8 as "sizeBytes", case when adding_until >= now() then adding::text end as mark
    from content_upload where id = ${id}::uuid and scope = ${scope} for update`.execute(tx)
  return rows[0] ?? null
}

/** The same; `isComplete`: all of it is in the bucket, and the last key says of what it is the end. */
export async function lockWithParts(tx: Tx, id: string, scope: string): Promise<(LockedUpload & { readonly isComplete: boolean }) | null> {
  const [row] = await lockAll(tx, id, scope)
  return row === undefined ? null : { ...row, isComplete: row.isComplete === true }
}

const lockAll = fixedQuery((queries, id: string, scope: string) => {
  const statement = sql<LockedUpload & { isComplete: boolean | null }>`
    select size_bytes::float8 as "sizeBytes", case when adding_until >= now() then adding::text end as mark,
      (select bool_and(tail is null and (has_digest or ordinal < part_count - 1)) from whole_part p where p.upload_id = u.id) as "isComplete"
    from content_upload u where id = ${id}::uuid and scope = ${scope}::text for update`
  return { compile: () => statement.compile(queries) }
})

export function uploadBusy(): InputError {
  return new InputError('upload-busy', 'another request is adding to this upload')
}

/** Ends an upload that the transaction has locked, with all that it has. Its keys, which are queued for deletion. */
export async function dropUpload(tx: Tx, id: string): Promise<readonly Key[]> {
  const keys = (await deleteUpload(tx, id)).map(({ uuid }) => wholeKey(uuid))
  await deleteKeys(tx, keys, 0)
  return keys
}

/** The parts that have keys. */
const deleteUpload = fixedQuery((queries, id: string) => {
  const statement = sql<{ uuid: string }>`
    with gone as (delete from content_upload where id = ${id}::uuid),
      parts as (delete from whole_part where upload_id = ${id}::uuid returning uuid, tail is not null as is_tail)
    select uuid from parts where not is_tail`
  return { compile: () => statement.compile(queries) }
})

const expiredBatch = 100

/** Ends uploads that nobody has touched for so long. How many. */
export async function expireUploads(db: Database, untouchedMs: number, signal?: AbortSignal): Promise<number> {
  let gone = 0
  for (let count = expiredBatch; count === expiredBatch; gone += count) {
    signal?.throwIfAborted()
    count = await db.transaction(
      async (tx) => {
        const { rows } = await sql<{ id: string }>`
          select id::text as id from content_upload where touched_at < now() - ${untouchedMs} * interval '1 millisecond' and ${isFree}
          order by touched_at limit ${expiredBatch} for update skip locked`.execute(tx)
        for (const { id } of rows) await dropUpload(tx, id)
        return rows.length
      },
      { mayRetry: true },
    )
  }
  return gone
}

/** They go when the sweeper comes, at the earliest after so many hours. */
export async function deleteKeys(tx: Tx, keys: readonly Key[], hours: number): Promise<void> {
  if (keys.length === 0) return
  await sql`
    insert into key_deletion (key, not_before) select k, now() + ${hours} * interval '1 hour' from unnest(${[...keys]}::text[]) k
    on conflict do nothing`.execute(tx)
}

export function stateOf(id: string, row: StateRow): UploadState {
  return { id, sizeBytes: row.size_bytes, algorithm: row.algorithm as UploadAlgorithm, begunAt: row.begun_at }
}
