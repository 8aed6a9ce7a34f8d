// Changes of what is published: tags, deprecations, removals. Each raises the package's revision, under whose lock it is made, and is told.
import { type Actor, audit, auditedAs, type Package, type PackageId, tellOfPackage } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { type Database, sql, type Tx } from '../../db/index.ts'
import { removeVersion, type VersionId } from '../../packages/index.ts'
import type { StoredVersion } from './packument-changes.ts'
import { highestOf } from './packument-changes.ts'

export interface PackageVersion extends StoredVersion {
  readonly id: VersionId
  /** Its tarball's name. */
  readonly file: string
}

/** A package whose row is locked: nothing of it changes but by who has it. */
export interface LockedPackage {
  readonly one: Package
  readonly versions: readonly PackageVersion[]
  /** What each leads to. */
  readonly tags: ReadonlyMap<string, string>
}

/**
 * Makes changes of a package in one transaction. Nothing changes where `change` does nothing (false).
 * @param revision what the caller has seen of it, as `_rev` says; null: he doesn't say
 * InputError 'no-such-package', 'conflict'
 */
export async function changing(
  db: Database,
  one: Package,
  revision: string | null,
  change: (tx: Tx, locked: LockedPackage) => Promise<boolean>,
): Promise<void> {
  await db.transaction(
    async (tx) => {
      const row = await tx.selectFrom('npm_package').select('revision').where('package_id', '=', one.id).forUpdate().executeTakeFirst()
      if (row === undefined) throw new InputError('no-such-package', `There is no package ${one.name}`)
      if (revision !== null && revision !== revisionText(one.id, row.revision))
        throw new InputError('conflict', 'The package was changed meanwhile: ask for its document again, and write that back')
      if (await change(tx, await readLocked(tx, one))) await raise(tx, one.id)
    },
    { mayRetry: true },
  )
}

/** As packuments say it in `_rev`. */
export function revisionText(id: PackageId, revision: number): string {
  return `${revision}-${id}`
}

async function raise(tx: Tx, id: PackageId): Promise<void> {
  await sql`update npm_package set revision = revision + 1, modified_at = now() where package_id = ${id}`.execute(tx)
}

async function readLocked(tx: Tx, one: Package): Promise<LockedPackage> {
  const versions = await versionRows(tx, one.id).execute()
  const tags = await tx
    .selectFrom('npm_tag')
    .innerJoin('package_version', 'package_version.id', 'npm_tag.version_id')
    .select(['npm_tag.tag', 'package_version.version'])
    .where('npm_tag.package_id', '=', one.id)
    .orderBy('npm_tag.tag')
    .execute()
  return { one, versions: versions as PackageVersion[], tags: new Map(tags.map(({ tag, version }) => [tag, version])) }
}

function versionRows(tx: Tx, id: PackageId) {
  return tx
    .selectFrom('package_version')
    .innerJoin('npm_version', 'npm_version.version_id', 'package_version.id')
    .innerJoin('package_file', 'package_file.version_id', 'package_version.id')
    .select(['package_version.id', 'package_version.version', 'npm_version.deprecated', 'package_file.name as file'])
    .where('package_version.package_id', '=', id)
    .orderBy('package_version.id')
}

/** Tags that lead elsewhere from now on. False: all lead there already. InputError 'version-unknown'. */
export async function setTags(tx: Tx, locked: LockedPackage, wanted: ReadonlyMap<string, string>, actor: Actor): Promise<boolean> {
  const changed = [...wanted].filter(([tag, version]) => locked.tags.get(tag) !== version)
  for (const [tag, version] of changed) {
    const found = locked.versions.find((stored) => stored.version === version)
    if (found === undefined) throw new InputError('version-unknown', `${locked.one.name} has no version ${version}`)
    await sql`
      insert into npm_tag (package_id, tag, version_id) values (${locked.one.id}, ${tag}, ${found.id})
      on conflict (package_id, tag) do update set version_id = excluded.version_id, updated_at = now()`.execute(tx)
    await tellOfPackage(tx, 'package.tagged', locked.one, actor, { tag, version })
  }
  return changed.length > 0
}

/** InputError 'bad-tag' (`latest` stays), 'tag-unknown'. */
export async function removeTags(tx: Tx, { one, tags }: LockedPackage, gone: readonly string[], actor: Actor): Promise<boolean> {
  for (const tag of gone) {
    const version = tags.get(tag)
    if (tag === 'latest') throw new InputError('bad-tag', 'The tag latest cannot be deleted: it can lead to another version')
    if (version === undefined) throw new InputError('tag-unknown', `${tag} is not a dist-tag on ${one.name}`)
    await tx.deleteFrom('npm_tag').where('package_id', '=', one.id).where('tag', '=', tag).execute()
    await tellOfPackage(tx, 'package.untagged', one, actor, { tag, version })
    await audit(tx, actor, { ...auditedAs(one), action: 'package.untag', details: { tag, version } })
  }
  return gone.length > 0
}

/** @param changed by version; null: it may be used again */
export async function setDeprecations(
  tx: Tx,
  { one, versions }: LockedPackage,
  changed: ReadonlyMap<string, string | null>,
  actor: Actor,
): Promise<boolean> {
  const rows = versions.filter(({ version }) => changed.has(version))
  if (rows.length === 0) return false
  await sql`
    update npm_version n set deprecated = c.deprecated
    from unnest(${rows.map(({ id }) => id)}::bigint[], ${rows.map(({ version }) => changed.get(version) ?? null)}::text[]) as c (id, deprecated)
    where n.version_id = c.id`.execute(tx)
  for (const message of new Set(changed.values())) {
    const of = rows.filter(({ version }) => changed.get(version) === message).map(({ version }) => version)
    await tellOfPackage(tx, 'package.deprecated', one, actor, { versions: of.join(' '), message })
    await audit(tx, actor, { ...auditedAs(one), action: 'package.deprecate', details: { versions: of, message } })
  }
  return true
}

/** Versions go for ever, with their tarballs and tags; `latest` leads to the highest that is left. One is left at least: else the package is deleted. */
export async function removeVersions(tx: Tx, locked: LockedPackage, gone: readonly string[], actor: Actor): Promise<boolean> {
  const { one, versions, tags } = locked
  for (const { id, version } of versions) {
    if (!gone.includes(version) || !(await removeVersion(tx, one, id, { isForEver: true }))) continue
    const itsTags = [...tags].filter(([, to]) => to === version).map(([tag]) => tag)
    await tellOfPackage(tx, 'package.deleted', one, actor, { version, tags: itsTags.join(' ') })
    await audit(tx, actor, { ...auditedAs(one), action: 'package.delete-version', details: { version, tags: itsTags } })
  }
  const left = versions.filter(({ version }) => !gone.includes(version))
  const latest = highestOf(left.map(({ version }) => version))
  if (latest !== null && gone.includes(tags.get('latest') ?? ''))
    await setTags(tx, { ...locked, versions: left }, new Map([['latest', latest]]), actor)
  return gone.length > 0
}
