// The one place that says who may do what. Pure: whoever asks has loaded the resource.
import type { AccountId, Identity } from './identity.ts'

/** What can be declared by a route. `repository:fork` makes a fork of it in the caller's account, `repository:push` changes refs and objects; `repository:administer` changes or deletes the repository itself. */
export type Action =
  | 'account:read'
  | 'self:read'
  | 'server:read'
  | 'repository:create'
  | 'repository:read'
  | 'repository:fork'
  | 'repository:push'
  | 'repository:administer'

export const actions: ReadonlySet<Action> = new Set<Action>([
  'account:read',
  'self:read',
  'server:read',
  'repository:create',
  'repository:read',
  'repository:fork',
  'repository:push',
  'repository:administer',
])

export type Visibility = 'public' | 'private'

/** What is acted on. An account is its own namespace: repositories are created in it. */
export type Resource =
  | { readonly kind: 'account'; readonly accountId: AccountId }
  | { readonly kind: 'repository'; readonly ownerId: AccountId; readonly visibility: Visibility }

/** Actions that an anonymous caller may do on some resource; for the others the answer to him is always "who are you?". */
export function isOpenToAnonymous(action: Action): boolean {
  return action === 'account:read' || action === 'repository:read'
}

/** Reading public things: anyone. Everything else: the owner or an administrator. False where action and resource don't fit. */
export function may(identity: Identity, action: Action, resource: Resource): boolean {
  switch (action) {
    case 'account:read':
      return resource.kind === 'account'
    case 'self:read':
      return resource.kind === 'account' && identity.kind === 'account' && identity.accountId === resource.accountId
    case 'server:read': // what concerns all accounts; asked on the caller's own
      return resource.kind === 'account' && identity.kind === 'account' && identity.isAdmin
    case 'repository:create':
      return resource.kind === 'account' && rules(identity, resource.accountId)
    case 'repository:read':
      return resource.kind === 'repository' && (resource.visibility === 'public' || rules(identity, resource.ownerId))
    case 'repository:fork': // whoever may read it, into an account of his own
      return identity.kind === 'account' && may(identity, 'repository:read', resource)
    case 'repository:push':
    case 'repository:administer':
      return resource.kind === 'repository' && rules(identity, resource.ownerId)
  }
}

function rules(identity: Identity, ownerId: AccountId): boolean {
  return identity.kind === 'account' && (identity.isAdmin || identity.accountId === ownerId)
}
