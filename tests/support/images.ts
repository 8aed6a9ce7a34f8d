// Images that are there without anybody having pushed them: rows of a package, a manifest and a tag, for tests of who sees what.
import { createHash } from 'node:crypto'
import { type AccountId, createOrFindPackage, operator, type Package, type Visibility } from '../../src/access/index.ts'
import type { Database } from '../../src/db/index.ts'

export interface TestImage {
  readonly package: Package
  readonly versionId: number
  /** `sha256:…`, of its only manifest. */
  readonly digest: string
}

export interface TestImageOptions {
  readonly ownerId: AccountId
  readonly ownerLogin: string
  readonly name: string
  readonly visibility?: Visibility
  readonly tag?: string
}

/** An image without layers, whose configuration nobody has. */
export async function makeImage(db: Database, options: TestImageOptions): Promise<TestImage> {
  const { ownerId, ownerLogin, name, visibility = 'private', tag = 'latest' } = options
  const made = await createOrFindPackage(db, { ownerId, ownerLogin, format: 'oci', name, visibility, repositoryId: null }, operator)
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: `sha256:${'0'.repeat(64)}`, size: 2 }
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [], annotations: { of: `${ownerLogin}/${name}` } }),
  )
  const digest = createHash('sha256').update(bytes).digest()
  const { id: versionId } = await db.queries
    .insertInto('oci_manifest')
    .values({ package_id: made.id, digest, media_type: mediaType, bytes })
    .returning('id')
    .executeTakeFirstOrThrow()
  await db.queries.insertInto('oci_tag').values({ package_id: made.id, name: tag, digest }).execute()
  return { package: made, versionId, digest: `sha256:${digest.toString('hex')}` }
}
