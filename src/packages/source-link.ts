// A package is linked to the repository that it says it comes from, where that is one of this server and of the same owner, and whoever published may write there.
// What somebody has set by hand stays.
import { type Actor, findRepository, type Identity, linkPackage, type Package, resourceOf, roleOf } from '../access/index.ts'
import type { Database } from '../db/index.ts'
import { parseSourceUrl } from './source-url.ts'

export interface SourceOptions {
  /** Under which clients reach the server. */
  readonly origins: readonly (string | null)[]
  readonly identity: Identity
  readonly actor: Actor
}

/** Whether what is published may still link it. */
export function isUnlinked({ repositoryId, isLinkSet }: Pick<Package, 'repositoryId' | 'isLinkSet'>): boolean {
  return repositoryId === null && !isLinkSet
}

/** False: it wasn't linked by this. */
export async function linkToSource(
  db: Database,
  one: Pick<Package, 'id' | 'ownerId' | 'repositoryId' | 'isLinkSet'>,
  source: string,
  { origins, identity, actor }: SourceOptions,
): Promise<boolean> {
  const place = parseSourceUrl(source, origins)
  if (place === null || !isUnlinked(one)) return false
  const repository = await findRepository(db.queries, place.owner, place.name, identity)
  if (repository === null || repository.ownerId !== one.ownerId) return false
  const role = roleOf(identity, resourceOf(repository))
  if (role !== 'write' && role !== 'admin') return false
  return linkPackage(db, one.id, repository.id, actor)
}
