// Rows of opened contents, and of those that wait to be opened. docs/design/opened-contents.md.
import { hex } from '../../base/index.ts'
import { type Database, type Queries, type RawBuilder, sql, type Tx } from '../../db/index.ts'
import { reviewSoon } from '../content-rows.ts'
import { type Digest, digestBytes, digestOf } from '../digest.ts'
import { encodeForm, type OpenedForm } from './format/opened-form.ts'

/** The references that hold the parts of opened contents: their id is the opened content's digest, in hex. */
export const openedKind = 'opened'
/** And those that hold the file lists of contents that are stored in another way. */
export const listedKind = 'listed'

export interface OpenedRow {
  readonly digest: Digest
  readonly form: Uint8Array
}

/** Null where the content isn't opened. */
export async function findOpened(queries: Queries, digest: Digest): Promise<OpenedRow | null> {
  const row = await queries.selectFrom('content_opened').select('form').where('digest', '=', digestBytes(digest)).executeTakeFirst()
  return row === undefined ? null : { digest, form: row.form }
}

/** What is told of a content, opened or listed, that has these bytes inside (an OCI layer's diff id), or is itself what is asked for: best of one that is opened. */
export async function findOpenedOrInside(queries: Queries, digest: Digest): Promise<OpenedRow | null> {
  const bytes = digestBytes(digest)
  const { rows } = await sql<{ digest: Uint8Array; form: Uint8Array }>`
    (select digest, form from content_opened where digest = ${bytes})
    union all (select digest, form from content_opened where plain_digest = ${bytes} order by digest limit 1)
    union all (select digest, form from content_listed where digest = ${bytes})
    union all (select digest, form from content_listed where plain_digest = ${bytes} order by digest limit 1) limit 1`.execute(queries)
  const row = rows[0]
  return row === undefined ? null : { digest: digestOf(row.digest), form: row.form }
}

/** Asks for a content to be opened, in so many milliseconds; one that was looked at and left is looked at again. */
export async function openSoon(db: Queries, digest: Digest, waitMs: number): Promise<void> {
  await sql`
    insert into content_opening (digest, due_at)
    select digest, now() + ${Math.round(waitMs)} * interval '1 millisecond' from content where digest = ${digestBytes(digest)} and digest not in (select digest from content_opened)
    on conflict (digest) do update set due_at = excluded.due_at, attempts = 0, reason = null`.execute(db)
}

export interface DueContent {
  readonly digest: Digest
  readonly sizeBytes: number
  /** It has not failed yet. */
  readonly isFirst: boolean
}

/** What is due for so many milliseconds, in its order, `most` at most. */
export async function nextDue({ queries }: Database, settleMs: number, most: number): Promise<DueContent[]> {
  const { rows } = await sql<{ digest: Uint8Array; size_bytes: number; attempts: number }>`
    select c.digest, c.size_bytes::float8 as size_bytes, o.attempts::int from content_opening o join content c using (digest)
    where ${isDue(settleMs)} order by due_at limit ${most}`.execute(queries)
  return rows.map((row) => ({ digest: digestOf(row.digest), sizeBytes: row.size_bytes, isFirst: row.attempts === 0 }))
}

/** Of a row of `content_opening`. */
export function isDue(settleMs: number): RawBuilder<boolean> {
  return sql<boolean>`due_at <= now() - ${Math.round(settleMs)} * interval '1 millisecond'`
}

/** It was looked at, and stays as it is. */
export async function leave({ queries }: Database, digest: Digest, reason: string): Promise<void> {
  await queries.updateTable('content_opening').set({ due_at: null, reason }).where('digest', '=', digestBytes(digest)).execute()
}

const mostAttempts = 5

/**
 * They are being looked into: until that has an end, they are due again only later, and behind all others, for what is stuck, or ends the process, must not keep those
 * waiting. Those to go on with; with others that has happened too often, and they are left as they are.
 */
export async function begin({ queries }: Database, digests: readonly Digest[]): Promise<Set<Digest>> {
  const { rows } = await sql<{ digest: Uint8Array; due: boolean }>`
    update content_opening set attempts = attempts + 1, reason = case when attempts < ${mostAttempts} then reason else 'unfinished' end,
      due_at = case when attempts < ${mostAttempts} then now() + (attempts + 1) * interval '10 minutes' end
    where digest = any(${digests.map(digestBytes)}::bytea[]) returning digest, due_at is not null as due`.execute(queries)
  return new Set(rows.filter(({ due }) => due).map(({ digest }) => digestOf(digest)))
}

/** They were begun, and stopped for no reason that has to do with them. */
export async function giveBack({ queries }: Database, digests: readonly Digest[]): Promise<void> {
  if (digests.length === 0) return
  await sql`
    update content_opening set attempts = attempts - 1, due_at = due_at - attempts * interval '10 minutes'
    where digest = any(${digests.map(digestBytes)}::bytea[]) and attempts > 0 and due_at is not null`.execute(queries)
}

/** It failed for no reason of its own: it is tried again later, and after some times left as it is. It was begun. */
export async function retryLater({ queries }: Database, digest: Digest, reason: string): Promise<void> {
  await sql`
    update content_opening set reason = ${reason}, due_at = case when attempts < ${mostAttempts} then now() + attempts * interval '10 minutes' end
    where digest = ${digestBytes(digest)}`.execute(queries)
}

/** Locks contents, in the order in which everybody does; how many there are. */
export async function lockContents(tx: Tx, digests: readonly Digest[]): Promise<number> {
  const { rows } = await sql`
    select 1 from content where digest = any(${digests.map(digestBytes)}::bytea[]) order by digest for update`.execute(tx)
  return rows.length
}

export interface NewOpened {
  readonly form: OpenedForm
  readonly engine: string
  readonly storedBytes: number
}

/**
 * That the content is opened; what it is made of is held from now on. A recipe of its own goes: the chunks that it names are nobody's, or the parts'.
 * False: the content, or what it is made of, is gone.
 */
export async function insertOpened(tx: Tx, { form, engine, storedBytes }: NewOpened): Promise<boolean> {
  const digest = digestBytes(form.digest)
  const inner = digestBytes(form.inner)
  if ((await lockContents(tx, [form.digest, form.inner])) < 2) return false
  await sql`
    insert into content_opened (digest, inner_digest, plain_digest, form, engine, stored_bytes)
    values (${digest}, ${inner}, ${digestBytes(form.plain)}, ${encodeForm(form)}, ${engine}, ${storedBytes}) on conflict (digest) do nothing`.execute(
    tx,
  )
  await holdInner(tx, openedKind, digest, inner)
  await sql`delete from content_opening where digest = ${digest}`.execute(tx)
  await sql`delete from content_listed where digest = ${digest}`.execute(tx)
  await dropRecipe(tx, digest)
  return true
}

/** That there is a file list of the content, which is held from now on. False: the content is gone, or its list; or it is opened, and has one. */
export async function insertListed(tx: Tx, form: OpenedForm): Promise<boolean> {
  const digest = digestBytes(form.digest)
  const inner = digestBytes(form.inner)
  const { rows } = await sql`select 1 from content where digest = any(${[digest, inner]}::bytea[]) order by digest for update`.execute(tx)
  if (rows.length < 2) return false
  const { rows: listed } = await sql`
    insert into content_listed (digest, inner_digest, plain_digest, form)
    select ${digest}::bytea, ${inner}::bytea, ${digestBytes(form.plain)}::bytea, ${encodeForm(form)}::bytea
    where not exists (select from content_opened where digest = ${digest}) on conflict (digest) do nothing returning 1`.execute(tx)
  if (listed.length > 0) await holdInner(tx, listedKind, digest, inner)
  return listed.length > 0
}

async function holdInner(tx: Tx, kind: string, digest: Uint8Array, inner: Uint8Array): Promise<void> {
  await sql`insert into content_reference (kind, id, digest) values (${kind}, ${hex(digest)}, ${inner}) on conflict do nothing`.execute(tx)
}

export async function isListed(queries: Queries, digest: Digest): Promise<boolean> {
  const row = await queries.selectFrom('content_listed').select('digest').where('digest', '=', digestBytes(digest)).executeTakeFirst()
  return row !== undefined
}

async function dropRecipe(tx: Tx, digest: Uint8Array): Promise<void> {
  await sql`update content set recipe = null where digest = ${digest} and recipe is not null`.execute(tx)
  const { rows } = await sql<{ segment_id: number }>`
    delete from content_segment where digest = ${digest} returning segment_id::float8 as segment_id`.execute(tx)
  const ids = rows.map((row) => row.segment_id).toSorted((a, b) => a - b)
  if (ids.length > 0) await reviewSoon(tx, ids)
}
