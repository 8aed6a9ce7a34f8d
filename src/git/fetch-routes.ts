// Fetches over Smart HTTP: the advertisement, and the POST that lists refs or asks for a pack.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Repository, repositoryOf } from '../access/index.ts'
import { concatBytes, CorruptError, InputError } from '../base/index.ts'
import { Refusal, requestBody } from '../http/index.ts'
import { Answer } from './answer.ts'
import { scopeOf, settingsOf } from './context.ts'
import { answerPack } from './fetch-serving.ts'
import { type GitRoom, smallRequestBytes } from './git-room.ts'
import { runObjectInfo } from './object-info-job.ts'
import type { VisibleRefs } from './refs/index.ts'
import {
  advertiseUploadPack,
  asksSidebandAll,
  capabilitiesV0,
  type CommandV2,
  errorPacket,
  type FetchOffer,
  fetchOffer,
  formatBundleUris,
  formatLsRefs,
  type ObjectInfoRequest,
  packedTips,
  parseInTurns,
  parseNow,
  parseRequestV0,
  parseRequestV2,
  type ParseSteps,
  type RequestLimits,
} from './upload-pack/index.ts'

/** Version 2 tells no refs. */
const noRefs = { head: '', refs: [], byName: new Map() }
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
  const offer = offerOf(room, request, repository)
  const version = protocolVersion(request)
  if (version === 2) return advertiseUploadPack(noRefs, offer, version)
  const kind = `git-upload-pack ${version} ${capabilitiesV0(offer, null)}`
  return await room.refAnswer(repository, scopeOf(room, request, 'fetch'), kind, (refs) => advertiseUploadPack(refs, offer, version))
}

function offerOf(room: GitRoom, request: FastifyRequest, repository: Repository): FetchOffer {
  const { agent } = room.options
  return fetchOffer(settingsOf(room, request), { format: repository.objectFormat, agent, sessionId: room.sessionId })
}

/** As http-backend: http.uploadpack says it. */
function assertEnabled(room: GitRoom, request: FastifyRequest): void {
  if (!settingsOf(room, request).fetch.isEnabled) throw new Refusal(403, 'service-disabled', "Service not enabled: 'upload-pack'")
}

/** POST git-upload-pack. */
export async function fetch(room: GitRoom, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  assertEnabled(room, request)
  const repository = repositoryOf(request)
  const { limits, log } = room.options
  const offer = offerOf(room, request, repository)
  const asked = await readWhole(room, request, (body, isLarge) =>
    parseFetch(body, protocolVersion(request), offer, { bytes: limits.requestBytes, lines: limits.pktLines }, isLarge),
  ).catch(refusalOf)
  if (asked === null) return new Answer(reply, resultType).end()
  if (asked.command === null) return new Answer(reply, resultType).end(errorPacket(asked.refusal, asked.sidebandAll))
  log.debug({ repository: repository.id, command: asked.command, ...asked.client }, 'a fetch command')
  const scope = scopeOf(room, request, 'fetch')
  if (asked.command === 'ls-refs') {
    const kind = `ls-refs ${JSON.stringify(asked.request)}`
    const bytes = await room.refAnswer(repository, scope, kind, (refs) => formatLsRefs(refs, asked.request))
    return new Answer(reply, resultType).end(bytes)
  }
  if (asked.command === 'bundle-uri') return new Answer(reply, resultType).end(formatBundleUris(offer.settings))
  const snapshot = await room.refs.read(repository.id, repository.refsVersion)
  const refs = room.views.of(snapshot, scope)
  const answer = new Answer(reply, resultType)
  if (asked.command === 'object-info') return await answerObjectInfo(room, repository, asked.request, { refs, offer }, answer)
  await answerPack(room, repository, asked.request, { refs, offer, refsVersion: snapshot.version }, answer)
}

/**
 * Reads a body and parses it. A large one takes a place: what is inflated from little, and held back, must not add up. `parse` is told whether
 * it is one.
 */
async function readWhole<T>(room: GitRoom, request: FastifyRequest, parse: (body: Uint8Array, isLarge: boolean) => Promise<T>): Promise<T> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  let free: (() => void) | undefined
  try {
    for await (const part of requestBody(request, { limitBytes: room.options.limits.requestBytes })) {
      sizeBytes += part.length
      if (sizeBytes > smallRequestBytes) free ??= await room.requests.take()
      parts.push(part)
    }
    return await parse(concatBytes(parts), free !== undefined)
  } finally {
    free?.()
  }
}

interface Refused {
  readonly command: null
  readonly refusal: string
  readonly sidebandAll: boolean
}

/** A repository with very many refs may lead an honest client beyond the limit: it is told as any other fault of a request. */
function refusalOf(error: unknown): Refused {
  if (!(error instanceof InputError && error.code === 'too-large')) throw error
  return { command: null, refusal: error.message, sidebandAll: false }
}

/** Malformed requests are answered in the protocol's own form: status 200 and an ERR line, which git shows as `remote error: …`. */
async function parseFetch(
  body: Uint8Array,
  version: 0 | 1 | 2,
  offer: FetchOffer,
  limits: RequestLimits,
  isLarge: boolean,
): Promise<CommandV2 | Refused | null> {
  const parse = async <T>(steps: ParseSteps<T>): Promise<T> => (isLarge ? await parseInTurns(steps) : parseNow(steps))
  try {
    return await (version === 2 ? parse(parseRequestV2(body, offer, limits)) : parse(parseRequestV0(body, version, offer, limits)))
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    const sidebandAll = version === 2 && (await parse(asksSidebandAll(body, offer, limits)))
    return { command: null, refusal: error.message, sidebandAll }
  }
}

async function answerObjectInfo(
  room: GitRoom,
  repository: Repository,
  request: ObjectInfoRequest,
  { offer, refs }: { readonly refs: VisibleRefs; readonly offer: FetchOffer },
  answer: Answer,
): Promise<void> {
  const free = await room.fetches.take()
  try {
    if (answer.gone.aborted) return
    const packs = await room.packs.open(repository.networkId) // after the refs: they may rest on no newer pack
    const job = { packs: packs.handle, tips: room.views.once(refs, packedTips), request, cutOff: offer.cutOff }
    answer.end(await runObjectInfo(room.workers, job))
  } catch (error) {
    const alarm = error instanceof CorruptError
    room.options.log.error(
      { err: error, alarm, repository: repository.id },
      alarm ? 'ALARM: stored data is wrong' : 'object-info could not be answered',
    )
    answer.end(errorPacket('the server failed; try again later'))
  } finally {
    free()
  }
}
