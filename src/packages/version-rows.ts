// Versions of packages and their files, as every format has them that is versions with files. What a version says of itself is its format's own rows.
import type { Actor, Package, PackageId } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { type Database, fixedQuery, type Moment, type Queries, rememberedQuery, sql, type Tx } from '../db/index.ts'
import { type ContentStore, type Digest, digestBytes, digestOf } from '../store/index.ts'
import { packageReference } from './content-holds.ts'
import { chargeContent } from './content-quota.ts'

declare const versionBrand: unique symbol
export type VersionId = number & { readonly [versionBrand]: true }

export interface NewVersion {
  /** As published. */
  readonly version: string
  /** What it has in common with every spelling of the same version. */
  readonly key: string
}

export interface NewFile {
  readonly name: string
  readonly content: Digest
  readonly sizeBytes: number
  readonly sha1?: Uint8Array | null
  readonly sha512?: Uint8Array | null
}

export interface PackageFile extends NewFile {
  readonly versionId: VersionId
  readonly sha1: Uint8Array | null
  readonly sha512: Uint8Array | null
}

/**
 * In the transaction that makes the version visible. Of two at once one waits for the other, and is refused.
 * InputError `version-exists`: there is one, or `version-removed`: there was, and it never comes again.
 */
export async function insertVersion(
  tx: Tx,
  one: Pick<Package, 'id' | 'ownerId' | 'format' | 'name'>,
  { version, key }: NewVersion,
  actor: Actor,
): Promise<VersionId> {
  const [row] = await insertRow(tx, one.id, version, key, actor.name, one.ownerId, one.format, one.name.toLowerCase())
  if (row?.id === undefined || row.id === null)
    throw new InputError(
      row?.isRemoved === true ? 'version-removed' : 'version-exists',
      row?.isRemoved === true ? `${one.name}@${version} was there, and was removed: it never comes again` : `${one.name}@${version} exists`,
    )
  return row.id as VersionId
}

type InsertParameters = readonly [
  packageId: number,
  version: string,
  key: string,
  publishedBy: string,
  ownerId: number,
  format: string,
  name: string,
]

const insertRow = fixedQuery<InsertParameters, { id: number | null; isRemoved: boolean }>((queries, ...parameters) => {
  const [packageId, version, key, publishedBy, ownerId, format, name] = parameters
  const statement = sql<{ id: number | null; isRemoved: boolean }>`
    with removed as (
        select from package_tombstone where owner_id = ${ownerId} and format = ${format} and name = ${name} and version_key = ${key}),
      made as (
        insert into package_version (package_id, version, version_key, published_by)
        select ${packageId}::bigint, ${version}::text, ${key}::text, ${publishedBy}::text where not exists (select from removed)
        on conflict (package_id, version_key) do nothing returning id)
    select (select id from made) as id, exists (select from removed) as "isRemoved"`
  return { compile: () => statement.compile(queries) }
})

/**
 * In the same transaction: the file's row, and the hold on its content. InputError `quota-exceeded` (asked only where `isLimited`), `content-gone`: its lease ended
 * before this; the bytes have to come again.
 */
export async function addFile(
  tx: Tx,
  store: ContentStore,
  one: Pick<Package, 'id' | 'ownerId'>,
  versionId: VersionId,
  file: NewFile,
  { isLimited }: { readonly isLimited: boolean },
): Promise<void> {
  if (!(await store.hold(tx, file.content, packageReference(one))))
    throw new InputError('content-gone', 'What was uploaded is gone; upload it again')
  const content = digestBytes(file.content)
  await insertFile(tx, versionId, one.id, file.name, content, file.sizeBytes, file.sha1 ?? null, file.sha512 ?? null)
  if (isLimited) await chargeContent(tx, one, content, file.sizeBytes)
}

type FileParameters = readonly [
  versionId: number,
  packageId: number,
  name: string,
  content: Uint8Array,
  sizeBytes: number,
  sha1: Uint8Array | null,
  sha512: Uint8Array | null,
]

const insertFile = fixedQuery<FileParameters, object>((queries, versionId, packageId, name, content, sizeBytes, sha1, sha512) => {
  const statement = sql<object>`
    insert into package_file (version_id, package_id, name, content, size_bytes, sha1, sha512)
    values (${versionId}, ${packageId}, ${name}, ${content}, ${sizeBytes}, ${sha1}::bytea, ${sha512}::bytea)`
  return { compile: () => statement.compile(queries) }
})

const fileRow = rememberedQuery(
  (queries, packageId: number, name: string) =>
    queries
      .selectFrom('package_file')
      .select(['version_id', 'name', 'content', 'size_bytes', 'sha1', 'sha512'])
      .where('package_id', '=', packageId)
      .where('name', '=', name),
  { types: ['bigint', 'text'], most: 10_000 },
)

/** By its name alone, in formats whose files are named after their versions; null: the package hasn't got it. */
export async function findFile(at: Database | Moment, packageId: PackageId, name: string): Promise<PackageFile | null> {
  const [row] = await fileRow(at, packageId, name)
  if (row === undefined) return null
  return {
    versionId: row.version_id as VersionId,
    name: row.name,
    content: digestOf(row.content),
    sizeBytes: row.size_bytes,
    sha1: row.sha1,
    sha512: row.sha512,
  }
}

/** By any spelling; null: the package hasn't got it. */
export async function findVersion(
  queries: Queries,
  packageId: PackageId,
  key: string,
): Promise<{ readonly id: VersionId; readonly version: string } | null> {
  const row = await queries
    .selectFrom('package_version')
    .select(['id', 'version'])
    .where('package_id', '=', packageId)
    .where('version_key', '=', key)
    .executeTakeFirst()
  return row === undefined ? null : { id: row.id as VersionId, version: row.version }
}

/**
 * With its files and all that its format's rows say of it; their content is let go by a trigger. False: it is gone already.
 * @param isForEver it never comes again
 */
export async function removeVersion(
  tx: Tx,
  one: Pick<Package, 'id' | 'ownerId' | 'format' | 'name'>,
  versionId: VersionId,
  { isForEver }: { readonly isForEver: boolean },
): Promise<boolean> {
  const row = await tx
    .deleteFrom('package_version')
    .where('id', '=', versionId)
    .where('package_id', '=', one.id)
    .returning('version_key')
    .executeTakeFirst()
  if (row === undefined) return false
  if (isForEver) {
    await tx
      .insertInto('package_tombstone')
      .values({ owner_id: one.ownerId, format: one.format, name: one.name.toLowerCase(), version_key: row.version_key })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
  return true
}
