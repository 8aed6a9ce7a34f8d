// /openapi.json: the document of everything that the listener answers in documents, made from its own table when it is first asked for.
import type { FastifyReply } from 'fastify'
import Type from 'typebox'
import { type Listener, plainForm, type Routes } from '../../http/index.ts'
import { tagAnswer } from '../etag.ts'
import { openApiDocument } from './document.ts'

export { openApiDocument } from './document.ts'

const OpenApi = Type.Object({ openapi: Type.String(), info: Type.Object({}), paths: Type.Object({}), components: Type.Object({}) })
const schema = { tags: ['Meta'], summary: 'This document: OpenAPI 3.1 of the server’s API', response: { 200: OpenApi } }

/** Below the server's root; what it returns registers the same in the API's own room. */
export function registerOpenApi(listener: Listener, version: string): (routes: Routes) => void {
  let text: Promise<string> | undefined
  const answer = async (_request: unknown, reply: FastifyReply) => {
    text ??= openApiDocument(listener.routes, version).then((document) => JSON.stringify(document))
    return reply
      .type('application/json; charset=utf-8')
      .serializer(String)
      .send(await text)
  }
  const register = (routes: Routes): void => {
    routes.get('/openapi.json', { config: { access: 'public' }, schema }, answer)
  }
  listener.room({ form: plainForm, body: 'json', rate: 'api' }, (routes) => {
    routes.addHook('onSend', tagAnswer)
    register(routes)
  })
  return register
}
