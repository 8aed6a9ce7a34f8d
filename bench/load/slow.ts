// Clients that cost a server what it lets them: headers and bodies that drip, and clones that nobody reads.
import { connect, type Socket } from 'node:net'
import { cloneBody } from './calls.ts'

const dripMs = 2000

export type SlowKind = 'headers' | 'body' | 'clone'

/** Slow clients of one kind that hold as many connections as they are let: whoever is cut off comes again. */
export class SlowClients {
  readonly #url: URL
  readonly #start: (socket: Socket) => NodeJS.Timeout | undefined
  readonly #open = new Set<Socket>()
  #isOver = false
  /** Connections that the server has ended. */
  cut = 0

  constructor(url: string, kind: SlowKind, { token, path, tip }: { readonly token: string; readonly path: string; readonly tip: string }) {
    this.#url = new URL(url)
    const authorization = `Authorization: Bearer ${token}\r\n`
    const post = `POST ${path}.git/git-upload-pack HTTP/1.1\r\nHost: x\r\n${authorization}Git-Protocol: version=2\r\nContent-Type: application/x-git-upload-pack-request\r\n`
    const body = cloneBody(tip, false)
    const drip = (socket: Socket, head: string, more: string) => {
      socket.write(head)
      return setInterval(() => socket.write(more), dripMs)
    }
    this.#start = {
      headers: (socket: Socket) => drip(socket, 'GET / HTTP/1.1\r\nHost: x\r\n', 'X-More: y\r\n'),
      body: (socket: Socket) => drip(socket, `${post}Content-Length: 100000\r\n\r\n`, 'x'),
      clone: (socket: Socket) => {
        socket.pause()
        socket.write(`${post}Content-Length: ${body.length}\r\n\r\n`)
        socket.write(body)
        return undefined
      },
    }[kind]
  }

  get open(): number {
    return this.#open.size
  }

  begin(count: number): void {
    for (let i = 0; i < count; i++) this.#connect()
  }

  #connect(): void {
    if (this.#isOver) return
    const socket = connect(Number(this.#url.port), this.#url.hostname)
    let timer: NodeJS.Timeout | undefined
    socket.on('error', () => {})
    socket.on('connect', () => {
      this.#open.add(socket)
      timer = this.#start(socket)
    })
    socket.on('close', () => {
      clearInterval(timer)
      this.#open.delete(socket)
      if (!this.#isOver) this.cut++
      setTimeout(() => this.#connect(), 200)
    })
    socket.on('end', () => socket.destroy())
  }

  end(): void {
    this.#isOver = true
    for (const socket of this.#open) socket.destroy()
  }
}
