import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import { pino } from 'pino'
import Type from 'typebox'
import { activityFields, CorruptError, InputError, systemRandomness, UnavailableError } from '../base/index.ts'
import {
  type Gate,
  type HttpLimits,
  type Listener,
  makeListener,
  plainForm,
  Refusal,
  requestBody,
  type RoomOptions,
  type Routes,
  type Verdict,
} from './index.ts'

const open: Listener[] = []
after(() => Promise.all(open.map((listener) => listener.close())))
const secret = 'stm_very_secret_token'
const anything = { action: 'thing:read', resource: () => null }
const json: RoomOptions = { form: plainForm, body: 'json' }
const raw: RoomOptions = { form: plainForm, body: { raw: /^application\/x-raw/ }, challenge: true }

function gateSaying(verdict: Verdict): Gate & { calls: string[] } {
  const calls: string[] = []
  return {
    calls,
    actions: new Set(['thing:read', 'thing:write']),
    refusalOf: (action) => `This takes ${action}`,
    properties: { caller: null },
    keyOf: ({ headers }) => headers.authorization ?? null,
    nameOf: ({ headers }) => (headers.authorization === undefined ? null : 'someone'),
    admit: async (_request: FastifyRequest, action: string | null) => {
      calls.push(String(action))
      return verdict
    },
  }
}

interface Setup {
  readonly verdict?: Verdict
  readonly limits?: Partial<HttpLimits>
  readonly room?: RoomOptions
}

function listenerWith(register: (routes: Routes) => void, setup: Setup = {}) {
  const lines: string[] = []
  const gate = gateSaying(setup.verdict ?? 'allowed')
  const log = pino({ level: 'trace', mixin: activityFields }, { write: (line: string) => void lines.push(line) })
  const listener = makeListener({ gate, log, randomness: systemRandomness, limits: { drainMs: 500, ...setup.limits } })
  listener.room(setup.room ?? json, register)
  open.push(listener)
  return { listener, gate, lines, start: () => listener.listen({ host: '127.0.0.1', port: 0 }) }
}

test('a route that declares nothing, or an unknown action, stops the start', async () => {
  await assert.rejects(listenerWith((routes) => routes.get('/x', async () => 'x')).listener.ready(), /GET \/x declares no access/)
  const unknown = { config: { access: { action: 'thing:paint', resource: () => null } } }
  await assert.rejects(
    listenerWith((routes) => routes.get('/x', unknown, async () => 'x')).listener.ready(),
    /unknown action 'thing:paint'/,
  )
})

test('the gate is asked before every handler, with what the route declares', async () => {
  const { listener, gate } = listenerWith((routes) => {
    routes.get('/open', { config: { access: 'public' } }, async () => 'x')
    routes.get('/read', { config: { access: anything } }, async () => 'x')
    const of = (request: FastifyRequest) => (request.url.includes('write') ? 'thing:write' : 'thing:read')
    const chosen = { action: { of, examples: { 'thing:read': '', 'thing:write': '?write' } }, resource: () => null }
    routes.get('/either', { config: { access: chosen } }, async () => 'x')
  })
  for (const url of ['/open', '/read', '/either', '/either?write']) assert.equal((await listener.inject({ url })).statusCode, 200)
  assert.equal((await listener.inject({ url: '/read', method: 'HEAD' })).body, '')
  assert.deepEqual(gate.calls, ['null', 'thing:read', 'thing:read', 'thing:write', 'thing:read'])
  assert.deepEqual(listener.routes.map((route) => `${route.method} ${route.url}`).sort(), [
    'GET /either',
    'GET /open',
    'GET /read',
    'HEAD /either',
    'HEAD /open',
    'HEAD /read',
  ])
})

test('where the action stands in the body, the gate is asked with it, and before anything else is said of the body', async () => {
  const of = (request: FastifyRequest) => ((request.body as { write?: unknown } | null)?.write === true ? 'thing:write' : 'thing:read')
  const chosen = { action: { of, examples: { 'thing:read': '', 'thing:write': '' } }, resource: () => null, after: 'body' } as const
  const register = (routes: Routes) =>
    void routes.post('/x', { config: { access: chosen }, schema: { body: Type.Object({ write: Type.Boolean() }) } }, async () => 'done')
  const { listener, gate } = listenerWith(register)
  for (const payload of [{ write: true }, { write: false }, {}]) await listener.inject({ method: 'POST', url: '/x', payload })
  assert.deepEqual(gate.calls, ['thing:write', 'thing:read', 'thing:read'])
  const shut = listenerWith(register, { verdict: 'hidden' }).listener
  for (const payload of [{ write: true }, {}]) assert.equal((await shut.inject({ method: 'POST', url: '/x', payload })).statusCode, 404)
})

test('verdicts become statuses; a room with a challenge asks anonymous callers for credentials', async () => {
  const expected: [Verdict, number, number][] = [
    ['bad-credentials', 401, 401],
    ['unauthenticated', 401, 401],
    ['hidden', 404, 401],
    ['forbidden', 403, 403],
    ['suspended', 403, 403],
    ['cross-site', 403, 403],
  ]
  for (const [verdict, status, challenged] of expected) {
    let isReached = false
    const register = (routes: Routes) => routes.get('/x', { config: { access: anything } }, async () => (isReached = true))
    const plain = listenerWith((routes) => void register(routes), { verdict }).listener
    const git = listenerWith((routes) => void register(routes), { verdict, room: raw }).listener
    assert.equal((await plain.inject({ url: '/x' })).statusCode, status)
    assert.equal((await git.inject({ url: '/x' })).statusCode, challenged)
    if (verdict === 'hidden') assert.equal((await git.inject({ url: '/x', headers: { authorization: 'Bearer x' } })).statusCode, 404)
    assert.equal(isReached, false)
  }
})

test('errors become answers in one place, and say nothing of the inside', async () => {
  const errors: Record<string, unknown> = {
    '/400': new InputError('odd', 'odd input'),
    '/503': new UnavailableError('database', 'inside'),
    '/500': new Error('inside'),
    '/501': new CorruptError('short', 'inside'),
  }
  const { listener, lines } = listenerWith((routes) => {
    for (const [url, error] of Object.entries(errors)) {
      routes.get(url, { config: { access: 'public' } }, async () => {
        throw error
      })
    }
  })
  const answers = await Promise.all(Object.keys(errors).map((url) => listener.inject({ url })))
  assert.deepEqual(
    answers.map((answer) => answer.statusCode),
    [400, 503, 500, 500],
  )
  assert.equal(answers[1]?.headers['retry-after'], '5')
  assert.ok(answers.every((answer) => !answer.body.includes('inside') && answer.headers['x-request-id']))
  const alarms = lines.map((line) => JSON.parse(line)).filter((line) => line.alarm)
  assert.equal(alarms.length, 1)
  assert.equal(alarms[0].reqId, answers[3]?.headers['x-request-id'])
})

test('what callers can cause at will is one line without a stack, a fault is an error with one', async () => {
  const errors: Record<string, Error> = {
    '/refused': new Refusal(502, 'unknown', 'the upstream said something else'),
    '/left': new UnavailableError('aborted', 'the caller gave up'),
    '/fault': new UnavailableError('database', 'connect ECONNREFUSED'),
  }
  const { listener, lines } = listenerWith((routes) => {
    for (const [url, error] of Object.entries(errors)) routes.get(url, { config: { access: 'public' } }, async () => Promise.reject(error))
  })
  for (const url of Object.keys(errors)) await listener.inject({ url })
  const logged = lines.map((line) => JSON.parse(line)).filter(({ msg }) => /^answered \d/.test(msg))
  assert.deepEqual(
    logged.map(({ level, code, reason, err }) => [level, code, reason, err?.stack !== undefined]),
    [
      [40, 'unknown', 'the upstream said something else', false],
      [40, 'unavailable', 'the caller gave up', false],
      [50, 'unavailable', undefined, true],
    ],
  )
})

test('no header, query string or body is logged', async () => {
  const { lines, start } = listenerWith((routes) => {
    routes.post('/x', { config: { access: anything } }, async () => {
      throw new Error('inside')
    })
  })
  const url = await start()
  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
  await fetch(`${url}/x?token=${secret}`, { method: 'POST', headers, body: JSON.stringify({ secret }) })
  await fetch(`${url}/missing?token=${secret}`, { headers })
  await fetch(`${url}/a%2fb?token=${secret}`, { headers })
  assert.equal(lines.filter((line) => line.includes('answered')).length >= 3, true)
  assert.ok(
    lines.every((line) => !line.includes(secret)),
    lines.join(''),
  )
})

test('unknown paths, wrong methods, OPTIONS, and paths with two readings', async () => {
  let isReached = false
  const { start } = listenerWith((routes) => {
    routes.get('/things/:name', { config: { access: 'public' } }, async () => 'x')
    routes.delete('/things/:name', { config: { access: 'public' } }, async () => 'x')
    routes.get('/*', { config: { access: 'public' } }, async () => (isReached = true))
  })
  const url = new URL(await start())
  const ask = (line: string) => exchange(Number(url.port), `${line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
  assert.match(await ask('OPTIONS /things/a'), /^HTTP\/1.1 204 [^]*allow: DELETE, GET, HEAD, OPTIONS/i)
  assert.match(await ask('PUT /things/a'), /^HTTP\/1.1 405 [^]*allow: DELETE, GET, HEAD, OPTIONS/i)
  for (const path of ['/things/%2e%2e', '/a%2fb', '//a', '/a/../b', '/a/%2E./b', 'http://h/a', '/%', '/a%00', '/a\\b']) {
    assert.match(await ask(`GET ${path}`), /^HTTP\/1.1 400 /, path)
  }
  assert.equal(isReached, false)
  const none = listenerWith((routes) => routes.get('/x', { config: { access: 'public' } }, async () => 'x')).listener
  assert.equal((await none.inject({ url: '/y' })).json().message, 'Not Found')
  assert.equal((await none.inject({ url: '/y', headers: { accept: 'text/plain' } })).body, 'Not Found\n')
})

test('JSON bodies: any content type, no coercion, faults by field, size and time limits', async () => {
  const schema = { body: Type.Object({ name: Type.String({ minLength: 2 }), isOn: Type.Optional(Type.Boolean()) }) }
  const register = (routes: Routes) => routes.post('/x', { config: { access: 'public' }, schema }, async (request) => request.body.name)
  const limits = { jsonBodyBytes: 100, jsonBodyTimeoutMs: 150, lingerMs: 50 }
  const { listener, start } = listenerWith((routes) => void register(routes), { limits })
  const post = (body: string, type = 'application/x-www-form-urlencoded') =>
    listener.inject({ method: 'POST', url: '/x', body, headers: { 'content-type': type } })
  assert.equal((await post('{"name":"ab"}')).statusCode, 200)
  const statuses = await Promise.all(
    ['{"name":1}', '{"name":"ab","isOn":"true"}', '{', 'null', '', `"${'x'.repeat(200)}"`].map((body) => post(body)),
  )
  assert.deepEqual(
    statuses.map((answer) => answer.statusCode),
    [422, 422, 400, 422, 422, 413],
  )
  const url = new URL(await start())
  const slow = exchange(Number(url.port), 'POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\n{')
  assert.match(await slow, /^HTTP\/1.1 408 /)
})

test('headers: too large is 431, too slow is cut off', async () => {
  const limits = { headerBytes: 2048, headerTimeoutMs: 200 }
  const { start } = listenerWith((routes) => routes.get('/x', { config: { access: 'public' } }, async () => 'x'), { limits })
  const port = Number(new URL(await start()).port)
  assert.match(await exchange(port, `GET /x HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(4000)}\r\n\r\n`), /^HTTP\/1.1 431 /)
  assert.match(await exchange(port, 'GET /x HTTP/1.1\r\nHost:'), /^HTTP\/1.1 408 /)
  assert.match(await exchange(port, 'nonsense\r\n\r\n'), /^HTTP\/1.1 400 /)
})

test('raw bodies reach the handler untouched; other content types don’t', async () => {
  const { start } = listenerWith(registerCounting({ limitBytes: 10_000_000 }), { room: raw, limits: { lingerMs: 10_000 } })
  const url = `${await start()}/x`
  const bytes = new Uint8Array(3_000_000).fill(7)
  const post = async (body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) => {
    const init = { method: 'POST', body, headers: { 'content-type': 'application/x-raw-request', ...headers }, duplex: 'half' }
    const answer = await fetch(url, init as RequestInit)
    return [answer.status, await answer.json().then((value) => (value as { count?: number }).count ?? (value as { code?: string }).code)]
  }
  assert.deepEqual(await post(bytes), [200, 3_000_000])
  assert.deepEqual(await post(new Blob([bytes]).stream()), [200, 3_000_000])
  assert.deepEqual(await post(gzipSync(bytes), { 'content-encoding': 'gzip' }), [200, 3_000_000])
  assert.deepEqual(await post(gzipSync(bytes), { 'content-encoding': 'X-Gzip' }), [200, 3_000_000])
  assert.deepEqual(await post(gzipSync(bytes).subarray(0, 1000), { 'content-encoding': 'gzip' }), [400, 'malformed-gzip'])
  assert.deepEqual(await post(bytes, { 'content-encoding': 'gzip' }), [400, 'malformed-gzip'])
  assert.deepEqual(await post('x', { 'content-encoding': 'br' }), [415, 'unsupported-encoding'])
  assert.deepEqual(await post('x', { 'content-type': 'application/json' }), [415, 'unsupported-type'])
  assert.deepEqual(await post(gzipSync(new Uint8Array(10_000_001)), { 'content-encoding': 'gzip' }), [413, 'too-large'])
  assert.deepEqual(await post(new Uint8Array(10_000_001)), [413, 'too-large'])
  assert.deepEqual(await post(new Blob([new Uint8Array(10_000_001)]).stream()), [413, 'too-large'])
  assert.deepEqual(await post(bytes), [200, 3_000_000])
})

test('a body that drips is refused, one that ends early too', async () => {
  const limits = { slowGraceMs: 150, slowestBytesPerSecond: 700, lingerMs: 50 }
  const { start, lines } = listenerWith(registerCounting({ limitBytes: 1e6 }), { room: raw, limits })
  const port = Number(new URL(await start()).port)
  const head = 'POST /x HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-raw\r\nContent-Length: 1000\r\n\r\n'
  const socket = connect(port, '127.0.0.1', () => socket.write(head))
  socket.on('error', () => clearInterval(drip))
  const drip = setInterval(() => socket.write('x'), 20)
  const ended = new Promise((done) => socket.once('close', done))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  await ended
  clearInterval(drip)
  assert.match(answer.toString(), /^HTTP\/1.1 408 /)
  const gone = connect(port, '127.0.0.1', () => gone.write(`${head}abc`, () => gone.destroy()))
  await once(gone, 'close')
  await sleep(50)
  assert.ok(lines.every((line) => JSON.parse(line).level < 50))
})

test('a client that takes a byte of its answer now and then is cut off, one that takes enough is not', async () => {
  const limits = { slowGraceMs: 200, slowestBytesPerSecond: 4 << 20 }
  const sizeBytes = 16 << 20
  const ends: Promise<boolean>[] = []
  const register = (routes: Routes) => {
    routes.get('/large', { config: { access: 'public' } }, async (_request, reply) => {
      ends.push(once(reply.raw, 'close').then(() => reply.raw.writableFinished))
      return Buffer.alloc(sizeBytes)
    })
  }
  const url = await listenerWith(register, { limits }).start()
  const slow = connect({ port: Number(new URL(url).port), host: '127.0.0.1', onread: { buffer: Buffer.alloc(16), callback: () => false } })
  slow.on('error', () => {})
  slow.write('GET /large HTTP/1.1\r\nHost: h\r\n\r\n')
  const sips = setInterval(() => slow.resume(), 20)
  while (ends.length === 0) await sleep(5)
  assert.equal(await ends[0], false)
  clearInterval(sips)
  slow.destroy()
  const answer = await fetch(`${url}/large`)
  assert.equal((await answer.arrayBuffer()).byteLength, sizeBytes)
  assert.equal(await ends[1], true)
})

test('a handler that stops reading holds the client back', async () => {
  let read = 0
  const { start } = listenerWith(
    (routes) => {
      routes.post('/x', { config: { access: 'public' } }, async (request) => {
        const body = requestBody(request, { limitBytes: 1e9 })[Symbol.asyncIterator]()
        read = (await body.next()).value.length
        await sleep(200)
        return 'done'
      })
    },
    { room: raw, limits: { lingerMs: 50 } },
  )
  const socket = connect(Number(new URL(await start()).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write('POST /x HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-raw\r\nContent-Length: 100000000\r\n\r\n')
  let taken = 0
  const block = Buffer.alloc(65536)
  while (taken < 100_000_000 && socket.write(block)) taken += block.length
  for (let rounds = 0; rounds < 50; rounds++) {
    const isMore = await Promise.race([once(socket, 'drain').then(() => true), sleep(100).then(() => false)])
    if (!isMore) break
    while (socket.write(block)) taken += block.length
    taken += block.length
  }
  assert.ok(read > 0 && taken < 50_000_000, `${taken} bytes taken`)
  socket.destroy()
})

test('a client that stops reading the answer is cut off; a slow server is not', async () => {
  const { start, listener } = listenerWith(
    (routes) => {
      routes.get('/large', { config: { access: 'public' } }, async () => Buffer.alloc(50_000_000))
      routes.get('/slow', { config: { access: 'public' } }, async () => {
        await sleep(400)
        return 'slow'
      })
    },
    { limits: { stallTimeoutMs: 100 } },
  )
  const port = Number(new URL(await start()).port)
  assert.match(await exchange(port, 'GET /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'), /slow$/)
  const socket = connect(port, '127.0.0.1', () => socket.write('GET /large HTTP/1.1\r\nHost: h\r\n\r\n'))
  socket.pause()
  await sleep(600)
  let size = 0
  socket.on('data', (chunk: Buffer) => {
    size += chunk.length
  })
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'close')
  assert.ok(size < 50_000_000)
  await listener.close()
})

test('close waits for running requests, and ends idle connections', async () => {
  let isDone = false
  const { start, listener } = listenerWith((routes) => {
    routes.get('/slow', { config: { access: 'public' } }, async () => {
      await sleep(200)
      isDone = true
      return 'slow'
    })
  })
  const url = await start()
  const idle = connect(Number(new URL(url).port), '127.0.0.1')
  await once(idle, 'connect')
  const running = fetch(`${url}/slow`).then((answer) => answer.text())
  await sleep(50)
  const startedMs = performance.now()
  await listener.close()
  assert.equal(isDone, true)
  assert.equal(await running, 'slow')
  assert.ok(performance.now() - startedMs < 450)
  await assert.rejects(fetch(`${url}/slow`))
})

function registerCounting(options: Parameters<typeof requestBody>[1]): (routes: Routes) => void {
  return (routes) => {
    routes.post('/x', { config: { access: 'public' } }, async (request) => {
      let count = 0
      for await (const chunk of requestBody(request, options)) count += chunk.length
      return { count }
    })
  }
}

// Sends bytes, gives back everything until the server closes.
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  socket.on('error', () => {})
  await once(socket, 'close')
  return text
}
