// Which repositories a caller may read, as a condition of queries: it narrows what is loaded and counted. `may` decides about each row that is shown.
import { sql } from '../db/index.ts'
import type { Identity } from './identity.ts'
import { isBound, holds } from './grant.ts'
import { may } from './may.ts'
import { type Repository, resourceOf } from './repository-rows.ts'

/** For queries over `repositoryRows`, and others that join membership and collaborator as it does. */
export function readableBy(identity: Identity) {
  const open = sql<boolean>`repository.visibility = 'public'`
  if (identity.kind === 'anonymous') return open
  if (identity.grant !== null && !holds(identity.grant.scopes, 'repository:read')) return open
  if (identity.kind === 'repository') return sql<boolean>`(${open} or repository.id = ${identity.repositoryId})`
  const standing = identity.isAdmin
    ? sql<boolean>`true`
    : sql<boolean>`(repository.visibility in ('public', 'internal') or repository.owner_id = ${identity.accountId}
        or membership.role is not null or collaborator.role is not null)`
  const { grant } = identity
  if (grant === null || !isBound(grant)) return standing
  const bound = sql<boolean>`(repository.owner_id = any(${grant.ownerIds ?? []}) or repository.id = any(${grant.repositoryIds ?? []}))`
  return sql<boolean>`(${open} or (${standing} and ${bound}))`
}

export function mayRead(identity: Identity, repository: Repository): boolean {
  return may(identity, 'repository:read', resourceOf(repository))
}
