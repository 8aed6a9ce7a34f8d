// What the rows say of a package and its versions, for the API. docs/design/packages-api.md, npm packages.
import type { PackageId } from '../../access/index.ts'
import { type PageRequest, type Queries, readPage, sql } from '../../db/index.ts'
import { type Digest, digestOf } from '../../store/index.ts'

export interface NpmPackageFacts {
  readonly readme: string | null
  readonly readmeFilename: string | null
  readonly modifiedAt: Date
  /** Tag → version. */
  readonly tags: Readonly<Record<string, string>>
  /** What `latest` leads to says of itself. */
  readonly manifest: Manifest | null
}

export type Manifest = Readonly<Record<string, unknown>>

export interface NpmVersionFacts {
  readonly id: number
  readonly version: string
  readonly publishedAt: Date
  readonly tags: readonly string[]
  readonly deprecated: string | null
  readonly gitHead: string | null
  readonly hasInstallScript: boolean
  readonly fileCount: number
  readonly unpackedBytes: number
  readonly downloadCount: number
  readonly tarball: { readonly name: string; readonly content: Digest; readonly sizeBytes: number; readonly sha512: Uint8Array | null }
}

/** Null: nothing of it was published here. */
export async function npmPackageFacts(queries: Queries, id: PackageId): Promise<NpmPackageFacts | null> {
  const row = await queries.selectFrom('npm_package').selectAll().where('package_id', '=', id).executeTakeFirst()
  if (row === undefined) return null
  const tags = await queries
    .selectFrom('npm_tag')
    .innerJoin('package_version as version', 'version.id', 'npm_tag.version_id')
    .innerJoin('npm_version', 'npm_version.version_id', 'version.id')
    .select(['npm_tag.tag', 'version.version'])
    .select(sql<string | null>`case when npm_tag.tag = 'latest' then npm_version.manifest end`.as('manifest'))
    .where('npm_tag.package_id', '=', id)
    .orderBy('npm_tag.tag')
    .execute()
  const latest = tags.find(({ tag }) => tag === 'latest')?.manifest ?? null
  return {
    readme: row.readme,
    readmeFilename: row.readme_filename,
    modifiedAt: row.modified_at,
    tags: Object.fromEntries(tags.map(({ tag, version }) => [tag, version])),
    manifest: latest === null ? null : (JSON.parse(latest) as Manifest),
  }
}

function versionRows(queries: Queries, id: PackageId) {
  return queries
    .selectFrom('package_version as version')
    .innerJoin('npm_version', 'npm_version.version_id', 'version.id')
    .innerJoin('package_file as file', 'file.version_id', 'version.id')
    .select(['version.id', 'version.version', 'version.published_at', 'version.download_count'])
    .select(['npm_version.deprecated', 'npm_version.git_head', 'npm_version.has_install_script', 'npm_version.file_count'])
    .select(['npm_version.unpacked_bytes', 'file.name', 'file.content', 'file.size_bytes', 'file.sha512'])
    .select(sql<string[]>`array(select t.tag from npm_tag t where t.version_id = version.id order by t.tag)`.as('tags'))
    .where('version.package_id', '=', id)
}

type Row = Awaited<ReturnType<ReturnType<typeof versionRows>['executeTakeFirstOrThrow']>>

function factsOf(row: Row): NpmVersionFacts {
  return {
    id: row.id,
    version: row.version,
    publishedAt: row.published_at,
    tags: row.tags,
    deprecated: row.deprecated,
    gitHead: row.git_head,
    hasInstallScript: row.has_install_script,
    fileCount: row.file_count,
    unpackedBytes: row.unpacked_bytes,
    downloadCount: row.download_count,
    tarball: { name: row.name, content: digestOf(row.content), sizeBytes: row.size_bytes, sha512: row.sha512 },
  }
}

/** The newest first. */
export async function listNpmVersions(queries: Queries, id: PackageId, wanted: PageRequest) {
  const order = (all: ReturnType<typeof versionRows>) => all.orderBy('version.published_at', 'desc').orderBy('version.id', 'desc')
  const { found, total } = await readPage(versionRows(queries, id), order, wanted)
  return { versions: found.map(factsOf), total }
}

/** By its number, or a tag; null: the package has neither. */
export async function findNpmVersion(
  queries: Queries,
  id: PackageId,
  reference: string,
): Promise<(NpmVersionFacts & { readonly manifest: Manifest }) | null> {
  if (reference.includes('\0')) return null // PostgreSQL's text holds none
  const row = await versionRows(queries, id)
    .select('npm_version.manifest')
    .where(
      sql<boolean>`(version.version = ${reference} or version.id = (select t.version_id from npm_tag t where t.package_id = ${id} and t.tag = ${reference}))`,
    )
    .executeTakeFirst()
  return row === undefined ? null : { ...factsOf(row), manifest: JSON.parse(row.manifest) as Manifest }
}

export interface DownloadDay {
  /** `2026-11-27`, UTC. */
  readonly day: string
  readonly count: number
}

/** The newest last; days without any are there, too. @param version of that one alone */
export async function npmDownloads(queries: Queries, id: PackageId, days: number, version: number | null) {
  const { rows } = await sql<DownloadDay>`
    select to_char(days.day, 'YYYY-MM-DD') as day, coalesce(sum(counted.count), 0)::float8 as count
    from (select (now() at time zone 'UTC')::date - back as day from generate_series(0, ${days}::int - 1) as back) as days
    left join (package_download_day counted join package_version v on v.id = counted.version_id and v.package_id = ${id}
        and (${version}::bigint is null or v.id = ${version}::bigint)) on counted.day = days.day
    group by days.day order by days.day`.execute(queries)
  return { total: rows.reduce((sum, { count }) => sum + count, 0), days: rows }
}
