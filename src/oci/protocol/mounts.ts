// Blobs that an image gets from another one on this server, without their bytes coming again (distribution-spec, Mounting a blob from another repository):
// only where the caller may read an image that has it. Otherwise the answer is the same as for a blob that nobody has.
import type { FastifyRequest } from 'fastify'
import { may, type Package, packageOfRow, packageResourceOf, packageRows, packagesReadableBy } from '../../access/index.ts'
import { type Queries, sql } from '../../db/index.ts'
import { digestOf, isLost } from '../../store/index.ts'
import { type Blob, insertBlob } from '../blob-rows.ts'
import type { OciDigest } from '../format/digests.ts'
import { parseImageName } from '../format/names.ts'
import { referenceOf } from '../keeping/references.ts'
import { type Registry, rethrowFault } from '../registry.ts'

/** Images that are looked at where the client names none: a base layer may be in thousands, and how long that takes would tell. */
const mostHolders = 64

/** @param from the image to take it from; left out: whichever. True when the image has the blob now. */
export async function mountBlob(
  registry: Registry,
  request: FastifyRequest,
  one: Package,
  digest: OciDigest,
  from: unknown,
): Promise<boolean> {
  const sources = await findSources(registry.db.queries, request, one, digest, from)
  const source = sources.find((row) => may(request.identity, 'package:read', packageResourceOf(packageOfRow(row))))
  if (source === undefined) return false
  return shareBlob(registry, one, digest, { content: digestOf(source.content), sizeBytes: source.size_bytes })
}

/** The image gets what another one has; whoever calls has seen to it that it may. False when that has gone meanwhile. */
export async function shareBlob({ db, store, limits }: Registry, one: Package, digest: OciDigest, blob: Blob): Promise<boolean> {
  return db
    .transaction(
      async (tx) => {
        if (!(await store.hold(tx, blob.content, referenceOf(one)))) return false
        await insertBlob(tx, one, digest, blob, { leaseMs: limits.leaseMs, isLimited: true })
        return true
      },
      { mayRetry: true },
    )
    .catch(rethrowFault)
}

/** Readable images that have it: the named one, or else those of the same owner first. */
async function findSources(queries: Queries, request: FastifyRequest, one: Package, digest: OciDigest, from: unknown) {
  const base = packageRows(queries, request.identity)
    .where('package.format', '=', 'oci')
    .where(packagesReadableBy(request.identity))
    .innerJoin('oci_blob', 'oci_blob.package_id', 'package.id')
    .select(['oci_blob.content', 'oci_blob.size_bytes'])
    .where('oci_blob.digest', '=', digest.bytes)
    .where((where) => where.not(isLost(sql.ref('oci_blob.content'))))
  if (from !== undefined) {
    const name = typeof from === 'string' ? parseImageName(from) : null
    return base
      .where(sql<boolean>`lower(account.login) = ${name?.owner ?? ''}`)
      .where(sql<boolean>`lower(package.name) = ${name?.image ?? ''}`)
      .execute()
  }
  const own = await base.where('package.owner_id', '=', one.ownerId).limit(1).execute()
  if (own.length > 0) return own
  return base
    .where('package.id', 'in', (eb) =>
      eb.selectFrom('oci_blob as held').select('held.package_id').where('held.digest', '=', digest.bytes).limit(mostHolders),
    )
    .limit(1)
    .execute()
}
