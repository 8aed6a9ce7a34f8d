// What a client may rely on for a while: a blob or manifest that it was told is there, or has just brought, stays until its lease ends, though nothing names it.
// Clients leave out what they are told is there, and publish the manifest that names it afterwards: without leases that would fail now and then.
// docs/design/oci-keeping.md, Collection.
import { type Queries, sql } from '../../db/index.ts'

/** A lease begins anew when less than this part of it is left: so telling the same many times writes little. */
const renewedBelow = 0.5

/** SQL over a row of `oci_manifest`: when somebody brought it, or was told that it is there, last; its lease began then. A blob's row says when its lease ends (`leased_until`). */
export const manifestLeaseBegan = sql<Date>`greatest(pushed_at, confirmed_at)`

/** Whether it has to begin anew before somebody is told that it is there, who may rely on that. This node's clock is good enough: half a lease is left in any case. */
export function isLeaseShort(endMs: number, nowMs: number, leaseMs: number): boolean {
  return endMs - nowMs < leaseMs * renewedBelow
}

/** False: it has been collected in the meantime, and isn't there. */
export async function renewBlob(queries: Queries, packageId: number, digest: Uint8Array, leaseMs: number): Promise<boolean> {
  const { numUpdatedRows } = await queries
    .updateTable('oci_blob')
    .set({ leased_until: sql<Date>`greatest(leased_until, now() + ${Math.round(leaseMs)} * interval '1 millisecond')` })
    .where('package_id', '=', packageId)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** False: it has been collected in the meantime, and isn't there. */
export async function renewManifest(queries: Queries, packageId: number, digest: Uint8Array): Promise<boolean> {
  const { numUpdatedRows } = await queries
    .updateTable('oci_manifest')
    .set({ confirmed_at: sql<Date>`now()` })
    .where('package_id', '=', packageId)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
