// Git over Smart HTTP (gitprotocol-http(5)): which URL does what, who may, and in which form errors are told.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { onRepository } from '../access/index.ts'
import { type Listener, Refusal, requestBody, type Routes, textForm } from '../http/index.ts'
import { Answer } from './answer.ts'
import { archiveRequestBytes, download, uploadArchive } from './archive/index.ts'
import { DumbFace } from './dumb-http/index.ts'
import { advertiseFetch, fetch } from './serve-fetch.ts'
import type { GitRoom } from './git-room.ts'
import { callOf } from './http-call.ts'
import { advertisePushes, push, pushLimitBytes } from './serve-push.ts'

const services = ['git-upload-pack', 'git-receive-pack'] as const
type Service = (typeof services)[number]
type RequestType = Service | 'git-upload-archive'

const access = {
  advertise: onRepository({
    of: (request) => ((request.query as { service?: unknown }).service === 'git-receive-pack' ? 'repository:push' : 'repository:read'),
    examples: { 'repository:read': '?service=git-upload-pack', 'repository:push': '?service=git-receive-pack' },
  }),
  read: onRepository('repository:read'),
  push: onRepository('repository:push'),
}

export function registerGit(listener: Listener, room: GitRoom): void {
  const body = { raw: /^application\/x-git-/ }
  listener.room({ form: textForm, challenge: true, body, rate: 'git', statusOf: { 'service-disabled': 403 } }, (routes) => {
    const dumb = new DumbFace(room)
    // With `.git` and without: people paste both.
    for (const path of ['/:owner/:repo.git', '/:owner/:repo']) {
      routes.get(`${path}/info/refs`, { config: { access: access.advertise } }, async (request, reply) =>
        advertise(room, dumb, request, reply),
      )
      routes.post(`${path}/git-upload-pack`, { config: { access: access.read } }, async (request, reply) => {
        assertType(request, 'git-upload-pack')
        const { requestBytes: limitBytes } = room.options.limits
        await fetch(room, callOf(room, request), requestBody(request, { limitBytes }), open(reply, 'git-upload-pack'))
      })
      routes.post(`${path}/git-receive-pack`, { config: { access: access.push } }, async (request, reply) => {
        assertType(request, 'git-receive-pack')
        const body = requestBody(request, { limitBytes: pushLimitBytes(room) })
        await push(room, callOf(room, request), { body, open: open(reply, 'git-receive-pack') })
      })
      routes.post(`${path}/git-upload-archive`, { config: { access: access.read } }, async (request, reply) => {
        assertType(request, 'git-upload-archive')
        const body = requestBody(request, { limitBytes: archiveRequestBytes })
        await uploadArchive(room, callOf(room, request), body, open(reply, 'git-upload-archive'))
      })
      registerDumb(routes, path, dumb)
      // `%2f` too: a ref's name may hold slashes
      routes.get(`${path}/archive/*`, { config: { access: access.read, encodedSlash: true } }, async (request, reply) => {
        await download(room, request, reply, (request.params as { '*': string })['*'])
      })
    }
  })
}

function registerDumb(routes: Routes, path: string, dumb: DumbFace): void {
  const config = { access: access.read }
  routes.get(`${path}/HEAD`, { config }, async (request, reply) => dumb.head(request, reply))
  routes.get(`${path}/objects/info/packs`, { config }, async (request, reply) => dumb.infoPacks(request, reply))
  routes.get(`${path}/objects/info/alternates`, { config }, async (request, reply) => dumb.alternates(request, reply))
  routes.get(`${path}/objects/info/http-alternates`, { config }, async (request, reply) => dumb.alternates(request, reply))
  routes.get(`${path}/objects/pack/:file`, { config }, async (request, reply) => {
    await dumb.pack(request, reply, (request.params as { file: string }).file)
  })
  routes.get(`${path}/objects/:first/:rest`, { config }, async (request, reply) => {
    const { first, rest } = request.params as { first: string; rest: string }
    await dumb.loose(request, reply, first, rest)
  })
}

async function advertise(room: GitRoom, dumb: DumbFace, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { service } = request.query as { service?: unknown }
  if (service === undefined) return await dumb.infoRefs(request, reply)
  if (typeof service !== 'string') throw new Refusal(403, 'unknown-service', 'Unsupported service')
  if (!services.includes(service as Service)) throw new Refusal(403, 'unknown-service', `Unsupported service: '${service.slice(0, 60)}'`)
  const call = callOf(room, request)
  const bytes = service === 'git-upload-pack' ? await advertiseFetch(room, call) : await advertisePushes(room, call)
  return reply
    .type(`application/x-${service}-advertisement`)
    .header('cache-control', 'no-cache, max-age=0, must-revalidate')
    .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}

function open(reply: FastifyReply, service: RequestType): () => Answer {
  return () => new Answer(reply, `application/x-${service}-result`)
}

function assertType(request: FastifyRequest, service: RequestType): void {
  const wanted = `application/x-${service}-request`
  const received = request.headers['content-type'] ?? ''
  if (received.split(';', 1)[0]?.trim() === wanted) return
  throw new Refusal(
    415,
    'unsupported-type',
    `Expected POST with Content-Type '${wanted}', but received '${received.slice(0, 200)}' instead.`,
  )
}
