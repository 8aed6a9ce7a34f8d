// What happens to sockets outside of handlers: stalled clients, unread bodies, draining. All of it works on the Node server below Fastify.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpLimits } from './limits.ts'

/** Applies the limits that Node's server has, and watches for clients that stop reading. Call once, before listening. */
export function guardConnections(server: Server, limits: HttpLimits): void {
  // Node's requestTimeout covers the whole body: a push may take hours. Headers are timed by Node, bodies by their readers.
  server.requestTimeout = 0
  server.headersTimeout = limits.headerTimeoutMs
  server.keepAliveTimeout = limits.keepAliveMs
  server.maxConnections = limits.connections
  server.timeout = limits.stallTimeoutMs
  const answering = new WeakMap<Socket, ServerResponse>()
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    answering.set(request.socket, response)
    response.once('finish', () => lingerThenCut(request, limits.lingerMs))
    response.once('close', () => answering.delete(request.socket))
  })
  // Fires when nothing moved on the socket in either direction. With a listener here Node doesn't close the socket itself.
  server.on('timeout', (socket: Socket) => {
    const response = answering.get(socket)
    const isServersTurn = response !== undefined && socket.writableLength === 0 && !response.writableNeedDrain
    if (isServersTurn) socket.setTimeout(limits.stallTimeoutMs)
    else socket.destroy()
  })
}

// An answer may go out before the body was read (401, 413). Closing at once would reset the connection and could take the answer with it;
// reading on for ever would let anyone upload without limit.
function lingerThenCut(request: IncomingMessage, lingerMs: number): void {
  if (request.complete) return
  request.resume()
  const socket = request.socket
  const timer = setTimeout(() => {
    if (!request.complete) socket.destroy()
  }, lingerMs)
  request.once('close', () => clearTimeout(timer))
}

/**
 * Closes idle connections again and again while running requests end, and cuts off what still runs after `drainMs`.
 * The returned function ends the watch.
 */
export function drainConnections(server: Server, drainMs: number, onCut: () => void): () => void {
  const sweep = setInterval(() => server.closeIdleConnections(), 50)
  const cut = setTimeout(() => {
    onCut()
    server.closeAllConnections()
  }, drainMs)
  return () => {
    clearInterval(sweep)
    clearTimeout(cut)
  }
}
