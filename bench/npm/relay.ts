// What stands between the registries and their upstream: it can be turned off, and counts. Addresses of the upstream in its documents become the relay's, so that
// tarballs come through it, too.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const asked = ['accept', 'if-none-match', 'if-modified-since', 'range']
const answered = ['content-type', 'etag', 'last-modified', 'cache-control', 'content-range', 'accept-ranges']

export class Relay {
  readonly #origin: string
  readonly #server = createServer((request, response) => void this.#pass(request, response).catch(() => response.destroy()))
  isOff = false
  requests = 0

  /** @param upstream the registry's address */
  constructor(upstream: string) {
    this.#origin = upstream.replace(/\/$/, '')
  }

  async open(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done))
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.isOff) return void request.socket.destroy()
    this.requests++
    const sent = Object.fromEntries(
      asked.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, String(request.headers[name])]])),
    )
    const answer = await fetch(`${this.#origin}${request.url}`, { headers: sent })
    const headers: Record<string, string> = {}
    for (const name of answered) headers[name] = answer.headers.get(name) ?? ''
    const kept = Object.entries(headers).filter(([, value]) => value !== '')
    response.writeHead(answer.status, Object.fromEntries(kept))
    if (/json/.test(headers['content-type'] ?? ''))
      return void response.end((await answer.text()).replaceAll(`${this.#origin}/`, `${this.url}/`))
    if (answer.body === null) return void response.end()
    await pipeline(Readable.fromWeb(answer.body as import('node:stream/web').ReadableStream), response)
  }
}
