// /repos/{owner}/{repo}/hooks (GitHub REST "Repository webhooks"): made, changed, tried out. Who may administer the repository may do all of it.
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { callerOf, onRepository, type Repository, repositoryOf } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import {
  changeHook,
  createHook,
  deleteHook,
  hiddenSecret,
  type Hook,
  type HookChange,
  hookConfig,
  hookDocument,
  lastOutcomes,
  listHooks,
  pingHook,
  testHook,
} from '../hooks/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { originOf } from './documents.ts'
import { hookOf } from './hook-params.ts'
import { HookChangeJson, HookConfigChangeJson, HookConfigJson, HookJson, HookListQuery, HookParams, NewHookJson } from './hooks-schemas.ts'
import type { ApiOptions } from './index.ts'
import { linkHeader, pageOf } from './paging.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'

const tags = ['Hook']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerHooks(routes: Routes, options: ApiOptions): void {
  const { db, hooks: room, publicUrl } = options
  const config = { access: onRepository('repository:administer') }
  const url = '/repos/:owner/:repo/hooks'
  const homeOf = (request: FastifyRequest, { ownerLogin, name }: Repository) =>
    `${originOf(request, publicUrl)}/api/v3/repos/${ownerLogin}/${name}`
  const answer = async (request: FastifyRequest, hook: Hook) =>
    hookDocument(hook, homeOf(request, repositoryOf(request)), (await lastOutcomes(db.queries, [hook.id])).get(hook.id))

  const listing = { tags, params: RepositoryParams, querystring: HookListQuery, response: { 200: Type.Array(HookJson), ...errors } }
  routes.get(url, { config, schema: listing }, async (request, reply) => {
    const page = pageOf(request.query)
    const repository = repositoryOf(request)
    const { hooks, total } = await listHooks(db.queries, { repositoryId: repository.id }, page)
    const ids = hooks.map(({ id }) => id)
    const last = await lastOutcomes(db.queries, ids)
    const link = linkHeader(`${originOf(request, publicUrl)}${request.raw.url ?? ''}`, page, total)
    if (link !== null) reply.header('link', link)
    return hooks.map((hook) => hookDocument(hook, homeOf(request, repository), last.get(hook.id)))
  })

  const creation = { tags, params: RepositoryParams, body: NewHookJson, response: { 201: HookJson, ...errors } }
  routes.post(url, { config, schema: creation }, async (request, reply) => {
    const { active = true, events = ['push'], config: given } = request.body
    const settings = { isActive: active, events: unique(events), contentType: 'form', insecureSsl: false, secret: null } as const
    const change = { ...settings, ...configChange(given), url: given.url }
    const repository = repositoryOf(request)
    const hook = await createHook(room, { repositoryId: repository.id }, change).catch(asFault)
    const document = await answer(request, hook)
    await pingHook(room, hook, repository, senderOf(request))
    return reply.code(201).header('location', document.url).send(document)
  })

  const reading = { tags, params: HookParams, response: { 200: HookJson, ...errors } }
  routes.get(`${url}/:hook_id`, { config, schema: reading }, async (request) => answer(request, await hookOf(options, request)))

  const changing = { tags, params: HookParams, body: HookChangeJson, response: { 200: HookJson, ...errors } }
  routes.patch(`${url}/:hook_id`, { config, schema: changing }, async (request) => {
    const hook = await hookOf(options, request)
    const changed = await changeHook(room, hook.owner, hook.id, hookChange(hook, request.body)).catch(asFault)
    if (changed === null) throw notFound()
    return answer(request, changed)
  })

  const deletion = { tags, params: HookParams, response: { 204: Type.Null(), ...errors } }
  routes.delete(`${url}/:hook_id`, { config, schema: deletion }, async (request, reply) => {
    const hook = await hookOf(options, request)
    if (!(await deleteHook(db.queries, hook.owner, hook.id))) throw notFound()
    return reply.code(204).send(null)
  })

  const showing = { tags, params: HookParams, response: { 200: HookConfigJson, ...errors } }
  routes.get(`${url}/:hook_id/config`, { config, schema: showing }, async (request) => hookConfig(await hookOf(options, request)))

  const setting = { tags, params: HookParams, body: HookConfigChangeJson, response: { 200: HookConfigJson, ...errors } }
  routes.patch(`${url}/:hook_id/config`, { config, schema: setting }, async (request) => {
    const hook = await hookOf(options, request)
    const changed = await changeHook(room, hook.owner, hook.id, configChange(request.body)).catch(asFault)
    if (changed === null) throw notFound()
    return hookConfig(changed)
  })

  const trying = { tags, params: HookParams, response: { 204: Type.Null(), ...errors } }
  routes.post(`${url}/:hook_id/pings`, { config, schema: trying }, async (request, reply) => {
    await pingHook(room, await hookOf(options, request), repositoryOf(request), senderOf(request))
    return reply.code(204).send(null)
  })
  routes.post(`${url}/:hook_id/tests`, { config, schema: trying }, async (request, reply) => {
    await testHook(room, await hookOf(options, request), repositoryOf(request), senderOf(request))
    return reply.code(204).send(null)
  })
}

function senderOf(request: FastifyRequest) {
  const { accountId, login, isAdmin } = callerOf(request)
  return { id: accountId, login, kind: 'user', isAdmin } as const
}

function hookChange(hook: Hook, body: HookChangeJson): HookChange {
  const { active, events, add_events: added = [], remove_events: removed = [], config } = body
  const isEventsNew = events !== undefined || added.length > 0 || removed.length > 0
  const wanted = unique([...(events ?? hook.events), ...added]).filter((event) => !removed.includes(event))
  return {
    ...(active === undefined ? {} : { isActive: active }),
    ...(isEventsNew ? { events: wanted } : {}),
    ...(config === undefined ? {} : configChange(config)),
  }
}

/** A secret that comes as it is shown stays what it is. */
function configChange({ url, content_type, insecure_ssl, secret }: HookConfigChangeJson): HookChange {
  return {
    ...(url === undefined ? {} : { url }),
    ...(content_type === undefined ? {} : { contentType: content_type }),
    ...(insecure_ssl === undefined ? {} : { insecureSsl: ['1', 'true', 1, true].includes(insecure_ssl) }),
    ...(secret === undefined || secret === hiddenSecret ? {} : { secret }),
  }
}

function unique(events: readonly string[]): readonly string[] {
  return [...new Set(events)]
}

const faultFields: Readonly<Record<string, string>> = {
  'hook-url': 'url',
  'hook-events': 'events',
  'hook-content-type': 'content_type',
  'hook-secret': 'secret',
  'too-many-hooks': 'hooks',
}

function asFault(error: unknown): never {
  const field = error instanceof InputError ? faultFields[error.code] : undefined
  if (error instanceof InputError && error.code === 'hook-owner') throw notFound()
  if (field === undefined || !(error instanceof Error)) throw error
  throw validationFailed([{ field, code: 'custom', message: error.message }])
}
