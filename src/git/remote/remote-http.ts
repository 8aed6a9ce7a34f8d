// Requests to a Git server elsewhere, over HTTP(S): gitprotocol-http(5) from the client's side.
// Only the first request follows redirects, as git does it; where one leads to another host, the secret stays behind. Nothing that is thrown
// holds a secret. InputError: what the server says no to, `remote-…`; UnavailableError: it can't be reached, breaks off, or is busy.
import { InputError, UnavailableError } from '../../base/index.ts'
import { printable } from '../format/capabilities.ts'
import type { RemoteUrl } from './remote-url.ts'

export type RemoteService = 'git-upload-pack' | 'git-receive-pack'

export interface RemoteHttpOptions {
  readonly remote: RemoteUrl
  readonly agent: string
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
      const location = answer.response.headers.get('location')
      if (answer.response.status < 300 || answer.response.status > 399 || location === null) {
        await this.#assertType(answer, `application/x-${service}-advertisement`)
        return answer.body
      }
      await answer.drop()
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
    const sent = body instanceof Uint8Array ? { body: Buffer.from(body) } : { body: toStream(body), duplex: 'half' as const }
    const answer = await this.#request(`${this.#base}/${service}`, { method: 'POST', headers, ...sent })
    await this.#assertType(answer, `application/x-${service}-result`)
    return answer.body
  }

  #headers(protocol: string | null): Record<string, string> {
    const headers: Record<string, string> = { 'user-agent': `git/${this.#options.agent}`, 'accept-encoding': 'gzip' }
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

  async #request(url: string, init: RequestInit & { duplex?: 'half' }): Promise<RemoteAnswer> {
    const idle = new IdleLimit(this.#options.idleMs ?? defaultIdleMs, this.#options.signal)
    try {
      if (init.body instanceof ReadableStream) idle.pause() // the sender is watched by whoever makes the bytes
      const response = await fetch(url, { ...init, redirect: 'manual', signal: idle.signal })
      return new RemoteAnswer(response, idle, this.#base)
    } catch (error) {
      idle.end()
      throw unreachable(error, this.#base, this.#options.signal)
    }
  }

  async #assertType(answer: RemoteAnswer, type: string): Promise<void> {
    const { status, headers } = answer.response
    const received = headers.get('content-type')?.split(';', 1)[0]?.trim() ?? ''
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
  readonly response: Response
  readonly #idle: IdleLimit
  readonly #url: string

  constructor(response: Response, idle: IdleLimit, url: string) {
    this.response = response
    this.#idle = idle
    this.#url = url
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#read()
  }

  /** For messages: what a text says at its beginning, on one line. */
  async beginning(): Promise<string> {
    const isText = this.response.headers.get('content-type')?.startsWith('text/plain') === true
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
    await this.drop()
    const line = text
      .slice(0, shownBytes)
      .replaceAll(/[\s\p{Cc}]+/gu, ' ')
      .trim()
    return line === '' ? '' : `: ${line}`
  }

  async drop(): Promise<void> {
    this.#idle.end()
    await this.response.body?.cancel().catch(() => {})
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      this.#idle.begin()
      for await (const bytes of this.response.body ?? []) {
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

function unreachable(error: unknown, url: string, outer: AbortSignal): unknown {
  outer.throwIfAborted()
  if (error instanceof UnavailableError) return new UnavailableError(error.code, `${url}: ${error.message}`, { cause: error })
  // what the sender of our own bytes threw comes through as it is
  if (error instanceof InputError || (error instanceof Error && 'code' in error && error.name === 'CorruptError')) return error
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (cause instanceof InputError || cause instanceof UnavailableError) return cause
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  const words = cause instanceof Error && cause.message !== '' ? plainWords(cause) : 'the connection failed'
  return new UnavailableError('remote-unreachable', `cannot reach ${url}: ${words}${code}`, { cause: error })
}

/** OpenSSL's message has its queue's id and its own source file in it; its reason is what says something. */
function plainWords(cause: Error): string {
  return 'reason' in cause && typeof cause.reason === 'string' ? `TLS failed: ${cause.reason}` : cause.message
}

function toStream(bytes: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  return ReadableStream.from(bytes)
}
