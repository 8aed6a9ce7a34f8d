// A webhook's receiver: a real HTTP server that notes what comes and answers as the test says.
import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { until } from './until.ts'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly event: string
  readonly guid: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  readonly payload: any
}

type Answer = (received: Received, response: ServerResponse, request: IncomingMessage) => void

/** Takes everything with 200 unless a test has said otherwise for the path. */
export class Receiver {
  readonly all: Received[] = []
  readonly #server: Server
  readonly #answers = new Map<string, Answer>()

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(): Promise<Receiver> {
    const server = createServer()
    const receiver = new Receiver(server)
    server.on('request', (request, response) => receiver.#take(request, response))
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    return receiver
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }

  /** How requests to that path are answered from now on. */
  answer(path: string, answer: Answer): void {
    this.#answers.set(path, answer)
  }

  /** What came to that path, but for pings. */
  at(path: string, event?: string): readonly Received[] {
    return this.all.filter((one) => one.path === path && (event === undefined ? one.event !== 'ping' : one.event === event))
  }

  /** Waits until so many have come to that path. */
  async wait(path: string, count: number, event?: string): Promise<readonly Received[]> {
    await until(`${count} requests to ${path}`, () => this.at(path, event).length >= count)
    return this.at(path, event)
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('error', () => {})
    request.on('end', () => {
      const body = Buffer.concat(parts).toString()
      const received = receivedOf(request, body)
      this.all.push(received)
      const answer = this.#answers.get(received.path)
      if (answer === undefined) response.end('taken')
      else answer(received, response, request)
    })
  }
}

function receivedOf({ url, headers }: IncomingMessage, body: string): Received {
  const isForm = headers['content-type'] === 'application/x-www-form-urlencoded'
  const json: unknown = JSON.parse(isForm ? (new URLSearchParams(body).get('payload') ?? '') : body)
  const event = String(headers['x-github-event'])
  return { path: url ?? '', headers, body, event, guid: String(headers['x-github-delivery']), payload: json }
}

/** Whether it was signed with that secret. */
export function isSigned({ headers, body }: Received, secret: string): boolean {
  const mac = (hash: string) => `${hash}=${createHmac(hash, secret).update(body).digest('hex')}`
  return headers['x-hub-signature-256'] === mac('sha256') && headers['x-hub-signature'] === mac('sha1')
}
