// /repos/{owner}/{repo}/collaborators and /transfer (GitHub REST "Collaborators", "Repositories"). Nobody is invited: whoever is added is one.
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  accountResource,
  actorOf,
  type AccountId,
  findAccount,
  listCollaborators,
  may,
  onRepository,
  repositoryOf,
  type Role,
  setCollaborator,
  standingIn,
  transferRepository,
} from '../access/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { originOf, ownerJson } from './documents.ts'
import { rethrowAsFault } from './faults.ts'
import type { ApiOptions } from './index.ts'
import { pageOf, tellPages } from './paging.ts'
import { accountNamed, collaboratorJson, userNamed } from './people-documents.ts'
import {
  CollaboratorChangeJson,
  CollaboratorJson,
  CollaboratorListQuery,
  CollaboratorParams,
  StandingJson,
  TransferJson,
} from './people-schemas.ts'
import { freshRepository } from './repositories.ts'
import { ErrorJson, FullRepositoryJson, RepositoryParams } from './schemas.ts'

const tags = ['Collaborator']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }
const roleOf = { pull: 'read', push: 'write', admin: 'admin', read: 'read', write: 'write' } as const satisfies Record<string, Role>

export function registerCollaborators(routes: Routes, options: ApiOptions): void {
  const { db } = options
  registerStandings(routes, options)
  const config = { access: onRepository('repository:administer') }
  const url = '/repos/:owner/:repo/collaborators/:username'

  const adding = {
    tags,
    summary: 'Makes a user a collaborator, or gives a collaborator another role',
    params: CollaboratorParams,
    body: CollaboratorChangeJson,
    response: { 204: Type.Null(), ...errors },
  }
  routes.put(url, { config, schema: adding }, async (request, reply) => {
    const account = await accountNamed(options, request, request.params.username)
    const role = roleOf[request.body.permission ?? 'push']
    await setCollaborator(db, repositoryOf(request), account, role, actorOf(request)).catch(rethrowAsFault())
    return reply.code(204).send(null)
  })

  const removal = { tags, summary: 'Ends a collaboration', params: CollaboratorParams, response: { 204: Type.Null(), ...errors } }
  routes.delete(url, { config, schema: removal }, async (request, reply) => {
    const account = await userNamed(options, request, request.params.username)
    const isGone = await setCollaborator(db, repositoryOf(request), account, null, actorOf(request)).catch(rethrowAsFault())
    if (!isGone) throw notFound()
    return reply.code(204).send(null)
  })

  const transfer = {
    tags: ['Repository'],
    summary: 'Gives the repository to another owner',
    params: RepositoryParams,
    body: TransferJson,
    response: { 202: FullRepositoryJson, ...errors },
  }
  routes.post('/repos/:owner/:repo/transfer', { config, schema: transfer }, async (request, reply) => {
    const { new_owner: login, new_name: name } = request.body
    const wanted = { ownerId: await ownerFor(options, request, login), ...(name === undefined ? {} : { name }), actor: actorOf(request) }
    const fields = { name: name === undefined ? 'new_owner' : 'new_name' }
    const moved = await transferRepository(db, repositoryOf(request).id, wanted).catch(rethrowAsFault('Validation Failed', fields))
    if (moved === null) throw notFound()
    return reply.code(202).send(await freshRepository(options, request, moved))
  })
}

/** Where the caller may make repositories: whatever else there is or isn't is told the same. */
async function ownerFor({ db }: ApiOptions, request: FastifyRequest, login: string): Promise<AccountId> {
  const account = await findAccount(db.queries, login, request.identity)
  if (account !== null && may(request.identity, 'repository:create', accountResource(account))) return account.id
  throw validationFailed([{ field: 'new_owner', code: 'invalid', message: `You may not create repositories in ${login}` }])
}

function registerStandings(routes: Routes, options: ApiOptions): void {
  const { db, publicUrl } = options
  const config = { access: onRepository('repository:push') }
  const url = '/repos/:owner/:repo/collaborators'
  const listing = {
    tags,
    summary: 'Who has a role in the repository, by login',
    params: RepositoryParams,
    querystring: CollaboratorListQuery,
    response: { 200: Type.Array(CollaboratorJson), ...errors },
  }
  routes.get(url, { config, schema: listing }, async (request, reply) => {
    const { affiliation: circle = 'all', permission } = request.query
    const page = pageOf(request.query)
    const wanted = { circle, ...page, ...(permission === undefined ? {} : { role: roleOf[permission] }) }
    const { members, total } = await listCollaborators(db.queries, repositoryOf(request), wanted)
    tellPages(request, reply, publicUrl, page, total)
    return members.map(({ account, role }) => collaboratorJson(originOf(request, publicUrl), account, role))
  })

  const asking = {
    tags,
    summary: 'Whether a user has a role in the repository: 204 or 404',
    params: CollaboratorParams,
    response: { 204: Type.Null(), ...errors },
  }
  routes.get(`${url}/:username`, { config, schema: asking }, async (request, reply) => {
    const account = await userNamed(options, request, request.params.username)
    const { isOwn } = await standingIn(db.queries, repositoryOf(request).id, account)
    if (!isOwn) throw notFound()
    return reply.code(204).send(null)
  })

  const standing = {
    tags,
    summary: 'What a user may do in the repository, by whatever way',
    params: CollaboratorParams,
    response: { 200: StandingJson, ...errors },
  }
  routes.get(`${url}/:username/permission`, { config, schema: standing }, async (request) => {
    const account = await userNamed(options, request, request.params.username)
    const { role } = await standingIn(db.queries, repositoryOf(request).id, account)
    return { permission: role ?? 'none', role_name: role ?? 'none', user: ownerJson(originOf(request, publicUrl), account) } as const
  })
}
