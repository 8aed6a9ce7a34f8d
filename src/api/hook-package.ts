// A package as webhooks tell of it, in the shape of GitHub's `package` and `registry_package` events.
import { findAccountById, type Package, packageFullName } from '../access/index.ts'
import type { Queries } from '../db/index.ts'
import type { PackageVersion } from '../hooks/index.ts'
import { ownerJson, timeJson } from './documents.ts'

/** @param version null: of the package as a whole */
export async function hookPackage(queries: Queries, origin: string, one: Package, version: PackageVersion | null) {
  const owner = await findAccountById(queries, one.ownerId)
  const name = packageFullName(one)
  return {
    id: one.id,
    name: one.name,
    namespace: one.ownerLogin,
    description: null,
    ecosystem: 'CONTAINER',
    package_type: 'CONTAINER',
    visibility: one.visibility,
    html_url: `${origin}/${name}`,
    created_at: timeJson(one.createdAt),
    updated_at: timeJson(one.updatedAt),
    owner: owner === null ? null : ownerJson(origin, owner),
    package_version: version === null ? null : await versionDocument(queries, origin, one, version),
    registry: { about_url: origin, name: 'Stemma container registry', type: 'containers', url: origin, vendor: 'Stemma' },
  }
}

/** `id` is null when the version is gone. */
async function versionDocument(queries: Queries, origin: string, one: Package, { digest, tags, mediaType }: PackageVersion) {
  const row = await queries
    .selectFrom('oci_manifest')
    .select(['id', 'pushed_at'])
    .where('package_id', '=', one.id)
    .where('digest', '=', Buffer.from(digest.slice(digest.indexOf(':') + 1), 'hex'))
    .executeTakeFirst()
  const [tag] = tags
  const at = `${new URL(origin).host}/${packageFullName(one)}`
  return {
    id: row?.id ?? null,
    version: digest,
    name: digest,
    created_at: row === undefined ? null : timeJson(row.pushed_at),
    package_url: tag === undefined ? `${at}@${digest}` : `${at}:${tag}`,
    container_metadata: {
      tag: tag === undefined ? null : { name: tag, digest },
      tags,
      manifest: { digest, media_type: mediaType, uri: `${origin}/v2/${packageFullName(one)}/manifests/${digest}` },
    },
  }
}
