// New names beside old ones: what a reader would take for another package of the same registry is refused, but to those who may write to that one.
import { type Identity, may, packageOfRow, packageResourceOf, packageRows, type PackageToCreate } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { type Queries, sql } from '../../db/index.ts'
import { notFound } from '../../http/index.ts'
import { lookAlikeKey, type NpmName, parseName } from '../format/names.ts'

/** InputError 'name-alike'; Refusal 404 where the caller may not know of the other one. */
export async function assertNotAlike(
  queries: Queries,
  { ownerId }: Pick<PackageToCreate, 'ownerId'>,
  name: NpmName,
  identity: Identity,
): Promise<void> {
  const key = lookAlikeKey(name)
  const rows = await packageRows(queries, identity)
    .where('package.owner_id', '=', ownerId)
    .where('package.format', '=', 'npm')
    .where('package.upstream_id', 'is', null)
    .where(sql<boolean>`translate(lower(package.name), '-_.', '') = ${name.full.toLowerCase().replaceAll(/[-_.]/g, '')}`)
    .execute()
  for (const one of rows.map(packageOfRow)) {
    const other = parseName(one.name)
    const resource = packageResourceOf(one)
    if (other === null || lookAlikeKey(other) !== key || may(identity, 'package:write', resource)) continue
    if (!may(identity, 'package:read', resource)) throw notFound()
    throw new InputError(
      'name-alike',
      `Package name too similar to existing package ${one.name}; try renaming your package to '@${one.ownerLogin}/${name.base}'`,
    )
  }
}
