// The transaction that makes parts a content: docs/design/content-store.md, Whole contents.
import { UnavailableError } from '../../base/index.ts'
import { type Key, wholeKey } from '../../bucket/index.ts'
import { fixedQuery, type RawBuilder, sql, type Tx } from '../../db/index.ts'
import { insertReviews, leaseHours } from '../content-rows.ts'
import type { ContentReference } from '../content-store.ts'
import { deleteWholes } from './delete-wholes.ts'
import type { StagedPart } from './part-writer.ts'
import { deleteKeys, dropUpload, placesOfUpload } from './upload-rows.ts'

/** What is to be content. */
export interface FinishedWhole {
  readonly digest: Uint8Array
  readonly sizeBytes: number
  /** Whose parts come first; null: it came in one go. */
  readonly uploadId: string | null
  /** Parts of the upload that staged ones stand for. */
  readonly replaced: readonly string[]
  /** All parts in order, staged ones and the upload's. */
  readonly order: readonly string[]
  readonly staged: readonly StagedPart[]
  readonly reference: ContentReference | null
}

/** Of a `content` row that an insert returns: its whole copy is known to be damaged or missing (damaged.ts). */
const isDamaged: RawBuilder<boolean | null> = sql<
  boolean | null
>`(select w.findings is not null from content_whole w where w.digest = content.digest) as is_damaged`

interface MadeRow {
  readonly is_new: boolean
  readonly is_damaged: boolean | null
}

/** What has become of parts. */
export interface Inserted {
  readonly isNew: boolean
  /** Queued for deletion: the same content was there. */
  readonly unused: readonly Key[]
}

/** Makes it content, or drops the parts where the same content is there, unless that is damaged: then they come in the place of its own. In either case the row is locked and held. Ends the upload. */
export async function insertWhole(tx: Tx, whole: FinishedWhole): Promise<Inserted> {
  const { digest, sizeBytes, uploadId, reference } = whole
  const { rows } = await sql<MadeRow>`
    insert into content (digest, size_bytes, leased_until) values (${digest}, ${sizeBytes}, now() + ${leaseHours} * interval '1 hour')
    on conflict (digest) do update set leased_until = greatest(content.leased_until, excluded.leased_until)
    returning xmax = 0 as is_new, ${isDamaged}`.execute(tx)
  const isNew = rows[0]?.is_new === true
  const isKept = isNew || (await dropDamaged(tx, digest, rows[0]))
  if (isKept) await insertParts(tx, whole)
  const dropped = uploadId === null ? [] : await dropUpload(tx, uploadId)
  await endIntents(tx, whole.staged, isKept)
  await holdOrReview(tx, digest, reference)
  return { isNew, unused: isKept ? [] : [...dropped, ...whole.staged.map(({ uuid }) => wholeKey(uuid))] }
}

/** The same for an upload whose parts are all as they are to be: one statement, for it is what pushes mostly end with. */
export async function insertKnown(
  tx: Tx,
  { digest, sizeBytes, uploadId, reference }: Pick<FinishedWhole, 'digest' | 'sizeBytes' | 'reference'> & { readonly uploadId: string },
): Promise<Inserted> {
  const [row] = await moveKnown(tx, digest, sizeBytes, uploadId, reference?.kind ?? null, reference?.id ?? null)
  const isNew = row?.is_new === true
  if (!isNew && (await dropDamaged(tx, digest, row))) {
    const order = (await placesOfUpload(tx, uploadId)).map(({ uuid }) => uuid)
    await insertParts(tx, { digest, uploadId, replaced: [], order, staged: [] })
  }
  return { isNew, unused: isNew ? [] : await dropUpload(tx, uploadId) }
}

/** Of the contents that `made` names: who needs them, or when to look whether anybody does. */
function held(digest: Uint8Array, kind: string | null, id: string | null) {
  return sql`
      held as (
        insert into content_reference (kind, id, digest) select ${kind}::text, ${id}::text, ${digest}::bytea
        from made where ${kind}::text is not null on conflict do nothing),
      leased as (
        insert into content_review (digest, due_at) select ${digest}::bytea, now() + ${leaseHours}::int * interval '1 hour'
        from made where ${kind}::text is null on conflict do nothing)`
}

const moveKnown = fixedQuery((queries, digest: Uint8Array, sizeBytes: number, uploadId: string, kind: string | null, id: string | null) => {
  const statement = sql<MadeRow>`
    with made as (
        insert into content (digest, size_bytes, leased_until)
        values (${digest}::bytea, ${sizeBytes}::bigint, now() + ${leaseHours}::int * interval '1 hour')
        on conflict (digest) do update set leased_until = greatest(content.leased_until, excluded.leased_until)
        returning xmax = 0 as is_new, ${isDamaged}),
      whole as (insert into content_whole (digest) select ${digest}::bytea from made where is_new),
      moved as (
        update whole_part set upload_id = null, digest = ${digest}::bytea
        where upload_id = ${uploadId}::uuid and exists (select from made where is_new)),
      gone as (delete from content_upload where id = ${uploadId}::uuid and exists (select from made where is_new)),${held(digest, kind, id)}
    select is_new, is_damaged from made`
  return { compile: () => statement.compile(queries) }
})

/** A content of one part, and the upload that came in one go. */
export interface LoneWhole {
  readonly digest: Uint8Array
  readonly part: StagedPart
  readonly upload: { readonly id: string; readonly scope: string }
  readonly reference: ContentReference | null
}

/** The same for an upload that is marked with the only part that it has: one statement. Null: it isn't marked so any more, and nothing counts. */
export async function insertLone(tx: Tx, { digest, part, upload, reference }: LoneWhole): Promise<Inserted | null> {
  const { uuid, sizeBytes, storedBytes, sums, hasDigest } = part
  const whose = [upload.id, upload.scope, reference?.kind ?? null, reference?.id ?? null] as const
  const [row] = await moveLone(tx, digest, sizeBytes, uuid, wholeKey(uuid), storedBytes, sums, hasDigest, ...whose)
  if (row === undefined) return null
  if (row.is_new) return { isNew: true, unused: [] }
  if (!(await dropDamaged(tx, digest, row))) return { isNew: false, unused: [wholeKey(uuid)] }
  await tx.deleteFrom('key_deletion').where('key', '=', wholeKey(uuid)).execute()
  await insertParts(tx, { digest, uploadId: null, replaced: [], order: [uuid], staged: [part] })
  return { isNew: false, unused: [] }
}

type LoneParameters = readonly [
  digest: Uint8Array,
  sizeBytes: number,
  uuid: string,
  key: string,
  storedBytes: number,
  sums: Uint8Array,
  hasDigest: boolean,
  uploadId: string,
  scope: string,
  kind: string | null,
  id: string | null,
]

const moveLone = fixedQuery<LoneParameters, MadeRow>((queries, digest, sizeBytes, uuid, key, storedBytes, sums, ...more) => {
  const [hasDigest, uploadId, scope, kind, id] = more
  const statement = sql<MadeRow>`
    with gone as (
        delete from content_upload where id = ${uploadId}::uuid and scope = ${scope}::text and adding = ${uuid}::uuid and adding_until >= now() and size_bytes = 0
        returning 1),
      intent as (delete from upload_intent where key = ${key}::text and exists (select from gone) returning 1),
      made as (
        insert into content (digest, size_bytes, leased_until)
        select ${digest}::bytea, ${sizeBytes}::bigint, now() + ${leaseHours}::int * interval '1 hour' from intent
        on conflict (digest) do update set leased_until = greatest(content.leased_until, excluded.leased_until)
        returning xmax = 0 as is_new, ${isDamaged}),
      whole as (insert into content_whole (digest) select ${digest}::bytea from made where is_new),
      part as (
        insert into whole_part (uuid, digest, ordinal, size_bytes, stored_bytes, sums, has_digest)
        select ${uuid}::uuid, ${digest}::bytea, 0, ${sizeBytes}::bigint, ${storedBytes}::bigint, ${sums}::bytea, ${hasDigest}::boolean from made where is_new),
      unused as (
        insert into key_deletion (key, not_before) select ${key}::text, now() from made where not is_new on conflict do nothing),${held(digest, kind, id)}
    select is_new, is_damaged from made`
  return { compile: () => statement.compile(queries) }
})

/** Drops the whole copy of a content that the transaction has locked, if it is still known to be damaged. Who reads what there is of its keys goes on for a day. */
async function dropDamaged(tx: Tx, digest: Uint8Array, made: MadeRow | undefined): Promise<boolean> {
  if (made?.is_damaged !== true) return false
  // another push may have mended it while this one waited for the lock
  const { rows } = await sql`select 1 from content_whole where digest = ${digest} and findings is not null for update`.execute(tx)
  if (rows.length > 0) await deleteWholes(tx, [digest], leaseHours)
  return rows.length > 0
}

type Parts = Pick<FinishedWhole, 'digest' | 'uploadId' | 'replaced' | 'order' | 'staged'>

async function insertParts(tx: Tx, { digest, uploadId, replaced, order, staged }: Parts): Promise<void> {
  await tx.insertInto('content_whole').values({ digest }).execute()
  await insertStaged(tx, digest, order, staged)
  if (uploadId !== null) {
    await sql`
      update whole_part set upload_id = null, digest = ${digest}, ordinal = place - 1
      from unnest(${[...order]}::uuid[]) with ordinality as o (part, place)
      where upload_id = ${uploadId}::uuid and uuid = part and uuid <> all(${[...replaced]}::uuid[])`.execute(tx)
  }
}

async function insertStaged(tx: Tx, digest: Uint8Array, order: readonly string[], staged: readonly StagedPart[]): Promise<void> {
  for (const part of staged) {
    await tx
      .insertInto('whole_part')
      .values({
        uuid: part.uuid,
        digest,
        ordinal: order.indexOf(part.uuid),
        size_bytes: part.sizeBytes,
        stored_bytes: part.storedBytes,
        sums: part.sums,
        has_digest: part.hasDigest,
      })
      .execute()
  }
}

/** What was staged has its row now, or is to go. */
async function endIntents(tx: Tx, staged: readonly StagedPart[], isNew: boolean): Promise<void> {
  if (staged.length === 0) return
  const keys = staged.map((part) => wholeKey(part.uuid))
  const { numDeletedRows } = await tx.deleteFrom('upload_intent').where('key', 'in', keys).executeTakeFirst()
  if (Number(numDeletedRows) !== keys.length) {
    throw new UnavailableError('lease-lost', 'an upload took so long that what it had stored was swept; it may be tried again')
  }
  if (!isNew) await deleteKeys(tx, keys, 0)
}

async function holdOrReview(tx: Tx, digest: Uint8Array, reference: ContentReference | null): Promise<void> {
  if (reference === null) return insertReviews(tx, [digest], leaseHours)
  await sql`
    insert into content_reference (kind, id, digest) values (${reference.kind}, ${reference.id}, ${digest}) on conflict do nothing`.execute(
    tx,
  )
}

/** Gives content that is there a whole copy; drops what was staged where it has one, or is gone. */
export async function insertCopy(tx: Tx, digest: Uint8Array, staged: StagedPart): Promise<boolean> {
  const { rows: locked } = await sql`select 1 from content where digest = ${digest} for no key update`.execute(tx)
  // another statement: one that has waited for the lock doesn't see the copy that was made meanwhile
  const { rows: copies } = await sql`select 1 from content_whole where digest = ${digest}`.execute(tx)
  const isNew = locked.length > 0 && copies.length === 0
  if (isNew) {
    await tx.insertInto('content_whole').values({ digest }).execute()
    await insertStaged(tx, digest, [staged.uuid], [staged])
  }
  await endIntents(tx, [staged], isNew)
  return isNew
}

/** Holds content that is there; without a reference its lease does. False: it has been collected. */
export async function holdThere(tx: Tx, digest: Uint8Array, reference: ContentReference | null): Promise<boolean> {
  return (await hold(tx, digest, reference?.kind ?? null, reference?.id ?? null)).length > 0
}

const hold = fixedQuery((queries, digest: Uint8Array, kind: string | null, id: string | null) => {
  const statement = sql<{ is_there: boolean }>`
    with there as materialized (select digest from content where digest = ${digest}::bytea for key share),
      held as (
        insert into content_reference (kind, id, digest) select ${kind}::text, ${id}::text, digest from there where ${kind}::text is not null
        on conflict do nothing)
    select true as is_there from there`
  return { compile: () => statement.compile(queries) }
})
