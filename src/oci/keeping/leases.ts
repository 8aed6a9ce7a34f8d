// What a client may rely on for a while: a blob or manifest that it was told is there, or has just brought, stays until its lease ends, though nothing names it.
// Clients leave out what they are told is there, and publish the manifest that names it afterwards: without leases that would fail now and then.
// docs/design/oci-keeping.md, Leases.
import { type Queries, sql, type Tx } from '../../db/index.ts'

/** A lease begins anew when less than this part of it is left: so telling the same many times writes little. */
const renewedBelow = 0.5

/** SQL: when a lease that begins now ends. For rows of `oci_blob`. */
export function leaseEnd(leaseMs: number) {
  return sql<Date>`now() + ${Math.round(leaseMs)} * interval '1 millisecond'`
}

/** SQL over a row of `oci_blob`: whether `renewBlob` has to be called before a client that may publish is told that it is there. */
export function isBlobLeaseShort(leaseMs: number) {
  return sql<boolean>`oci_blob.leased_until < ${leaseEnd(leaseMs * renewedBelow)}`
}

/** The same over a row of `oci_manifest`, and `renewManifest`. */
export function isManifestLeaseShort(leaseMs: number) {
  return sql<boolean>`greatest(oci_manifest.pushed_at, oci_manifest.confirmed_at) < ${leaseEnd(-leaseMs * renewedBelow)}`
}

/** False: it has been collected in the meantime, and isn't there. */
export async function renewBlob(queries: Queries, packageId: number, digest: Uint8Array, leaseMs: number): Promise<boolean> {
  const { numUpdatedRows } = await queries
    .updateTable('oci_blob')
    .set({ leased_until: sql<Date>`greatest(leased_until, ${leaseEnd(leaseMs)})` })
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

/** What a manifest names, by digest; each once. */
export interface Named {
  readonly blobs: readonly Uint8Array[]
  readonly manifests: readonly Uint8Array[]
}

/**
 * To be called in the transaction that writes a manifest, before its rows: what is found stays until the transaction ends, and then there are rows that name it.
 * Resolves to what is missing. Manifests before blobs, each ascending: as collection takes them.
 */
export async function lockNamed(tx: Tx, packageId: number, { blobs, manifests }: Named): Promise<Named> {
  const there = new Set<string>()
  for (const [table, digests] of [
    ['oci_manifest', manifests],
    ['oci_blob', blobs],
  ] as const) {
    if (digests.length === 0) continue
    const { rows } = await sql<{ digest: Buffer }>`
      select digest from ${sql.table(table)} where package_id = ${packageId} and digest = any(${[...digests]}::bytea[])
      order by digest for key share`.execute(tx)
    for (const { digest } of rows) there.add(`${table} ${digest.toString('hex')}`)
  }
  const missing = (table: string, digests: readonly Uint8Array[]) =>
    digests.filter((digest) => !there.has(`${table} ${Buffer.from(digest).toString('hex')}`))
  return { blobs: missing('oci_blob', blobs), manifests: missing('oci_manifest', manifests) }
}
