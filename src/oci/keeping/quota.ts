// How much an image's owner may store (docs/design/limits.md, Quotas): a blob counts once for an owner, however many of his images have it.
import { findQuota, type OwnerQuota, type Package, quotaExceeded } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import type { Database } from '../../db/index.ts'
import type { ContentUploads } from '../../store/index.ts'
import { idleUploads, openBytes } from './open-uploads.ts'

/** What an upload may have; asked before the first byte is taken. */
export interface UploadRoom {
  readonly limitBytes: number
  /** The owner has a quota: what comes is charged to it. */
  readonly isLimited: boolean
  /** What an error of the store is for the client: where it was the quota that the bytes came up against, `quota-exceeded`. */
  readonly faultOf: (error: unknown) => unknown
}

/**
 * What is left, less what the owner's other uploads have so far; those that nobody goes on with make way (`settleUploads`). InputError `quota-exceeded` when the
 * client says that more comes than there is room for.
 * @param blobBytes the most that one blob may have
 */
export async function findUploadRoom(
  db: Database,
  { ownerId }: Pick<Package, 'ownerId'>,
  blobBytes: number,
  { sizeBytes = 0, id = null }: { readonly sizeBytes?: number | undefined; readonly id?: string | null } = {},
): Promise<UploadRoom> {
  const quota = await findQuota(db, ownerId)
  if (quota === null) return { limitBytes: blobBytes, isLimited: false, faultOf: (error) => error }
  const { activeBytes } = await openBytes(db.queries, ownerId, id)
  const left = { ...quota, leftBytes: Math.max(0, quota.leftBytes - activeBytes) }
  if (left.leftBytes >= blobBytes) return { limitBytes: blobBytes, isLimited: true, faultOf: (error) => error }
  if (sizeBytes > left.leftBytes) throw quotaExceeded(left)
  return { limitBytes: left.leftBytes, isLimited: true, faultOf: (error) => ofQuota(left, error) }
}

/**
 * After bytes were added to an upload of an owner with a limit: all his open uploads together have no more than is left to him. Those that nobody goes on with are
 * ended first. InputError `quota-exceeded`: the one that was added to has to go; several that grew at once may all be told so.
 */
export async function settleUploads(db: Database, uploads: ContentUploads, { ownerId }: Pick<Package, 'ownerId'>): Promise<void> {
  const quota = await findQuota(db, ownerId)
  if (quota === null) return
  const { activeBytes, idleBytes } = await openBytes(db.queries, ownerId)
  if (activeBytes + idleBytes <= quota.leftBytes) return
  if (idleBytes > 0) for (const { id, scope } of await idleUploads(db.queries, ownerId)) await uploads.cancel(id, scope)
  if (activeBytes > quota.leftBytes) throw quotaExceeded({ ...quota, leftBytes: 0 })
}

function ofQuota(quota: OwnerQuota, error: unknown): unknown {
  return error instanceof InputError && error.code === 'too-large' ? quotaExceeded(quota) : error
}
