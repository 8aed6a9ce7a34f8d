// Rows of whole contents, made again from the footers of their parts. A content is named by the footer of its last part, which lists the parts before; of several that
// name the same part the longest has it. A plain part has no footer: it is read, and names itself. Parts that no such footer names were on their way, or the rest of something: they get an intent row, and go when it ends.
import { CorruptError, hex } from '../base/index.ts'
import { type Bucket, type Key, wholeKey, wholePrefix } from '../bucket/index.ts'
import { type Database, sql, type Tx } from '../db/index.ts'
import { insertReviews } from './content-rows.ts'
import { type Footer, isPlain } from './format/whole.ts'
import { readFooter, readPlain } from './fsck/whole-job.ts'
import { uuidText } from './segment-writer.ts'

export interface RebuiltWholes {
  readonly contents: number
  readonly damaged: readonly { readonly key: Key; readonly error: CorruptError }[]
}

interface Part {
  readonly uuid: string
  readonly keyBytes: number
  readonly footer: Footer
}

interface Candidate {
  readonly digest: Uint8Array
  readonly sizeBytes: number
  readonly parts: readonly Part[]
}

/** Holds the footers of all parts: 4 bytes for each MiB. @param leaseDays so long what was made again is kept without a reference */
export async function rebuildWholes(db: Database, bucket: Bucket, leaseDays: number, signal?: AbortSignal): Promise<RebuiltWholes> {
  const parts = new Map<string, Part>()
  const damaged: { key: Key; error: CorruptError }[] = []
  for await (const { key, sizeBytes } of bucket.list(wholePrefix, signal)) {
    if (await isKnown(db, key)) continue
    try {
      const uuid = key.slice(-36)
      const footer = await (isPlain(uuid) ? readPlain : readFooter)(bucket, key, sizeBytes, signal)
      parts.set(uuid, { uuid, keyBytes: sizeBytes, footer })
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      damaged.push({ key, error })
    }
  }
  let contents = 0
  const taken = new Set<string>()
  for (const candidate of candidates(parts)) {
    signal?.throwIfAborted()
    if (candidate.parts.some(({ uuid }) => taken.has(uuid))) continue
    if (!(await db.transaction((tx) => insertCandidate(tx, candidate, leaseDays), { mayRetry: true }))) continue
    contents++
    for (const { uuid } of candidate.parts) taken.add(uuid)
  }
  const rest = [...parts.keys()].filter((uuid) => !taken.has(uuid)).map(wholeKey)
  await sql`
    insert into upload_intent (key, expires_at) select k, now() + ${leaseDays} * interval '1 day' from unnest(${rest}::text[]) k on conflict do nothing`.execute(
    db.queries,
  )
  return { contents, damaged }
}

/** It has a row, is being written, or is about to be deleted. */
async function isKnown(db: Database, key: Key): Promise<boolean> {
  const { rows } = await sql`
    select 1 from whole_part where uuid = ${key.slice(-36)}::uuid union all select 1 from upload_intent where key = ${key}
    union all select 1 from key_deletion where key = ${key}`.execute(db.queries)
  return rows.length > 0
}

/** Contents all of whose parts are there, the longest first. */
function candidates(parts: ReadonlyMap<string, Part>): Candidate[] {
  const found: Candidate[] = []
  for (const part of parts.values()) {
    const { digest, earlier } = part.footer
    if (digest === null) continue
    const before = earlier.map(({ uuid, sizeBytes }) => {
      const one = parts.get(uuidText(uuid))
      return one?.footer.sizeBytes === sizeBytes ? one : null
    })
    if (before.includes(null)) continue
    const all = [...(before as Part[]), part]
    found.push({ digest, sizeBytes: all.reduce((sum, { footer }) => sum + footer.sizeBytes, 0), parts: all })
  }
  return found.toSorted((a, b) => b.parts.length - a.parts.length || b.sizeBytes - a.sizeBytes || (hex(a.digest) < hex(b.digest) ? -1 : 1))
}

/** False where the content is whole already. */
async function insertCandidate(tx: Tx, { digest, sizeBytes, parts }: Candidate, leaseDays: number): Promise<boolean> {
  await sql`
    insert into content (digest, size_bytes, leased_until) values (${digest}, ${sizeBytes}, now() + ${leaseDays} * interval '1 day')
    on conflict (digest) do update set leased_until = greatest(content.leased_until, excluded.leased_until)`.execute(tx)
  const { rows } = await sql`insert into content_whole (digest) values (${digest}) on conflict do nothing returning 1`.execute(tx)
  if (rows.length === 0) return false
  for (const [ordinal, { uuid, keyBytes, footer }] of parts.entries()) {
    await tx
      .insertInto('whole_part')
      .values({
        uuid,
        digest,
        ordinal,
        size_bytes: footer.sizeBytes,
        stored_bytes: keyBytes,
        sums: footer.sums,
        has_digest: footer.digest !== null,
      })
      .execute()
  }
  await insertReviews(tx, [digest], leaseDays * 24)
  return true
}
