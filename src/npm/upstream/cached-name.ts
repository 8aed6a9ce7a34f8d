// Whether a request is about a package of an upstream's.
import type { FastifyRequest } from 'fastify'
import { Refusal } from '../../http/index.ts'
import type { CachedName } from '../../packages/index.ts'
import type { NpmTarget } from '../format/path.ts'

/** Null: the request is about no upstream's name. Refusal 404 for a name that differs from the cached one in its letters' case: another package's. */
export function cachedName(request: FastifyRequest, { name }: Pick<NpmTarget, 'name'>): CachedName | null {
  const { package: one, packageToFetch: wanted } = request
  if (one !== null && one.upstreamId !== null) {
    if (one.name !== name.full) throw new Refusal(404, 'not-found', `${one.name} is here, and no other package whose name differs in case`)
    return { format: 'npm', upstreamId: one.upstreamId, ownerId: one.ownerId, owner: one.ownerLogin, name: one.name, package: one }
  }
  if (wanted === null) return null
  return {
    format: 'npm',
    upstreamId: wanted.upstreamId,
    ownerId: wanted.ownerId,
    owner: wanted.ownerLogin,
    name: wanted.name,
    package: null,
  }
}
