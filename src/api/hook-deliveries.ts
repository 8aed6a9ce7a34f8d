// …/hooks/{hook_id}/deliveries (GitHub REST "Repository webhooks", "Organization webhooks"): what was sent and answered, and once more.
import Type from 'typebox'
import { type DeliveryFacts, findDelivery, listDeliveries, redeliver } from '../hooks/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import { originOf, timeJson } from './documents.ts'
import { type HookHome, hookOf, idIn, withParams } from './hook-params.ts'
import { DeliveryJson, DeliveryListQuery, FullDeliveryJson } from './hooks-schemas.ts'
import type { ApiOptions } from './index.ts'
import { pageOf } from './paging.ts'
import { ErrorJson } from './schemas.ts'

const tags = ['Hook']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }
const cursorPrefix = 'v1_'

export function registerHookDeliveries(routes: Routes, options: ApiOptions, home: HookHome): void {
  const { db, publicUrl } = options
  const config = { access: home.access }
  const url = `${home.url}/:hook_id/deliveries`
  const params = withParams(home, 'hook_id', 'delivery_id')

  const listing = {
    tags,
    summary: 'What was sent, the newest first',
    params: withParams(home, 'hook_id'),
    querystring: DeliveryListQuery,
    response: { 200: Type.Array(DeliveryJson), ...errors },
  }
  routes.get(url, { config, schema: listing }, async (request, reply) => {
    const hook = await hookOf(options, home, request)
    const { cursor } = request.query
    const { perPage } = pageOf(request.query)
    const before = cursor === undefined ? null : Number(cursor.slice(cursorPrefix.length))
    const found = await listDeliveries(db.queries, hook.id, { before, most: perPage + 1 })
    const shown = found.slice(0, perPage)
    const last = shown.at(-1)
    if (found.length > perPage && last !== undefined) {
      const next = new URL(`${originOf(request, publicUrl)}${request.raw.url ?? ''}`)
      next.searchParams.set('cursor', `${cursorPrefix}${last.id}`)
      reply.header('link', `<${next.href}>; rel="next"`)
    }
    return shown.map(deliveryJson)
  })

  const reading = { tags, summary: 'What was sent and answered', params, response: { 200: FullDeliveryJson, ...errors } }
  routes.get(`${url}/:delivery_id`, { config, schema: reading }, async (request) => {
    const hook = await hookOf(options, home, request)
    const found = await findDelivery(db.queries, hook.id, idIn(request, 'delivery_id'))
    if (found === null) throw notFound()
    return {
      ...deliveryJson(found),
      url: found.url,
      request: { headers: found.requestHeaders, payload: JSON.parse(found.payload) as unknown },
      response: { headers: found.responseHeaders, payload: found.responseBody },
    }
  })

  const again = { tags, summary: 'Sends it again', params, response: { 202: Type.Object({}), ...errors } }
  routes.post(`${url}/:delivery_id/attempts`, { config, schema: again }, async (request, reply) => {
    const hook = await hookOf(options, home, request)
    if (!(await redeliver(db.queries, hook, idIn(request, 'delivery_id')))) throw notFound()
    return reply.code(202).send({})
  })
}

function deliveryJson(facts: DeliveryFacts) {
  return {
    id: facts.id,
    guid: facts.guid,
    delivered_at: timeJson(facts.deliveredAt),
    redelivery: facts.isRedelivery,
    duration: Math.round(facts.durationMs / 10) / 100,
    status: facts.status,
    status_code: facts.statusCode ?? 0,
    event: facts.event,
    action: facts.action,
    installation_id: null,
    repository_id: facts.repositoryId,
    throttled_at: null,
  }
}
