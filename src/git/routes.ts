// Git over Smart HTTP (gitprotocol-http(5)): which URL does what, who may, and in which form errors are told.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { createRepository, findRepository, onRepository, type Repository, repositoryOf } from '../access/index.ts'
import { concatBytes, CorruptError, InputError, UnavailableError } from '../base/index.ts'
import { type Listener, Refusal, requestBody, textForm } from '../http/index.ts'
import { Answer } from './answer.ts'
import { runFetch } from './fetch-job.ts'
import type { ObjectFormat } from './format/index.ts'
import { type GitRoom, smallRequestBytes } from './git-room.ts'
import type { StoredPack } from './odb/index.ts'
import { receivePack } from './receive-pack/index.ts'
import type { RefSnapshot } from './refs/index.ts'
import {
  advertiseReceivePack,
  advertiseUploadPack,
  answerFetch,
  type CommandV2,
  errorPacket,
  type FetchRequest,
  fetchTask,
  formatLsRefs,
  type PackRegion,
  parseRequestV0,
  parseRequestV2,
  type RequestLimits,
} from './upload-pack/index.ts'

const services = ['git-upload-pack', 'git-receive-pack'] as const
type Service = (typeof services)[number]

const resultType = 'application/x-git-upload-pack-result'
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

/** 0, 1 or 2: what the client asks for in `Git-Protocol: version=2` (protocol_v2, "HTTP Transport"). */
function protocolVersion(request: FastifyRequest): 0 | 1 | 2 {
  const header = request.headers['git-protocol']
  const versions = [...String(header ?? '').matchAll(/(?:^|:)version=([012])(?=:|$)/g)].map((match) => Number(match[1]))
  return Math.max(0, ...versions) as 0 | 1 | 2
}

async function advertise(room: GitRoom, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { service } = request.query as { service?: unknown }
  if (typeof service !== 'string') throw new Refusal(403, 'dumb-http', 'This server speaks the smart protocol only: use git 1.6.6 or newer')
  if (!services.includes(service as Service)) throw new Refusal(403, 'unknown-service', `Unsupported service: '${service.slice(0, 60)}'`)
  const { repository } = request
  const options = { format: repository?.objectFormat ?? ('sha1' as const), agent: room.options.agent, version: protocolVersion(request) }
  const make = service === 'git-upload-pack' ? advertiseUploadPack : advertiseReceivePack
  const bytes = repository
    ? await room.refAnswer(repository, `${service} ${options.version}`, (refs) => make(refs, options))
    : make({ head: 'refs/heads/main', refs: [], byName: new Map() }, options)
  return reply
    .type(`application/x-${service}-advertisement`)
    .header('cache-control', 'no-cache, max-age=0, must-revalidate')
    .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}

function assertType(request: FastifyRequest, service: Service): void {
  const wanted = `application/x-${service}-request`
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim()
  if (type !== wanted) throw new Refusal(415, 'unsupported-type', `Expected Content-Type '${wanted}'`)
}

async function fetch(room: GitRoom, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const repository = repositoryOf(request)
  const { limits } = room.options
  const asked = await readWhole(room, request, (body) =>
    parseFetch(body, protocolVersion(request), repository.objectFormat, { bytes: limits.requestBytes, lines: limits.pktLines }),
  )
  if (asked !== null && !(asked instanceof InputError) && asked.command === 'ls-refs') {
    const bytes = await room.refAnswer(repository, `ls-refs ${JSON.stringify(asked.request)}`, (refs) => formatLsRefs(refs, asked.request))
    return new Answer(reply, resultType).end(bytes)
  }
  const refs = await room.refs.read(repository.id, repository.refsVersion)
  const answer = new Answer(reply, resultType)
  if (asked instanceof InputError) return answer.end(errorPacket(asked.message))
  if (asked === null) return answer.end()
  await answerPack(room, repository, asked.request, refs, answer)
}

/** Reads a body and parses it. A large one takes a place: what is inflated from little, and held back, must not add up. */
async function readWhole<T>(room: GitRoom, request: FastifyRequest, parse: (body: Uint8Array) => T): Promise<T> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  let free: (() => void) | undefined
  try {
    for await (const part of requestBody(request, { limitBytes: room.options.limits.requestBytes })) {
      sizeBytes += part.length
      if (sizeBytes > smallRequestBytes) free ??= await room.requests.take()
      parts.push(part)
    }
    return parse(concatBytes(parts))
  } finally {
    free?.()
  }
}

/** Malformed requests are answered in the protocol's own form: status 200 and an ERR line, which git shows as `remote error: …`. */
function parseFetch(body: Uint8Array, version: 0 | 1 | 2, format: ObjectFormat, limits: RequestLimits): CommandV2 | InputError | null {
  try {
    if (version === 2) return parseRequestV2(body, format, limits)
    const request = parseRequestV0(body, version, format, limits)
    return request && { command: 'fetch', request }
  } catch (error) {
    if (error instanceof InputError) return error
    throw error
  }
}

async function answerPack(room: GitRoom, repository: Repository, request: FetchRequest, refs: RefSnapshot, answer: Answer): Promise<void> {
  let free: (() => void) | undefined
  try {
    const task = fetchTask(request, refs)
    free = await room.fetches.take()
    const packs = await room.packs.open(repository.networkId) // after the refs: they may rest on no newer pack
    const region = ({ pack, offset, sizeBytes }: PackRegion) => (packs.set.packs[pack] as StoredPack).stream(offset, sizeBytes)
    await runFetch(room.workers, { packs: packs.handle, task }, async (events) => {
      await answerFetch(untilGone(events, answer.gone), answer, {
        request,
        format: repository.objectFormat,
        region,
        gone: answer.gone,
        packEnds: room.packEnds,
      })
    })
    answer.end()
  } catch (error) {
    const alarm = error instanceof CorruptError
    if (answer.gone.aborted && !alarm) return
    if (error instanceof InputError) return answer.end(errorPacket(error.message))
    room.options.log.error({ err: error, alarm, repository: repository.id }, alarm ? 'ALARM: stored data is wrong' : 'a fetch broke off')
    // with frames the client has been told; without, a broken connection is all that tells it
    if (request.sideband === 0) answer.break()
    else answer.end()
  } finally {
    free?.()
  }
}

/** Stops at once when nobody reads what comes, even while nothing does. */
async function* untilGone<T>(items: AsyncIterable<T>, gone: AbortSignal): AsyncGenerator<T, void, undefined> {
  const iterator = items[Symbol.asyncIterator]()
  const left = Promise.withResolvers<never>()
  left.promise.catch(() => {}) // it may come when nothing is waited for
  const leave = () => left.reject(new UnavailableError('client-gone', 'the client closed the connection'))
  if (gone.aborted) leave()
  gone.addEventListener('abort', leave)
  try {
    for (;;) {
      const item = iterator.next()
      item.catch(() => {}) // it may fail when nobody waits for it any more
      const { done, value } = await Promise.race([left.promise, item])
      if (done) return
      yield value
    }
  } finally {
    gone.removeEventListener('abort', leave)
    iterator.return?.().catch(() => {})
  }
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
