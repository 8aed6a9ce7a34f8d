// Makes rows of opened contents again, out of the forms that stand in segments: of those that are stored in no other way, and whose parts are there.
import { hex } from '../../base/index.ts'
import { type Database, sql, type Tx } from '../../db/index.ts'
import { insertReviews } from '../content-rows.ts'
import { digestBytes } from '../digest.ts'
import { Container, decodeForm, type OpenedForm } from './format/opened-form.ts'
import { insertListed, insertOpened, listedKind, openedKind } from './opened-rows.ts'

export interface RebuiltOpened {
  readonly contents: number
  /** Rows whose parts nothing held: they would have been collected. */
  readonly corrected: number
}

/** May be run twice, and beside a running store. What is made again is checked against its digest whenever it is read. */
export async function rebuildOpened(
  db: Database,
  forms: readonly Uint8Array[],
  leaseDays: number,
  signal?: AbortSignal,
): Promise<RebuiltOpened> {
  let contents = 0
  for (const bytes of forms) {
    signal?.throwIfAborted()
    const form = decodeForm(bytes)
    if (form.container === Container.listed) await db.transaction((tx) => insertListed(tx, form), { mayRetry: true })
    else if (await db.transaction((tx) => insertForm(tx, form, leaseDays), { mayRetry: true })) contents++
  }
  const { rows } = await sql`
    insert into content_reference (kind, id, digest)
    select kind, encode(digest, 'hex'), inner_digest
      from (select ${openedKind}::text as kind, digest, inner_digest from content_opened
        union all select ${listedKind}, digest, inner_digest from content_listed) held
      order by inner_digest on conflict do nothing returning 1`.execute(db.queries)
  return { contents, corrected: rows.length }
}

async function insertForm(tx: Tx, form: OpenedForm, leaseDays: number): Promise<boolean> {
  const digest = digestBytes(form.digest)
  const inner = digestBytes(form.inner)
  const { rows } = await sql`
    insert into content (digest, size_bytes, leased_until)
    select ${digest}, ${form.sizeBytes}, now() + ${leaseDays} * interval '1 day' where exists (select from content where digest = ${inner} and recipe is not null)
    on conflict (digest) do nothing returning 1`.execute(tx)
  if (rows.length === 0) return false
  await insertReviews(tx, [digest], leaseDays * 24)
  return insertOpened(tx, { form, engine: `as it was written, ${hex(form.members[0]?.recipe ?? new Uint8Array())}`, storedBytes: 0 })
}
