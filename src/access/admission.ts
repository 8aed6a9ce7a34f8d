// What a call to a repository comes to: the verdict, and what the handler then finds. The same for every way that a call may come.
import type { AccountId, Identity } from './identity.ts'
import type { Call } from './call.ts'
import { type Action, may } from './may.ts'
import { isRepositoryName } from './names.ts'
import { type Repository, resourceOf } from './repository-rows.ts'

export interface RepositoryToCreate {
  readonly ownerId: AccountId
  readonly name: string
}

/** `hidden`: there is no such thing, or the caller may not know of it; `forbidden`: he may see it, but not do this. */
export type Admission =
  | { readonly verdict: 'hidden' | 'forbidden' }
  | { readonly verdict: 'allowed'; readonly repository: Repository }
  | { readonly verdict: 'allowed'; readonly repository: null; readonly toCreate: RepositoryToCreate }

/** @param isCreatingOnPush a push to a repository that doesn't exist creates it, when the caller may */
export function admitToRepository(
  identity: Identity,
  action: Action,
  { target, name, isCreatingOnPush }: { readonly target: Call['target']; readonly name: string; readonly isCreatingOnPush: boolean },
): Admission {
  if (target === null) return { verdict: 'hidden' }
  const { owner, repository } = target
  if (repository === null) {
    const mayCreate = action === 'repository:push' && may(identity, 'repository:create', owner)
    if (!mayCreate || !isCreatingOnPush || !isRepositoryName(name)) return { verdict: 'hidden' }
    return { verdict: 'allowed', repository: null, toCreate: { ownerId: owner.accountId, name } }
  }
  const resource = resourceOf(repository)
  if (may(identity, action, resource)) return { verdict: 'allowed', repository }
  return { verdict: may(identity, 'repository:read', resource) ? 'forbidden' : 'hidden' }
}
