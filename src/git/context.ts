// What a request brings beside its path and body, and the refs that it is shown because of it and of the repository's settings.
import type { FastifyRequest } from 'fastify'
import type { GitRoom } from './git-room.ts'
import type { Repository } from '../access/index.ts'
import { everything, isHidden, type RefScope } from './refs/index.ts'
import type { GitSettings } from './settings/index.ts'

/** Said by nobody from outside: a front end that runs in this process (GitRoomOptions.contextOf) alone can give one. */
export type GitContext = Pick<RefScope, 'namespace' | 'namespaceHead'>

/** A repository that a push is about to create has no settings: it gets the defaults. */
export function settingsOf(room: GitRoom, request: FastifyRequest): GitSettings {
  return room.settings.read(request.repository?.settings ?? {})
}

/** Which of the repository's refs this request may see: not those that are hidden from fetches, or from pushes. */
export function scopeOf(room: GitRoom, request: FastifyRequest, side: 'fetch' | 'push'): RefScope {
  const context = room.options.contextOf?.(request) ?? everything
  return { hidden: settingsOf(room, request).hidden[side], namespace: context.namespace, namespaceHead: context.namespaceHead }
}

/** Whether a fork of the repository gets that ref: those that whoever fetches sees, and no other repository's (namespaces). */
export function forkTakesRef(room: GitRoom, repository: Repository, name: string): boolean {
  return !name.startsWith('refs/namespaces/') && !isHidden(name, name, room.settings.read(repository.settings).hidden.fetch)
}
