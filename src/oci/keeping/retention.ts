// Retention at work: what a policy would take away from a package (a dry run), taking it away, and the job that does so once a day.
// Invariant: what goes is looked at again under its lock. A tag that moved, a manifest that was pulled or named since the plan was made stays.
import { findPackageById, type Package, type PackageId, tellOfPackage } from '../../access/index.ts'
import type { Log } from '../../base/index.ts'
import { type Database, sql, type Tx } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import { digestText } from '../format/digests.ts'
import { manifestLeaseBegan } from './leases.ts'
import { noteLeft, noteRetained, removeFree, retention } from './left.ts'
import { type FactSettings, pieces, readNewest } from './retention-facts.ts'
import {
  assertPolicy,
  type ManifestVerdict,
  planRetention,
  type RetentionPlan,
  type RetentionPolicy,
  type TagVerdict,
} from './retention-policy.ts'
import { dueRetention, packagesUnder } from './retention-rows.ts'
import { immutableTagFault } from './tag-rules.ts'

export type RetentionSettings = FactSettings

const everyHours = 24
const batchRows = 100
const packagesAtOnce = 100

/** What would go, counted; of tags and manifests at most so many are told. */
export interface DryRun extends RetentionPlan {
  readonly tagCount: number
  readonly goingTagCount: number
  readonly goingManifestCount: number
  /** Of blobs that only those manifests name. */
  readonly freedBytes: number
}

/** Of tags that would go, of tags that would stay, and of manifests. */
const mostTold = 1000

/** What the policy would take away now, and why, and why the rest stays; nothing is changed. InputError as `assertPolicy`. */
export async function planFor(db: Database, id: PackageId, policy: RetentionPolicy, settings: RetentionSettings): Promise<DryRun> {
  assertPolicy(policy)
  const { newest, now } = await readNewest(db, id, policy)
  const [going, staying]: [TagVerdict[], TagVerdict[]] = [[], []]
  const manifests: ManifestVerdict[] = []
  const counts = { tagCount: 0, goingTagCount: 0, goingManifestCount: 0 }
  const freedBytes = await db.transaction(async (tx) => {
    await sql`create temporary table retention_gone (digest bytea primary key) on commit drop`.execute(tx)
    for await (const facts of pieces(tx, id, settings)) {
      const plan = planRetention(policy, facts, now, newest)
      for (const tag of plan.tags) {
        counts.tagCount++
        if (tag.goes) counts.goingTagCount++
        const told = tag.goes ? going : staying
        if (told.length < mostTold) told.push(tag)
      }
      counts.goingManifestCount += plan.manifests.length
      manifests.push(...plan.manifests.slice(0, mostTold - manifests.length))
      const digests = plan.manifests.map(({ digest }) => digest)
      await sql`insert into retention_gone select decode(d, 'hex') from unnest(${digests}::text[]) d on conflict do nothing`.execute(tx)
    }
    return counts.goingManifestCount === 0 ? 0 : await readFreedBytes(tx, id)
  })
  const tags = [...going, ...staying].sort((a, b) => (a.name < b.name ? -1 : 1))
  return { tags, manifests, ...counts, freedBytes }
}

async function readFreedBytes(tx: Tx, id: PackageId): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    with freed as (
        select distinct p.digest from oci_manifest_part p join retention_gone gone on gone.digest = p.manifest
        where p.package_id = ${id} and p.kind <> 'manifest'
        except
        select p.digest from oci_manifest_part p where p.package_id = ${id} and p.kind <> 'manifest'
          and not exists (select from retention_gone gone where gone.digest = p.manifest))
    select coalesce(sum(b.size_bytes), 0)::float8 as bytes from freed join oci_blob b on b.package_id = ${id} and b.digest = freed.digest`.execute(
    tx,
  )
  return rows[0]?.bytes ?? 0
}

export interface Retained {
  readonly tags: number
  readonly manifests: number
}

/** Takes away what the policy says, in bounded steps. */
export async function retain(
  db: Database,
  one: Package,
  policy: RetentionPolicy,
  settings: RetentionSettings,
  signal: AbortSignal,
): Promise<Retained> {
  const { newest, now } = await readNewest(db, one.id, policy)
  let [tags, manifests] = [0, 0]
  for await (const facts of pieces(db.queries, one.id, settings)) {
    signal.throwIfAborted()
    const plan = planRetention(policy, facts, now, newest)
    const going = plan.tags.filter(({ goes }) => goes)
    const leaving = new Set(plan.manifests.map(({ digest }) => digest))
    for (let at = 0; at < going.length; at += batchRows) {
      signal.throwIfAborted()
      const step = { tags: going.slice(at, at + batchRows), leaving, now, takesReferrers: policy.referrersGo }
      tags += await db.transaction((tx) => removeTags(tx, one, step), { mayRetry: true })
    }
    const digests = plan.manifests.map(({ digest }) => Buffer.from(digest, 'hex'))
    for (let at = 0; at < digests.length; at += batchRows) {
      signal.throwIfAborted()
      manifests += await removeManifests(db, one, digests.slice(at, at + batchRows), {
        now,
        takesReferrers: policy.referrersGo,
        ...settings,
      })
    }
  }
  return { tags, manifests }
}

interface TagStep {
  readonly tags: readonly TagVerdict[]
  /** Manifests that the plan takes. */
  readonly leaving: ReadonlySet<string>
  readonly now: Date
  readonly takesReferrers: boolean
}

/** Those that are still where they were, and whose manifests nobody has pulled since. What they alone led to is noted: it goes, if not today. */
async function removeTags(tx: Tx, one: Package, { tags, leaving, now, takesReferrers }: TagStep): Promise<number> {
  const names = tags.map(({ name }) => name)
  const { rows } = await sql<{ name: string; digest: Buffer }>`
    with locked as (
      select t.name, t.digest from oci_tag t join oci_manifest m on m.package_id = t.package_id and m.digest = t.digest
        join unnest(${names}::text[], ${tags.map(({ digest }) => Buffer.from(digest, 'hex'))}::bytea[]) as planned (name, digest)
          on planned.name = t.name and planned.digest = t.digest
      where t.package_id = ${one.id} and t.updated_at <= ${now} and (m.pulled_at is null or m.pulled_at <= ${now})
      order by t.name for update of t skip locked)
    delete from oci_tag t using locked where t.package_id = ${one.id} and t.name = locked.name returning t.name, t.digest`.execute(tx)
  for (const { name, digest } of rows)
    await tellOfPackage(tx, 'package.untagged', one, retention, { tag: name, digest: digestText(digest) })
  const left = new Map(rows.map(({ digest }) => [digest.toString('hex'), digest]))
  await noteLeft(
    tx,
    one.id,
    [...left].flatMap(([text, digest]) => (leaving.has(text) ? [digest] : [])),
    takesReferrers,
  )
  await noteRetained(tx, one, { tags: rows.map(({ name }) => name) })
  return rows.length
}

/** Until none of them is free any more: what refers and what is named is free when the other is gone. */
async function removeManifests(
  db: Database,
  one: Package,
  digests: readonly Uint8Array[],
  { now, leaseMs, takesReferrers }: RetentionSettings & { readonly now: Date; readonly takesReferrers: boolean },
): Promise<number> {
  for (let total = 0; ; ) {
    const gone = await db.transaction(
      async (tx) => {
        const { rows } = await sql<{ digest: Buffer }>`
          select digest from oci_manifest where package_id = ${one.id} and digest = any(${[...digests]}::bytea[])
            and (pulled_at is null or pulled_at <= ${now}) and ${manifestLeaseBegan} + ${leaseMs} * interval '1 millisecond' <= now()
          order by digest for update skip locked`.execute(tx)
        const unleased = rows.map(({ digest }) => digest)
        return removeFree(tx, one, unleased, takesReferrers ? unleased : [])
      },
      { mayRetry: true },
    )
    total += gone
    if (gone === 0) return total
  }
}

/** Leased work: each policy once a day, package by package. What fails in one package is logged, and keeps no other from its turn. */
export function retentionJob({ db, log }: { readonly db: Database; readonly log: Log }, settings: RetentionSettings): Job {
  return {
    kind: 'retain-oci',
    intervalMs: 60_000,
    work: () => sql<boolean>`exists (select from oci_retention where due_at <= now())`,
    run: async (signal) => {
      for (let due = await dueRetention(db.queries); due !== null; due = await dueRetention(db.queries)) {
        const { id, home, policy } = due
        for (let after = 0; ; ) {
          const ids = await packagesUnder(db.queries, home, after, packagesAtOnce)
          for (const packageId of ids) await retainOne({ db, log }, packageId, policy, settings, signal)
          after = ids.at(-1) ?? after
          if (ids.length < packagesAtOnce) break
        }
        await sql`update oci_retention set due_at = now() + ${everyHours} * interval '1 hour' where id = ${id}`.execute(db.queries)
      }
    },
  }
}

async function retainOne(
  { db, log }: { readonly db: Database; readonly log: Log },
  id: PackageId,
  policy: RetentionPolicy,
  settings: RetentionSettings,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  const one = await findPackageById(db.queries, id)
  if (one === null) return
  try {
    const gone = await retain(db, one, policy, settings, signal)
    if (gone.tags + gone.manifests > 0) log.info({ package: id, ...gone }, 'what retention does not keep went')
  } catch (error) {
    if (signal.aborted) throw error
    // a tag became immutable meanwhile: the next plan knows
    log[immutableTagFault(error) === null ? 'warn' : 'debug'](
      { err: error, package: id },
      'retention of a package failed; it is tried again',
    )
  }
}
