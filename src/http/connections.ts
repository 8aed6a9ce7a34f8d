// What happens to sockets outside of handlers: stalled and slow clients, unread bodies, draining. All of it works on the Node server below
// Fastify.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpLimits } from './limits.ts'

/** How often slow clients are looked for, at most. */
const paceCheckMs = 5000

interface Open {
  /** The answer that is being given. */
  response: ServerResponse | null
  /** What the client had taken of it, and since when that was all. */
  takenBytes: number
  sinceMs: number
}

/** The connections of one server; made before it listens. */
export class Connections {
  readonly #server: Server
  readonly #limits: HttpLimits
  readonly #open = new Map<Socket, Open>()

  constructor(server: Server, limits: HttpLimits) {
    this.#server = server
    this.#limits = limits
    // Node's requestTimeout covers the whole body: a push may take hours. Headers are timed by Node, bodies by their readers.
    server.requestTimeout = 0
    server.headersTimeout = limits.headerTimeoutMs
    server.keepAliveTimeout = limits.keepAliveMs
    server.maxConnections = limits.connections
    server.timeout = limits.stallTimeoutMs
    server.on('connection', (socket: Socket) => {
      this.#open.set(socket, { response: null, takenBytes: 0, sinceMs: 0 })
      socket.once('close', () => this.#open.delete(socket))
    })
    const pacer = setInterval(() => this.#cutSlow(), Math.min(paceCheckMs, limits.slowGraceMs / 2))
    pacer.unref()
    server.once('close', () => clearInterval(pacer))
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#watch(request, response))
    // Fires when nothing moved on the socket in either direction. With a listener here Node doesn't close the socket itself.
    server.on('timeout', (socket: Socket) => {
      const response = this.#open.get(socket)?.response
      const isServersTurn = response && socket.writableLength === 0 && !response.writableNeedDrain
      if (isServersTurn) socket.setTimeout(limits.stallTimeoutMs)
      else socket.destroy()
    })
  }

  /**
   * Closes connections as they fall idle, those too on which nothing was asked yet, and cuts off what still runs after `drainMs`.
   * The returned function ends the watch.
   */
  drain(onCut: () => void): () => void {
    const sweep = setInterval(() => {
      for (const [socket, { response }] of this.#open) {
        if (response === null && socket.writableLength === 0) socket.destroy()
      }
    }, 50)
    const cut = setTimeout(() => {
      if (this.#open.size > 0) onCut()
      this.#server.closeAllConnections()
    }, this.#limits.drainMs)
    return () => {
      clearInterval(sweep)
      clearTimeout(cut)
    }
  }

  /**
   * Ends connections whose clients take too little: of a byte now and then the socket's own timeout doesn't tell, and all that while the answer's
   * memory is held. What is written at once counts as taken at once.
   */
  #cutSlow(): void {
    const { slowGraceMs, slowestBytesPerSecond } = this.#limits
    const nowMs = performance.now()
    for (const [socket, open] of this.#open) {
      const waitingBytes = socket.writableLength
      const takenBytes = socket.bytesWritten - waitingBytes
      if (waitingBytes === 0 || takenBytes !== open.takenBytes || open.sinceMs === 0) {
        open.takenBytes = takenBytes
        open.sinceMs = nowMs
      } else if (nowMs - open.sinceMs > slowGraceMs + (waitingBytes / slowestBytesPerSecond) * 1000) socket.destroy()
    }
  }

  #watch(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const open = this.#open.get(socket)
    if (open) open.response = response
    response.once('finish', () => lingerThenCut(request, this.#limits.lingerMs))
    response.once('close', () => {
      if (open?.response === response) open.response = null
    })
  }
}

// An answer may go out before the body was read (401, 413). Closing at once would reset the connection and could take the answer with it;
// reading on for ever would let anyone upload without limit.
function lingerThenCut(request: IncomingMessage, lingerMs: number): void {
  if (request.complete) return
  request.resume()
  const { socket } = request
  const timer = setTimeout(() => {
    if (!request.complete) socket.destroy()
  }, lingerMs)
  request.once('close', () => clearTimeout(timer))
}
