// /repos/{owner}/{repo} and what creates repositories (GitHub REST "Repositories").
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import Type from 'typebox'
import {
  accountOf,
  actorOf,
  createRepository,
  deleteRepository,
  findRepositoryById,
  mayRead,
  onOrganization,
  onRepository,
  onSelf,
  type Repository,
  repositoryOf,
  repositorySizes,
  updateRepository,
  type RepositoryChange,
  type Visibility,
} from '../access/index.ts'
import { type FieldFault, notFound, type Routes, validationFailed } from '../http/index.ts'
import type { ApiOptions } from './index.ts'
import { placesOf, repositoryJson } from './documents.ts'
import { rethrowAsFault } from './faults.ts'
import { ErrorJson, FullRepositoryJson, NewRepositoryJson, OrganizationParams, RepositoryChangeJson, RepositoryParams } from './schemas.ts'

const tags = ['Repository']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerRepositories(routes: Routes, options: ApiOptions): void {
  const { db } = options

  const creation = { tags, summary: 'Makes a repository', body: NewRepositoryJson, response: { 201: FullRepositoryJson, ...errors } }
  const create = async (request: FastifyRequest, reply: FastifyReply, body: Static<typeof NewRepositoryJson>) => {
    if (body.auto_init === true) throw validationFailed([unsupported('auto_init', 'push a first commit instead')])
    const repository = await createRepository(db, {
      ownerId: accountOf(request).id,
      actor: actorOf(request),
      name: body.name,
      visibility: visibilityOf(body) ?? 'public',
      ...(body.description === undefined ? {} : { description: body.description }),
      ...(body.object_format === undefined ? {} : { objectFormat: body.object_format }),
      ...(body.default_branch === undefined ? {} : { head: `refs/heads/${body.default_branch}` }),
    }).catch(rethrowAsFault('Repository creation failed.'))
    const document = await freshRepository(options, request, repository)
    return reply.code(201).header('location', document.url).send(document)
  }
  routes.post('/user/repos', { config: { access: onSelf('repository:create') }, schema: creation }, async (request, reply) =>
    create(request, reply, request.body),
  )
  const inOrganization = { ...creation, params: OrganizationParams }
  routes.post(
    '/orgs/:org/repos',
    { config: { access: onOrganization('repository:create') }, schema: inOrganization },
    async (request, reply) => create(request, reply, request.body),
  )

  const reading = { tags, summary: 'A repository', params: RepositoryParams, response: { 200: FullRepositoryJson, ...errors } }
  routes.get('/repos/:owner/:repo', { config: { access: onRepository('repository:read') }, schema: reading }, async (request) =>
    fullRepository(options, request, repositoryOf(request)),
  )

  const changing = {
    tags,
    summary: 'Changes a repository',
    params: RepositoryParams,
    body: RepositoryChangeJson,
    response: { 200: FullRepositoryJson, ...errors },
  }
  routes.patch('/repos/:owner/:repo', { config: { access: onRepository('repository:administer') }, schema: changing }, async (request) => {
    if (request.body.archived === true) throw validationFailed([unsupported('archived', 'make the repository private instead')])
    const { id } = repositoryOf(request)
    const repository = await updateRepository(db, id, changeOf(request.body), actorOf(request)).catch(rethrowAsFault('Validation Failed'))
    if (repository === null) throw notFound()
    return freshRepository(options, request, repository)
  })

  const deletion = { tags, summary: 'Deletes a repository', params: RepositoryParams, response: { 204: Type.Null(), ...errors } }
  routes.delete(
    '/repos/:owner/:repo',
    { config: { access: onRepository('repository:administer') }, schema: deletion },
    async (request, reply) => {
      if (!(await deleteRepository(db, repositoryOf(request).id, actorOf(request)))) throw notFound()
      return reply.code(204).send(null)
    },
  )
}

/** Of one that was made or changed just now, which was loaded for nobody in particular. */
export async function freshRepository(options: ApiOptions, request: FastifyRequest, { id }: Repository): Promise<FullRepositoryJson> {
  const seen = await findRepositoryById(options.db.queries, id, request.identity)
  if (seen === null) throw notFound()
  return fullRepository(options, request, seen)
}

/** As this caller sees it; what it was forked from stands in it if he may read that, too. */
export async function fullRepository(options: ApiOptions, request: FastifyRequest, repository: Repository): Promise<FullRepositoryJson> {
  const { db } = options
  const { parentId } = repository
  const parent = parentId === null ? null : await findRepositoryById(db.queries, parentId, request.identity)
  const sizes = await repositorySizes(db.queries, parent === null ? [repository] : [repository, parent])
  const document = (of: Repository) => repositoryJson(placesOf(request, options), of, request.identity, sizes.get(of.id) ?? 0)
  const isShown = parent !== null && mayRead(request.identity, parent)
  return { ...document(repository), ...(isShown ? { parent: document(parent) } : {}) }
}

function changeOf(body: Static<typeof RepositoryChangeJson>): RepositoryChange {
  const visibility = visibilityOf(body)
  return {
    ...(body.name === undefined ? {} : { name: body.name }),
    ...(body.description === undefined ? {} : { description: body.description }),
    ...(visibility === undefined ? {} : { visibility }),
    ...(body.default_branch === undefined ? {} : { head: `refs/heads/${body.default_branch}` }),
  }
}

function visibilityOf(body: { readonly private?: boolean; readonly visibility?: Visibility }): Visibility | undefined {
  const byPrivate = body.private === undefined ? undefined : body.private ? 'private' : 'public'
  if (byPrivate !== undefined && body.visibility !== undefined && byPrivate !== body.visibility) {
    throw validationFailed([{ field: 'visibility', code: 'invalid', message: 'private and visibility contradict each other' }])
  }
  return body.visibility ?? byPrivate
}

export function unsupported(field: string, instead: string): FieldFault {
  return { field, code: 'custom', message: `${field} is not supported; ${instead}` }
}
