// How much an image's owner may store (docs/design/limits.md, Quotas): a blob counts once for an owner, however many of his images have it.
import { chargeOwner, findQuota, type OwnerQuota, type Package, quotaExceeded } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { type Database, sql, type Tx } from '../../db/index.ts'

/** What an upload may have; asked before the first byte is taken. */
export interface UploadRoom {
  readonly limitBytes: number
  /** The owner has a quota: what comes is charged to it. */
  readonly isLimited: boolean
  /** What an error of the store is for the client: where it was the quota that the bytes came up against, `quota-exceeded`. */
  readonly faultOf: (error: unknown) => unknown
}

/** @param blobBytes the most that one blob may have. InputError `quota-exceeded` when the client says that more comes than there is room for. */
export async function findUploadRoom(
  db: Database,
  { ownerId }: Pick<Package, 'ownerId'>,
  blobBytes: number,
  sizeBytes?: number,
): Promise<UploadRoom> {
  const quota = await findQuota(db, ownerId)
  const isLimited = quota !== null
  if (quota === null || quota.leftBytes >= blobBytes) return { limitBytes: blobBytes, isLimited, faultOf: (error) => error }
  if ((sizeBytes ?? 0) > quota.leftBytes) throw quotaExceeded(quota)
  return { limitBytes: quota.leftBytes, isLimited, faultOf: (error) => ofQuota(quota, error) }
}

function ofQuota(quota: OwnerQuota, error: unknown): unknown {
  return error instanceof InputError && error.code === 'too-large' ? quotaExceeded(quota) : error
}

/** For a blob whose row has just been written, in the same transaction. InputError `quota-exceeded` undoes it. */
export async function chargeBlob(
  tx: Tx,
  { id, ownerId }: Pick<Package, 'id' | 'ownerId'>,
  content: Uint8Array,
  sizeBytes: number,
): Promise<void> {
  await chargeOwner(tx, ownerId, async () => {
    const { rows } = await sql<{ isThere: boolean }>`
      select count(*) > 1 as "isThere" from (
        select from oci_blob b join package p on p.id = b.package_id where b.content = ${content} and (p.owner_id = ${ownerId} or p.id = ${id}) limit 2) as held`.execute(
      tx,
    )
    return rows[0]?.isThere === true ? 0 : sizeBytes
  })
}
