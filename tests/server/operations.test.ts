// Watching the server: figures that Prometheus can read, traces that a collector gets, log lines that say which request they are about.
import assert from 'node:assert/strict'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { type Host, onPeer, openHost } from '../support/host.ts'
import { freePort } from '../support/port.ts'
import { parseExposition } from '../support/prometheus.ts'
import { Receiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'

interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[]
}

describe('watching the server', { skip: onPeer ? 'not on the peer' : false }, () => {
  let host: Host
  let receiver: Receiver
  let collector: HttpServer
  let metricsPort: number
  const spans: OtlpSpan[] = []
  const resources: unknown[] = []

  before(async () => {
    receiver = await Receiver.open()
    collector = createServer((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        assert.deepEqual([request.method, request.url, request.headers['content-type']], ['POST', '/v1/traces', 'application/json'])
        for (const { resource, scopeSpans } of JSON.parse(Buffer.concat(parts).toString()).resourceSpans) {
          resources.push(resource)
          for (const scope of scopeSpans) spans.push(...scope.spans)
        }
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      })
    })
    await new Promise<void>((done) => collector.listen(0, '127.0.0.1', done))
    metricsPort = await freePort()
    host = await openHost('operations', {
      STEMMA_METRICS_LISTEN: `127.0.0.1:${metricsPort}`,
      STEMMA_OTEL_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      STEMMA_LOG_LEVEL: 'debug',
    })
  })
  after(async () => {
    await host?.close()
    receiver?.close()
    collector?.closeAllConnections()
    collector?.close()
  })

  const figures = async () => parseExposition(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text())
  const attribute = (span: OtlpSpan, key: string) => Object.values(span.attributes.find((one) => one.key === key)?.value ?? {})[0]
  const childrenOf = (span: OtlpSpan) => spans.filter((one) => one.parentSpanId === span.spanId)
  const logLines = (): Record<string, unknown>[] =>
    host.server.output
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  it('figures count what was done', async () => {
    const earlier = await figures()
    const url = await host.create('counted')
    const hook = { config: { url: receiver.url('/counted'), content_type: 'json' } }
    assert.equal((await host.server.api('POST', '/api/v3/repos/admin/counted/hooks', hook)).status, 201)
    const path = await host.git.makeRepository(host.folder.join('counted'), 5)
    await host.git.run(['push', '-q', url, 'main'], { cwd: path })
    await host.git.run(['clone', '-q', url, host.folder.join('clone')])
    await host.server.api('GET', '/api/v3/repos/admin/nowhere')
    await receiver.wait('/counted', 1)
    await until(
      'the delivery is counted',
      async () => (await figures()).sum('stemma_webhook_deliveries_total', { outcome: 'delivered' }) >= 2,
    )
    const found = await figures()
    const grown = (name: string, labels: Record<string, string> = {}) => found.sum(name, labels) - earlier.sum(name, labels)
    const duration = 'stemma_http_request_duration_seconds_count'
    assert.equal(grown(duration, { method: 'POST', route: '/api/v3/user/repos', status: '201' }), 1)
    assert.equal(grown(duration, { method: 'GET', route: '/api/v3/repos/:owner/:repo', status: '404' }), 1)
    assert.equal(grown(duration, { method: 'POST', route: '/:owner/:repo.git/git-receive-pack', status: '200' }), 1)
    assert.ok(grown('stemma_http_received_bytes_total', { route: '/:owner/:repo.git/git-receive-pack' }) > 500)
    assert.ok(grown('stemma_http_sent_bytes_total', { route: '/:owner/:repo.git/git-upload-pack' }) > 500)
    assert.equal(grown('stemma_git_operations_total', { kind: 'pushes' }), 1)
    assert.equal(grown('stemma_git_operations_total', { kind: 'fetches' }), 1)
    assert.ok(grown('stemma_worker_jobs_total') >= 2)
    assert.ok(grown('stemma_database_statements_total') > 10)
    assert.equal(found.sum('stemma_database_connections') > 0, true)
    assert.ok(grown('stemma_job_runs_total', { job: 'webhooks', outcome: 'success' }) >= 1)
    assert.ok(found.sum('stemma_job_last_end_timestamp_seconds', { job: 'webhooks' }) > 1_700_000_000)
    assert.ok(found.sum('process_resident_memory_bytes') > 10 << 20)
    assert.ok(found.series.some((one) => one.name === 'stemma_outbox_lag_seconds' && one.labels.consumer === 'webhooks'))
    for (const name of [
      'stemma_event_loop_delay_seconds',
      'stemma_bucket_requests_total',
      'stemma_cache_blocks_total',
      'stemma_webhook_lag_seconds',
    ]) {
      assert.ok(found.types.has(name), name)
    }
    for (const { labels } of found.series) assert.doesNotMatch(JSON.stringify(labels), /counted|admin\/|stm_/, 'no name, no secret')
    await until('nothing is under way', async () => (await figures()).sum('stemma_http_requests_in_flight') === 0)
  })

  it('on the server itself figures are for tokens that may read the server, and nobody else', async () => {
    const at = (token: string) => host.server.api('GET', '/metrics', undefined, token)
    assert.equal((await at('')).status, 401)
    const user = await host.server.api('POST', '/api/v3/admin/users', { login: 'peeping' })
    assert.equal(user.status, 201)
    const answer = await at(host.server.token)
    assert.equal(answer.status, 200)
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    assert.ok(parseExposition(answer.body).types.has('stemma_build_info'))
    const own = await fetch(`http://127.0.0.1:${metricsPort}/other`)
    assert.equal(own.status, 404)
  })

  it("a request's span stands in the client's trace, and gate, database and worker below it", async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c'
    const url = await host.create('traced')
    const path = await host.git.makeRepository(host.folder.join('traced'), 3)
    await host.git.run(['-c', `http.extraHeader=traceparent: 00-${traceId}-b7ad6b7169203331-01`, 'push', '-q', url, 'main'], { cwd: path })
    const found = () => spans.find((span) => span.traceId === traceId && span.name.startsWith('POST') && span.name.endsWith('receive-pack'))
    await until('the push is in the trace', () => found() !== undefined)
    const push = found() as OtlpSpan
    assert.deepEqual([push.parentSpanId, push.kind], ['b7ad6b7169203331', 2])
    assert.equal(attribute(push, 'http.response.status_code'), '200')
    const below = (span: OtlpSpan): OtlpSpan[] => childrenOf(span).flatMap((child) => [child, ...below(child)])
    const names = () => new Set(below(push).map((span) => span.name))
    await until('its parts are there', () => ['gate', 'database', 'worker receive'].every((name) => names().has(name)))
    const gate = childrenOf(push).find((span) => span.name === 'gate') as OtlpSpan
    assert.ok(childrenOf(gate).some((span) => span.name === 'database'))
    const resource = resources[0] as { readonly attributes: readonly { readonly key: string; readonly value: { stringValue: string } }[] }
    assert.deepEqual(resource.attributes[0], { key: 'service.name', value: { stringValue: 'stemma' } })
  })

  it('background work and webhooks have traces of their own, which receivers are told of', async () => {
    await until('the webhook is traced', () => spans.some((span) => span.name === 'webhook push'))
    const webhook = spans.find((span) => span.name === 'webhook push') as OtlpSpan
    const [received] = receiver.at('/counted', 'push')
    assert.equal(received?.headers.traceparent, `00-${webhook.traceId}-${webhook.spanId}-01`)
    assert.ok(spans.some((span) => span.name === 'job webhooks' && span.parentSpanId === undefined))
  })

  it('every log line of a request has its id, and what the client sends forges none', async () => {
    const traceId = '1'.repeat(32)
    const ask = async (id: string) =>
      fetch(`${host.server.url}/admin/counted.git/info/refs?service=git-upload-pack`, {
        headers: { 'x-request-id': id, traceparent: `00-${traceId}-${'2'.repeat(16)}-01`, authorization: `Bearer ${host.server.token}` },
      })
    const answer = await ask('client-chose-this_1')
    const id = answer.headers.get('x-request-id')
    assert.match(id ?? '', /^[0-9a-f-]{36}$/)
    await until('the line is there', () => logLines().some((line) => line.msg === 'answered' && line.reqId === id))
    const line = logLines().find((one) => one.msg === 'answered' && one.reqId === id)
    assert.deepEqual([line?.clientRequestId, line?.traceId], ['client-chose-this_1', traceId])
    for (const bad of ['x'.repeat(129), 'a b', '"},{"level":60', '%0a', 'a{b}']) {
      const given = (await ask(bad)).headers.get('x-request-id')
      assert.notEqual(given, bad)
      await until('the line is there', () => logLines().some((one) => one.msg === 'answered' && one.reqId === given))
      assert.equal(logLines().find((one) => one.msg === 'answered' && one.reqId === given)?.clientRequestId, undefined)
    }
    // written by the Git room's own log, far below the request
    const command = logLines().find((one) => one.msg === 'a fetch command')
    assert.match(String(command?.reqId), /^[0-9a-f-]{36}$/)
    const text = host.server.output
    assert.equal(/"reqId":"[^"]*"[^\n]*"reqId"/.test(text), false, 'twice in one line')
  })
})
