// Pages of packages: an owner's, as far as the caller may read them; the operator's commands see all.
import { type PageRequest, type Queries, readPage, sql } from '../db/index.ts'
import type { AccountId, Identity, PackageId } from './identity.ts'
import { may, type Visibility } from './may.ts'
import { type Package, type PackageFormat, packageOf, packageResourceOf, packageRows, packagesReadableBy } from './package-rows.ts'

export interface PackageListOptions extends PageRequest {
  readonly ownerId: AccountId
  /** All without it; the same of visibility. */
  readonly format?: PackageFormat
  readonly visibility?: Visibility
}

/** One page of an owner's packages, by name, and how many there are in all: of those that the caller may read. */
export async function listPackages(
  queries: Queries,
  identity: Identity,
  { ownerId, format, visibility, ...wanted }: PackageListOptions,
): Promise<{ packages: Package[]; total: number }> {
  const rows = packageRows(queries, identity)
    .where(packagesReadableBy(identity))
    .where('package.owner_id', '=', ownerId)
    .$if(format !== undefined, (query) => query.where('package.format', '=', format as PackageFormat))
    .$if(visibility !== undefined, (query) => query.where('package.visibility', '=', visibility as Visibility))
  const order = (all: typeof rows) => all.orderBy(sql`lower(package.name)`).orderBy('package.id')
  const { found, total } = await readPage(rows, order, wanted)
  return { packages: found.map(packageOf).filter((one) => mayReadPackage(identity, one)), total }
}

/** Which of an owner's packages the caller may read: what may be told of them together. */
export async function readablePackages(
  queries: Queries,
  identity: Identity,
  { ownerId, format }: { readonly ownerId: AccountId; readonly format: PackageFormat },
): Promise<PackageId[]> {
  const rows = await packageRows(queries, identity)
    .where(packagesReadableBy(identity))
    .where('package.owner_id', '=', ownerId)
    .where('package.format', '=', format)
    .execute()
  return rows
    .map(packageOf)
    .filter((one) => mayReadPackage(identity, one))
    .map(({ id }) => id)
}

export function mayReadPackage(identity: Identity, one: Package): boolean {
  return may(identity, 'package:read', packageResourceOf(one))
}

/** Every package, by owner and name. For the operator's commands. */
export async function allPackages(queries: Queries): Promise<Package[]> {
  const rows = await packageRows(queries).orderBy(sql`lower(account.login)`).orderBy(sql`lower(package.name)`).execute()
  return rows.map(packageOf)
}
