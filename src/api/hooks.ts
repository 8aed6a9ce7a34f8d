// /repos/{owner}/{repo}/hooks and /orgs/{org}/hooks (GitHub REST "Repository webhooks", "Organization webhooks"): made, changed, tried out. Who
// administers what they hang on may do all of it.
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { callerOf, repositoryOf } from '../access/index.ts'
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
import { registerHookDeliveries } from './hook-deliveries.ts'
import { type HookHome, hookOf, organizationHome, repositoryHome, withParams } from './hook-params.ts'
import { HookChangeJson, HookConfigChangeJson, HookConfigJson, HookJson, HookListQuery, NewHookJson } from './hooks-schemas.ts'
import type { ApiOptions } from './index.ts'
import { linkHeader, pageOf } from './paging.ts'
import { ErrorJson } from './schemas.ts'

const tags = ['Hook']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

export function registerHooks(routes: Routes, options: ApiOptions): void {
  for (const home of [repositoryHome(options), organizationHome(options)]) {
    registerLists(routes, options, home)
    registerOne(routes, options, home)
    registerTrials(routes, options, home)
    registerHookDeliveries(routes, options, home)
  }
}

function registerLists(routes: Routes, options: ApiOptions, home: HookHome): void {
  const { db, hooks: room, publicUrl } = options
  const config = { access: home.access }

  const summary = `Webhooks of ${home.noun === 'repository' ? 'a repository' : 'an organization'}`
  const listing = { tags, summary, params: home.params, querystring: HookListQuery, response: { 200: Type.Array(HookJson), ...errors } }
  routes.get(home.url, { config, schema: listing }, async (request, reply) => {
    const page = pageOf(request.query)
    const { hooks, total } = await listHooks(db.queries, home.owner(request), page)
    const ids = hooks.map(({ id }) => id)
    const last = await lastOutcomes(db.queries, ids)
    const link = linkHeader(`${originOf(request, publicUrl)}${request.raw.url ?? ''}`, page, total)
    if (link !== null) reply.header('link', link)
    return hooks.map((hook) => hookDocument(hook, home.apiUrl(request), last.get(hook.id)))
  })

  const creation = { tags, summary: 'Makes a webhook', params: home.params, body: NewHookJson, response: { 201: HookJson, ...errors } }
  routes.post(home.url, { config, schema: creation }, async (request, reply) => {
    const { active = true, events = ['push'], config: given } = request.body
    const settings = { isActive: active, events: unique(events), contentType: 'form', insecureSsl: false, secret: null } as const
    const wanted = { ...settings, ...configChange(given), url: given.url }
    const hook = await createHook(room, home.owner(request), wanted, home.act(request)).catch(asFault)
    const document = await documentOf(options, home, request, hook)
    await pingHook(room, hook, home.subject(request), senderOf(request))
    return reply.code(201).header('location', document.url).send(document)
  })
}

function registerOne(routes: Routes, options: ApiOptions, home: HookHome): void {
  const { db, hooks: room } = options
  const config = { access: home.access }
  const params = withParams(home, 'hook_id')
  const url = `${home.url}/:hook_id`

  const reading = { tags, summary: 'A webhook', params, response: { 200: HookJson, ...errors } }
  routes.get(url, { config, schema: reading }, async (request) => documentOf(options, home, request, await hookOf(options, home, request)))

  const changing = { tags, summary: 'Changes a webhook', params, body: HookChangeJson, response: { 200: HookJson, ...errors } }
  routes.patch(url, { config, schema: changing }, async (request) => {
    const hook = await hookOf(options, home, request)
    const changed = await changeHook(room, hook.owner, hook.id, hookChange(hook, request.body), home.act(request)).catch(asFault)
    if (changed === null) throw notFound()
    return documentOf(options, home, request, changed)
  })

  const deletion = { tags, summary: 'Deletes a webhook', params, response: { 204: Type.Null(), ...errors } }
  routes.delete(url, { config, schema: deletion }, async (request, reply) => {
    const hook = await hookOf(options, home, request)
    if (!(await deleteHook(db, hook.owner, hook.id, home.act(request)))) throw notFound()
    return reply.code(204).send(null)
  })

  const showing = { tags, summary: 'Where and how a webhook sends', params, response: { 200: HookConfigJson, ...errors } }
  routes.get(`${url}/config`, { config, schema: showing }, async (request) => hookConfig(await hookOf(options, home, request)))

  const summary = 'Changes where and how a webhook sends'
  const setting = { tags, summary, params, body: HookConfigChangeJson, response: { 200: HookConfigJson, ...errors } }
  routes.patch(`${url}/config`, { config, schema: setting }, async (request) => {
    const hook = await hookOf(options, home, request)
    const changed = await changeHook(room, hook.owner, hook.id, configChange(request.body), home.act(request)).catch(asFault)
    if (changed === null) throw notFound()
    return hookConfig(changed)
  })
}

function registerTrials(routes: Routes, options: ApiOptions, home: HookHome): void {
  const { hooks: room } = options
  const config = { access: home.access }
  const trying = { tags, params: withParams(home, 'hook_id'), response: { 204: Type.Null(), ...errors } }
  const pinging = { ...trying, summary: 'Sends a ping to a webhook' }
  routes.post(`${home.url}/:hook_id/pings`, { config, schema: pinging }, async (request, reply) => {
    await pingHook(room, await hookOf(options, home, request), home.subject(request), senderOf(request))
    return reply.code(204).send(null)
  })
  if (home.noun !== 'repository') return
  const testing = { ...trying, summary: 'Sends the last push to the default branch once more' }
  routes.post(`${home.url}/:hook_id/tests`, { config, schema: testing }, async (request, reply) => {
    await testHook(room, await hookOf(options, home, request), repositoryOf(request), senderOf(request))
    return reply.code(204).send(null)
  })
}

async function documentOf({ db }: ApiOptions, home: HookHome, request: FastifyRequest, hook: Hook) {
  const last = await lastOutcomes(db.queries, [hook.id])
  return hookDocument(hook, home.apiUrl(request), last.get(hook.id))
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
