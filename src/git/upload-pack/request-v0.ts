// The body of a POST to git-upload-pack in protocol versions 0 and 1 (gitprotocol-pack(5), gitprotocol-http(5)):
// want lines with the capabilities on the first, shallow and deepen lines, flush; then haves in batches that end with a flush, and `done`.
import { InputError } from '../../base/index.ts'
import { type Capability, capabilityValue, hasCapability, parseCapabilities } from '../format/capabilities.ts'
import type { ObjectFormat } from '../format/object-id.ts'
import type { FetchOffer } from './offer.ts'
import {
  assertSoundRequest,
  emptyRequest,
  type FetchCommand,
  type FetchRequestDraft,
  objectIdOf,
  type RequestLimits,
  splitWord,
  takeFilter,
  takeShallowLine,
} from './request.ts'
import { type ParseSteps, RequestLines } from './request-lines.ts'

/** The request and who asks, or null when it wants nothing. InputError with git's own words when it is malformed. */
export function* parseRequestV0(
  body: Uint8Array,
  version: 0 | 1,
  offer: FetchOffer,
  limits: RequestLimits,
): ParseSteps<FetchCommand | null> {
  const { format } = offer
  const lines = new RequestLines(body, limits)
  const draft = emptyRequest(version)
  const said: Capability[] = []
  for (let line = lines.next(); line.type !== 'flush' && line.type !== 'end'; line = lines.next()) {
    if (line.type === 'delim') throw new InputError('bad-packet', 'unexpected delimiter packet')
    takeNeed(draft, line.text, offer, said)
    if (lines.isStep) yield
  }
  if (draft.wants.length === 0) return null
  yield* takeNegotiation(draft, lines, format)
  assertSoundRequest(draft)
  const client = { agent: capabilityValue(said, 'agent'), sessionId: capabilityValue(said, 'session-id'), serverOptions: [] }
  return { command: 'fetch', request: draft, client }
}

/** One part of a conversation: haves up to a flush or to `done`. InputError as above. */
export function* parseHaves(body: Uint8Array, format: ObjectFormat, limits: RequestLimits): ParseSteps<FetchRequestDraft['negotiation']> {
  const draft = emptyRequest(0)
  yield* takeNegotiation(draft, new RequestLines(body, limits), format)
  return draft.negotiation
}

function takeNeed(draft: FetchRequestDraft, line: string, offer: FetchOffer, said: Capability[]): void {
  const { format, settings } = offer
  if (takeShallowLine(draft, line, format)) return
  const [word, rest] = splitWord(line)
  if (word === 'filter') {
    if (!settings.filter.isAllowed || !hasCapability(said, 'filter')) {
      throw new InputError('bad-request', 'git upload-pack: filtering capability not negotiated')
    }
    return takeFilter(draft, rest, settings.filter)
  }
  const [id, capabilities] = splitWord(rest)
  const message = `git upload-pack: protocol error, expected to get object ID, not '${line}'`
  if (word !== 'want') throw new InputError('bad-request', message)
  draft.wants.push(objectIdOf(id, format, message))
  if (capabilities === '') return
  const fresh = parseCapabilities(capabilities)
  said.push(...fresh)
  takeCapabilities(draft, fresh, format)
}

function takeCapabilities(draft: FetchRequestDraft, capabilities: readonly Capability[], format: ObjectFormat): void {
  const has = new Set(capabilities.map(({ name }) => name))
  draft.deepenRelative ||= has.has('deepen-relative')
  if (has.has('multi_ack_detailed')) draft.multiAck = 'detailed'
  else if (has.has('multi_ack') && draft.multiAck === 'none') draft.multiAck = 'continue'
  draft.noDone ||= has.has('no-done')
  draft.thinPack ||= has.has('thin-pack')
  draft.ofsDelta ||= has.has('ofs-delta')
  if (has.has('side-band-64k')) draft.sideband = 65520
  else if (has.has('side-band') && draft.sideband === 0) draft.sideband = 1000
  draft.noProgress ||= has.has('no-progress')
  draft.includeTag ||= has.has('include-tag')
  const other = capabilities.find(({ name, value }) => name === 'object-format' && value !== format)
  if (other) throw new InputError('object-format', `mismatched object format: server ${format}; client ${other.value}`)
}

function* takeNegotiation(draft: FetchRequestDraft, lines: RequestLines, format: ObjectFormat): ParseSteps<void> {
  for (let line = lines.next(); ; line = lines.next()) {
    if (lines.isStep) yield
    if (line.type === 'end') {
      const last = draft.negotiation.at(-1)
      if (last === undefined || last === 'flush') return
      throw new InputError('pkt-truncated', 'the remote end hung up unexpectedly')
    }
    if (line.type === 'flush') {
      draft.negotiation.push('flush')
      continue
    }
    const text = line.type === 'line' ? line.text : ''
    const [word, rest] = splitWord(text)
    if (text === 'done') {
      draft.negotiation.push('done')
      return
    }
    if (word !== 'have') throw new InputError('bad-request', `git upload-pack: expected SHA1 list, got '${text}'`)
    draft.negotiation.push(objectIdOf(rest, format, `git upload-pack: expected SHA1 object, got '${rest}'`))
  }
}
