// Fetches over Smart HTTP: the advertisement, and the POST that lists refs or asks for a pack.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { repositoryOf } from '../access/index.ts'
import { concatBytes, InputError } from '../base/index.ts'
import { Refusal, requestBody } from '../http/index.ts'
import { Answer } from './answer.ts'
import { scopeOf, settingsOf } from './context.ts'
import { answerPack } from './fetch-serving.ts'
import type { ObjectFormat } from './format/index.ts'
import { type GitRoom, smallRequestBytes } from './git-room.ts'
import {
  advertiseUploadPack,
  type CommandV2,
  errorPacket,
  formatLsRefs,
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
