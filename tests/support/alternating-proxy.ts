// An HTTP proxy in front of several nodes: each request goes to the next node in turn, so no client meets the same one twice running. Heads are
// passed on as they are (answers name the host that the client asked), bodies as they come, both ways at once; nothing is tried again.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** Of one connection, not of the request (RFC 9110, 7.6.1). */
const ownHeaders = new Set(['connection', 'keep-alive', 'proxy-connection'])

export class AlternatingProxy {
  /** Requests that each node was given. */
  readonly counts: number[]
  readonly #targets: readonly URL[]
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #next = 0

  private constructor(targets: readonly URL[]) {
    this.#targets = targets
    this.counts = targets.map(() => 0)
    this.#server = createServer({ requestTimeout: 0, maxHeaderSize: 1 << 20 }, (from, to) => this.#forward(from, to))
    this.#server.on('checkContinue', (from: IncomingMessage, to: ServerResponse) => this.#forward(from, to))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** @param targets origins of the nodes */
  static async open(targets: readonly string[]): Promise<AlternatingProxy> {
    const proxy = new AlternatingProxy(targets.map((target) => new URL(target)))
    await new Promise<void>((done) => proxy.#server.listen(0, '127.0.0.1', done))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((done) => this.#server.close(() => done()))
  }

  #forward(from: IncomingMessage, to: ServerResponse): void {
    const turn = this.#next++ % this.#targets.length
    const target = this.#targets[turn] as URL
    this.counts[turn] = (this.counts[turn] ?? 0) + 1
    const { hostname, port } = target
    // A connection for each request: none is cut because the node has just closed one that stood idle.
    const onward = request({ hostname, port, method: from.method, path: from.url, headers: passed(from.rawHeaders), agent: false })
    let isAnswered = false
    onward.on('continue', () => to.writeContinue())
    onward.on('response', (answer) => {
      isAnswered = true
      to.writeHead(answer.statusCode ?? 502, answer.statusMessage, passed(answer.rawHeaders))
      answer.on('error', () => to.destroy())
      answer.on('end', () => {
        // Answered before it had read everything: what still comes is nobody's.
        from.unpipe(onward)
        from.resume()
      })
      answer.pipe(to)
    })
    onward.on('error', () => {
      if (!isAnswered) to.destroy()
    })
    from.on('error', () => onward.destroy())
    to.on('error', () => onward.destroy())
    to.on('close', () => {
      if (!to.writableFinished) onward.destroy()
    })
    // Also sends the head of a request that waits for "100 Continue": its body comes when the client has been told to go on.
    onward.flushHeaders()
    from.pipe(onward)
  }
}

function passed(rawHeaders: readonly string[]): string[] {
  const kept: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2)
    if (!ownHeaders.has(name.toLowerCase())) kept.push(name, value)
  }
  return kept
}
