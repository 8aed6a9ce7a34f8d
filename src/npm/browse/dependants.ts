// Which packages need a package: by what their `latest` versions say, as far as the caller may read them.
import { type Identity, mayReadPackage, type Package, packageOfRow, packageRows, packagesReadableBy } from '../../access/index.ts'
import { type PageRequest, type Queries, readPage, sql } from '../../db/index.ts'
import type { DependencyKind } from '../format/dependencies.ts'

export interface Dependant {
  readonly package: Package
  /** Its latest. */
  readonly version: string
  readonly kind: DependencyKind
  readonly range: string
}

/** By owner and name. @param name of what is needed; which registry a dependant means by it, it doesn't say */
export async function listDependants(
  queries: Queries,
  identity: Identity,
  name: string,
  wanted: PageRequest,
): Promise<{ readonly dependants: readonly Dependant[]; readonly total: number }> {
  const rows = packageRows(queries, identity)
    .innerJoin('npm_tag', (join) => join.onRef('npm_tag.package_id', '=', 'package.id').on('npm_tag.tag', '=', 'latest'))
    .innerJoin('npm_dependency as needed', 'needed.version_id', 'npm_tag.version_id')
    .innerJoin('package_version as version', 'version.id', 'npm_tag.version_id')
    .select(['version.version', 'needed.kind', 'needed.range'])
    .where(packagesReadableBy(identity))
    .where('needed.name', '=', name)
  const order = (all: typeof rows) => all.orderBy(sql`lower(account.login)`).orderBy(sql`lower(package.name)`).orderBy('needed.kind')
  const { found, total } = await readPage(rows, order, wanted)
  const dependants = found.map((row) => ({
    package: packageOfRow(row),
    version: row.version,
    kind: row.kind as DependencyKind,
    range: row.range,
  }))
  return { dependants: dependants.filter((one) => mayReadPackage(identity, one.package)), total }
}
