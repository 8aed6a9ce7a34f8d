// Hostile headers and connections on a real socket: nothing gets into the log or the answer's headers, no two readings of one request, bounded floods.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { ask, faultIn, openStand, pathOf, routesOf, type Stand } from './stand.ts'

let stand: Stand
let port: number
before(async () => {
  stand = await openStand()
  port = Number(new URL(await stand.faces.listener.listen({ host: '127.0.0.1', port: 0 })).port)
})
after(async () => await stand?.faces.close())

/** Sends the bytes as they are; everything that comes until the server closes, or until `isEnough`. */
function exchange(bytes: string | Buffer, isEnough: (answer: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    const end = (): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(5000, end)
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (isEnough(answer)) end()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  })
}

const statuses = (answer: string): number[] => [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
const get = (path: string, headers: readonly string[] = []) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers.map((line) => `${line}\r\n`).join('')}Connection: close\r\n\r\n`

/** Every line of the log since then, each one whole JSON object. */
function logSince(at: number): string[] {
  const lines = stand.faces.log.slice(at)
  for (const line of lines) {
    assert.equal(line.indexOf('\n'), line.length - 1, `not one line: ${line}`)
    assert.equal(typeof JSON.parse(line), 'object')
  }
  return lines
}

const secret = 'hunter2-hunter2'
const named = [
  'User-Agent',
  'Referer',
  'X-Request-Id',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Forwarded-Proto',
  'Forwarded',
  'X-Real-IP',
  'Accept',
  'Accept-Language',
  'If-None-Match',
  'Range',
  'Origin',
  'Cookie',
  'Git-Protocol',
  'X-GitHub-Api-Version',
  'Content-Type',
  'Accept-Encoding',
]

test('log injection: a header stands in no line of the log, and no line is two', async () => {
  for (const name of named) {
    for (const value of [
      `a","level":60,"msg":"${secret}`,
      `\u001b[31m${secret}`,
      `\u00ff\u0080${secret}`,
      `%0d%0a${secret}`,
      `\\n${secret}`,
      `${'x'.repeat(5000)}${secret}`,
    ]) {
      const at = stand.faces.log.length
      const answer = await exchange(get('/api/v3/users/olive', [`${name}: ${value}`]))
      assert.ok(
        statuses(answer).every((status) => status < 500),
        `${name}: ${answer.slice(0, 200)}`,
      )
      const lines = logSince(at)
      assert.equal(lines.join('').includes(secret), false, `${name} stands in the log: ${lines.join('')}`)
      assert.ok(
        lines.every((line) => line.length < 2000),
        `${name}: a line of ${Math.max(...lines.map((line) => line.length))} characters`,
      )
    }
  }
})

test('log injection: paths and queries', async () => {
  for (const path of [
    '/api/v3/users/%0a%7b%22level%22:60%7d',
    `/api/v3/users/x?token=${secret}`,
    '/%1b%5b31m',
    `/${'a'.repeat(9000)}`,
    '/"}{"msg":"x"',
  ]) {
    const at = stand.faces.log.length
    await exchange(get(path))
    const lines = logSince(at)
    assert.equal(lines.join('').includes(secret), false)
    assert.ok(lines.every((line) => line.length < 2000))
  }
})

test('X-Request-Id: the answer has ours, never the client’s', async () => {
  const answer = await exchange(get('/api/v3/', ['X-Request-Id: theirs', 'Request-Id: theirs']))
  assert.match(answer, /\r\nx-request-id: [0-9a-f-]{36}\r\n/)
  assert.equal(answer.includes('theirs'), false)
})

test('header injection: no line end gets from a request into the answer’s headers', async () => {
  for (const route of routesOf(stand).filter(({ method }) => method === 'GET')) {
    for (const host of ['x\u00ff', 'x:y', 'x y', '[', '%', 'x"><script>', 'user:pass@evil.example', 'x'.repeat(3000), '']) {
      const headers = { host, 'x-forwarded-host': host, 'x-forwarded-proto': 'javascript' }
      const answer = await ask(
        stand,
        { method: 'GET', url: `${pathOf(route, {})}?per_page=1&page=1` },
        { token: stand.olive.token, headers },
      )
      assert.equal(faultIn(answer), null, `${route.url} with Host ${host.slice(0, 40)}`)
    }
  }
  for (const bytes of [
    'GET /api/v3/ HTTP/1.1\r\nHost: x\rX-Injected: yes\r\n\r\n',
    'GET /api/v3/%0d%0aX-Injected:%20yes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    'GET /api/v3/ HTTP/1.1\r\nHost: x\0y\r\n\r\n',
  ])
    assert.equal(/^x-injected/im.test(await exchange(bytes)), false)
})

test('a method is what the request line says, whatever headers and queries say', async () => {
  for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
    for (const [method, other] of [
      ['GET', 'DELETE'],
      ['POST', 'DELETE'],
    ] as const) {
      const headers = { [name.toLowerCase()]: other }
      await ask(
        stand,
        { method, url: `/api/v3/repos/olive/the-public?_method=${other}` },
        { token: stand.olive.token, headers, ...(method === 'POST' ? { body: '{"_method":"DELETE"}' } : {}) },
      )
      assert.equal(
        (await ask(stand, { method: 'GET', url: '/api/v3/repos/olive/the-public' }, { token: stand.olive.token })).statusCode,
        200,
      )
    }
  }
})

const smuggled = 'GET /api/v3/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
const framings: Readonly<Record<string, string>> = {
  'both lengths': `POST /api/v3/session HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'both lengths, the other way': `POST /api/v3/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 100\r\n\r\n0\r\n\r\n${smuggled}`,
  'two lengths': `POST /api/v3/session HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n${smuggled}`,
  'a length with a sign': `POST /api/v3/session HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n${smuggled}`,
  'a length in hex': `POST /api/v3/session HTTP/1.1\r\nHost: x\r\nContent-Length: 0x0\r\n\r\n${smuggled}`,
  'two encodings': `POST /api/v3/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${smuggled}`,
  'an encoding that is none': `POST /api/v3/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
  'a space before the colon': `POST /api/v3/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${smuggled}`,
  'a folded header': `POST /api/v3/session HTTP/1.1\r\nHost: x\r\nX: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n${smuggled}`,
  'a chunk size that overflows': `POST /api/v3/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff0\r\n${smuggled}`,
  'bare line ends': `POST /api/v3/session HTTP/1.1\nHost: x\nContent-Length: 0\n\n${smuggled}`,
  'HTTP/2 by the front door': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
}

for (const [name, bytes] of Object.entries(framings)) {
  test(`request smuggling: ${name}`, async () => {
    const answer = await exchange(bytes, (text) => statuses(text).length > 1)
    assert.equal(answer.includes('smuggled'), false)
    const [first, ...more] = statuses(answer)
    assert.deepEqual([first === undefined || (first >= 400 && first < 500), more], [true, []], answer.slice(0, 300))
  })
}

test('a flood of pipelined requests is answered in order, one for each', async () => {
  const count = 2000
  const one = 'GET /api/v3/ HTTP/1.1\r\nHost: x\r\n\r\n'
  const answer = await exchange(one.repeat(count - 1) + get('/api/v3/none'))
  const found = statuses(answer)
  assert.equal(found.length, count)
  assert.deepEqual([found.slice(0, -1).every((status) => status === 200), found.at(-1)], [true, 404])
})

test('too many headers, and too large ones, are refused', async () => {
  for (const headers of [Array.from({ length: 5000 }, (_, i) => `X-${i}: y`), [`X: ${'y'.repeat(100_000)}`]]) {
    const [status] = statuses(await exchange(get('/api/v3/', headers)))
    assert.ok(status === 431 || status === 400, String(status))
  }
})

test('CSRF: a cookie alone, or one that nobody gave out, changes nothing from another site', async () => {
  for (const site of ['cross-site', 'same-site']) {
    for (const route of routesOf(stand).filter(({ method }) => method !== 'GET')) {
      const headers = { cookie: `stemma_session=${stand.olive.token}`, 'sec-fetch-site': site, origin: 'https://evil.example' }
      const { statusCode } = await ask(stand, { method: route.method, url: pathOf(route, {}) }, { headers, body: '{}' })
      assert.ok(statusCode >= 400 && statusCode < 500, `${route.method} ${route.url}: ${statusCode}`)
    }
  }
})
