// The body of a POST to git-upload-pack in protocol version 2 (gitprotocol-v2(5)):
// command=… and capabilities, a delimiter, the command's arguments, flush.
// Invariant: what the offer doesn't hold is unknown, a command, a capability or an argument of fetch.
import { InputError } from '../../base/index.ts'
import { printable } from '../format/capabilities.ts'
import type { LsRefsRequest } from './ls-refs.ts'
import { type ObjectInfoRequest, parseObjectInfo } from './object-info.ts'
import type { FetchOffer } from './offer.ts'
import { parseAcceptedPromisors } from './promisor.ts'
import {
  assertSoundRequest,
  type ClientFacts,
  emptyRequest,
  type FetchCommand,
  type FetchRequest,
  type FetchRequestDraft,
  objectIdOf,
  type RequestLimits,
  splitWord,
  takeFilter,
  takeShallowLine,
} from './request.ts'
import { inSteps, type ParseSteps, RequestLines } from './request-lines.ts'

export type CommandV2 =
  | { readonly command: 'ls-refs'; readonly request: LsRefsRequest; readonly client: ClientFacts }
  | FetchCommand
  | { readonly command: 'object-info'; readonly request: ObjectInfoRequest; readonly client: ClientFacts }
  | { readonly command: 'bundle-uri'; readonly client: ClientFacts }

type CommandName = CommandV2['command']

/** As many prefixes as these, and git serves them all instead of choosing (ls-refs.c). */
const tooManyPrefixes = 65536

/** What the lines before the arguments say. */
interface Keys {
  command: CommandName | null
  agent: string | null
  sessionId: string | null
  serverOptions: string[]
  objectFormat: string
  promisors: readonly string[]
}

/** The command, or null when the body only ends the conversation. InputError with git's own words when it is malformed. */
export function* parseRequestV2(body: Uint8Array, offer: FetchOffer, limits: RequestLimits): ParseSteps<CommandV2 | null> {
  const lines = new RequestLines(body, limits)
  const keys: Keys = { command: null, agent: null, sessionId: null, serverOptions: [], objectFormat: 'sha1', promisors: [] }
  const more = takeKeys(lines, keys, offer)
  if (keys.command === null) return null
  const { agent, command, promisors, serverOptions, sessionId } = keys
  const client: ClientFacts = { agent, sessionId, serverOptions }
  const args: string[] = []
  if (more) {
    let line = lines.next()
    for (; line.type === 'line'; line = lines.next()) {
      args.push(line.text)
      if (lines.isStep) yield
    }
    if (line.type !== 'flush') throw new InputError('bad-packet', noFlush[command])
  }
  switch (command) {
    case 'ls-refs':
      return { command, request: lsRefsRequest(args, offer), client }
    case 'fetch':
      return { command, request: yield* fetchRequest(args, offer, promisors), client }
    case 'object-info':
      return { command, request: parseObjectInfo(args, offer.format), client }
    case 'bundle-uri':
      if (args[0] !== undefined) throw new InputError('bad-request', `bundle-uri: unexpected argument: '${printable(args[0])}'`)
      return { command, client }
  }
}

/** Whether the client expects frames from the first byte on: told of a body that could not be parsed. */
export function* asksSidebandAll(body: Uint8Array, offer: FetchOffer, limits: RequestLimits): ParseSteps<boolean> {
  if (!offer.settings.allowsSidebandAll) return false
  try {
    const lines = new RequestLines(body, limits)
    for (let line = lines.next(); line.type !== 'end'; line = lines.next()) {
      if (line.type === 'line' && line.text === 'sideband-all') return true
      if (lines.isStep) yield
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
  }
  return false
}

const noFlush: Readonly<Record<CommandName, string>> = {
  'ls-refs': 'expected flush after ls-refs arguments',
  fetch: 'expected flush after fetch arguments',
  'object-info': 'object-info: expected flush after arguments',
  'bundle-uri': 'bundle-uri: expected flush after arguments',
}

/** True when arguments follow. No command: the client says good-bye. */
function takeKeys(lines: RequestLines, keys: Keys, offer: FetchOffer): boolean {
  let seen = false
  let line = lines.next()
  for (; line.type === 'line'; line = lines.next()) {
    seen = true
    takeKey(line.text, keys, offer)
  }
  if (line.type === 'end' && !seen) return false
  if (line.type === 'end') throw new InputError('pkt-truncated', 'the remote end hung up unexpectedly')
  if (!seen && line.type === 'flush') return false
  if (keys.command === null) throw new InputError('bad-request', 'no command requested')
  if (keys.objectFormat !== offer.format) {
    throw new InputError('object-format', `mismatched object format: server ${offer.format}; client ${keys.objectFormat}`)
  }
  return line.type === 'delim'
}

function takeKey(line: string, keys: Keys, offer: FetchOffer): void {
  const at = line.indexOf('=')
  const key = at < 0 ? line : line.slice(0, at)
  const value = at < 0 ? null : line.slice(at + 1)
  if (key === 'command' && value !== null) keys.command = takeCommand(value, keys.command, offer)
  else if (key === 'object-format') keys.objectFormat = objectFormatOf(value)
  else if (key === 'agent') keys.agent = value ?? ''
  else if (key === 'server-option') keys.serverOptions.push(value ?? '')
  else if (key === 'session-id' && offer.sessionId !== null) keys.sessionId = value ?? ''
  else if (key === 'promisor-remote' && offer.promisors.length > 0) keys.promisors = parseAcceptedPromisors(value ?? '', offer.promisors)
  else throw new InputError('bad-request', `unknown capability '${printable(line)}'`)
}

function takeCommand(name: string, present: CommandName | null, { settings }: FetchOffer): CommandName {
  if (present !== null) {
    throw new InputError('bad-request', `command '${printable(name)}' requested after already requesting command '${present}'`)
  }
  if (name === 'ls-refs' || name === 'fetch') return name
  if (name === 'object-info' && settings.advertisesObjectInfo) return name
  if (name === 'bundle-uri' && settings.advertisesBundleUris) return name
  throw new InputError('bad-request', `invalid command '${printable(name)}'`)
}

function objectFormatOf(value: string | null): string {
  if (value === null) throw new InputError('object-format', 'object-format capability requires an argument')
  if (value !== 'sha1' && value !== 'sha256') throw new InputError('object-format', `unknown object format '${printable(value)}'`)
  return value
}

function lsRefsRequest(args: readonly string[], { settings }: FetchOffer): LsRefsRequest {
  const prefixes: string[] = []
  const request = { peel: false, symrefs: false, unborn: false, prefixes }
  for (const arg of args) {
    if (arg === 'peel') request.peel = true
    else if (arg === 'symrefs') request.symrefs = true
    else if (arg === 'unborn') request.unborn = settings.unborn !== 'ignore'
    else if (arg.startsWith('ref-prefix ')) prefixes.push(arg.slice('ref-prefix '.length))
    else throw unexpected(arg)
  }
  return prefixes.length >= tooManyPrefixes ? { ...request, prefixes: [] } : request
}

function* fetchRequest(args: readonly string[], offer: FetchOffer, promisors: readonly string[]): ParseSteps<FetchRequest> {
  const draft = emptyRequest(2)
  draft.promisors.push(...promisors)
  const names = new Set<string>()
  yield* inSteps(args, (arg) => takeFetchArgument(draft, arg, offer, names))
  assertSoundRequest(draft)
  if (!draft.sidebandAll) draft.uriProtocols = [] // as git: their section goes out in frames
  return draft
}

function takeFetchArgument(draft: FetchRequestDraft, arg: string, { format, settings }: FetchOffer, names: Set<string>): void {
  if (takeShallowLine(draft, arg, format)) return
  const [word, rest] = splitWord(arg)
  if (word === 'want') draft.wants.push(objectIdOf(rest, format, `git upload-pack: protocol error, expected to get oid, not '${arg}'`))
  else if (word === 'have') draft.negotiation.push(objectIdOf(rest, format, `git upload-pack: expected SHA1 object, got '${rest}'`))
  else if (arg === 'done') draft.negotiation.push('done')
  else if (arg === 'thin-pack') draft.thinPack = true
  else if (arg === 'ofs-delta') draft.ofsDelta = true
  else if (arg === 'no-progress') draft.noProgress = true
  else if (arg === 'include-tag') draft.includeTag = true
  else if (arg === 'wait-for-done') draft.waitForDone = true
  else if (arg === 'deepen-relative') draft.deepenRelative = true
  else if (word === 'want-ref' && settings.allowsRefInWant) takeWantRef(draft, rest, names)
  else if (word === 'filter' && settings.filter.isAllowed) takeFilter(draft, rest, settings.filter)
  else if (arg === 'sideband-all' && settings.allowsSidebandAll) draft.sidebandAll = true
  else if (word === 'packfile-uris' && settings.blobPackfileUris.length > 0) takeProtocols(draft, rest)
  else throw unexpected(arg)
}

function takeWantRef(draft: FetchRequestDraft, name: string, names: Set<string>): void {
  if (names.has(name)) throw new InputError('bad-request', `duplicate want-ref ${printable(name)}`)
  names.add(name)
  draft.wantRefs.push(name)
}

function takeProtocols(draft: FetchRequestDraft, list: string): void {
  if (draft.uriProtocols.length > 0) throw new InputError('bad-request', 'multiple packfile-uris lines forbidden')
  draft.uriProtocols.push(...list.split(','))
}

function unexpected(arg: string): InputError {
  return new InputError('bad-request', `unexpected line: '${arg}'`)
}
