// /repos/{owner}/{repo}/forks (GitHub REST "Forks"). A fork is there when the answer comes: no object is copied.
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  type AccountId,
  accountResource,
  actorOf,
  callerOf,
  findAccount,
  findFork,
  forkRepository,
  listForks,
  may,
  onRepository,
  repositoryOf,
  repositorySizes,
} from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { placesOf, repositoryJson } from './documents.ts'
import { rethrowAsFault } from './faults.ts'
import type { ApiOptions } from './index.ts'
import { linkHeader, pageOf } from './paging.ts'
import { freshRepository } from './repositories.ts'
import { ErrorJson, ForkListQuery, FullRepositoryJson, NewForkJson, RepositoryJson, RepositoryParams } from './schemas.ts'

const tags = ['Fork']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerForks(routes: Routes, options: ApiOptions): void {
  const { db } = options
  const url = '/repos/:owner/:repo/forks'

  const creation = {
    tags,
    summary: 'Forks the repository',
    params: RepositoryParams,
    body: NewForkJson,
    response: { 202: FullRepositoryJson, ...errors },
  }
  routes.post(url, { config: { access: onRepository('repository:fork') }, schema: creation }, async (request, reply) => {
    const source = repositoryOf(request)
    const { name, organization, default_branch_only: isHeadOnly = false } = request.body
    const ownerId = organization === undefined ? callerOf(request).accountId : await ownerFor(options, request, organization)
    // who asks again gets what he has
    const present = () => findFork(db.queries, source.id, ownerId, name)
    const fork =
      (await present()) ??
      (await forkRepository(db, {
        sourceId: source.id,
        ownerId,
        name: name ?? source.name,
        actor: actorOf(request),
        takesRef: (ref, head) => options.takesRef(source, ref) && (!isHeadOnly || ref === head),
      }).catch(async (error: unknown) => {
        const isTaken = error instanceof InputError && error.code === 'repository-exists'
        return (isTaken ? await present() : null) ?? rethrowAsFault('Validation Failed')(error)
      }))
    if (fork === null) throw notFound()
    return reply.code(202).send(await freshRepository(options, request, fork))
  })

  const listing = {
    tags,
    summary: 'Forks that the caller may read',
    params: RepositoryParams,
    querystring: ForkListQuery,
    response: { 200: Type.Array(RepositoryJson), ...errors },
  }
  routes.get(url, { config: { access: onRepository('repository:read') }, schema: listing }, async (request, reply) => {
    const { id } = repositoryOf(request)
    const page = pageOf(request.query)
    const direction = request.query.sort === 'oldest' ? 'asc' : 'desc'
    const { forks, total } = await listForks(db.queries, request.identity, id, { direction, ...page })
    const sizes = await repositorySizes(db.queries, forks)
    const places = placesOf(request, options)
    const link = linkHeader(`${places.origin}${request.raw.url ?? ''}`, page, total)
    if (link !== null) reply.header('link', link)
    return forks.map((fork) => repositoryJson(places, fork, request.identity, sizes.get(fork.id) ?? 0))
  })
}

/** Where the caller may make repositories; what he may not know of and what there isn't are told the same. */
async function ownerFor({ db }: ApiOptions, request: FastifyRequest, login: string): Promise<AccountId> {
  const account = await findAccount(db.queries, login, request.identity)
  if (account !== null && may(request.identity, 'repository:create', accountResource(account))) return account.id
  throw validationFailed([{ field: 'organization', code: 'invalid', message: `You may not create repositories in ${login}` }])
}
