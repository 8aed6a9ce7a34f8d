// An HTTP proxy that fails by a seed, to stand between a client and a real server: so the real client, or a whole server process, meets
// lost answers, cut bodies, 500 and 503, silence and delay. Heads are passed on as they are (an S3 signature covers Host).
import { createServer, type IncomingMessage, request, type RequestOptions, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Seeded } from './seeded.ts'

/**
 * `refuse`: 503, the server sees nothing. `drop`: the connection is cut, the server sees nothing. `cut-request`: the server gets half of
 * the body, then the connection is cut. `error-after`: the server does it, the client is told 500. `lose`: the server does it, the
 * connection is cut without an answer. `cut-answer`: the client gets half of the answer's body. `stall`: no answer until the
 * client gives up. `delay`: everything, but late.
 */
export type ProxyFault = 'refuse' | 'drop' | 'cut-request' | 'error-after' | 'lose' | 'cut-answer' | 'stall' | 'delay'

export const everyProxyFault: readonly ProxyFault[] = [
  'refuse',
  'drop',
  'cut-request',
  'error-after',
  'lose',
  'cut-answer',
  'stall',
  'delay',
]

export interface FailingProxyOptions {
  readonly target: URL
  readonly seed: number
  readonly probability: number
  readonly faults?: readonly ProxyFault[]
  /** 0: any. */
  readonly port?: number
  readonly mostDelayMs?: number
  /** Only these requests can fail; all when absent. */
  readonly only?: (method: string, path: string) => boolean
}

export class FailingProxy {
  /** 0 … 1; set to 0 to let everything through. */
  probability: number
  /** Faults so far, in order, as `PUT lose`. */
  readonly history: string[] = []
  readonly #options: FailingProxyOptions
  readonly #random: Seeded
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(options: FailingProxyOptions) {
    this.#options = options
    this.probability = options.probability
    this.#random = new Seeded(options.seed)
    this.#server = createServer((from, to) => this.#serve(from, to))
    // The client decides how long it keeps a connection.
    this.#server.keepAliveTimeout = 0
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** Resolves to the URL to use in the target's place. */
  async listen(): Promise<URL> {
    console.log(`failing proxy: seed ${this.#options.seed}`)
    await new Promise<void>((done, failed) => {
      this.#server.once('error', failed)
      this.#server.listen(this.#options.port ?? 0, '127.0.0.1', done)
    })
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((done) => this.#server.close(() => done()))
  }

  #choose(method: string, path: string): ProxyFault | null {
    if (this.#options.only?.(method, path) === false || this.#random.fraction() >= this.probability) return null
    const fault = this.#random.pick(this.#options.faults ?? everyProxyFault)
    this.history.push(`${method} ${fault}`)
    return fault
  }

  #serve(from: IncomingMessage, to: ServerResponse): void {
    const fault = this.#choose(from.method ?? '', from.url ?? '')
    from.on('error', () => {})
    to.on('error', () => {})
    if (fault === 'drop') return void from.socket.destroy()
    if (fault === 'stall') return void from.resume()
    if (fault === 'refuse') {
      from.resume()
      return void to.writeHead(503, { 'content-type': 'application/xml' }).end('<Error><Code>SlowDown</Code></Error>')
    }
    if (fault === 'delay')
      return void setTimeout(() => this.#forward(from, to, fault), this.#random.below(this.#options.mostDelayMs ?? 200))
    this.#forward(from, to, fault)
  }

  #forward(from: IncomingMessage, to: ServerResponse, fault: ProxyFault | null): void {
    const { hostname, port } = this.#options.target
    const head: RequestOptions = { method: from.method, path: from.url, headers: from.headers, hostname, port }
    const onward = request(head, (answer) => this.#answer(answer, to, fault))
    onward.on('error', () => to.destroy())
    to.on('close', () => onward.destroy())
    const half = fault === 'cut-request' ? Number(from.headers['content-length'] ?? 0) / 2 : Number.POSITIVE_INFINITY
    let sentBytes = 0
    from.on('data', (chunk: Buffer) => {
      sentBytes += chunk.length
      if (sentBytes <= half) {
        if (!onward.write(chunk)) {
          from.pause()
          onward.once('drain', () => from.resume())
        }
      } else {
        onward.destroy()
        from.socket.destroy()
      }
    })
    from.on('end', () => {
      if (fault === 'cut-request') from.socket.destroy()
      else onward.end()
    })
  }

  #answer(answer: IncomingMessage, to: ServerResponse, fault: ProxyFault | null): void {
    answer.on('error', () => to.destroy())
    if (fault === 'lose' || fault === 'error-after') {
      // The server has done its work when its answer ends.
      answer.resume().on('end', () => {
        if (fault === 'lose') to.destroy()
        else to.writeHead(500, { 'content-type': 'application/xml' }).end('<Error><Code>InternalError</Code></Error>')
      })
      return
    }
    to.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
    if (fault !== 'cut-answer') return void answer.pipe(to)
    const half = Number(answer.headers['content-length'] ?? 0) / 2
    let sentBytes = 0
    answer.on('data', (chunk: Buffer) => {
      if (sentBytes + chunk.length > half) {
        to.write(chunk.subarray(0, Math.max(0, Math.floor(half - sentBytes))), () => to.destroy())
        answer.destroy()
      } else {
        sentBytes += chunk.length
        to.write(chunk)
      }
    })
    answer.on('end', () => to.destroy())
  }
}
