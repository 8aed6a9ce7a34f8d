// The refs that a call is shown because of what it brings beside its path and body, and of the repository's settings.
import { type Identity, type Repository, resourceOf, roleOf } from '../access/index.ts'
import type { GitCall } from './git-call.ts'
import type { GitRoom } from './git-room.ts'
import { isHidden, type RefMover, type RefScope } from './refs/index.ts'
import type { GitSettings } from './settings/index.ts'

/** A repository that a push is about to create has no settings: it gets the defaults. */
export function settingsOf(room: GitRoom, call: Pick<GitCall, 'repository'>): GitSettings {
  return room.settings.read(call.repository?.settings ?? {})
}

/** Which of the repository's refs this call may see: not those that are hidden from fetches, or from pushes. */
export function scopeOf(room: GitRoom, call: GitCall, side: 'fetch' | 'push'): RefScope {
  const { namespace, namespaceHead } = call.context
  return { hidden: settingsOf(room, call).hidden[side], namespace, namespaceHead }
}

/** As whom the caller moves the repository's refs: one that the gate let push. Null: a repository that the push is about to create. */
export function moverOf(identity: Identity, repository: Repository | null): RefMover {
  if (identity.kind === 'repository') return { kind: 'deploy' }
  if (identity.kind === 'anonymous') throw new Error('nobody moves refs anonymously')
  const role = repository === null ? 'write' : (roleOf(identity, resourceOf(repository)) ?? 'read')
  return { kind: 'account', accountId: identity.accountId, role }
}

/** Whether a fork of the repository gets that ref: those that whoever fetches sees, and no other repository's (namespaces). */
export function forkTakesRef(room: GitRoom, repository: Repository, name: string): boolean {
  return !name.startsWith('refs/namespaces/') && !isHidden(name, name, room.settings.read(repository.settings).hidden.fetch)
}
