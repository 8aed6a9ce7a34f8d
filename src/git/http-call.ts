// What an HTTP request says, as a call of a git service.
import type { FastifyRequest } from 'fastify'
import { actorOf } from '../access/index.ts'
import { everywhere, type GitCall, protocolVersion } from './git-call.ts'
import type { GitRoom } from './git-room.ts'

export function callOf(room: Pick<GitRoom, 'options'>, request: FastifyRequest): GitCall {
  const { identity, repository, repositoryToCreate } = request
  const { contextOf, hooksOf } = room.options
  return {
    identity,
    repository,
    repositoryToCreate,
    actor: actorOf(request),
    path: request.params as { owner: string; repo: string },
    version: protocolVersion(String(request.headers['git-protocol'] ?? '')),
    isStateful: false,
    context: contextOf?.(request) ?? everywhere.context,
    hooks: hooksOf?.(request) ?? everywhere.hooks,
  }
}
