// The transaction that makes parts a content: docs/design/content-store.md, Whole contents.
import { UnavailableError } from '../../base/index.ts'
import { wholeKey } from '../../bucket/index.ts'
import { sql, type Tx } from '../../db/index.ts'
import { insertReviews, leaseHours } from '../content-rows.ts'
import type { ContentReference } from '../content-store.ts'
import type { StagedPart } from './part-writer.ts'
import { deleteKeys, dropUpload } from './upload-rows.ts'

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

/** Makes it content, or drops the parts where the same content is there; in either case the row is locked and held. Ends the upload. */
export async function insertWhole(tx: Tx, whole: FinishedWhole): Promise<{ readonly isNew: boolean }> {
  const { digest, sizeBytes, uploadId, reference } = whole
  const { rows } = await sql<{ is_new: boolean }>`
    insert into content (digest, size_bytes, leased_until) values (${digest}, ${sizeBytes}, now() + ${leaseHours} * interval '1 hour')
    on conflict (digest) do update set leased_until = greatest(content.leased_until, excluded.leased_until) returning xmax = 0 as is_new`.execute(
    tx,
  )
  const isNew = rows[0]?.is_new === true
  if (isNew) await insertParts(tx, whole)
  if (uploadId !== null) await dropUpload(tx, uploadId)
  await endIntents(tx, whole.staged, isNew)
  await holdOrReview(tx, digest, reference)
  return { isNew }
}

/** The same for an upload whose parts are all as they are to be: one statement, for it is what pushes mostly end with. */
export async function insertKnown(
  tx: Tx,
  { digest, sizeBytes, uploadId, reference }: Pick<FinishedWhole, 'digest' | 'sizeBytes' | 'reference'> & { readonly uploadId: string },
): Promise<{ readonly isNew: boolean }> {
  const { rows } = await sql<{ is_new: boolean }>`
    with made as (
        insert into content (digest, size_bytes, leased_until) values (${digest}::bytea, ${sizeBytes}::bigint, now() + ${leaseHours} * interval '1 hour')
        on conflict (digest) do update set leased_until = greatest(content.leased_until, excluded.leased_until) returning xmax = 0 as is_new),
      whole as (insert into content_whole (digest) select ${digest}::bytea from made where is_new),
      moved as (
        update whole_part set upload_id = null, digest = ${digest}::bytea
        where upload_id = ${uploadId}::uuid and exists (select from made where is_new)),
      gone as (delete from content_upload where id = ${uploadId}::uuid and exists (select from made where is_new)),
      held as (
        insert into content_reference (kind, id, digest) select ${reference?.kind ?? ''}::text, ${reference?.id ?? ''}::text, ${digest}::bytea
        from made where ${reference !== null} on conflict do nothing),
      leased as (
        insert into content_review (digest, due_at) select ${digest}::bytea, now() + ${leaseHours} * interval '1 hour'
        from made where ${reference === null} on conflict do nothing)
    select is_new from made`.execute(tx)
  const isNew = rows[0]?.is_new === true
  if (!isNew) await dropUpload(tx, uploadId)
  return { isNew }
}

async function insertParts(tx: Tx, { digest, uploadId, replaced, order, staged }: FinishedWhole): Promise<void> {
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
  const { rows } = await sql<{ is_whole: boolean }>`
    select exists (select from content_whole w where w.digest = c.digest) as is_whole from content c where digest = ${digest} for no key update`.execute(
    tx,
  )
  const isNew = rows[0]?.is_whole === false
  if (isNew) {
    await tx.insertInto('content_whole').values({ digest }).execute()
    await insertStaged(tx, digest, [staged.uuid], [staged])
  }
  await endIntents(tx, [staged], isNew)
  return isNew
}

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

/** Holds content that is there; without a reference its lease does. False: it has been collected. */
export async function holdThere(tx: Tx, digest: Uint8Array, reference: ContentReference | null): Promise<boolean> {
  const { rows } = await sql`select 1 from content where digest = ${digest} for key share`.execute(tx)
  if (rows.length > 0 && reference !== null) await holdOrReview(tx, digest, reference)
  return rows.length > 0
}
