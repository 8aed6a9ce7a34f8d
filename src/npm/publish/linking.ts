// The repository that a package comes from, as its manifest says: the package is linked to it behind the publish's answer.
import type { FastifyRequest } from 'fastify'
import { actorOf } from '../../access/index.ts'
import { sentOrigin } from '../../http/index.ts'
import { isUnlinked, linkToSource } from '../../packages/index.ts'
import type { PublishedTo } from './insert-publication.ts'
import type { NpmRegistry } from '../registry.ts'

/** What fails is logged and nothing else. */
export function linkByRepository(registry: NpmRegistry, request: FastifyRequest, one: PublishedTo, repository: string | null): void {
  if (repository === null || !isUnlinked(one)) return
  const options = { origins: [registry.publicUrl, sentOrigin(request)], actor: actorOf(request), identity: request.identity }
  const running = linkToSource(registry.db, one, repository, options)
    .then(
      () => {},
      (error: unknown) => registry.log.warn({ err: error }, 'linking a package failed'),
    )
    .finally(() => registry.background.delete(running))
  registry.background.add(running)
}
