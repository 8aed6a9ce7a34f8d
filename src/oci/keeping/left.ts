// What retention leaves behind: manifests whose last tag it took, and what only those lead to. Each is noted in the transaction that leaves it, so it goes at last,
// though it is leased at the moment, or the server stops between the tag and the manifest. docs/design/oci-keeping.md, Retention.
import { type Actor, audit, auditedAs, findPackageById, type Package, type PackageId, tellOfPackage } from '../../access/index.ts'
import { sql, type Tx } from '../../db/index.ts'
import { digestText } from '../format/digests.ts'
import { isManifestKept } from './references.ts'

/** Who stands in the audit for what the server does by a policy. */
export const retention: Actor = { accountId: null, name: 'retention' }

/** Those of a package are looked at again, and go when nothing keeps them and their lease is over. */
export async function noteLeft(tx: Tx, id: PackageId, digests: readonly Uint8Array[], takesReferrers: boolean): Promise<void> {
  if (digests.length === 0) return
  await sql`
    insert into oci_review (package_id, kind, digest, takes_referrers)
    select ${id}, 'left', digest, ${takesReferrers} from unnest(${[...digests]}::bytea[]) digest`.execute(tx)
}

/**
 * Takes away those of a package's manifests that nothing keeps, and notes what they leave. Their rows are locked, and their leases over. How many went.
 * @param takesReferrers those whose referrers are left, too
 */
export async function removeFree(
  tx: Tx,
  one: Package,
  digests: readonly Uint8Array[],
  takesReferrers: readonly Uint8Array[],
): Promise<number> {
  const { rows: leads } = await sql<{ by: Buffer; digest: Buffer }>`
    select p.manifest as by, p.digest from oci_manifest_part p
      where p.package_id = ${one.id} and p.manifest = any(${[...digests]}::bytea[]) and p.kind = 'manifest'
    union
    select r.subject, r.digest from oci_manifest r
      where r.package_id = ${one.id} and r.subject = any(${[...takesReferrers]}::bytea[])`.execute(tx)
  const { rows: free } = await sql<{ digest: Buffer }>`
    delete from oci_manifest m where package_id = ${one.id} and digest = any(${[...digests]}::bytea[]) and not ${isManifestKept}
    returning digest`.execute(tx)
  const gone = new Set(free.map(({ digest }) => digest.toString('hex')))
  const taking = new Set(takesReferrers.map((digest) => Buffer.from(digest).toString('hex')))
  const left = leads.filter(({ by, digest }) => gone.has(by.toString('hex')) && !gone.has(digest.toString('hex')))
  for (const takes of [true, false]) {
    const digestsLeft = left.filter(({ by }) => taking.has(by.toString('hex')) === takes).map(({ digest }) => digest)
    await noteLeft(tx, one.id, digestsLeft, takes)
  }
  for (const { digest } of free) await tellOfPackage(tx, 'package.deleted', one, retention, { digest: digestText(digest) })
  await noteRetained(tx, one, { manifests: free.map(({ digest }) => digestText(digest)) })
  return free.length
}

/** The same for what was noted, of any packages, when its time has come. */
export async function removeLeft(tx: Tx, items: readonly { readonly packageId: number; readonly digest: Uint8Array }[]): Promise<void> {
  for (const packageId of new Set(items.map((item) => item.packageId))) {
    const one = await findPackageById(tx, packageId as PackageId)
    if (one === null) continue
    const digests = items.filter((item) => item.packageId === packageId).map(({ digest }) => digest)
    const { rows } = await sql<{ digest: Buffer }>`
      select distinct digest from oci_review
      where package_id = ${packageId} and digest = any(${digests}::bytea[]) and kind = 'left' and takes_referrers`.execute(tx)
    await removeFree(
      tx,
      one,
      digests,
      rows.map(({ digest }) => digest),
    )
  }
}

/** In the audit. */
export async function noteRetained(tx: Tx, one: Package, details: Readonly<Record<string, readonly string[]>>): Promise<void> {
  if (Object.values(details).every((names) => names.length === 0)) return
  await audit(tx, retention, { ...auditedAs(one), action: 'package.retain', details })
}
