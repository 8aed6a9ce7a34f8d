// The OpenAPI 3.1 document of all routes that answer in documents, made from the listener's own table: what isn't registered isn't in it, and what is can't be left
// out. Git's and Git LFS' own protocols have no schemas, and so no place in it.
import type { RouteFacts } from '../../http/index.ts'
import { ErrorJson } from '../schemas.ts'
import { Components, type JsonObject } from './components.ts'
import { schemaNames } from './names.ts'
import { errorMeaning, errorName, operationOf, pathOf } from './operation.ts'

const about = `GitHub's REST API v3, where GitHub has the endpoint, and Stemma's own beside it. GitHub's clients work with the base URL \`/api/v3\`.

Lists come in pages: the \`Link\` header says where the others are. Answers carry an \`ETag\`: with it as \`If-None-Match\` an answer that has not changed is
304, without a body. What the caller may not know of is 404, as what there is not. Every answer has an \`X-Request-Id\`, which the log and the audit know.
\`x-stemma-action\` is what a token's scopes and the caller's role must allow.`

/** Complete when the listener is ready. */
export async function openApiDocument(routes: readonly RouteFacts[], version: string): Promise<JsonObject> {
  const components = new Components(await schemaNames())
  const paths: { [path: string]: JsonObject } = {}
  const described = routes.filter(({ method, schema }) => schema?.response !== undefined && method !== 'HEAD')
  for (const route of described.toSorted((a, b) => (pathOf(a.url) < pathOf(b.url) ? -1 : 1))) {
    const path = pathOf(route.url)
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, components) }
  }
  const tags = new Set(Object.values(paths).flatMap((path) => Object.values(path).flatMap((of) => (of as { tags: string[] }).tags)))
  const error = components.refer(ErrorJson)
  const json = { content: { 'application/json': { schema: error } } }
  const used = new Set(JSON.stringify(paths).match(/(?<=components\/responses\/Error)\d+/g))
  const errors = [...used].sort().map((status) => [errorName(status), { description: errorMeaning(status), ...json }])
  return {
    openapi: '3.1.0',
    info: { title: 'Stemma', version, description: about, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/', description: 'this server' }],
    tags: [...tags].sort().map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'a token; `token T` is taken for `Bearer T`' },
        basic: { type: 'http', scheme: 'basic', description: 'a token as the password, with any user name' },
        session: { type: 'apiKey', in: 'cookie', name: 'stemma_session', description: 'of a browser that signed in' },
      },
      headers: { Link: { description: 'where the other pages are (RFC 8288)', schema: { type: 'string' } } },
      responses: {
        ...Object.fromEntries(errors),
        Other: { description: 'Something else is wrong with the request (4xx), or with the server (5xx)', ...json },
      },
      schemas: components.schemas,
    },
  }
}
