// Schemas of hooks and deliveries, as GitHub's REST API "Repository webhooks" has them; `content_type` has two values more.
import Type, { type Static } from 'typebox'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
const flag = Type.Union([Type.Enum(['0', '1', 'true', 'false']), Type.Integer({ minimum: 0, maximum: 1 }), Type.Boolean()])
const eventName = Type.String({ minLength: 1, maxLength: 100 })
const eventList = Type.Array(eventName, { maxItems: 200 })

export const HookConfigJson = Type.Object({
  content_type: Type.Enum(['json', 'form', 'cloudevents', 'cloudevents-binary']),
  insecure_ssl: Type.Enum(['0', '1']),
  url: Type.String(),
  secret: Type.Optional(Type.String({ description: 'eight asterisks where there is one' })),
})

export const HookJson = Type.Object({
  type: Type.Enum(['Repository', 'Organization']),
  id: Type.Integer(),
  name: Type.Literal('web'),
  active: Type.Boolean(),
  events: Type.Array(Type.String()),
  config: HookConfigJson,
  updated_at: Type.String(),
  created_at: Type.String(),
  url: Type.String(),
  test_url: Type.Optional(Type.String()),
  ping_url: Type.String(),
  deliveries_url: Type.String(),
  last_response: Type.Optional(
    Type.Object({ code: nullable(Type.Integer()), status: nullable(Type.String()), message: nullable(Type.String()) }),
  ),
})

const config = {
  content_type: Type.Optional(Type.Enum(['json', 'form', 'cloudevents', 'cloudevents-binary'])),
  insecure_ssl: Type.Optional(flag),
  secret: Type.Optional(nullable(Type.String({ maxLength: 1000 }))),
}
const url = Type.String({ minLength: 1, maxLength: 2048 })

export const HookConfigChangeJson = Type.Object({ ...config, url: Type.Optional(url) })
export type HookConfigChangeJson = Static<typeof HookConfigChangeJson>

export const NewHookJson = Type.Object({
  name: Type.Optional(Type.Literal('web')),
  active: Type.Optional(Type.Boolean()),
  events: Type.Optional(eventList),
  config: Type.Object({ ...config, url }),
})

export const HookChangeJson = Type.Object({
  active: Type.Optional(Type.Boolean()),
  events: Type.Optional(eventList),
  add_events: Type.Optional(eventList),
  remove_events: Type.Optional(eventList),
  config: Type.Optional(HookConfigChangeJson),
})
export type HookChangeJson = Static<typeof HookChangeJson>

export const HookListQuery = Type.Object({ page: Type.Optional(Type.Integer()), per_page: Type.Optional(Type.Integer()) })
export const DeliveryListQuery = Type.Object({
  per_page: Type.Optional(Type.Integer()),
  cursor: Type.Optional(Type.String({ pattern: '^v1_[0-9]{1,15}$', description: 'from the Link header of the page before' })),
})

const delivery = {
  id: Type.Integer(),
  guid: Type.String({ description: 'the same for all tries of one event to one hook' }),
  delivered_at: Type.String(),
  redelivery: Type.Boolean(),
  duration: Type.Number({ description: 'seconds' }),
  status: Type.String(),
  status_code: Type.Integer({ description: '0: no answer' }),
  event: Type.String(),
  action: nullable(Type.String()),
  installation_id: Type.Null(),
  repository_id: nullable(Type.Integer()),
  throttled_at: Type.Null(),
}
export const DeliveryJson = Type.Object(delivery)
const headers = Type.Record(Type.String(), Type.String())
export const FullDeliveryJson = Type.Object({
  ...delivery,
  url: Type.String(),
  request: Type.Object({ headers, payload: Type.Unknown() }),
  response: Type.Object({
    headers: nullable(headers),
    payload: nullable(Type.String({ description: 'the first 64 KiB' })),
  }),
})
