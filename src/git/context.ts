// The refs that a call is shown because of what it brings beside its path and body, and of the repository's settings.
import type { Repository } from '../access/index.ts'
import type { GitCall } from './git-call.ts'
import type { GitRoom } from './git-room.ts'
import { isHidden, type RefScope } from './refs/index.ts'
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

/** Whether a fork of the repository gets that ref: those that whoever fetches sees, and no other repository's (namespaces). */
export function forkTakesRef(room: GitRoom, repository: Repository, name: string): boolean {
  return !name.startsWith('refs/namespaces/') && !isHidden(name, name, room.settings.read(repository.settings).hidden.fetch)
}
