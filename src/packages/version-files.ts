// Versions that get their files one by one, as plain packages do. A version is there as long as it has files: the first makes it, with the last it goes.
import { type Actor, audit, auditedAs, type Package, type PackageId, tellOfPackage } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { type Database, type Moment, type Queries, rememberedQuery, sql, type Tx } from '../db/index.ts'
import { type ContentInfo, type ContentStore, digestOf } from '../store/index.ts'
import { addFile, insertVersion, type NewVersion, type PackageFile, removeVersion, type VersionId } from './version-rows.ts'
import { tellOfVersionGone } from './versioned-format.ts'

export interface FileToKeep {
  readonly one: Package
  readonly version: NewVersion
  readonly file: string
  readonly content: ContentInfo
  readonly actor: Actor
  /** The owner has a quota: what comes is charged to it. */
  readonly isLimited: boolean
}

/** Of one version. */
const mostFiles = 1000

/** In the transaction that makes the bytes content. False: the same file is there. InputError 'file-exists', 'too-many-files', 'quota-exceeded', 'content-gone', 'version-removed'. */
export async function keepFile(
  tx: Tx,
  store: ContentStore,
  { one, version, file, content, actor, isLimited }: FileToKeep,
): Promise<boolean> {
  const { digest, sizeBytes } = content
  const { id, isNew } = await lockOrInsertVersion(tx, one, version, actor)
  const files = tx.selectFrom('package_file').where('version_id', '=', id)
  const there = await files.select('content').where('name', '=', file).executeTakeFirst()
  if (there !== undefined && digestOf(there.content) === digest) return false
  if (there !== undefined)
    throw new InputError(
      'file-exists',
      `${one.name} ${version.version} has another file ${file}: delete it first, or publish another version`,
    )
  const { count } = await files.select((select) => select.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()
  if (count >= mostFiles) throw new InputError('too-many-files', `A version has at most ${mostFiles} files`)
  await addFile(tx, store, one, id, { name: file, content: digest, sizeBytes }, { isLimited })
  const facts = { version: version.version, file, sha256: digest }
  await tellOfPackage(tx, isNew ? 'package.published' : 'package.updated', one, actor, facts)
  return true
}

/** False: there is none. */
export async function removeFile(
  tx: Tx,
  one: Package,
  { key, file }: { readonly key: string; readonly file: string },
  actor: Actor,
): Promise<boolean> {
  const at = await lockVersion(tx, one.id, key)
  if (at === null) return false
  const { id, version } = at
  const gone = await tx
    .deleteFrom('package_file')
    .where('version_id', '=', id)
    .where('name', '=', file)
    .returning('name')
    .executeTakeFirst()
  if (gone === undefined) return false
  const left = await tx.selectFrom('package_file').select('name').where('version_id', '=', id).limit(1).executeTakeFirst()
  if (left === undefined) {
    await removeVersion(tx, one, id, { isForEver: false })
    await tellOfVersionGone(tx, one, { version, tags: [] }, actor)
    return true
  }
  await tellOfPackage(tx, 'package.updated', one, actor, { version, file, isGone: 'true' })
  await audit(tx, actor, { ...auditedAs(one), action: 'package.delete-file', details: { version, file } })
  return true
}

export interface VersionFiles {
  readonly version: string
  readonly publishedAt: Date
  readonly files: readonly (Pick<PackageFile, 'name' | 'content' | 'sizeBytes'> & { readonly createdAt: Date })[]
}

/** A version with its files, by name; null: the package hasn't got it. */
export async function findVersionFiles(queries: Queries, id: PackageId, key: string): Promise<VersionFiles | null> {
  const rows = await queries
    .selectFrom('package_version as version')
    .innerJoin('package_file as file', 'file.version_id', 'version.id')
    .select(['version.version', 'version.published_at', 'file.name', 'file.size_bytes', 'file.content', 'file.created_at'])
    .where('version.package_id', '=', id)
    .where('version.version_key', '=', key)
    .orderBy(sql`file.name collate "C"`)
    .execute()
  const [first] = rows
  if (first === undefined) return null
  const files = rows.map((row) => ({
    name: row.name,
    sizeBytes: row.size_bytes,
    content: digestOf(row.content),
    createdAt: row.created_at,
  }))
  return { version: first.version, publishedAt: first.published_at, files }
}

/** Under its row's lock: whoever else changes it waits. */
async function lockVersion(
  tx: Tx,
  packageId: PackageId,
  key: string,
): Promise<{ readonly id: VersionId; readonly version: string } | null> {
  const row = await tx
    .selectFrom('package_version')
    .select(['id', 'version'])
    .where('package_id', '=', packageId)
    .where('version_key', '=', key)
    .forNoKeyUpdate()
    .executeTakeFirst()
  return row === undefined ? null : { id: row.id as VersionId, version: row.version }
}

/** The version, locked. InputError 'version-removed'. */
async function lockOrInsertVersion(
  tx: Tx,
  one: Pick<Package, 'id' | 'ownerId' | 'format' | 'name'>,
  wanted: NewVersion,
  actor: Actor,
): Promise<{ readonly id: VersionId; readonly isNew: boolean }> {
  for (;;) {
    const found = await lockVersion(tx, one.id, wanted.key)
    if (found !== null) return { id: found.id, isNew: false }
    try {
      return { id: await insertVersion(tx, one, wanted, actor), isNew: true }
    } catch (error) {
      // somebody else has made it meanwhile
      if (!(error instanceof InputError && error.code === 'version-exists')) throw error
    }
  }
}

const versionFileRow = rememberedQuery(
  (queries, packageId: number, key: string, name: string) =>
    queries
      .selectFrom('package_version as version')
      .innerJoin('package_file as file', 'file.version_id', 'version.id')
      .select(['file.version_id', 'file.content', 'file.size_bytes'])
      .where('version.package_id', '=', packageId)
      .where('version.version_key', '=', key)
      .where('file.name', '=', name),
  { types: ['bigint', 'text', 'text'], most: 10_000 },
)

/** In formats whose files have names within their versions; null: the package hasn't got it. */
export async function findVersionFile(
  at: Database | Moment,
  packageId: PackageId,
  key: string,
  name: string,
): Promise<Pick<PackageFile, 'versionId' | 'content' | 'sizeBytes'> | null> {
  const [row] = await versionFileRow(at, packageId, key, name)
  return row === undefined ? null : { versionId: row.version_id as VersionId, content: digestOf(row.content), sizeBytes: row.size_bytes }
}
