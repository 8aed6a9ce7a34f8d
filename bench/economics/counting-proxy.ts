// An HTTP proxy between servers and an S3 server that counts what is asked and how many bytes of bodies go each way: of the server, its worker threads
// and the commands beside it alike, as the bucket sees it, repeated requests too. Heads are passed on as they are: an S3 signature covers Host.
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** `multipart`: begin, completion and abortion of an upload in parts. `list`: of keys, and of unfinished uploads. */
export const requestKinds = ['put', 'part', 'multipart', 'get', 'head', 'list', 'delete'] as const
export type RequestKind = (typeof requestKinds)[number]

export interface BucketCounts extends Readonly<Record<RequestKind, number>> {
  /** Bytes of bodies towards the bucket. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Answers of 400 and above, but for 404. */
  readonly failures: number
}

export const noCounts: BucketCounts = {
  put: 0,
  part: 0,
  multipart: 0,
  get: 0,
  head: 0,
  list: 0,
  delete: 0,
  bytesIn: 0,
  bytesOut: 0,
  failures: 0,
}

export function between(later: BucketCounts, earlier: BucketCounts): BucketCounts {
  const names = Object.keys(noCounts) as (keyof BucketCounts)[]
  return Object.fromEntries(names.map((name) => [name, later[name] - earlier[name]])) as unknown as BucketCounts
}

export function allRequests(counts: BucketCounts): number {
  return requestKinds.reduce((sum, kind) => sum + counts[kind], 0)
}

export class CountingProxy {
  readonly #target: URL
  readonly #server: Server
  readonly #agent = new Agent({ keepAlive: true })
  readonly #sockets = new Set<Socket>()
  readonly #counts: Record<keyof BucketCounts, number> = { ...noCounts }
  #lastAt = performance.now()

  private constructor(target: URL) {
    this.#target = target
    this.#server = createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, (from, to) => this.#forward(from, to))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  static async open(target: string): Promise<CountingProxy> {
    const proxy = new CountingProxy(new URL(target))
    await new Promise<void>((done) => proxy.#server.listen(0, '127.0.0.1', done))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** So far. */
  get counts(): BucketCounts {
    return { ...this.#counts }
  }

  /** Since a request came or ended. */
  get quietMs(): number {
    return performance.now() - this.#lastAt
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#agent.destroy()
    await new Promise<void>((done) => this.#server.close(() => done()))
  }

  #forward(from: IncomingMessage, to: ServerResponse): void {
    this.#counts[kindOf(from.method ?? '', from.url ?? '')]++
    this.#lastAt = performance.now()
    const { hostname, port } = this.#target
    const head = { hostname, port, method: from.method, path: from.url, headers: from.headers, agent: this.#agent }
    const onward = request(head, (answer) => {
      const status = answer.statusCode ?? 502
      if (status >= 400 && status !== 404) this.#counts.failures++
      to.writeHead(status, answer.rawHeaders)
      answer.on('data', (chunk: Buffer) => {
        this.#counts.bytesOut += chunk.length
        this.#lastAt = performance.now()
      })
      answer.on('error', () => to.destroy())
      answer.pipe(to)
    })
    from.on('data', (chunk: Buffer) => {
      this.#counts.bytesIn += chunk.length
      this.#lastAt = performance.now()
    })
    onward.on('error', () => to.destroy())
    from.on('error', () => onward.destroy())
    to.on('close', () => {
      if (!to.writableFinished) onward.destroy()
    })
    from.pipe(onward)
  }
}

function kindOf(method: string, path: string): RequestKind {
  const { pathname, searchParams } = new URL(path, 'http://bucket')
  const isOfKey = pathname.split('/').filter((part) => part !== '').length > 1
  if (method === 'PUT') return searchParams.has('partNumber') ? 'part' : 'put'
  if (method === 'POST') return searchParams.has('delete') ? 'delete' : 'multipart'
  if (method === 'DELETE') return searchParams.has('uploadId') ? 'multipart' : 'delete'
  if (method === 'HEAD') return 'head'
  return isOfKey ? 'get' : 'list'
}
