// What a client asks for, after parsing: the same shape for every protocol version. Plain data, so that it can go to a worker.
import { InputError } from '../../base/index.ts'
import { assertFilterAllowed, type FilterRules, type FilterSpec, parseFilterSpec } from '../format/filter-spec.ts'
import { type ObjectFormat, type ObjectId, parseObjectId } from '../format/object-id.ts'

export interface RequestLimits {
  /** Bytes of the request body (after gzip). */
  readonly bytes: number
  /** pkt-lines in it. */
  readonly lines: number
}

export const defaultRequestLimits: RequestLimits = { bytes: 64 << 20, lines: 1_000_000 }

/** `deepen` with this depth means all of the history (git's INFINITE_DEPTH). */
export const infiniteDepth = 0x7fffffff

/** What a client tells of itself: for logs, and for whoever serves it specially. Clients choose it freely. */
export interface ClientFacts {
  readonly agent: string | null
  readonly sessionId: string | null
  /** `--server-option` of the user, in order. */
  readonly serverOptions: readonly string[]
}

export interface FetchRequest {
  readonly version: 0 | 1 | 2
  readonly wants: readonly ObjectId[]
  /** Full names of refs whose values are wanted, each once. */
  readonly wantRefs: readonly string[]
  /** Commits at which the client's history is cut off. */
  readonly shallows: readonly ObjectId[]
  /** Commits from each tip; 0 = not asked for. */
  readonly depth: number
  readonly deepenRelative: boolean
  /** Seconds since 1970, or null. */
  readonly deepenSince: number | null
  /** Names of refs. */
  readonly deepenNot: readonly string[]
  /** What the client wants to do without; null: nothing. */
  readonly filter: FilterSpec | null
  readonly thinPack: boolean
  readonly ofsDelta: boolean
  readonly includeTag: boolean
  readonly noProgress: boolean
  /** Largest frame with its header; 0 = the pack comes bare. Version 2 always has 65520. */
  readonly sideband: 0 | 1000 | 65520
  readonly multiAck: 'none' | 'continue' | 'detailed'
  readonly noDone: boolean
  readonly waitForDone: boolean
  /** Version 2: all of the answer comes in side-band frames. */
  readonly sidebandAll: boolean
  /** Protocols by which the client fetches parts of the pack from elsewhere: `https`. */
  readonly uriProtocols: readonly string[]
  /** Names of promisor remotes that the client accepts: what lies there may be left out. */
  readonly promisors: readonly string[]
  /** The haves in order, the flushes between them, and `done`. Empty in version 0: the body ended behind the wants. */
  readonly negotiation: readonly (ObjectId | 'flush' | 'done')[]
  /** Versions 0 and 1: which part of a conversation this is. Null: the request says all that there is to say (HTTP), or it is version 2. */
  readonly conversation: ConversationPart | null
}

export interface ConversationPart {
  /** So many entries of the negotiation were answered before: haves that turned out to be common. */
  readonly answered: number
  /** How the client's history is cut off was told before. */
  readonly isShallowTold: boolean
}

export interface FetchCommand {
  readonly command: 'fetch'
  readonly request: FetchRequest
  readonly client: ClientFacts
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] }
export type FetchRequestDraft = Mutable<FetchRequest>

export function emptyRequest(version: 0 | 1 | 2): FetchRequestDraft {
  return {
    version,
    wants: [],
    wantRefs: [],
    shallows: [],
    depth: 0,
    deepenRelative: false,
    deepenSince: null,
    deepenNot: [],
    filter: null,
    thinPack: false,
    ofsDelta: false,
    includeTag: false,
    noProgress: false,
    sideband: version === 2 ? 65520 : 0,
    multiAck: 'none',
    noDone: false,
    waitForDone: false,
    sidebandAll: false,
    uriProtocols: [],
    promisors: [],
    negotiation: [],
    conversation: null,
  }
}

/** Takes a `filter` line, which may come once. InputError when it is malformed or not allowed here. */
export function takeFilter(draft: FetchRequestDraft, text: string, rules: FilterRules): void {
  if (draft.filter !== null) throw new InputError('bad-request', 'multiple filter-specs cannot be combined')
  draft.filter = parseFilterSpec(text)
  assertFilterAllowed(draft.filter, rules)
}

/** Takes a `shallow` or `deepen…` line, the same in all versions; false when it is something else. InputError when it is malformed. */
export function takeShallowLine(draft: FetchRequestDraft, line: string, format: ObjectFormat): boolean {
  const [word, rest] = splitWord(line)
  switch (word) {
    case 'shallow':
      draft.shallows.push(objectIdOf(rest, format, `invalid shallow line: ${line}`))
      return true
    case 'deepen':
      if (!/^[0-9]{1,10}$/.test(rest) || Number(rest) === 0 || Number(rest) > infiniteDepth) {
        throw new InputError('bad-request', `Invalid deepen: ${line}`)
      }
      draft.depth = Number(rest)
      return true
    case 'deepen-since':
      if (!/^[0-9]{1,15}$/.test(rest)) throw new InputError('bad-request', `Invalid deepen-since: ${line}`)
      draft.deepenSince = Number(rest)
      return true
    case 'deepen-not':
      draft.deepenNot.push(rest)
      return true
    default:
      return false
  }
}

/** InputError for what git refuses in every version. */
export function assertSoundRequest(request: FetchRequest): void {
  if (request.depth > 0 && (request.deepenSince !== null || request.deepenNot.length > 0)) {
    throw new InputError('bad-request', 'git upload-pack: deepen and deepen-since (or deepen-not) cannot be used together')
  }
}

/** Whether the client wants its history cut off in another place than it is. */
export function deepens({ deepenNot, deepenSince, depth }: FetchRequest): boolean {
  return depth > 0 || deepenSince !== null || deepenNot.length > 0
}

/** `want X rest` → [`want`, `X rest`]. */
export function splitWord(line: string): [word: string, rest: string] {
  const at = line.indexOf(' ')
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)]
}

/** The id; InputError with that message when it is none. */
export function objectIdOf(text: string, format: ObjectFormat, message: string): ObjectId {
  const oid = parseObjectId(text, format)
  if (oid === null) throw new InputError('bad-request', message)
  return oid
}
