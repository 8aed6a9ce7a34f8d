// A front end for tests: passes HTTP requests on to a server and may change what it passes, or answer by itself.
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Front {
  readonly url: string
  /** Requests that came, newest last: `GET /path`. */
  readonly seen: { readonly line: string; readonly headers: IncomingMessage['headers'] }[]
  close(): Promise<void>
}

/** True when the request was answered and need not be passed on. */
export type Answerer = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean | void

/** @param target origin that requests go to; what `answer` deletes from the headers is not passed on */
export async function openFront(target: string, answer: Answerer = () => {}): Promise<Front> {
  const seen: Front['seen'] = []
  const server = createServer((incoming, outgoing) => {
    seen.push({ line: `${incoming.method} ${incoming.url}`, headers: { ...incoming.headers } })
    if (answer(incoming, outgoing) === true) return
    const passed = request(`${target}${incoming.url}`, {
      method: incoming.method,
      headers: { ...incoming.headers, host: new URL(target).host },
    })
    passed.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 500, response.headers)
      response.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    incoming.pipe(passed)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
