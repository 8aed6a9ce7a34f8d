// Requests to a Git server elsewhere, over HTTP(S): gitprotocol-http(5) from the client's side.
// Only the first request follows redirects, as git does it; where one leads to another host, the secret stays behind. Nothing that is thrown
// holds a secret. InputError: what the server says no to, `remote-…`; UnavailableError: it can't be reached, breaks off, or is busy.
import { createGunzip } from 'node:zlib'
import { pipeline, Readable } from 'node:stream'
import { InputError, UnavailableError } from '../../base/index.ts'
import type { Outbound, OutboundAnswer, OutboundRequest } from '../../http/index.ts'
import { printable } from '../format/capabilities.ts'
import type { RemoteUrl } from './remote-url.ts'

export type RemoteService = 'git-upload-pack' | 'git-receive-pack'

/** Who asks servers elsewhere. */
export interface RemoteClient {
  /** `stemma/0.1.0` */
  readonly agent: string
  /** Keeps it out of the server's own network, wherever a URL or a redirect leads. */
  readonly outbound: Outbound
}

export interface RemoteHttpOptions {
  readonly remote: RemoteUrl
  readonly client: RemoteClient
  /** So long nothing may come, or be taken. Default two minutes. */
  readonly idleMs?: number
  readonly signal: AbortSignal
}

const defaultIdleMs = 120_000
const mostRedirects = 5
const shownBytes = 300

export class RemoteHttp {
  readonly #options: RemoteHttpOptions
  #base: string
  #authorization: string | null

  constructor(options: RemoteHttpOptions) {
    this.#options = options
    this.#base = options.remote.url
    this.#authorization = options.remote.authorization
  }

  /** The bytes of the first answer: what there is, and what the server can. */
  async advertisement(service: RemoteService, protocol: string | null): Promise<AsyncIterable<Uint8Array>> {
    const tail = `/info/refs?service=${service}`
    let url = `${this.#base}${tail}`
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#request(url, { method: 'GET', headers: this.#headers(protocol) })
      const { status, headers } = answer.answer
      const { location } = headers
      if (status < 300 || status > 399 || location === undefined) {
        await this.#assertType(answer, `application/x-${service}-advertisement`)
        return answer.body
      }
      answer.drop()
      if (redirects === mostRedirects) throw new InputError('remote-redirect', `${this.#base} redirects more than ${mostRedirects} times`)
      url = this.#redirected(url, location, tail)
    }
  }

  /** The answer to one request of the service; the body may be as long as it likes. */
  async post(
    service: RemoteService,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    protocol: string | null,
  ): Promise<AsyncIterable<Uint8Array>> {
    const headers = {
      ...this.#headers(protocol),
      'content-type': `application/x-${service}-request`,
      accept: `application/x-${service}-result`,
    }
    const answer = await this.#request(`${this.#base}/${service}`, { method: 'POST', headers, body })
    await this.#assertType(answer, `application/x-${service}-result`)
    return answer.body
  }

  #headers(protocol: string | null): Record<string, string> {
    const headers: Record<string, string> = { 'user-agent': `git/${this.#options.client.agent}`, 'accept-encoding': 'gzip' }
    if (this.#authorization !== null) headers['authorization'] = this.#authorization
    if (protocol !== null) headers['git-protocol'] = protocol
    return headers
  }

  #redirected(from: string, location: string, tail: string): string {
    const next = URL.canParse(location, from) ? new URL(location, from) : null
    if (next === null || (next.protocol !== 'https:' && next.protocol !== 'http:') || !next.href.endsWith(tail)) {
      throw new InputError('remote-redirect', `${this.#base} redirects to what is no repository`)
    }
    const before = new URL(from)
    if (before.protocol === 'https:' && next.protocol === 'http:') {
      throw new InputError('remote-redirect', `${this.#base} redirects from https to http`)
    }
    if (before.origin !== next.origin) this.#authorization = null
    next.username = ''
    next.password = ''
    this.#base = next.href.slice(0, -tail.length)
    return next.href
  }

  async #request(url: string, request: Omit<OutboundRequest, 'url' | 'signal'>): Promise<RemoteAnswer> {
    const idle = new IdleLimit(this.#options.idleMs ?? defaultIdleMs, this.#options.signal)
    try {
      if (request.body !== undefined && !(request.body instanceof Uint8Array)) idle.pause() // the sender is watched by whoever makes the bytes
      const answer = await this.#options.client.outbound.request({ ...request, url, signal: idle.signal })
      return new RemoteAnswer(answer, idle, this.#base)
    } catch (error) {
      idle.end()
      throw unreachable(error, this.#base, this.#options.signal)
    }
  }

  async #assertType(answer: RemoteAnswer, type: string): Promise<void> {
    const { status, headers } = answer.answer
    const received = headers['content-type']?.split(';', 1)[0]?.trim() ?? ''
    if (status === 200 && received === type) return
    const said = await answer.beginning()
    if (status === 401 || status === 403) {
      const how = this.#authorization === null ? 'no credentials were given' : 'the credentials were refused'
      throw new InputError('remote-denied', `${this.#base}: access denied (${status}; ${how})`)
    }
    if (status === 404 || status === 410) throw new InputError('remote-not-found', `${this.#base}: repository not found`)
    if (status === 429 || status >= 500) throw new UnavailableError('remote-status', `${this.#base} answered ${status}${said}`)
    if (status === 200) {
      throw new InputError(
        'remote-not-git',
        `${this.#base} is no Git server that speaks the smart protocol (it answers with '${printable(received)}')`,
      )
    }
    throw new InputError('remote-status', `${this.#base} answered ${status}${said}`)
  }
}

/** An answer whose bytes are waited for at most so long. */
class RemoteAnswer {
  readonly answer: OutboundAnswer
  readonly #idle: IdleLimit
  readonly #url: string

  constructor(answer: OutboundAnswer, idle: IdleLimit, url: string) {
    this.answer = answer
    this.#idle = idle
    this.#url = url
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#read()
  }

  /** For messages: what a text says at its beginning, on one line. */
  async beginning(): Promise<string> {
    const isText = this.answer.headers['content-type']?.startsWith('text/plain') === true
    let text = ''
    try {
      if (isText) {
        for await (const bytes of this.#read()) {
          text += Buffer.from(bytes).toString()
          if (text.length >= shownBytes) break
        }
      }
    } catch {
      // what came is all there is to tell
    }
    this.drop()
    const line = text
      .slice(0, shownBytes)
      .replaceAll(/[\s\p{Cc}]+/gu, ' ')
      .trim()
    return line === '' ? '' : `: ${line}`
  }

  drop(): void {
    this.#idle.end()
    this.answer.drop()
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      this.#idle.begin()
      for await (const bytes of inflated(this.answer)) {
        this.#idle.pause()
        yield bytes
        this.#idle.begin()
      }
    } catch (error) {
      throw unreachable(error, this.#url, this.#idle.outer)
    } finally {
      this.#idle.end()
    }
  }
}

/** Ends a request on which nothing happens. */
class IdleLimit {
  readonly outer: AbortSignal
  readonly signal: AbortSignal
  readonly #limitMs: number
  readonly #idle = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(limitMs: number, outer: AbortSignal) {
    this.#limitMs = limitMs
    this.outer = outer
    this.signal = AbortSignal.any([this.#idle.signal, outer])
    this.begin()
  }

  begin(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#idle.abort(new UnavailableError('remote-stalled', 'nothing came for too long')), this.#limitMs)
  }

  pause(): void {
    clearTimeout(this.#timer)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

/** As it was before it was compressed for the way. */
function inflated({ headers, body }: OutboundAnswer): AsyncIterable<Uint8Array> {
  const coding = headers['content-encoding']?.toLowerCase() ?? 'identity'
  if (coding === 'identity') return body
  if (coding !== 'gzip' && coding !== 'x-gzip')
    throw new InputError('remote-protocol', `the answer is compressed by '${printable(coding)}'`)
  // what breaks on the way is thrown where the bytes are read
  return pipeline(Readable.from(body, { objectMode: false }), createGunzip(), () => {}) as AsyncIterable<Buffer>
}

function unreachable(error: unknown, url: string, outer: AbortSignal): unknown {
  outer.throwIfAborted()
  if (error instanceof UnavailableError) {
    const isConnection = error.code === 'outbound-unreachable'
    const words = isConnection ? `cannot reach ${url}: ${error.message}` : `${url}: ${error.message}`
    return new UnavailableError(isConnection ? 'remote-unreachable' : error.code, words, { cause: error })
  }
  if (error instanceof InputError && error.code.startsWith('outbound-')) {
    return new InputError(error.code.replace('outbound', 'remote'), `${url}: ${error.message}`, { cause: error })
  }
  // what the sender of our own bytes threw comes through as it is
  if (error instanceof InputError || (error instanceof Error && 'code' in error && error.name === 'CorruptError')) return error
  const words = error instanceof Error && error.message !== '' ? error.message : 'the connection failed'
  return new UnavailableError('remote-unreachable', `cannot reach ${url}: ${words}`, { cause: error })
}
