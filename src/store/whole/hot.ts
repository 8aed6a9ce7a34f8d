// Whole copies of contents that have another form, too, are a cache: what is read stays, within a time and a number of bytes. docs/design/content-store.md, Hot copies.
import { type Database, type Queries, type RawBuilder, sql, type Tx } from '../../db/index.ts'
import { type Digest, digestBytes, digestOf } from '../digest.ts'
import { drainHours } from '../collect.ts'
import { deleteWholes } from './delete-wholes.ts'

export interface HotLimits {
  /** A copy that nobody has read for so long goes. */
  readonly keepMs: number
  /** Of all copies; more, and those that were read longest ago go. */
  readonly bytes: number
}

/** Has a form beside the whole copy that has been proven to give the same bytes. `c` is the content. */
const isProven = sql<boolean>`(c.recipe is not null or exists (select from content_opened o where o.digest = c.digest))`

/** Whole copies beside another form. */
const copies = sql`
  select w.digest, w.read_at, (select sum(stored_bytes) from whole_part p where p.digest = w.digest) as bytes
  from content_whole w join content c using (digest) where ${isProven}`

const batch = 200

/** Notes that a whole content is read: about, so that reading writes little. */
export async function noteRead(queries: Queries, digest: Digest): Promise<void> {
  await sql`update content_whole set read_at = now() where digest = ${digestBytes(digest)} and read_at < now() - interval '1 hour'`.execute(
    queries,
  )
}

/** Whether `noteRead` has something to write. `c` is the content. */
export const isReadLongAgo: RawBuilder<boolean> = sql<boolean>`(select read_at < now() - interval '1 hour' from content_whole w where w.digest = c.digest)`

/** Ends the whole copy of a content, where another form is proven. False: there is none, or it is the only form. */
export async function dropWhole(tx: Tx, digest: Digest): Promise<boolean> {
  return (await dropWholes(tx, [digestBytes(digest)])) > 0
}

async function dropWholes(tx: Tx, digests: readonly Uint8Array[]): Promise<number> {
  // under the rows' locks: who makes another form of a content, or collects it, has them, too
  const { rows } = await sql<{ digest: Uint8Array }>`
    with locked as (select c.digest, ${isProven} as proven from content c where c.digest = any(${[...digests]}::bytea[]) order by c.digest for no key update)
    select digest from locked where proven and exists (select from content_whole w where w.digest = locked.digest)`.execute(tx)
  await deleteWholes(
    tx,
    rows.map((row) => row.digest),
    drainHours,
  )
  return rows.length
}

/** One pass: copies that nobody reads go, and those that are too many. How many went. */
export async function coolDown(db: Database, limits: HotLimits, signal?: AbortSignal): Promise<number> {
  let gone = 0
  for (;;) {
    signal?.throwIfAborted()
    const { rows } = await sql<{ digest: Uint8Array }>`
      with copy as (${copies}), ranked as (select digest, read_at, sum(bytes) over (order by read_at desc, digest) as bytes_with_hotter from copy)
      select digest from ranked where read_at < now() - ${limits.keepMs} * interval '1 millisecond' or bytes_with_hotter > ${limits.bytes}
      order by read_at limit ${batch}`.execute(db.queries)
    if (rows.length === 0) return gone
    const dropped = await db.transaction(
      (tx) =>
        dropWholes(
          tx,
          rows.map((row) => row.digest),
        ),
      { mayRetry: true },
    )
    gone += dropped
    if (dropped === 0) return gone
  }
}

/** So many reads within a day make a content hot. */
const hotReads = 3

/** Notes that the bytes of a content had to be made for a reader. */
export async function noteColdRead(queries: Queries, digest: Digest): Promise<void> {
  await sql`
    insert into content_cold_read as r (digest, reads) select digest, 1 from content where digest = ${digestBytes(digest)}
    on conflict (digest) do update set reads = case when r.since < now() - interval '1 day' then 1 else r.reads + 1 end,
      since = case when r.since < now() - interval '1 day' then now() else r.since end`.execute(queries)
}

/** Contents that are read often, and made for each reader; those for which there is room. */
export async function findHot(
  db: Database,
  limits: HotLimits,
): Promise<readonly { readonly digest: Digest; readonly sizeBytes: number }[]> {
  const { rows } = await sql<{ digest: Uint8Array; size_bytes: number; left: number }>`
    select c.digest, c.size_bytes::float8 as size_bytes,
      (${limits.bytes} - (select coalesce(sum(bytes), 0) from (${copies}) copy))::float8 as left
    from content_cold_read r join content c using (digest)
    where reads >= ${hotReads} and since > now() - interval '1 day' and not exists (select from content_whole w where w.digest = c.digest)
    order by reads desc limit 16`.execute(db.queries)
  let left = rows[0]?.left ?? 0
  return rows.flatMap(({ digest, size_bytes: sizeBytes }) => {
    if (sizeBytes > left) return []
    left -= sizeBytes
    return [{ digest: digestOf(digest), sizeBytes }]
  })
}

/** They are whole now, or nobody asked for them for a day. */
export async function forgetColdReads(queries: Queries): Promise<void> {
  await sql`
    delete from content_cold_read r where since < now() - interval '1 day' or exists (select from content_whole w where w.digest = r.digest)`.execute(
    queries,
  )
}
