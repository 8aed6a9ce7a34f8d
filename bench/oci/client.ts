// One client of a registry on one kept connection, as cheap as Node allows: the servers that are measured share its processors. Request heads are strings, bodies
// go out as they lie in memory, and what comes in is counted in one buffer that is used again and again; only small bodies are kept.
import { connect, type Socket } from 'node:net'

export interface RegistryAnswer {
  readonly status: number
  /** As they came, names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** The first bytes of the body; the whole of it where it has no more than `keptBytes`. */
  readonly body: Buffer
  readonly bodyBytes: number
}

export interface RegistryCall {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly headers?: readonly string[]
  readonly body?: Uint8Array
}

const keptBytes = 64 * 1024
const headEnd = Buffer.from('\r\n\r\n')
const chunkedEnd = Buffer.from('0\r\n\r\n')

interface Waiting {
  readonly isHead: boolean
  resolve(answer: RegistryAnswer): void
  reject(error: Error): void
}

export class RegistryClient {
  readonly #port: number
  readonly #fixed: string
  #socket: Socket | null = null
  #waiting: Waiting | null = null
  #head: Buffer = Buffer.alloc(0)
  #answer: { status: number; headers: ReadonlyMap<string, string>; body: Buffer[]; bodyBytes: number; left: number } | null = null

  /** `authorization`: what stands behind `Authorization: `, or null. */
  constructor(port: number, authorization: string | null) {
    this.#port = port
    this.#fixed = `Host: 127.0.0.1:${port}\r\n${authorization === null ? '' : `Authorization: ${authorization}\r\n`}`
  }

  /** One request; the next one only after its answer. */
  async send({ method, path, headers = [], body }: RegistryCall): Promise<RegistryAnswer> {
    const socket = (this.#socket ??= this.#connect())
    const length =
      body === undefined ? (method === 'GET' || method === 'HEAD' ? [] : ['Content-Length: 0']) : [`Content-Length: ${body.length}`]
    const head = `${method} ${path} HTTP/1.1\r\n${this.#fixed}${[...headers, ...length].map((line) => `${line}\r\n`).join('')}\r\n`
    return new Promise((resolve, reject) => {
      this.#waiting = { isHead: method === 'HEAD', resolve, reject }
      if (body === undefined) socket.write(head, 'latin1')
      else {
        socket.cork()
        socket.write(head, 'latin1')
        socket.write(body)
        socket.uncork()
      }
    })
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = null
  }

  #connect(): Socket {
    const buffer = Buffer.allocUnsafe(256 * 1024)
    const callback = (count: number): boolean => {
      this.#take(buffer.subarray(0, count))
      return true
    }
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true, onread: { buffer, callback } })
    const failed = (error: Error): void => {
      this.#socket = null
      this.#waiting?.reject(error)
      this.#waiting = null
    }
    socket.on('error', failed)
    socket.on('close', () => failed(new Error('the server closed the connection')))
    return socket
  }

  #take(bytes: Buffer): void {
    let rest = bytes
    if (this.#answer === null) {
      this.#head = this.#head.length === 0 ? Buffer.from(rest) : Buffer.concat([this.#head, rest])
      const end = this.#head.indexOf(headEnd)
      if (end < 0) return
      rest = this.#head.subarray(end + 4)
      this.#begin(this.#head.toString('latin1', 0, end))
      this.#head = Buffer.alloc(0)
    }
    const answer = this.#answer
    if (answer === null) return
    answer.bodyBytes += rest.length
    if (answer.bodyBytes <= keptBytes) answer.body.push(Buffer.from(rest))
    if (answer.left >= 0) answer.left -= rest.length
    const isOver = answer.left < 0 ? rest.length >= 5 && rest.subarray(-5).equals(chunkedEnd) : answer.left === 0
    if (isOver) this.#end()
  }

  #begin(head: string): void {
    const [first = '', ...lines] = head.split('\r\n')
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
    const status = Number(first.slice(9, 12))
    const isBare = this.#waiting?.isHead === true || status === 204 || status === 304
    const length = headers.get('content-length')
    if (!isBare && length === undefined && headers.get('transfer-encoding') !== 'chunked') throw new Error(`a body without an end: ${head}`)
    // -1: its chunks say where it ends
    const left = isBare ? 0 : length === undefined ? -1 : Number(length)
    this.#answer = { status, headers, body: [], bodyBytes: 0, left }
  }

  #end(): void {
    const [answer, waiting] = [this.#answer, this.#waiting]
    this.#answer = null
    this.#waiting = null
    if (answer === null || waiting === null) return
    waiting.resolve({ status: answer.status, headers: answer.headers, body: Buffer.concat(answer.body), bodyBytes: answer.bodyBytes })
  }
}
