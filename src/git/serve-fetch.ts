// Fetches: the advertisement, and one request that lists refs or asks for a pack, whole before it is answered. fetch-talk.ts makes conversations of them.
import type { Repository } from '../access/index.ts'
import { concatBytes, CorruptError, InputError } from '../base/index.ts'
import { scopeOf, settingsOf } from './context.ts'
import { answerPack, type ToldToFetch } from './fetch-serving.ts'
import { type GitAnswer, type GitCall, type ProtocolVersion, placeKey, repositoryIn } from './git-call.ts'
import { type GitRoom, smallRequestBytes } from './git-room.ts'
import { runObjectInfo } from './object-info-job.ts'
import type { RefSnapshot } from './refs/index.ts'
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

/** The body of `GET info/refs?service=git-upload-pack`. InputError `service-disabled` where fetches are switched off. */
export async function advertiseFetch(room: GitRoom, call: GitCall): Promise<Uint8Array> {
  assertFetchEnabled(room, call)
  if (call.version === 2) return advertiseUploadPack(noRefs, offerOf(room, call), 2)
  const { id, refsVersion } = repositoryIn(call)
  return advertiseRefs(room, call, await room.refs.read(id, refsVersion))
}

/** In versions 0 and 1 the refs are told first: those of that snapshot. */
export function advertiseRefs(room: GitRoom, call: GitCall, snapshot: RefSnapshot): Uint8Array {
  const { version } = call
  const offer = offerOf(room, call)
  const kind = `git-upload-pack ${version} ${capabilitiesV0(offer, null)}`
  const scope = scopeOf(room, call, 'fetch')
  return room.refAnswerAt(repositoryIn(call).id, snapshot, scope, kind, (refs) => advertiseUploadPack(refs, offer, version))
}

export function offerOf(room: GitRoom, call: GitCall): FetchOffer {
  const { agent } = room.options
  const { objectFormat: format } = repositoryIn(call)
  return fetchOffer(settingsOf(room, call), { format, agent, sessionId: room.sessionId, isStateful: call.isStateful })
}

/** As http-backend: http.uploadpack says it. */
export function assertFetchEnabled(room: GitRoom, call: GitCall): void {
  if (!settingsOf(room, call).fetch.isEnabled) throw new InputError('service-disabled', "Service not enabled: 'upload-pack'")
}

/**
 * Answers a request.
 * @param body as a POST to git-upload-pack has it
 * @param open the answer, once something is to be said
 * @throws InputError `service-disabled`, and what reading the body throws, before there is an answer
 */
export async function fetch(room: GitRoom, call: GitCall, body: AsyncIterable<Uint8Array>, open: () => GitAnswer): Promise<void> {
  assertFetchEnabled(room, call)
  const asked = await readFetch(room, call, body)
  if (asked === null) return open().end()
  await answerAsked(room, call, asked, open)
}

export type AskedFetch = CommandV2 | RefusedFetch

interface RefusedFetch {
  readonly command: null
  readonly refusal: string
  readonly sidebandAll: boolean
}

/** What a request asks for, or why it is refused; null: for nothing. */
export async function readFetch(room: GitRoom, call: GitCall, body: AsyncIterable<Uint8Array>): Promise<AskedFetch | null> {
  const { requestBytes: bytes, pktLines: lines } = room.options.limits
  const offer = offerOf(room, call)
  return await readWhole(room, body, (whole, isLarge) => parseFetch(whole, call.version, offer, { bytes, lines }, isLarge)).catch(refusalOf)
}

/**
 * Answers what was asked. What goes wrong once there is an answer is told in it as far as that is possible, and logged.
 * @throws before there is one: that the repository has gone, or can't be read now
 */
export async function answerAsked(room: GitRoom, call: GitCall, asked: AskedFetch, open: () => GitAnswer): Promise<void> {
  if (asked.command === null) return open().fail(errorPacket(asked.refusal, asked.sidebandAll))
  const repository = repositoryIn(call)
  const offer = offerOf(room, call)
  room.options.log.debug({ repository: repository.id, command: asked.command, ...asked.client }, 'a fetch command')
  const scope = scopeOf(room, call, 'fetch')
  if (asked.command === 'ls-refs') {
    const kind = `ls-refs ${JSON.stringify(asked.request)}`
    const bytes = await room.refAnswer(repository, scope, kind, (refs) => formatLsRefs(refs, asked.request))
    return open().end(bytes)
  }
  if (asked.command === 'bundle-uri') return open().end(formatBundleUris(offer.settings))
  const snapshot = await room.refs.read(repository.id, repository.refsVersion)
  const refs = room.views.of(snapshot, scope)
  if (asked.command === 'object-info')
    return await answerObjectInfo(room, repository, asked.request, { caller: placeKey(call), refs, offer }, open())
  await answerPack(room, repository, asked.request, { caller: placeKey(call), refs, offer, refsVersion: snapshot.version }, open())
}

/**
 * Reads a body and parses it. A large one takes a place: what is inflated from little, and held back, must not add up. `parse` is told whether
 * it is one.
 */
export async function readWhole<T>(
  room: GitRoom,
  body: AsyncIterable<Uint8Array>,
  parse: (body: Uint8Array, isLarge: boolean) => Promise<T>,
): Promise<T> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  let free: (() => void) | undefined
  try {
    for await (const part of body) {
      sizeBytes += part.length
      if (sizeBytes > smallRequestBytes) free ??= await room.requests.take()
      parts.push(part)
    }
    return await parse(concatBytes(parts), free !== undefined)
  } finally {
    free?.()
  }
}

/** A repository with very many refs may lead an honest client beyond the limit: it is told as any other fault of a request. */
function refusalOf(error: unknown): RefusedFetch {
  if (!(error instanceof InputError && error.code === 'too-large')) throw error
  return { command: null, refusal: error.message, sidebandAll: false }
}

/** Malformed requests are answered in the protocol's own form: status 200 and an ERR line, which git shows as `remote error: …`. */
async function parseFetch(
  body: Uint8Array,
  version: ProtocolVersion,
  offer: FetchOffer,
  limits: RequestLimits,
  isLarge: boolean,
): Promise<AskedFetch | null> {
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
  { caller, offer, refs }: Omit<ToldToFetch, 'refsVersion'>,
  answer: GitAnswer,
): Promise<void> {
  const free = await room.fetches.take(caller)
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
    answer.fail(errorPacket('the server failed; try again later'))
  } finally {
    free()
  }
}
