// What happens to sockets outside of handlers: stalled clients, unread bodies, draining. All of it works on the Node server below Fastify.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpLimits } from './limits.ts'

/** The connections of one server; made before it listens. */
export class Connections {
  readonly #server: Server
  readonly #limits: HttpLimits
  // Each open socket, with the answer that is being given on it.
  readonly #open = new Map<Socket, ServerResponse | null>()

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
      this.#open.set(socket, null)
      socket.once('close', () => this.#open.delete(socket))
    })
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#watch(request, response))
    // Fires when nothing moved on the socket in either direction. With a listener here Node doesn't close the socket itself.
    server.on('timeout', (socket: Socket) => {
      const response = this.#open.get(socket)
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
      for (const [socket, response] of this.#open) {
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

  #watch(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    if (this.#open.has(socket)) this.#open.set(socket, response)
    response.once('finish', () => lingerThenCut(request, this.#limits.lingerMs))
    response.once('close', () => {
      if (this.#open.get(socket) === response) this.#open.set(socket, null)
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
