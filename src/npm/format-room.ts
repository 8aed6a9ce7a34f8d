// What npm packages are to all that is about packages of every format.
import { type Actor, deletePackageIn, type Package } from '../access/index.ts'
import { type Database, sql, type Tx } from '../db/index.ts'
import { type FormatVersion, removeVersion, tellOfVersionGone, type VersionId, versionedRoom } from '../packages/index.ts'
import { rcompare } from 'semver'
import { npmUpstreams } from './upstream/npm-upstreams.ts'

export const npmFormat = versionedRoom({
  format: 'npm',
  type: 'npm',
  registry: { name: 'Stemma npm registry', type: 'npm', path: '/npm' },
  isForEver: true,
  tags: sql<string[]>`array(select t.tag from npm_tag t where t.version_id = package_version.id order by t.tag)`,
  deleteVersion,
  changed: raise,
  fileUrl: (origin, { ownerLogin, name }, _version, file) => `${origin}/npm/${ownerLogin}/${name}/-/${file}`,
  toldMore: ({ version, tag, gitHead }) => ({
    npm_metadata: {
      version,
      git_head: typeof gitHead === 'string' ? gitHead : null,
      dist_tags: typeof tag === 'string' ? [tag] : [],
    },
  }),
  upstream: npmUpstreams,
})

/** Whatever changes a packument does. */
async function raise(tx: Tx, id: number): Promise<void> {
  await sql`update npm_package set revision = revision + 1, modified_at = now() where package_id = ${id}`.execute(tx)
}

/** For ever, where it is the owner's own. `latest` leads to the highest that is left; with the last the package goes: no packument is without versions. */
async function deleteVersion(db: Database, one: Package, { id, name: version, tags }: FormatVersion, actor: Actor): Promise<boolean> {
  return db.transaction(
    async (tx) => {
      // as every change of the package: one after the other
      await sql`select from npm_package where package_id = ${one.id} for update`.execute(tx)
      if (!(await removeVersion(tx, one, id as VersionId, { isForEver: one.upstreamId === null }))) return false
      const left = await tx.selectFrom('package_version').select(['id', 'version']).where('package_id', '=', one.id).execute()
      await tellOfVersionGone(tx, one, { version, tags }, actor)
      if (left.length === 0) return deletePackageIn(tx, one.id, actor)
      const [highest] = highestFirst(left)
      await sql`
        insert into npm_tag (package_id, tag, version_id) values (${one.id}, 'latest', ${highest?.id ?? null})
        on conflict (package_id, tag) do nothing`.execute(tx)
      await raise(tx, one.id)
      return true
    },
    { mayRetry: true },
  )
}

/** Releases before what was published for trying. */
function highestFirst<T extends { readonly version: string }>(versions: readonly T[]): T[] {
  return versions.toSorted((a, b) => Number(isPrerelease(a.version)) - Number(isPrerelease(b.version)) || rcompare(a.version, b.version))
}

function isPrerelease(version: string): boolean {
  return version.split('+', 1)[0]?.includes('-') === true
}
