// Where SSH connections are taken, how many, and how they end with the server.
import { createServer, type Server, type Socket } from 'node:net'
import ssh2 from 'ssh2'
import { makeFindKeyBearer, makeFindKeyCall } from '../access/index.ts'
import { Connection, type ConnectionParts, socketOf } from './connection.ts'
import { algorithms, mostLogins, type SshLimits } from './limits.ts'
import { Logins } from './logins.ts'

export interface SshOptions extends Omit<ConnectionParts, 'findCall' | 'findBearer' | 'limits'> {
  readonly limits: SshLimits
  /** Private keys, the preferred one first (hostKeys). */
  readonly hostKeys: readonly string[]
  /** `stemma/0.1.0` */
  readonly agent: string
  /** Where it is about to listen; 0: on any free port. */
  readonly port: number
}

/** Between questions whether a client is still there, and how many of them may stay unanswered. */
const keepAlive = { intervalMs: 15_000, most: 3 }

export class SshListener {
  readonly #options: SshOptions
  readonly #net: Server
  readonly #ssh: ssh2.Server
  readonly #connections = new Map<Socket, Connection | null>()
  readonly #logins: Logins
  #port: number

  constructor(options: SshOptions) {
    const { agent, hostKeys, limits } = options
    this.#options = options
    this.#port = options.port
    this.#logins = new Logins(Math.min(mostLogins, limits.connections), limits.loginTimeoutMs)
    this.#ssh = new ssh2.Server({
      hostKeys: [...hostKeys],
      algorithms,
      ident: agent.replace('/', '_').replaceAll(/[^\x21-\x7e]/g, ''),
      keepaliveInterval: keepAlive.intervalMs,
      keepaliveCountMax: keepAlive.most,
    })
    const parts = { ...options, findCall: makeFindKeyCall(), findBearer: makeFindKeyBearer() }
    this.#ssh.on('connection', (client) => {
      const socket = socketOf(client)
      this.#connections.set(socket, new Connection(parts, client, socket, () => this.#logins.remove(socket)))
    })
    this.#net = createServer({ noDelay: true }, (socket) => this.#take(socket))
  }

  get port(): number {
    return this.#port
  }

  /** Resolves once connections are taken; the system's error when the place can't be had. */
  async listen({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
    const { promise, reject, resolve } = Promise.withResolvers<void>()
    this.#net.once('error', reject)
    this.#net.listen({ host, port }, resolve)
    await promise
    this.#net.off('error', reject)
    this.#net.on('error', (error) => this.#options.log.error({ err: error }, 'the SSH listener failed'))
    const address = this.#net.address()
    if (address === null || typeof address === 'string') throw new Error('a TCP server without a port')
    this.#port = address.port
  }

  /** Takes no more connections, lets running commands end (at most `limits.drainMs`), ends idle connections. */
  async close(): Promise<void> {
    if (!this.#net.listening) return
    const closed = new Promise<void>((resolve) => this.#net.close(() => resolve()))
    for (const [socket, connection] of this.#connections) {
      if (connection === null) socket.destroy()
      else connection.end()
    }
    const cut = setTimeout(() => {
      this.#options.log.warn({ count: this.#connections.size }, 'SSH connections were cut off at the end of the drain')
      for (const socket of this.#connections.keys()) socket.destroy()
    }, this.#options.limits.drainMs)
    await closed
    clearTimeout(cut)
  }

  #take(socket: Socket): void {
    if (this.#connections.size >= this.#options.limits.connections) {
      socket.destroy()
      return
    }
    this.#connections.set(socket, null)
    socket.once('close', () => this.#connections.delete(socket))
    socket.on('error', () => {}) // before the library listens, and behind it
    this.#logins.add(socket)
    this.#ssh.injectSocket(socket)
  }
}
