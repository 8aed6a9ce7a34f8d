// The room of a format whose packages are versions with files: what such formats have in common, over the rows that they share (version-rows.ts).
import { audit, auditedAs, type Actor, type Package, type PackageId, tellOfPackage } from '../access/index.ts'
import { type Database, type PageRequest, type Queries, type RawBuilder, readPage, sql, type Tx } from '../db/index.ts'
import type { FormatRoom, FormatVersion, PackageFigures, ToldFacts } from './format-room.ts'
import { fileKeeping } from './kept-files.ts'
import { removeVersion, type VersionId } from './version-rows.ts'

export interface VersionedFormat extends Pick<FormatRoom, 'format' | 'type' | 'registry' | 'upstream'> {
  /** A version that was there never comes again. */
  readonly isForEver: boolean
  /** What leads to a version, over a row of `package_version`; null: nothing ever does. */
  readonly tags: RawBuilder<string[]> | null
  /** In place of what would be done without it. */
  readonly deleteVersion?: FormatRoom['deleteVersion']
  /** In the transaction of each step that takes versions away. */
  readonly changed?: (tx: Tx, id: PackageId) => Promise<void>
  readonly fileUrl: (origin: string, one: Package, version: string, file: string) => string
  /** What webhooks tell of a version beside what they tell of every format's. */
  readonly toldMore?: (told: ToldFacts) => Readonly<Record<string, unknown>>
}

const batchRows = 200

export function versionedRoom(format: VersionedFormat): FormatRoom {
  const tags = format.tags ?? sql<string[]>`array[]::text[]`
  return {
    format: format.format,
    type: format.type,
    registry: format.registry,
    words: { file: 'file', download: 'download' },
    countVersions,
    listVersions: (queries, id, wanted) => listVersions(queries, tags, id, wanted),
    findVersion: (queries, id, version) => findById(queries, tags, id, version),
    deleteVersion: format.deleteVersion ?? ((...which) => deleteVersion(format, ...which)),
    empty: (db, id, signal) => empty(db, id, { ...format, signal }),
    figures: (queries, id) => figures(queries, id, format.tags),
    toldVersion: (queries, origin, one, told) => toldVersion(format, queries, { origin, one, told }),
    contents: fileKeeping,
    upstream: format.upstream,
  }
}

async function countVersions(queries: Queries, packages: readonly PackageId[]): Promise<ReadonlyMap<PackageId, number>> {
  if (packages.length === 0) return new Map()
  const rows = await queries
    .selectFrom('package_version')
    .select(['package_id', (select) => select.fn.countAll<number>().as('total')])
    .where('package_id', '=', sql<number>`any(${packages}::bigint[])`)
    .groupBy('package_id')
    .execute()
  return new Map(rows.map((row) => [row.package_id as PackageId, row.total]))
}

function versionRows(queries: Queries, tags: RawBuilder<string[]>, id: PackageId) {
  return queries
    .selectFrom('package_version')
    .select(['package_version.id', 'package_version.version', 'package_version.published_at'])
    .select(tags.as('tags'))
    .where('package_version.package_id', '=', id)
}

type VersionRow = Awaited<ReturnType<ReturnType<typeof versionRows>['executeTakeFirstOrThrow']>>

function versionOf({ id, version, tags, published_at: publishedAt }: VersionRow): FormatVersion {
  return { id, name: version, tags, publishedAt }
}

async function listVersions(queries: Queries, tags: RawBuilder<string[]>, id: PackageId, wanted: PageRequest) {
  const order = (all: ReturnType<typeof versionRows>) =>
    all.orderBy('package_version.published_at', 'desc').orderBy('package_version.id', 'desc')
  const { found, total } = await readPage(versionRows(queries, tags, id), order, wanted)
  return { versions: found.map(versionOf), total }
}

async function findById(queries: Queries, tags: RawBuilder<string[]>, id: PackageId, version: number): Promise<FormatVersion | null> {
  const row = await versionRows(queries, tags, id).where('package_version.id', '=', version).executeTakeFirst()
  return row === undefined ? null : versionOf(row)
}

async function deleteVersion(
  { isForEver, changed }: VersionedFormat,
  db: Database,
  one: Package,
  { id, name, tags }: Omit<FormatVersion, 'publishedAt'>,
  actor: Actor,
): Promise<boolean> {
  return db.transaction(
    async (tx) => {
      if (!(await removeVersion(tx, one, id as VersionId, { isForEver }))) return false
      await changed?.(tx, one.id)
      await tellOfVersionGone(tx, one, { version: name, tags }, actor)
      return true
    },
    { mayRetry: true },
  )
}

/** In the outbox and in the audit. */
export async function tellOfVersionGone(
  tx: Tx,
  one: Package,
  { version, tags }: { readonly version: string; readonly tags: readonly string[] },
  actor: Actor,
): Promise<void> {
  const facts = tags.length === 0 ? {} : { tags: tags.join(' ') }
  await tellOfPackage(tx, 'package.deleted', one, actor, { version, ...facts })
  await audit(tx, actor, {
    ...auditedAs(one),
    action: 'package.delete-version',
    details: { version, ...(tags.length === 0 ? {} : { tags }) },
  })
}

/** What came from an upstream leaves no mark: it may come again. */
async function empty(
  db: Database,
  id: PackageId,
  { isForEver, changed, signal }: Pick<VersionedFormat, 'isForEver' | 'changed'> & { readonly signal: AbortSignal | undefined },
): Promise<void> {
  for (let gone = batchRows; gone === batchRows; ) {
    signal?.throwIfAborted()
    gone = await db.transaction(
      async (tx) => {
        const { rows } = await sql<{ count: number }>`
          with gone as (
              delete from package_version where id in (
                select id from package_version where package_id = ${id} order by id limit ${batchRows} for update)
              returning version_key),
            kept as (
              insert into package_tombstone (owner_id, format, name, version_key)
              select p.owner_id, p.format, lower(p.name), gone.version_key from gone join package p on p.id = ${id}
              where ${isForEver}::boolean and p.upstream_id is null
              on conflict do nothing)
          select count(*)::float8 as count from gone`.execute(tx)
        if ((rows[0]?.count ?? 0) > 0) await changed?.(tx, id)
        return rows[0]?.count ?? 0
      },
      { mayRetry: true },
    )
  }
}

async function figures(queries: Queries, id: PackageId, tags: RawBuilder<string[]> | null): Promise<PackageFigures> {
  const { rows } = await sql<Omit<PackageFigures, 'tags'> & { tags: number }>`
    with files as (select content, max(size_bytes) as size_bytes, count(*) as count from package_file where package_id = ${id} group by content)
    select (select count(*) from package_version where package_id = ${id})::float8 as versions,
      (select coalesce(sum(cardinality(${tags ?? sql`array[]::text[]`})), 0) from package_version where package_id = ${id})::float8 as tags,
      (select coalesce(sum(count), 0) from files)::float8 as files,
      (select coalesce(sum(size_bytes), 0) from files)::float8 as "fileBytes",
      (select coalesce(sum(d.count), 0) from package_download_day d join package_version v on v.id = d.version_id
        where v.package_id = ${id} and d.day > current_date - 30)::float8 as "downloadsIn30Days"`.execute(queries)
  const [row] = rows
  if (row === undefined) throw new Error('a statement of one row had none')
  return { ...row, tags: tags === null ? null : row.tags }
}

interface Telling {
  readonly origin: string
  readonly one: Package
  readonly told: ToldFacts
}

async function toldVersion({ fileUrl, toldMore, registry }: VersionedFormat, queries: Queries, { origin, one, told }: Telling) {
  const { version, tag } = told
  if (typeof version !== 'string') return null
  const row = await queries
    .selectFrom('package_version')
    .select(['id', 'published_at'])
    .where('package_id', '=', one.id)
    .where('version', '=', version)
    .executeTakeFirst()
  const files =
    row === undefined
      ? []
      : await queries.selectFrom('package_file').selectAll().where('version_id', '=', row.id).orderBy('name').limit(100).execute()
  const hex = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('hex')
  return {
    id: row?.id ?? null,
    version,
    name: version,
    created_at: row === undefined ? null : row.published_at.toISOString().replace(/\.\d+Z$/, 'Z'),
    package_url: `${origin}${registry.path}/${one.ownerLogin}/${one.name}`,
    ...(typeof tag === 'string' ? { tag_name: tag } : {}),
    package_files: files.map(({ name, size_bytes: size, content, sha1, sha512 }) => ({
      download_url: fileUrl(origin, one, version, name),
      name,
      size,
      sha256: hex(content),
      sha1: hex(sha1),
      ...(sha512 === null ? {} : { sha512: hex(sha512) }),
    })),
    ...toldMore?.(told),
  }
}
