import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { AllowedHosts } from '../base/index.ts'
import { Outbound } from './outbound.ts'

let server: Server
let port: number
let handle: RequestListener
before(async () => {
  server = createServer((request, response) => handle(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  port = (server.address() as AddressInfo).port
})
after(() => {
  server.closeAllConnections()
  server.close()
})

const closed = new Outbound({ allowed: new AllowedHosts([]) })
const open = new Outbound({ allowed: new AllowedHosts(['127.0.0.0/8']) })
const get = (outbound: Outbound, url: string, signal = new AbortController().signal) =>
  outbound.request({ method: 'GET', url, headers: {}, signal })

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString()
}

test('private addresses in whatever spelling are refused, and nothing is connected to', async () => {
  let count = 0
  handle = (_request, response) => void (count++, response.end())
  const hosts = ['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001', '127.0.0.1.', '0.0.0.0', '0']
  hosts.push('[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[fe80::1]', '[fd00::1]')
  hosts.push('169.254.169.254', '10.0.0.1', '192.168.1.1', '172.16.0.1', '100.64.0.1', '1２７.0.0.1', '①②⑦.0.0.1')
  for (const host of hosts) await assert.rejects(get(closed, `http://${host}:${port}/`), { code: 'outbound-private' }, host)
  await assert.rejects(get(closed, `http://localhost:${port}/`), { code: 'outbound-private' })
  assert.equal(count, 0)
})

test('URLs that are refused for what they are', () => {
  const bad = [
    '',
    'x',
    '/a',
    'ftp://a/',
    'file:///etc/passwd',
    'gopher://a/',
    'http://',
    'http://a@b/',
    'http://a:b@c/',
    'http://[::1%25eth0]/',
  ]
  bad.push(
    'https://a.example:22/',
    'http://a.example:25/',
    'http://a.example:6667/',
    `http://a.example/${'x'.repeat(2048)}`,
    'http://a.example:0/',
  )
  for (const url of bad) assert.throws(() => closed.checkUrl(url), { code: 'outbound-url' }, url)
  for (const url of ['http://a.example', 'https://a.example:8443/x?y#z', 'http://8.8.8.8:8080/']) assert.ok(closed.checkUrl(url))
})

test('a name is resolved once, and the connection goes to what was checked', async () => {
  handle = (request, response) => response.end(`${request.headers.host} ${request.socket.localAddress}`)
  let asked = 0
  const resolve = async () => [{ address: ++asked === 1 ? '127.0.0.2' : '169.254.169.254', family: 4 }]
  const outbound = new Outbound({ allowed: new AllowedHosts(['127.0.0.2']), resolve })
  const second = createServer((request, response) => handle(request, response))
  await new Promise<void>((done) => second.listen(port, '127.0.0.2', done))
  const answer = await get(outbound, `http://receiver.test:${port}/`)
  assert.equal(await textOf(answer.body), `receiver.test:${port} 127.0.0.2`)
  assert.equal(asked, 1)
  second.close()
  await assert.rejects(get(outbound, `http://receiver.test:${port}/`), { code: 'outbound-private' })
})

test('one private address among several is enough to refuse', async () => {
  const resolve = async () => [
    { address: '93.184.216.34', family: 4 },
    { address: '::ffff:10.0.0.1', family: 6 },
  ]
  const outbound = new Outbound({ allowed: new AllowedHosts([]), resolve })
  await assert.rejects(get(outbound, 'https://receiver.test/'), { code: 'outbound-private' })
})

test('a host that is allowed by its name may lead anywhere', async () => {
  handle = (_request, response) => response.end('here')
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
  const outbound = new Outbound({ allowed: new AllowedHosts(['ci.internal']), resolve })
  assert.equal(await textOf((await get(outbound, `http://ci.internal:${port}/`)).body), 'here')
  await assert.rejects(get(outbound, `http://other.internal:${port}/`), { code: 'outbound-private' })
})

test('a redirect is an answer', async () => {
  handle = (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end()
  const answer = await get(open, `http://127.0.0.1:${port}/`)
  assert.deepEqual([answer.status, answer.headers.location], [302, 'http://169.254.169.254/'])
  answer.drop()
})

test('whoever never answers, breaks off or goes on for ever is left by signal and by drop', async () => {
  handle = () => {}
  const reason = new Error('enough')
  const stopping = new AbortController()
  const waiting = get(open, `http://127.0.0.1:${port}/`, stopping.signal)
  setTimeout(() => stopping.abort(reason), 50)
  await assert.rejects(waiting, reason)
  handle = (request) => request.socket.destroy()
  await assert.rejects(get(open, `http://127.0.0.1:${port}/`), { code: 'outbound-unreachable' })
  handle = (_request, response) => {
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(10_000)));
    }
    response.on('drain', more)
    more()
  }
  let bytes = 0
  for await (const part of (await get(open, `http://127.0.0.1:${port}/`)).body) {
    bytes += part.length
    if (bytes > 100_000) break
  }
  assert.ok(bytes > 100_000)
})

test('a body of bytes that come, and what their source throws', async () => {
  handle = (request, response) => request.pipe(response)
  const body = async function* () {
    yield Buffer.from('one ')
    yield Buffer.from('two')
  }
  const signal = new AbortController().signal
  const sent = { method: 'POST', url: `http://127.0.0.1:${port}/`, headers: {}, signal } as const
  assert.equal(await textOf((await open.request({ ...sent, body: body() })).body), 'one two')
  const failure = new Error('no more bytes')
  const failing = async function* () {
    yield Buffer.from('one ')
    throw failure
  }
  handle = (request, response) => request.on('end', () => response.end())
  await assert.rejects(open.request({ ...sent, body: failing() }), failure)
})

test('what is not there is unreachable', async () => {
  const resolve = async () => {
    throw Object.assign(new Error('getaddrinfo ENOTFOUND nowhere.test'), { code: 'ENOTFOUND' })
  }
  const outbound = new Outbound({ allowed: new AllowedHosts([]), resolve })
  await assert.rejects(get(outbound, 'http://nowhere.test/'), { code: 'outbound-unreachable', message: /ENOTFOUND/ })
  await assert.rejects(get(open, 'http://127.0.0.1:9/'), { code: 'outbound-unreachable', message: /ECONNREFUSED/ })
})

test('requests of a kind share connections and one question for the name; one that was closed meanwhile is made anew', async () => {
  let connections = 0
  let asked = 0
  const server = createServer((request, response) => {
    if (request.url === '/last') response.setHeader('connection', 'keep-alive')
    response.end('ok', () => {
      if (request.url === '/last') request.socket.end()
    })
  })
  server.on('connection', () => void connections++)
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const resolve = async () => {
    asked++
    return [{ address: '127.0.0.1', family: 4 }]
  }
  const outbound = new Outbound({ allowed: new AllowedHosts(['127.0.0.1']), resolve })
  const get = async (path: string, isKept: boolean) => {
    const answer = await outbound.request({
      method: 'GET',
      url: `http://many.example:${port}${path}`,
      headers: {},
      signal: AbortSignal.timeout(20_000),
      isKept,
    })
    const pieces: Uint8Array[] = []
    for await (const piece of answer.body) pieces.push(piece)
    return Buffer.concat(pieces).toString()
  }
  try {
    for (let i = 0; i < 3; i++) assert.equal(await get('/', true), 'ok')
    assert.deepEqual([connections, asked], [1, 1])
    assert.equal(await get('/', false), 'ok')
    assert.deepEqual([connections, asked], [2, 2])
    assert.equal(await get('/last', true), 'ok')
    assert.equal(await get('/', true), 'ok')
    assert.equal(asked, 2)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
