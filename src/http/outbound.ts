// Requests to where somebody else says: webhooks' receivers, repositories to import and mirror, upstreams of images. The server stands in a network that they may not
// look into, so only public addresses are connected to, unless the operator allows others. The name is resolved once; every address that
// comes is checked, and the connection goes to one of exactly those: a name that changes meanwhile changes nothing.
// Redirects are never followed here: a caller that follows one makes a new request, which is checked as the first.
import { lookup as dnsLookup, type LookupAddress } from 'node:dns'
import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type AllowedHosts, InputError, isPublicAddress, UnavailableError } from '../base/index.ts'

export interface OutboundRequest {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>
  /** Ends the request, and the answer's body. */
  readonly signal: AbortSignal
  /** The receiver's certificate is taken as it is. */
  readonly insecureTls?: boolean
  /** One of many to the same host: the connection may be one that another such request has left, and is left for others (it leads to an address that was checked when it was made), and the name is resolved once for those that come together. */
  readonly isKept?: boolean
}

export interface OutboundAnswer {
  readonly status: number
  /** In small letters; where one came several times, joined by commas. */
  readonly headers: Readonly<Record<string, string>>
  /** As it comes: it is not decoded, and has no limit. */
  readonly body: AsyncIterable<Uint8Array>
  /** Nobody wants the rest. */
  drop(): void
}

export interface OutboundOptions {
  readonly allowed: AllowedHosts
  /** All addresses of a name; the system's own way without it. */
  readonly resolve?: (name: string) => Promise<readonly LookupAddress[]>
}

/** Ports above 1023 where other things than web servers listen, that could take a request for something else (WHATWG Fetch, "bad port"). */
const badPorts = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
])
const longestUrl = 2048
/** So long a name's addresses are taken for the same: hundreds of requests at once ask for one name. */
const resolvedMs = 10_000
/** Connections that wait for a next request. */
const kept = { keepAlive: true, timeout: 5000, maxFreeSockets: 32 } as const

/** Lives as long as the server. */
export class Outbound {
  readonly #allowed: AllowedHosts
  readonly #resolve: (name: string) => Promise<readonly LookupAddress[]>
  readonly #resolving = new Map<string, Promise<readonly LookupAddress[]>>()
  readonly #agents = { http: new HttpAgent(kept), https: new HttpsAgent(kept) }

  constructor({ allowed, resolve = resolveAll }: OutboundOptions) {
    this.#allowed = allowed
    this.#resolve = resolve
  }

  /**
   * What can be said of a URL without resolving its name: InputError `outbound-url` (its message says what is wrong with it) for another scheme, credentials,
   * a port where no web server is, or a private address.
   */
  checkUrl(text: string): URL {
    const url = text.length <= longestUrl && URL.canParse(text) ? new URL(text) : null
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.hostname === '') {
      throw refused(`is no http or https URL of at most ${longestUrl} characters`)
    }
    if (url.username !== '' || url.password !== '') throw refused('holds a user name or a password')
    const host = hostOf(url)
    const isAllowed = this.#allowed.hasName(host) || this.#allowed.hasAddress(host)
    if (isAllowed) return url
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
    if ((port < 1024 && port !== 80 && port !== 443) || badPorts.has(port)) throw refused(`names port ${port}, where no web server is`)
    if (isIP(host) !== 0 && !isPublicAddress(host)) throw privateAddress(host)
    return url
  }

  /**
   * Resolves with the answer's beginning. InputError `outbound-url` (`checkUrl`) or `outbound-private` (the name leads to a private address),
   * before anything is connected to; UnavailableError `outbound-unreachable`, whose message says why; the signal's reason; what the body's bytes throw.
   */
  async request(options: OutboundRequest): Promise<OutboundAnswer> {
    const { signal, body } = options
    signal.throwIfAborted()
    const url = this.checkUrl(options.url)
    const addresses = await this.#addressesOf(hostOf(url), options)
    for (;;) {
      const { sent, answered } = this.#send(url, options, addresses)
      const own: { error?: unknown } = {}
      if (body === undefined || body instanceof Uint8Array) sent.end(body)
      else {
        const bytes = watched(body, (error) => (own.error = error))
        pipeline(Readable.from(bytes, { objectMode: false }), sent).catch(answered.reject)
      }
      try {
        return answerOf(await answered.promise, signal)
      } catch (error) {
        sent.destroy()
        signal.throwIfAborted()
        if ('error' in own) throw own.error
        // the other side has closed a kept connection just now: that says nothing of it
        if (sent.reusedSocket && options.method !== 'POST') continue
        throw unreachable(error)
      }
    }
  }

  #send(
    url: URL,
    options: OutboundRequest,
    addresses: readonly LookupAddress[],
  ): { readonly sent: ClientRequest; readonly answered: PromiseWithResolvers<IncomingMessage> } {
    const isTls = url.protocol === 'https:'
    const agent = options.isKept !== true ? false : isTls ? this.#agents.https : this.#agents.http
    const answered = Promise.withResolvers<IncomingMessage>()
    const sent = (isTls ? httpsRequest : httpRequest)(url, { ...requestOptions(options, addresses), agent })
    sent.on('response', answered.resolve)
    sent.on('error', answered.reject)
    return { sent, answered }
  }

  async #addressesOf(host: string, { signal, isKept = false }: OutboundRequest): Promise<readonly LookupAddress[]> {
    const family = isIP(host)
    if (family !== 0) return [{ address: host, family }] // checked with the URL
    const aborted = Promise.withResolvers<never>()
    const abort = () => aborted.reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      const found = await Promise.race([isKept ? this.#resolved(host) : this.#resolve(host), aborted.promise]) // the system's resolver can't be told to stop
      if (found.length === 0) throw new UnavailableError('outbound-unreachable', `${host} has no address`)
      if (!this.#allowed.hasName(host)) for (const { address } of found) this.#assertOpen(address)
      return found
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof InputError || error instanceof UnavailableError) throw error
      throw unreachable(error)
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** Who asks while somebody asks, or soon after, gets the same. Each checks for himself. */
  #resolved(host: string): Promise<readonly LookupAddress[]> {
    const known = this.#resolving.get(host)
    if (known !== undefined) return known
    const resolving = this.#resolve(host)
    this.#resolving.set(host, resolving)
    const forget = () => void this.#resolving.delete(host)
    resolving.then(() => setTimeout(forget, resolvedMs).unref(), forget)
    return resolving
  }

  #assertOpen(address: string): void {
    if (!isPublicAddress(address) && !this.#allowed.hasAddress(address)) throw privateAddress(address)
  }
}

function requestOptions(options: OutboundRequest, addresses: readonly LookupAddress[]): RequestOptions & { rejectUnauthorized: boolean } {
  return {
    method: options.method,
    headers: options.headers,
    signal: options.signal,
    rejectUnauthorized: options.insecureTls !== true,
    lookup: (_host, { all }, done) => {
      const [first] = addresses as readonly [LookupAddress, ...LookupAddress[]]
      if (all === true) done(null, [...addresses])
      else done(null, first.address, first.family)
    },
  }
}

function answerOf(message: IncomingMessage, signal: AbortSignal): OutboundAnswer {
  const headers: Record<string, string> = {}
  for (const [name, values] of Object.entries(message.headersDistinct)) headers[name] = (values ?? []).join(', ')
  message.on('error', () => {}) // told to who reads the body
  const drop = () => void (isBare(message) ? message.resume() : message.destroy())
  return { status: message.statusCode ?? 0, headers, body: bodyOf(message, signal), drop }
}

async function* bodyOf(message: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const bytes of message) yield bytes as Buffer
  } catch (error) {
    signal.throwIfAborted()
    throw unreachable(error)
  } finally {
    message.destroy()
  }
}

/** Tells what the bytes' source threw from what the connection did. */
async function* watched(bytes: AsyncIterable<Uint8Array>, tell: (error: unknown) => void): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* bytes
  } catch (error) {
    tell(error)
    throw error
  }
}

function resolveAll(name: string): Promise<readonly LookupAddress[]> {
  const found = Promise.withResolvers<readonly LookupAddress[]>()
  dnsLookup(name, { all: true }, (error, addresses) => (error ? found.reject(error) : found.resolve(addresses)))
  return found.promise
}

/** Nothing comes that would have to be stopped. */
function isBare({ statusCode, headers }: IncomingMessage): boolean {
  return statusCode === 304 || statusCode === 204 || headers['content-length'] === '0'
}

/** Without the brackets of IPv6, and the dot that ends a full name. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
}

function refused(what: string): InputError {
  return new InputError('outbound-url', `the URL ${what}`)
}

function privateAddress(address: string): InputError {
  return new InputError(
    'outbound-private',
    `${address} is a private address, which this server connects to only where outbound.allowPrivate says so`,
  )
}

function unreachable(error: unknown): UnavailableError {
  // an attempt at several addresses
  const first = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error
  const reason = tlsReason(first)
  const code = first instanceof Error && 'code' in first ? ` (${String(first.code)})` : ''
  const words = reason ?? (first instanceof Error && first.message !== '' ? first.message : 'the connection failed')
  return new UnavailableError('outbound-unreachable', `${words}${words.includes(code.slice(2, -1)) ? '' : code}`, { cause: error })
}

/** OpenSSL's message has its queue's id and its own source file in it; its reason is what says something. */
function tlsReason(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const reason =
    'reason' in error && typeof error.reason === 'string' ? error.reason : /:SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1]
  return reason === undefined ? undefined : `TLS failed: ${reason}`
}
