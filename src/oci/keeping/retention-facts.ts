// What retention judges an image by, in pieces of bounded size: first all tags in the order in which they moved, for how far down the newest go; then manifests
// with all that they lead to and that leads to them, some thousand at a time. What belongs together comes together, so each piece can be judged by itself.
import type { PackageId } from '../../access/index.ts'
import { type Database, type Queries, sql } from '../../db/index.ts'
import { manifestLeaseBegan } from './leases.ts'
import { type ImageFacts, type ManifestFact, Newest, type RetentionPolicy, subjectOfTag, type TagFact } from './retention-policy.ts'
import { tagRulesOfPackage } from './tag-rules.ts'

export interface FactSettings {
  readonly leaseMs: number
  /** Manifests that a piece begins with; for tests. */
  readonly pieceManifests?: number
}

const tagsAtOnce = 5000
const manifestsAtOnce = 2000

/** How far down the newest go, and the database's time. */
export async function readNewest(db: Database, id: PackageId, { rules }: RetentionPolicy): Promise<{ newest: Newest; now: Date }> {
  const newest = new Newest(rules)
  return db.transaction(
    async (tx) => {
      const { rows: times } = await sql<{ now: Date }>`select now() as now`.execute(tx)
      // as precise as what is compared with it
      await sql`
        declare retention_tags no scroll cursor for select name, updated_at as "updatedAt" from oci_tag where package_id = ${sql.lit(id)}
        order by date_trunc('milliseconds', updated_at) desc, name collate "C" desc`.execute(tx)
      for (let count = tagsAtOnce; count === tagsAtOnce; ) {
        const { rows } = await sql<Pick<TagFact, 'name' | 'updatedAt'>>`fetch ${sql.lit(tagsAtOnce)} from retention_tags`.execute(tx)
        for (const tag of rows) newest.add(tag)
        count = rows.length
      }
      return { newest, now: times[0]?.now ?? new Date(0) }
    },
    { isReadOnly: true },
  )
}

/** Every manifest once, with its tags, unless it came or went meanwhile. */
export async function* pieces(queries: Queries, id: PackageId, settings: FactSettings): AsyncGenerator<ImageFacts, void, undefined> {
  const { pieceManifests = manifestsAtOnce } = settings
  const immutable = await tagRulesOfPackage(queries, id)
  for (let after = ''; ; ) {
    const rows = await readManifests(queries, id, after, settings)
    const seeds = rows.filter(({ isSeed }) => isSeed).map(({ digest }) => digest)
    const last = seeds.reduce((most, digest) => (digest > most ? digest : most), '')
    const manifests = withoutEarlier(rows)
    if (manifests.length > 0) yield { ...(await readTags(queries, id, manifests)), manifests, immutable }
    if (seeds.length < pieceManifests) return
    after = last
  }
}

type Row = ManifestFact & { readonly isSeed: boolean }

/** The next manifests in the order of their digests, and whatever hangs together with them. */
async function readManifests(queries: Queries, id: PackageId, after: string, settings: FactSettings): Promise<readonly Row[]> {
  const { leaseMs, pieceManifests = manifestsAtOnce } = settings
  const { rows } = await sql<Row>`
    with recursive seed (digest) as materialized (
        select digest from oci_manifest where package_id = ${id} and digest > decode(${after}, 'hex') order by digest limit ${pieceManifests}),
      near (digest) as (
        select digest from seed
        union
        select e.digest from near join lateral (
            select p.digest from oci_manifest_part p where p.package_id = ${id} and p.manifest = near.digest and p.kind = 'manifest'
            union all
            select p.manifest from oci_manifest_part p where p.package_id = ${id} and p.digest = near.digest and p.kind = 'manifest'
            union all
            select s.subject from oci_manifest s where s.package_id = ${id} and s.digest = near.digest and s.subject is not null
            union all
            select r.digest from oci_manifest r where r.package_id = ${id} and r.subject = near.digest) e on true)
    select encode(m.digest, 'hex') as digest, encode(m.subject, 'hex') as subject, m.pushed_at as "pushedAt", m.pulled_at as "pulledAt",
      array(select distinct encode(p.digest, 'hex') from oci_manifest_part p
        where p.package_id = m.package_id and p.manifest = m.digest and p.kind = 'manifest') as children,
      (select max(noted_at) from oci_review r where r.package_id = m.package_id and r.digest = m.digest and r.kind = 'manifest') as "freeSince",
      ${manifestLeaseBegan} + ${leaseMs} * interval '1 millisecond' > now() as "isLeased",
      exists (select from seed where seed.digest = m.digest) as "isSeed"
    from near join oci_manifest m on m.package_id = ${id} and m.digest = near.digest`.execute(queries)
  return rows
}

/** Without groups that an earlier piece had: those whose first digest isn't one of this piece's. */
function withoutEarlier(rows: readonly Row[]): ManifestFact[] {
  const byDigest = new Map(rows.map((row) => [row.digest, row]))
  const beside = new Map<string, string[]>(rows.map(({ digest }) => [digest, []]))
  for (const { digest, subject, children } of rows) {
    for (const other of subject === null ? children : [...children, subject]) {
      beside.get(other)?.push(digest)
      if (byDigest.has(other)) beside.get(digest)?.push(other)
    }
  }
  const seen = new Set<string>()
  const kept: ManifestFact[] = []
  for (const { digest } of rows) {
    if (seen.has(digest)) continue
    seen.add(digest)
    const group = [digest]
    for (const one of group) {
      for (const next of beside.get(one) ?? []) {
        if (!seen.has(next)) group.push(next)
        seen.add(next)
      }
    }
    const first = group.reduce((least, one) => (one < least ? one : least))
    if (byDigest.get(first)?.isSeed === true) kept.push(...group.map((one) => byDigest.get(one) as Row))
  }
  return kept
}

/** Tags that lead to them, and which of the subjects that tags are called after are there. */
async function readTags(
  queries: Queries,
  id: PackageId,
  manifests: readonly ManifestFact[],
): Promise<{ readonly tags: readonly TagFact[]; readonly present: ReadonlySet<string> }> {
  const { rows: tags } = await sql<TagFact>`
    select name, encode(digest, 'hex') as digest, updated_at as "updatedAt" from oci_tag
    where package_id = ${id} and digest in (select decode(d, 'hex') from unnest(${manifests.map(({ digest }) => digest)}::text[]) d)`.execute(
    queries,
  )
  const subjects = tags.flatMap(({ name }) => subjectOfTag(name) ?? [])
  if (subjects.length === 0) return { tags, present: new Set() }
  const { rows } = await sql<{ digest: string }>`
    select encode(digest, 'hex') as digest from oci_manifest
    where package_id = ${id} and digest in (select decode(d, 'hex') from unnest(${subjects}::text[]) d)`.execute(queries)
  return { tags, present: new Set(rows.map(({ digest }) => digest)) }
}
