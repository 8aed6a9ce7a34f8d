// What npm packages are to all that is about packages of every format.
import { type Actor, deletePackageIn, type Package } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { type Database, sql, type Tx } from '../db/index.ts'
import { type FormatVersion, removeVersion, tellOfVersionGone, type VersionId, versionedRoom } from '../packages/index.ts'
import { changing, removeVersions } from './publish/change-rows.ts'
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

/**
 * For ever, where it is the owner's own; `latest` leads to the highest that is left. With the last the package goes: no packument is without versions.
 */
async function deleteVersion(
  db: Database,
  one: Package,
  { id, name, tags }: Omit<FormatVersion, 'publishedAt'>,
  actor: Actor,
): Promise<boolean> {
  if (one.upstreamId !== null) return forget(db, one, id as VersionId)
  let isGone = false
  await changing(db, one, null, async (tx, locked) => {
    isGone = locked.versions.some((version) => version.id === id)
    if (!isGone || locked.versions.length > 1) return isGone && removeVersions(tx, locked, [name], actor)
    await tellOfVersionGone(tx, one, { version: name, tags }, actor)
    return deletePackageIn(tx, one.id, actor)
  }).catch(unlessMissing)
  return isGone
}

/** What came from an upstream may come again, and nobody is told. */
function forget(db: Database, one: Package, id: VersionId): Promise<boolean> {
  return db.transaction((tx) => removeVersion(tx, one, id, { isForEver: false }), { mayRetry: true })
}

function unlessMissing(error: unknown): void {
  if (!(error instanceof InputError && error.code === 'no-such-package')) throw error
}
