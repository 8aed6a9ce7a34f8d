// What a credential may be used for: less than its bearer may, never more. Scopes name kinds of actions, ids name things.
import { InputError } from '../base/index.ts'
import type { AccountId, PackageId, RepositoryId } from './identity.ts'

const levels = ['read', 'stage', 'write', 'admin'] as const
type Level = (typeof levels)[number]

/** `area:level`; a level includes those before it. `stage`: what is published waits for somebody else's word. */
export const scopes = [
  'repository:read',
  'repository:write',
  'repository:admin',
  'package:read',
  'package:stage',
  'package:write',
  'package:admin',
  'organization:read',
  'organization:admin',
  'account:admin',
  'server:read',
  'server:admin',
] as const
export type Scope = (typeof scopes)[number]

/** Those that what is at home in a repository may have: a deployment, a CI job. */
export const homeScopes = ['repository:read', 'repository:write', 'package:read', 'package:write'] as const satisfies readonly Scope[]

export interface Grant {
  /** Empty: it says who calls, and reads what anybody may. */
  readonly scopes: readonly Scope[]
  /** Only what belongs to one of these owners, or is one of these repositories; both null: all that its bearer may. */
  readonly ownerIds: readonly AccountId[] | null
  readonly repositoryIds: readonly RepositoryId[] | null
  /** Beside those: certain packages. Null, or left out: none. */
  readonly packageIds?: readonly PackageId[] | null
  /** Of a registry's token: nothing but this, on these packages. */
  readonly packages?: readonly PackageAccess[]
}

/** What a registry's token is for, in Docker's words. */
export interface PackageAccess {
  /** `owner/name`, in lower case. */
  readonly name: string
  readonly actions: readonly ('pull' | 'push' | 'delete')[]
}

/** Whether the scopes include that one, by itself or by a higher level. */
export function holds(granted: readonly Scope[], wanted: Scope): boolean {
  const [area, level] = parts(wanted)
  return granted.some((scope) => {
    const [grantedArea, grantedLevel] = parts(scope)
    return grantedArea === area && levels.indexOf(grantedLevel) >= levels.indexOf(level)
  })
}

function parts(scope: Scope): [string, Level] {
  return scope.split(':') as [string, Level]
}

/** Whether the grant is for that owner's things, or for that repository or package among them. */
export function covers(
  grant: Grant,
  ownerId: AccountId,
  { repositoryId, packageId }: { readonly repositoryId: RepositoryId | null; readonly packageId: PackageId | null },
): boolean {
  if (!isBound(grant)) return true
  const { ownerIds, repositoryIds, packageIds } = grant
  const isOf = <Id>(ids: readonly Id[] | null | undefined, id: Id | null) => id !== null && (ids?.includes(id) ?? false)
  return isOf(ownerIds, ownerId) || isOf(repositoryIds, repositoryId) || isOf(packageIds, packageId)
}

/** True where the credential is bound to certain owners, repositories or packages. */
export function isBound({ ownerIds, repositoryIds, packageIds = null }: Grant): boolean {
  return ownerIds !== null || repositoryIds !== null || packageIds !== null
}

/** Whether a credential of `inner` may do nothing that one of `outer` may not: a token makes only tokens that are no stronger. */
export function isWithin(inner: Grant | null, outer: Grant | null): boolean {
  if (outer === null) return true
  if (inner === null) return false
  const hasScopes = inner.scopes.every((scope) => holds(outer.scopes, scope))
  if (!isBound(outer)) return hasScopes
  const owners = new Set(outer.ownerIds ?? [])
  const repositories = new Set(outer.repositoryIds ?? [])
  const packages = new Set(outer.packageIds ?? [])
  const hasThings =
    (inner.ownerIds ?? []).every((id) => owners.has(id)) &&
    (inner.repositoryIds ?? []).every((id) => repositories.has(id)) &&
    (inner.packageIds ?? []).every((id) => packages.has(id))
  return hasScopes && isBound(inner) && hasThings
}

/** InputError `bad-scope`, which names those that there are. */
export function parseScopes(words: readonly string[]): Scope[] {
  const unknown = words.find((word) => !scopes.includes(word as Scope))
  if (unknown !== undefined)
    throw new InputError('bad-scope', `There is no scope '${unknown.slice(0, 60)}'; there are ${scopes.join(', ')}`)
  return [...new Set(words as Scope[])]
}
