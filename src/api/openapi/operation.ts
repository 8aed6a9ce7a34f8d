// One route as an operation of the document: its parameters, body, answers, and what a caller needs for it.
import { isOpenToAnonymous, type Action } from '../../access/index.ts'
import { actionsOf, type RouteFacts } from '../../http/index.ts'
import { ErrorJson } from '../schemas.ts'
import type { Components, JsonObject } from './components.ts'

/** What routes say of themselves beside what Fastify knows. */
interface RouteSchema {
  readonly tags?: readonly string[]
  readonly summary?: string
  readonly description?: string
  readonly operationId?: string
  /** Content types of the good answer, when it isn't JSON alone. */
  readonly produces?: readonly string[]
  readonly params?: ObjectSchema
  readonly querystring?: ObjectSchema
  readonly body?: ObjectSchema
  readonly response?: Readonly<Record<string, unknown>>
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>
  readonly required?: readonly string[]
}

const meanings: Readonly<Record<string, string>> = {
  200: 'Done',
  201: 'Made',
  202: 'Taken',
  204: 'Done; there is nothing to say',
  302: 'It is elsewhere',
  303: 'It is elsewhere',
  304: 'The caller has it already',
  400: 'The request can’t be understood',
  401: 'No credentials, or none that are good',
  403: 'The caller may not do that',
  404: 'There is no such thing, or the caller may not know of it',
  409: 'Something else was there first',
  422: 'Something in the request is wrong',
  429: 'Too many requests',
  503: 'Not now',
}
const errorText = JSON.stringify(ErrorJson)

export function operationOf(route: RouteFacts, components: Components): JsonObject {
  const schema = (route.schema ?? {}) as RouteSchema
  const { tags = ['Server'], description, body } = schema
  const parameters = parametersOf(route.url, schema, components)
  return {
    operationId: schema.operationId ?? operationId(route),
    summary: schema.summary ?? `${route.method} ${pathOf(route.url)}`,
    ...(description === undefined ? {} : { description }),
    tags: tags.slice(0, 1),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: { required: (body.required ?? []).length > 0, content: { 'application/json': { schema: components.refer(body) } } },
        }),
    responses: responsesOf(route, schema, components),
    ...needs(route),
  }
}

/** `/repos/{owner}/{repo}/tarball/{path}`: what stands for `*` may hold slashes. */
export function pathOf(url: string): string {
  const path = url.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{path}')
  return path.length > 1 ? path.replace(/\/$/, '') : path
}

/** By method and path, so that it is nobody else's: `getReposOwnerRepoForks`; outside of the API `getServerHealth`. */
function operationId({ method, url }: RouteFacts): string {
  const words = pathOf(url)
    .replace(/^(\/api\/v3)?/, (_all, api?: string) => (api === undefined ? 'server/' : ''))
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

function parametersOf(url: string, { params, querystring }: RouteSchema, components: Components): JsonObject[] {
  const inPath = [...url.matchAll(/:(\w+)|\*/g)].map(([whole, name = 'path']) => {
    const declared = params?.properties?.[whole === '*' ? '*' : name]
    return { name, in: 'path', required: true, ...described(declared ?? { type: 'string' }, components) }
  })
  const required = new Set(querystring?.required)
  const inQuery = Object.entries(querystring?.properties ?? {}).map(([name, declared]) => ({
    name,
    in: 'query',
    required: required.has(name),
    ...described(declared, components),
  }))
  return [...inPath, ...inQuery]
}

function described(declared: object, components: Components): JsonObject {
  const { description, ...schema } = components.refer(declared) as JsonObject
  return { ...(description === undefined ? {} : { description }), schema }
}

function responsesOf(
  { url, method }: RouteFacts,
  { response = {}, querystring, produces }: RouteSchema,
  components: Components,
): JsonObject {
  const isPaged = method === 'GET' && querystring?.properties?.per_page !== undefined
  const answers = Object.entries(response).map(([status, schema]) => {
    if (JSON.stringify(schema) === errorText) return [status, { $ref: `#/components/responses/${errorName(status)}` }]
    const headers = isPaged && status === '200' ? { headers: { Link: { $ref: '#/components/headers/Link' } } } : {}
    const isEmpty = (schema as { readonly type?: string }).type === 'null'
    const types = status === '200' ? (produces ?? ['application/json']) : ['application/json']
    const content = Object.fromEntries(types.map((type) => [type, type.endsWith('json') ? contentOf(type, schema, components) : {}]))
    return [status, { description: meanings[status] ?? `Status ${status}`, ...headers, ...(isEmpty ? {} : { content }) }]
  })
  const isApi = url.startsWith('/api/v3')
  return { ...Object.fromEntries(answers), ...(isApi ? { default: { $ref: '#/components/responses/Other' } } : {}) }
}

/** Of JSON lines each is as an item of the list. */
function contentOf(type: string, schema: unknown, components: Components): JsonObject {
  const isLines = type === 'application/x-ndjson'
  return { schema: components.refer(isLines ? (schema as { readonly items: unknown }).items : schema) }
}

export const errorName = (status: string): string => `Error${status}`
export const errorMeaning = (status: string): string => meanings[status] ?? `Status ${status}`

const credentials = [{ bearer: [] }, { basic: [] }, { session: [] }]

/** The action is ours: who may, docs/design/access.md says. */
function needs({ access }: RouteFacts): JsonObject {
  if (access === 'public') return { security: [{}, ...credentials] }
  const actions = actionsOf(access) as Action[]
  const isOpen = actions.some(isOpenToAnonymous) && access.isOwn !== true
  return { security: isOpen ? [{}, ...credentials] : credentials, 'x-stemma-action': actions.length === 1 ? actions[0] : actions }
}
