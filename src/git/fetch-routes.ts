// Fetches over Smart HTTP: the advertisement, and the POST that lists refs or asks for a pack.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Repository, repositoryOf } from '../access/index.ts'
import { concatBytes, CorruptError, InputError, UnavailableError } from '../base/index.ts'
import { Refusal, requestBody } from '../http/index.ts'
import { Answer } from './answer.ts'
import { scopeOf, settingsOf } from './context.ts'
import { runFetch } from './fetch-job.ts'
import type { ObjectFormat } from './format/index.ts'
import { type GitRoom, smallRequestBytes } from './git-room.ts'
import type { StoredPack } from './odb/index.ts'
import type { VisibleRefs } from './refs/index.ts'
import {
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

const resultType = 'application/x-git-upload-pack-result'

/** 0, 1 or 2: what the client asks for in `Git-Protocol: version=2` (protocol_v2, "HTTP Transport"). */
export function protocolVersion(request: FastifyRequest): 0 | 1 | 2 {
  const header = request.headers['git-protocol']
  const versions = [...String(header ?? '').matchAll(/(?:^|:)version=([012])(?=:|$)/g)].map((match) => Number(match[1]))
  return Math.max(0, ...versions) as 0 | 1 | 2
}

/** The body of `GET info/refs?service=git-upload-pack`. Refusal 403 where fetches are switched off. */
export async function advertiseFetch(room: GitRoom, request: FastifyRequest): Promise<Uint8Array> {
  assertEnabled(room, request)
  const repository = repositoryOf(request)
  const options = { format: repository.objectFormat, agent: room.options.agent, version: protocolVersion(request) }
  const kind = `git-upload-pack ${options.version}`
  return await room.refAnswer(repository, scopeOf(room, request, 'fetch'), kind, (refs) => advertiseUploadPack(refs, options))
}

/** As http-backend: http.uploadpack says it. */
function assertEnabled(room: GitRoom, request: FastifyRequest): void {
  if (!settingsOf(room, request).fetch.isEnabled) throw new Refusal(403, 'service-disabled', "Service not enabled: 'upload-pack'")
}

/** POST git-upload-pack. */
export async function fetch(room: GitRoom, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  assertEnabled(room, request)
  const repository = repositoryOf(request)
  const { limits } = room.options
  const asked = await readWhole(room, request, (body) =>
    parseFetch(body, protocolVersion(request), repository.objectFormat, { bytes: limits.requestBytes, lines: limits.pktLines }),
  )
  const scope = scopeOf(room, request, 'fetch')
  if (asked !== null && !(asked instanceof InputError) && asked.command === 'ls-refs') {
    const kind = `ls-refs ${JSON.stringify(asked.request)}`
    const bytes = await room.refAnswer(repository, scope, kind, (refs) => formatLsRefs(refs, asked.request))
    return new Answer(reply, resultType).end(bytes)
  }
  const refs = room.views.of(await room.refs.read(repository.id, repository.refsVersion), scope)
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

async function answerPack(room: GitRoom, repository: Repository, request: FetchRequest, refs: VisibleRefs, answer: Answer): Promise<void> {
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
