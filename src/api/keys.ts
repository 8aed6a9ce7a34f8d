// /user/keys, /users/{login}/keys and /repos/{owner}/{repo}/keys: SSH keys of users and repositories (GitHub REST "Git SSH keys", "Deploy keys").
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  accountOf,
  actorOf,
  addSshKey,
  assertMayMake,
  callerOf,
  deleteSshKey,
  findSshKey,
  formatFingerprint,
  fullName,
  listSshKeys,
  onAccount,
  onRepository,
  onSelf,
  repositoryOf,
  sshKeyGrant,
  type SshKey,
  type SshKeyOwner,
} from '../access/index.ts'
import { InputError } from '../base/index.ts'
import type { Tx } from '../db/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { originOf, timeJson } from './documents.ts'
import { PageQuery } from './git-schemas.ts'
import type { ApiOptions } from './index.ts'
import {
  DeployKeyJson,
  DeployKeyParams,
  NewDeployKeyJson,
  NewUserKeyJson,
  SimpleKeyJson,
  UserKeyJson,
  UserKeyParams,
} from './keys-schemas.ts'
import { linkHeader, pageOf } from './paging.ts'
import { ErrorJson, LoginParams, RepositoryParams } from './schemas.ts'

const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerKeys(routes: Routes, options: ApiOptions): void {
  registerUserKeys(routes, options)
  registerDeployKeys(routes, options)
}

function registerUserKeys(routes: Routes, options: ApiOptions): void {
  const { db } = options
  const tags = ['PublicKey']
  const json = (request: FastifyRequest, key: SshKey): UserKeyJson => keyJson(`${apiOf(options, request)}/user/keys`, key)
  const read = { config: { access: onSelf('self:read') } }
  const change = { config: { access: onSelf('self:administer') } }

  const listing = { tags, summary: 'List your SSH keys', querystring: PageQuery, response: { 200: Type.Array(UserKeyJson), ...errors } }
  routes.get('/user/keys', { ...read, schema: listing }, async (request, reply) =>
    (await pageOfKeys(options, request, reply, ownKeys(request))).map((key) => json(request, key)),
  )

  const creation = { tags, summary: 'Add an SSH key', body: NewUserKeyJson, response: { 201: UserKeyJson, ...errors } }
  routes.post('/user/keys', { ...change, schema: creation }, async (request, reply) => {
    const { key: line, title = '' } = request.body
    const wanted = { owner: ownKeys(request), title, line, isReadOnly: false, actor: actorOf(request) }
    const add = async (tx: Tx) => {
      await assertMayMake(tx, callerOf(request), sshKeyGrant)
      return addSshKey(tx, wanted)
    }
    const document = json(request, await db.transaction(add).catch(asFault))
    return reply.code(201).header('location', document.url).send(document)
  })

  const one = { tags, summary: 'Get one of your SSH keys', params: UserKeyParams, response: { 200: UserKeyJson, ...errors } }
  routes.get('/user/keys/:key_id', { ...read, schema: one }, async (request) => {
    const key = await findSshKey(db.queries, ownKeys(request), request.params.key_id)
    if (key === null) throw notFound()
    return json(request, key)
  })

  const deletion = { tags, summary: 'Delete an SSH key', params: UserKeyParams, response: { 204: Type.Null(), ...errors } }
  routes.delete('/user/keys/:key_id', { ...change, schema: deletion }, async (request, reply) =>
    remove(options, request, reply, ownKeys(request), request.params.key_id),
  )

  const others = {
    tags,
    summary: 'List the public keys of a user',
    params: LoginParams,
    querystring: PageQuery,
    response: { 200: Type.Array(SimpleKeyJson), ...errors },
  }
  routes.get('/users/:login/keys', { config: { access: onAccount('account:read') }, schema: others }, async (request, reply) => {
    const { id: accountId, login } = accountOf(request)
    return (await pageOfKeys(options, request, reply, { accountId, login })).map(({ id, line: key }) => ({ id, key }))
  })
}

function registerDeployKeys(routes: Routes, options: ApiOptions): void {
  const { db } = options
  const tags = ['DeployKey']
  const url = '/repos/:owner/:repo/keys'
  const way = { config: { access: onRepository('repository:administer') } }
  const json = (request: FastifyRequest, key: SshKey): DeployKeyJson => ({
    ...keyJson(`${apiOf(options, request)}/repos/${fullName(repositoryOf(request))}/keys`, key),
    added_by: key.addedBy,
    enabled: true,
  })

  const listing = {
    tags,
    summary: 'List deploy keys',
    params: RepositoryParams,
    querystring: PageQuery,
    response: { 200: Type.Array(DeployKeyJson), ...errors },
  }
  routes.get(url, { ...way, schema: listing }, async (request, reply) =>
    (await pageOfKeys(options, request, reply, deployKeys(request))).map((key) => json(request, key)),
  )

  const creation = {
    tags,
    summary: 'Add a deploy key',
    params: RepositoryParams,
    body: NewDeployKeyJson,
    response: { 201: DeployKeyJson, ...errors },
  }
  routes.post(url, { ...way, schema: creation }, async (request, reply) => {
    const { key: line, read_only: isReadOnly = false, title = '' } = request.body
    const wanted = { owner: deployKeys(request), title, line, isReadOnly, actor: actorOf(request) }
    const document = json(request, await db.transaction((tx) => addSshKey(tx, wanted)).catch(asFault))
    return reply.code(201).header('location', document.url).send(document)
  })

  const one = { tags, summary: 'Get a deploy key', params: DeployKeyParams, response: { 200: DeployKeyJson, ...errors } }
  routes.get(`${url}/:key_id`, { ...way, schema: one }, async (request) => {
    const key = await findSshKey(db.queries, deployKeys(request), request.params.key_id)
    if (key === null) throw notFound()
    return json(request, key)
  })

  const deletion = { tags, summary: 'Delete a deploy key', params: DeployKeyParams, response: { 204: Type.Null(), ...errors } }
  routes.delete(`${url}/:key_id`, { ...way, schema: deletion }, async (request, reply) =>
    remove(options, request, reply, deployKeys(request), request.params.key_id),
  )
}

function ownKeys(request: FastifyRequest): SshKeyOwner {
  const { accountId, login } = callerOf(request)
  return { accountId, login }
}

function deployKeys(request: FastifyRequest): SshKeyOwner {
  const repository = repositoryOf(request)
  return { repositoryId: repository.id, ownerId: repository.ownerId, fullName: fullName(repository) }
}

async function pageOfKeys(
  { db, publicUrl }: ApiOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  owner: SshKeyOwner,
): Promise<readonly SshKey[]> {
  const page = pageOf(request.query as { page?: number; per_page?: number })
  const { keys, total } = await listSshKeys(db.queries, owner, page)
  const link = linkHeader(`${originOf(request, publicUrl)}${request.raw.url ?? ''}`, page, total)
  if (link !== null) reply.header('link', link)
  return keys
}

async function remove(
  { db }: ApiOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  owner: SshKeyOwner,
  id: number,
): Promise<FastifyReply> {
  if (!(await db.transaction((tx) => deleteSshKey(tx, owner, id, actorOf(request))))) throw notFound()
  return reply.code(204).send(null)
}

function apiOf({ publicUrl }: ApiOptions, request: FastifyRequest): string {
  return `${originOf(request, publicUrl)}/api/v3`
}

function keyJson(url: string, { createdAt, fingerprint, id, isReadOnly, lastUsedAt, line, title }: SshKey): UserKeyJson {
  return {
    id,
    key: line,
    title,
    url: `${url}/${id}`,
    created_at: timeJson(createdAt),
    last_used: lastUsedAt === null ? null : timeJson(lastUsedAt),
    verified: true,
    read_only: isReadOnly,
    fingerprint: formatFingerprint(fingerprint),
  }
}

const fields: Readonly<Record<string, string>> = {
  'bad-key': 'key',
  'weak-key': 'key',
  'key-in-use': 'key',
  'key-title': 'title',
  'token-too-strong': 'key',
  'token-too-long': 'key',
}

function asFault(error: unknown): never {
  const field = error instanceof InputError ? fields[error.code] : undefined
  if (field === undefined || !(error instanceof Error)) throw error
  throw validationFailed([{ field, code: 'custom', message: error.message }])
}
