// What documents are made of, as it stands in rows: read in batches, all of them as of one moment.
import type { PackageId } from '../../access/index.ts'
import { type Database, fixedQuery, type Moment, rememberedQuery, sql, type Tx } from '../../db/index.ts'
import type { PackumentFacts, PublishedVersion, VersionSignature } from '../format/packument.ts'

/** Manifests of a batch: so much of somebody's text is held at one time, or one version's. */
const batchBytes = 2 << 20
const batchVersions = 200

const revisionRow = rememberedQuery(
  (queries, packageId: number) => queries.selectFrom('npm_package').select('revision').where('package_id', '=', packageId),
  { types: ['bigint'], most: 20_000 },
)

/** Raised by whatever changes a document of the package; null: nothing was published yet. */
export async function revisionOf(at: Database | Moment, packageId: PackageId): Promise<number | null> {
  const [row] = await revisionRow(at, packageId)
  return row === undefined ? null : row.revision
}

const factsRow = fixedQuery((queries, packageId: number) =>
  queries
    .selectFrom('npm_package')
    .innerJoin('package', 'package.id', 'npm_package.package_id')
    .innerJoin('account', 'account.id', 'package.owner_id')
    .where('npm_package.package_id', '=', packageId)
    .select(['package.name', 'package.created_at', 'account.login', 'npm_package.revision', 'npm_package.modified_at'])
    .select(['npm_package.readme', 'npm_package.readme_filename'])
    .select(
      sql<{ tag: string; version: string }[]>`(
        select coalesce(json_agg(json_build_object('tag', t.tag, 'version', v.version) order by t.tag), '[]')
        from npm_tag t join package_version v on v.id = t.version_id where t.package_id = npm_package.package_id)`.as('tags'),
    ),
)

/** Null: nothing was published yet. */
export async function readFacts(tx: Tx, packageId: PackageId): Promise<(PackumentFacts & { readonly revision: number }) | null> {
  const [row] = await factsRow(tx, packageId)
  if (row === undefined) return null
  return {
    name: row.name,
    revision: row.revision,
    rev: `${row.revision}-${packageId}`,
    createdAt: row.created_at,
    modifiedAt: row.modified_at,
    tags: row.tags,
    maintainers: [row.login],
    readme: row.readme,
    readmeFilename: row.readme_filename,
  }
}

const columns = [
  ...(['package_version.id', 'package_version.version', 'package_version.published_at'] as const),
  ...(['npm_version.manifest', 'npm_version.deprecated', 'npm_version.has_install_script'] as const),
  ...(['npm_version.file_count', 'npm_version.unpacked_bytes'] as const),
  ...(['package_file.name as file', 'package_file.sha1', 'package_file.sha512'] as const),
] as const

const signatures = sql<VersionSignature[]>`(
  select coalesce(json_agg(json_build_object('keyid', s.keyid, 'signature', s.signature) order by s.keyid), '[]')
  from npm_signature s where s.version_id = package_version.id)`.as('signatures')

const batch = fixedQuery((queries, packageId: number, after: number) =>
  versionRows(queries as unknown as Tx)
    .innerJoin(
      // octet_length asks no more of a long text than its head: what doesn't fit is not read
      sql<{ id: number }>`(
        select sized.id from (
          select next.id, sum(next.bytes) over (order by next.id) as total, row_number() over (order by next.id) as place from (
            select v.id, octet_length(n.manifest) as bytes from package_version v join npm_version n on n.version_id = v.id
            where v.package_id = ${packageId} and v.id > ${after} order by v.id limit ${batchVersions}) as next) as sized
        where sized.total <= ${batchBytes} or sized.place = 1)`.as('wanted'),
      'wanted.id',
      'package_version.id',
    )
    .orderBy('package_version.id'),
)

const attested = sql<string[]>`array(
  select a.predicate_type from npm_attestation a where a.version_id = package_version.id order by a.predicate_type)`.as('attested')

function versionRows(queries: Tx) {
  return queries
    .selectFrom('package_version')
    .innerJoin('npm_version', 'npm_version.version_id', 'package_version.id')
    .innerJoin('package_file', 'package_file.version_id', 'package_version.id')
    .select(columns)
    .select([signatures, attested])
}

/** In the order in which they were published. */
export async function* readVersions(tx: Tx, packageId: PackageId): AsyncGenerator<PublishedVersion[], void, undefined> {
  for (let last = 0; ; ) {
    const rows = await batch(tx, packageId, last)
    if (rows.length === 0) return
    last = rows.at(-1)?.id ?? last
    yield rows.map(versionOf)
  }
}

const named = fixedQuery((queries, packageId: number, version: string) =>
  versionRows(queries as unknown as Tx)
    .where('package_version.package_id', '=', packageId)
    .where('package_version.version', '=', version),
)
const tagged = fixedQuery((queries, packageId: number, tag: string) =>
  versionRows(queries as unknown as Tx)
    .innerJoin('npm_tag', 'npm_tag.version_id', 'package_version.id')
    .where('npm_tag.package_id', '=', packageId)
    .where('npm_tag.tag', '=', tag),
)

/** By version or tag; null: the package has neither. */
export async function readVersion(tx: Tx, packageId: PackageId, name: string): Promise<PublishedVersion | null> {
  const [row = (await tagged(tx, packageId, name))[0]] = await named(tx, packageId, name)
  return row === undefined ? null : versionOf(row)
}

function versionOf(row: Awaited<ReturnType<typeof named>>[number]): PublishedVersion {
  const { version, manifest, deprecated, file, sha1, sha512, signatures, attested } = row
  if (sha1 === null || sha512 === null) throw new Error('a tarball without its checksums')
  return {
    version,
    manifest,
    deprecated,
    file,
    sha1,
    sha512,
    signatures,
    attested,
    publishedAt: row.published_at,
    hasInstallScript: row.has_install_script,
    fileCount: row.file_count,
    unpackedBytes: row.unpacked_bytes,
  }
}
