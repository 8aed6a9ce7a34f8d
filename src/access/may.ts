// The one place that says who may do what. Pure: whoever asks has loaded the resource, and with it the role that the caller has in it.
import { covers, type Grant, holds, isBound, type Scope } from './grant.ts'
import type { AccountId, Identity, PackageId, RepositoryId, Role } from './identity.ts'

/**
 * What can be declared by a route, and the scope that a credential needs for it (null: whatever credential). `self` is the caller's own account,
 * `server` what concerns all accounts, `account:usage` how much an account stores. `repository:fork` makes a fork of it in an account of the caller's, `repository:push` changes refs and
 * objects; `repository:administer` changes or deletes the repository itself. `package:stage` publishes what waits for somebody's word; `package:delete` takes versions away, or all of it; `packages:administer`
 * makes rules for all packages of an account; `registry:read` asks a registry whether it is one, and which packages of it one sees.
 */
export const neededScope = {
  'account:read': null,
  'account:usage': 'repository:read',
  'self:read': null,
  'self:administer': 'account:admin',
  'server:read': 'server:read',
  'server:administer': 'server:admin',
  'organization:create': 'organization:admin',
  'organization:read': 'organization:read',
  'organization:administer': 'organization:admin',
  'repository:create': 'repository:admin',
  'repository:read': 'repository:read',
  'repository:fork': 'repository:write',
  'repository:push': 'repository:write',
  'repository:administer': 'repository:admin',
  'registry:read': null,
  'package:create': 'package:write',
  'package:read': 'package:read',
  'package:stage': 'package:stage',
  'package:write': 'package:write',
  'package:delete': 'package:admin',
  'package:administer': 'package:admin',
  'packages:administer': 'package:admin',
} as const satisfies Record<string, Scope | null>

export type Action = keyof typeof neededScope
export const actions: ReadonlySet<Action> = new Set(Object.keys(neededScope) as Action[])

/** `internal`: whoever has an account here. */
export type Visibility = 'public' | 'internal' | 'private'
export type AccountKind = 'user' | 'organization'

/** An account as what is acted on: a namespace, where repositories are created. */
export interface AccountResource {
  readonly kind: 'account'
  readonly accountId: AccountId
  readonly accountKind: AccountKind
  /** The caller's, by his membership. */
  readonly role: Role | null
}

export interface RepositoryResource {
  readonly kind: 'repository'
  readonly repositoryId: RepositoryId
  readonly ownerId: AccountId
  readonly visibility: Visibility
  /** The caller's: the higher one of his membership of its owner and of what he is as a collaborator. */
  readonly role: Role | null
}

/** What is published under an owner's name: an image. */
export interface PackageResource {
  readonly kind: 'package'
  /** Null: it isn't here yet, and comes from an upstream when it is asked for. */
  readonly packageId: PackageId | null
  readonly ownerId: AccountId
  /** What it is linked to, or null: whoever has a role there has it here. */
  readonly repositoryId: RepositoryId | null
  readonly visibility: Visibility
  /** The caller's: the higher one of his membership of its owner and of what he is as a collaborator of that repository. */
  readonly role: Role | null
  /** It comes from an upstream that is declared in its owner's name. */
  readonly isUpstreams: boolean
}

/** All packages of one format, as clients first ask for them. */
export interface RegistryResource {
  readonly kind: 'registry'
}

export type Resource = AccountResource | RepositoryResource | PackageResource | RegistryResource

/** Actions that an anonymous caller may do on some resource; for the others the answer to him is always "who are you?". */
export function isOpenToAnonymous(action: Action): boolean {
  return action === 'account:read' || action === 'registry:read' || isReading(action)
}

/** What visibility decides about. */
function isReading(action: Action): boolean {
  return action === 'repository:read' || action === 'package:read'
}

/** Whether the caller's standing allows the action, and his credential too. False where action and resource don't fit. */
export function may(identity: Identity, action: Action, resource: Resource): boolean {
  return stands(identity, action, resource) && isGranted(identity, action, resource)
}

function stands(identity: Identity, action: Action, resource: Resource): boolean {
  switch (resource.kind) {
    case 'repository':
      return isOnRepository(action) && standsToRepository(identity, action, resource)
    case 'package':
      return isOnPackage(action) && standsToPackage(identity, action, resource)
    case 'registry':
      return action === 'registry:read'
    case 'account':
      return !isOnRepository(action) && !isOnPackage(action) && action !== 'registry:read' && standsToAccount(identity, action, resource)
  }
}

type RepositoryAction = (typeof onRepositories)[number]
const onRepositories = ['repository:read', 'repository:fork', 'repository:push', 'repository:administer'] as const satisfies Action[]

type PackageAction = (typeof onPackages)[number]
const onPackages = ['package:read', 'package:stage', 'package:write', 'package:delete', 'package:administer'] as const satisfies Action[]

function isOnPackage(action: Action): action is PackageAction {
  return (onPackages as readonly Action[]).includes(action)
}

function standsToPackage(identity: Identity, action: PackageAction, resource: PackageResource): boolean {
  switch (action) {
    case 'package:read':
      return isShown(identity, resource) || hasRole(identity, resource, 'read') || isFetchedForHome(identity, resource)
    case 'package:stage':
    case 'package:write':
      return hasRole(identity, resource, 'write')
    case 'package:delete':
    case 'package:administer':
      return hasRole(identity, resource, 'admin')
  }
}

/** What an owner's upstreams give is there for what his repositories build and deploy. */
function isFetchedForHome(identity: Identity, resource: Resource): boolean {
  return identity.kind === 'repository' && resource.kind === 'package' && resource.isUpstreams && resource.ownerId === identity.ownerId
}

function isOnRepository(action: Action): action is RepositoryAction {
  return (onRepositories as readonly Action[]).includes(action)
}

function standsToRepository(identity: Identity, action: RepositoryAction, resource: RepositoryResource): boolean {
  switch (action) {
    case 'repository:read':
      return isShown(identity, resource) || hasRole(identity, resource, 'read')
    case 'repository:fork': // whoever may read it, into an account of his own
      return identity.kind === 'account' && standsToRepository(identity, 'repository:read', resource)
    case 'repository:push':
      return hasRole(identity, resource, 'write')
    case 'repository:administer':
      return hasRole(identity, resource, 'admin')
  }
}

type AccountAction = Exclude<Action, RepositoryAction | PackageAction | 'registry:read'>

function standsToAccount(identity: Identity, action: AccountAction, resource: AccountResource): boolean {
  if (action === 'account:read') return true
  // what a repository's own jobs build is published beside it
  if (action === 'package:create' && identity.kind === 'repository') return identity.ownerId === resource.accountId
  if (identity.kind !== 'account') return false
  switch (action) {
    case 'self:read':
    case 'self:administer':
    case 'organization:create':
      return identity.accountId === resource.accountId
    case 'server:read': // asked on the caller's own account
    case 'server:administer':
      return identity.isAdmin
    case 'packages:administer':
      return hasRole(identity, resource, 'admin')
    case 'account:usage':
      return hasRole(identity, resource, 'read')
    case 'organization:read':
      return resource.accountKind === 'organization' && hasRole(identity, resource, 'read')
    case 'organization:administer':
      return resource.accountKind === 'organization' && hasRole(identity, resource, 'admin')
    case 'repository:create':
    case 'package:create':
      return hasRole(identity, resource, 'write')
  }
}

/** To whom something is shown without any role in it. */
function isShown(identity: Identity, { visibility }: RepositoryResource | PackageResource): boolean {
  return visibility === 'public' || (visibility === 'internal' && identity.kind === 'account')
}

const order: readonly Role[] = ['read', 'write', 'admin']

function hasRole(identity: Identity, resource: Resource, wanted: Role): boolean {
  const role = roleOf(identity, resource)
  return role !== null && order.indexOf(role) >= order.indexOf(wanted)
}

/** As whom the caller stands to it, whatever his credential may be used for; null: as nobody in particular. */
export function roleOf(identity: Identity, resource: Resource): Role | null {
  if (identity.kind === 'anonymous' || resource.kind === 'registry') return null
  // what is at home in a repository administers nothing, not even that
  if (identity.kind === 'repository') return resource.kind !== 'account' && resource.repositoryId === identity.repositoryId ? 'write' : null
  const ownerId = resource.kind === 'account' ? resource.accountId : resource.ownerId
  return identity.isAdmin || identity.accountId === ownerId ? 'admin' : resource.role
}

function isGranted(identity: Identity, action: Action, resource: Resource): boolean {
  if (identity.kind === 'anonymous' || identity.grant === null) return true
  const { grant } = identity
  const needed = neededScope[action]
  // what is open to anybody is open to every good credential
  if (
    needed === null ||
    resource.kind === 'registry' ||
    (isReading(action) && resource.kind !== 'account' && resource.visibility === 'public')
  )
    return true
  if (!holds(grant.scopes, needed)) return false
  if (action === 'package:read' && isFetchedForHome(identity, resource)) return true
  if (resource.kind === 'package') return covers(grant, resource.ownerId, resource)
  if (resource.kind === 'repository') return covers(grant, resource.ownerId, { repositoryId: resource.repositoryId, packageId: null })
  if (action === 'package:create' && identity.kind === 'repository') return true // it becomes its repository's
  return isForAccount(grant, action, resource)
}

/** A credential that is bound to certain things has no business with the account or the server as a whole. */
function isForAccount(grant: Grant, action: Action, resource: AccountResource): boolean {
  const isCreating = action === 'repository:create' || action === 'package:create'
  return resource.accountKind === 'user' && !isCreating
    ? !isBound(grant)
    : covers(grant, resource.accountId, { repositoryId: null, packageId: null })
}
