// Git over Smart HTTP (gitprotocol-http(5)): which URL does what, who may, and in which form errors are told.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { createRepository, findRepository, onRepository, type Repository } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { type Listener, Refusal, requestBody, textForm } from '../http/index.ts'
import { Answer } from './answer.ts'
import { scopeOf } from './context.ts'
import { advertiseFetch, fetch, protocolVersion } from './fetch-routes.ts'
import type { GitRoom } from './git-room.ts'
import { receivePack } from './receive-pack/index.ts'
import { advertiseReceivePack } from './upload-pack/index.ts'

const services = ['git-upload-pack', 'git-receive-pack'] as const
type Service = (typeof services)[number]

/** Room for the commands before the pack. */
const commandBytes = 64 << 20
const pushPace = { bodyWindowMs: 30_000, bodyFloorBytes: 64 << 10 }

const access = {
  advertise: onRepository({
    of: (request) => ((request.query as { service?: unknown }).service === 'git-receive-pack' ? 'repository:push' : 'repository:read'),
    examples: { 'repository:read': '?service=git-upload-pack', 'repository:push': '?service=git-receive-pack' },
  }),
  read: onRepository('repository:read'),
  push: onRepository('repository:push'),
}

export function registerGit(listener: Listener, room: GitRoom): void {
  listener.room({ form: textForm, challenge: true, body: { raw: /^application\/x-git-/ } }, (routes) => {
    // With `.git` and without: people paste both.
    for (const path of ['/:owner/:repo.git', '/:owner/:repo']) {
      routes.get(`${path}/info/refs`, { config: { access: access.advertise } }, async (request, reply) => advertise(room, request, reply))
      routes.post(`${path}/git-upload-pack`, { config: { access: access.read } }, async (request, reply) => {
        assertType(request, 'git-upload-pack')
        await fetch(room, request, reply)
      })
      routes.post(`${path}/git-receive-pack`, { config: { access: access.push } }, async (request, reply) => {
        assertType(request, 'git-receive-pack')
        await push(room, request, reply)
      })
    }
  })
}

async function advertise(room: GitRoom, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { service } = request.query as { service?: unknown }
  if (typeof service !== 'string') throw new Refusal(403, 'dumb-http', 'This server speaks the smart protocol only: use git 1.6.6 or newer')
  if (!services.includes(service as Service)) throw new Refusal(403, 'unknown-service', `Unsupported service: '${service.slice(0, 60)}'`)
  const bytes = service === 'git-upload-pack' ? await advertiseFetch(room, request) : await advertisePush(room, request)
  return reply
    .type(`application/x-${service}-advertisement`)
    .header('cache-control', 'no-cache, max-age=0, must-revalidate')
    .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}

async function advertisePush(room: GitRoom, request: FastifyRequest): Promise<Uint8Array> {
  const { repository } = request
  const options = { format: repository?.objectFormat ?? ('sha1' as const), agent: room.options.agent, version: protocolVersion(request) }
  if (!repository) return advertiseReceivePack({ head: 'refs/heads/main', refs: [], byName: new Map() }, options)
  const kind = `git-receive-pack ${options.version}`
  return await room.refAnswer(repository, scopeOf(room, request, 'push'), kind, (refs) => advertiseReceivePack(refs, options))
}

function assertType(request: FastifyRequest, service: Service): void {
  const wanted = `application/x-${service}-request`
  const received = request.headers['content-type'] ?? ''
  if (received.split(';', 1)[0]?.trim() === wanted) return
  throw new Refusal(
    415,
    'unsupported-type',
    `Expected POST with Content-Type '${wanted}', but received '${received.slice(0, 200)}' instead.`,
  )
}

async function push(room: GitRoom, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { repository, repositoryToCreate, identity } = request
  if (identity.kind !== 'account') throw new Error('a push of nobody')
  const create = async () => {
    if (!repositoryToCreate) throw new Error('nothing to create')
    return targetOf(await createOrFind(room, repositoryToCreate))
  }
  await receivePack(room.receive, {
    objectFormat: repository?.objectFormat ?? 'sha1',
    target: repository ? targetOf(repository) : null,
    create,
    accountId: identity.accountId,
    body: pushedBody(room, request),
    open: () => new Answer(reply, 'application/x-git-receive-pack-result'),
  })
}

/** A pack may be large, but it must come along: a push that holds a place may neither trickle nor go on for ever. */
async function* pushedBody(room: GitRoom, request: FastifyRequest): AsyncGenerator<Uint8Array, void, undefined> {
  const { clock, limits } = room.options
  const endMs = clock.monotonic() + limits.requestTimeoutMs
  for await (const bytes of requestBody(request, { limitBytes: limits.packBytes + commandBytes, limits: pushPace })) {
    if (clock.monotonic() > endMs) throw new InputError('slow-body', 'the push took longer than this server allows')
    yield bytes
  }
}

function targetOf(repository: Repository) {
  return { repositoryId: repository.id, networkId: repository.networkId }
}

/** Two first pushes at once: one creates the repository, the other finds it. It is private: nobody said that it may be seen. */
async function createOrFind(room: GitRoom, wanted: NonNullable<FastifyRequest['repositoryToCreate']>): Promise<Repository> {
  try {
    return await createRepository(room.options.db, { ...wanted, visibility: 'private' })
  } catch (error) {
    const found = error instanceof InputError && error.code === 'repository-exists' ? await findOwned(room, wanted) : null
    if (!found) throw error
    return found
  }
}

async function findOwned(room: GitRoom, { ownerId, name }: NonNullable<FastifyRequest['repositoryToCreate']>): Promise<Repository | null> {
  const { queries } = room.options.db
  const owner = await queries.selectFrom('account').select('login').where('id', '=', ownerId).executeTakeFirst()
  return owner ? findRepository(queries, owner.login, name) : null
}
