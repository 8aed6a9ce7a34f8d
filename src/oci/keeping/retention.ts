// Retention at work: what a policy would take away from a package (a dry run), taking it away, and the job that does so once a day.
// Invariant: what goes is looked at again under its lock. A tag that moved, a manifest that was pulled or named since the plan was made stays.
import { type Actor, audit, auditedAs, findPackageById, type Package, type PackageId, tellOfPackage } from '../../access/index.ts'
import type { Log } from '../../base/index.ts'
import { type Database, type Queries, sql, type Tx } from '../../db/index.ts'
import type { Job } from '../../jobs/index.ts'
import { digestText } from '../format/digests.ts'
import { manifestLeaseBegan } from './leases.ts'
import { isManifestKept } from './references.ts'
import {
  assertPolicy,
  type ImageFacts,
  planRetention,
  type RetentionPlan,
  type RetentionPolicy,
  type TagVerdict,
} from './retention-policy.ts'
import { dueRetention, packagesUnder } from './retention-rows.ts'
import { immutableTagFault, tagRulesOfPackage } from './tag-rules.ts'

export interface RetentionSettings {
  readonly leaseMs: number
}

/** Who stands in the audit for what the server does by a policy. */
const retention: Actor = { accountId: null, name: 'retention' }
const everyHours = 24
const batchRows = 100
const packagesAtOnce = 100

export interface DryRun extends RetentionPlan {
  /** Of blobs that only those manifests name. */
  readonly freedBytes: number
}

/** What the policy would take away now, and why, and why the rest stays; nothing is changed. InputError as `assertPolicy`. */
export async function planFor(queries: Queries, id: PackageId, policy: RetentionPolicy, settings: RetentionSettings): Promise<DryRun> {
  assertPolicy(policy)
  const { plan } = await makePlan(queries, id, policy, settings)
  return { ...plan, freedBytes: await freedBytes(queries, id, plan) }
}

async function makePlan(queries: Queries, id: PackageId, policy: RetentionPolicy, settings: RetentionSettings) {
  const { facts, now } = await readFacts(queries, id, settings)
  return { plan: planRetention(policy, facts, now), now }
}

async function readFacts(queries: Queries, id: PackageId, { leaseMs }: RetentionSettings): Promise<{ facts: ImageFacts; now: Date }> {
  const { rows: times } = await sql<{ now: Date }>`select now() as now`.execute(queries)
  const { rows: manifests } = await sql<ImageFacts['manifests'][number]>`
    select encode(digest, 'hex') as digest, encode(subject, 'hex') as subject, pushed_at as "pushedAt", pulled_at as "pulledAt",
      array(select distinct encode(p.digest, 'hex') from oci_manifest_part p
        where p.package_id = m.package_id and p.manifest = m.digest and p.kind = 'manifest') as children,
      (select max(noted_at) from oci_review r where r.package_id = m.package_id and r.digest = m.digest and r.kind = 'manifest') as "freeSince",
      ${manifestLeaseBegan} + ${leaseMs} * interval '1 millisecond' > now() as "isLeased"
    from oci_manifest m where package_id = ${id}`.execute(queries)
  const { rows: tags } = await sql<ImageFacts['tags'][number]>`
    select name, encode(digest, 'hex') as digest, updated_at as "updatedAt" from oci_tag where package_id = ${id}`.execute(queries)
  return { facts: { tags, manifests, immutable: await tagRulesOfPackage(queries, id) }, now: times[0]?.now ?? new Date(0) }
}

async function freedBytes(queries: Queries, id: PackageId, { manifests }: RetentionPlan): Promise<number> {
  if (manifests.length === 0) return 0
  const gone = sql`select decode(d, 'hex') from unnest(${manifests.map(({ digest }) => digest)}::text[]) d`
  const { rows } = await sql<{ bytes: number }>`
    with gone (digest) as materialized (${gone}),
      freed as (
        select distinct p.digest from oci_manifest_part p join gone on gone.digest = p.manifest where p.package_id = ${id} and p.kind <> 'manifest'
        except
        select p.digest from oci_manifest_part p where p.package_id = ${id} and p.kind <> 'manifest'
          and not exists (select from gone where gone.digest = p.manifest))
    select coalesce(sum(b.size_bytes), 0)::float8 as bytes from freed join oci_blob b on b.package_id = ${id} and b.digest = freed.digest`.execute(
    queries,
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
  const { plan, now } = await makePlan(db.queries, one.id, policy, settings)
  const going = plan.tags.filter(({ goes }) => goes)
  let tags = 0
  for (let at = 0; at < going.length; at += batchRows) {
    signal.throwIfAborted()
    tags += await db.transaction((tx) => removeTags(tx, one, going.slice(at, at + batchRows), now), { mayRetry: true })
  }
  let manifests = 0
  const digests = plan.manifests.map(({ digest }) => Buffer.from(digest, 'hex'))
  for (let at = 0; at < digests.length; at += batchRows) {
    signal.throwIfAborted()
    manifests += await removeManifests(db, one, digests.slice(at, at + batchRows), { now, ...settings })
  }
  return { tags, manifests }
}

/** Those that are still where they were, and whose manifests nobody has pulled since. */
async function removeTags(tx: Tx, one: Package, tags: readonly TagVerdict[], now: Date): Promise<number> {
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
  await note(tx, one, { tags: rows.map(({ name }) => name) })
  return rows.length
}

/** Until none of them is free any more: what refers and what is named is free when the other is gone. */
async function removeManifests(
  db: Database,
  one: Package,
  digests: readonly Uint8Array[],
  { now, leaseMs }: RetentionSettings & { readonly now: Date },
): Promise<number> {
  for (let total = 0; ; ) {
    const gone = await db.transaction(
      async (tx) => {
        const { rows } = await sql<{ digest: Buffer }>`
          select digest from oci_manifest where package_id = ${one.id} and digest = any(${[...digests]}::bytea[])
            and (pulled_at is null or pulled_at <= ${now}) and ${manifestLeaseBegan} + ${leaseMs} * interval '1 millisecond' <= now()
          order by digest for update skip locked`.execute(tx)
        const { rows: free } = await sql<{ digest: Buffer }>`
          delete from oci_manifest m where package_id = ${one.id} and digest = any(${rows.map(({ digest }) => digest)}::bytea[])
            and not ${isManifestKept} returning digest`.execute(tx)
        for (const { digest } of free) await tellOfPackage(tx, 'package.deleted', one, retention, { digest: digestText(digest) })
        await note(tx, one, { manifests: free.map(({ digest }) => digestText(digest)) })
        return free.length
      },
      { mayRetry: true },
    )
    total += gone
    if (gone === 0) return total
  }
}

async function note(tx: Tx, one: Package, details: Readonly<Record<string, readonly string[]>>): Promise<void> {
  if (Object.values(details).every((names) => names.length === 0)) return
  await audit(tx, retention, { ...auditedAs(one), action: 'package.retain', details })
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
