// GET /metrics: on the server's own listener for tokens with the scope server:read, and, where metrics.listen says so, on an address of its own for
// whoever reaches that.
import { createServer } from 'node:http'
import { onSelf } from './access/index.ts'
import type { Metrics } from './base/index.ts'
import type { ListenAddress } from './config.ts'
import { type Listener, plainForm } from './http/index.ts'
import { listenOn } from './listening.ts'

const contentType = 'text/plain; version=0.0.4; charset=utf-8'

export function mountMetrics(listener: Listener, metrics: Metrics): void {
  listener.room({ form: plainForm, body: 'json' }, (routes) => {
    routes.get('/metrics', { config: { access: onSelf('server:read') } }, async (_request, reply) =>
      reply
        .type(contentType)
        .header('cache-control', 'no-store')
        .send(await metrics.text()),
    )
  })
}

/** Resolves when it listens, with what ends it. UnavailableError 'listen'. */
export async function listenForMetrics(metrics: Metrics, address: ListenAddress): Promise<() => Promise<void>> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5000, maxHeaderSize: 8192 }, (request, response) => {
    request.resume()
    if (request.method !== 'GET' || request.url?.split('?', 1)[0] !== '/metrics') return void response.writeHead(404).end()
    void metrics.text().then((text) => response.writeHead(200, { 'content-type': contentType }).end(text))
  })
  server.maxConnections = 64
  await listenOn(
    address,
    'metrics.listen (STEMMA_METRICS_LISTEN) says where metrics are',
    () =>
      new Promise<void>((done, fail) => {
        server.once('error', fail)
        server.listen(address.port, address.host, done)
      }),
  )
  return async () => {
    server.closeAllConnections()
    await new Promise<void>((done) => server.close(() => done()))
  }
}
