// Tricks in every parameter and every query of every route, generated from the listener's own table: no answer is a fault of ours, and nobody gets by a trick
// what he wouldn't get without.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ask, faultIn, marker, openStand, parametersOf, pathOf, routesOf, type Stand } from './stand.ts'

let stand: Stand
before(async () => {
  stand = await openStand()
})
after(async () => await stand?.faces.close())

/** As they stand in a request's target. */
const pathTricks = [
  '.',
  '..',
  '%2e',
  '%2e%2e',
  '%2E%2e',
  '.%2e',
  '..%2f..%2fetc%2fpasswd',
  '..;',
  '...',
  '%252e%252e',
  '..%5c..',
  '..%c0%af..',
  '%c0%ae%c0%ae',
  '%e0%80%ae',
  '%2f',
  '%2F%2f',
  'a%2fb',
  '%5c',
  '%00',
  'a%00b',
  'olive%00',
  '%0d%0aX-Injected:%20yes',
  '%0a',
  '%0D',
  '%09',
  '%1b[31m',
  '%7f',
  '%01',
  '%c2%85',
  '%e2%80%a8',
  '%ff',
  '%fe%ff',
  '%c3%28',
  '%ed%a0%80',
  '%f4%90%80%80',
  '%',
  '%zz',
  '%u002e',
  '%e2%80%ae',
  '%e2%80%8b',
  '%ef%bb%bf',
  '%d0%bel%d1%96v%d0%b5',
  '%ef%bd%8f%ef%bd%8c',
  '%c4%b0',
  '%f0%9f%92%a9',
  'a'.repeat(300),
  'a'.repeat(600),
  'a'.repeat(20_000),
  `${'a/'.repeat(2000)}a`,
  '%41'.repeat(3000),
  '-',
  '--upload-pack=x',
  '-1',
  '0',
  '1e3',
  '0x10',
  '1.5',
  '9007199254740993',
  '99999999999999999999999',
  'NaN',
  'null',
  'true',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'toString',
  '*',
  '~',
  '@',
  '@%7b1%7d',
  'HEAD',
  'refs%5e0',
  'main:',
  'main~1000000000',
  '%27%20or%20%271%27=%271',
  '%22',
  '%24%7bx%7d',
  '%3cscript%3e',
  '.git',
  'olive.git',
  'x.lock',
  '%20',
  '+',
  '%23',
  '%3f',
  'con',
  'a;b=c',
]

test('path tricks in every parameter of every route', async (t) => {
  const faults: string[] = []
  let count = 0
  for (const [at, route] of routesOf(stand).entries()) {
    for (const name of parametersOf(route)) {
      // by turns: every trick comes to every kind of parameter, by some route
      for (const trick of pathTricks.filter((_, n) => n % 3 === at % 3)) {
        for (const token of [stand.sam.token, stand.admin.token]) {
          const url = pathOf(route, { [name]: trick })
          const answer = await ask(stand, { method: route.method, url }, { token, ...(route.method === 'GET' ? {} : { body: '{}' }) })
          const isOwn = route.url.endsWith('/npm/v1/tokens') // one of sam's is called so
          const isAdmitted = token !== stand.admin.token && !isOwn && answer.body.includes(marker) && !answer.body.includes('"message"')
          const fault = faultIn(answer) ?? (isAdmitted ? 'something of somebody else’s is shown' : null)
          if (fault !== null) faults.push(`${route.method} ${url.slice(0, 120)}: ${fault}`)
          count++
        }
      }
    }
  }
  t.diagnostic(`${count} requests`)
  assert.deepEqual(faults.slice(0, 30), [])
  assert.ok(count > 5000)
})

test('no trick leads from a public name to a private repository', async () => {
  const ways = [
    'olive/the-public/../the-private',
    'olive/the-public%2f..%2fthe-private',
    'olive/the-public/%2e%2e/the-private',
    'olive/./the-private',
    'olive//the-private',
    'olive/the-private%00',
    'olive/the-private%20',
    'olive/the-private%2e',
    'OLIVE/THE-PRIVATE',
    'olive/the-private.git',
    'olive/the-private/',
    'olive/the-public/..%5cthe-private',
    'olive/%74he-private',
  ]
  for (const way of ways) {
    for (const url of [`/api/v3/repos/${way}`, `/${way}/info/refs?service=git-upload-pack`, `/${way}/HEAD`, `/${way}.git/info/lfs/locks`]) {
      for (const token of [undefined, stand.sam.token]) {
        const answer = await ask(stand, { method: 'GET', url }, { token })
        assert.ok([400, 401, 404].includes(answer.statusCode), `${url}: ${answer.statusCode}`)
        assert.equal(answer.body.includes(marker), false)
      }
    }
  }
})

const queryTricks = [
  '',
  '%00',
  '%0d%0aX-Injected:%20yes',
  '-1',
  '0',
  '1e99',
  '99999999999999999999999',
  'NaN',
  '%ff',
  '%ed%a0%80',
  '%e2%80%ae',
  '..%2f..',
  '__proto__',
  '%5b%5d',
  '%7b%7d',
  'a'.repeat(10_000),
  '%27%20or%201=1',
  'refs%2fheads%2f..',
  'HEAD~999999999',
  '%f0%9f%92%a9',
  'true',
  'null',
  '2026-13-45T99:99:99Z',
  '%2b10000-01-01',
]

test('tricks in every query of every route', async (t) => {
  const faults: string[] = []
  let count = 0
  for (const route of routesOf(stand)) {
    const known = Object.keys((route.schema?.querystring as { properties?: object } | undefined)?.properties ?? {})
    for (const name of [...known, 'service', 'size', 'unknown']) {
      const queries = queryTricks.map((trick) => `${name}=${trick}`)
      queries.push(
        `${name}=1&${name}=2`,
        `${name}[]=1`,
        `${name}[__proto__]=1`,
        `${name}`,
        `&&&=&${name}`,
        `${name}=%`,
        '__proto__[x]=1',
        `${`${name}=1&`.repeat(1500)}`,
      )
      for (const query of queries) {
        if (route.method === 'DELETE') continue // they take none, and there would be nothing left to ask
        const url = `${pathOf(route, {})}?${query}`
        const answer = await ask(
          stand,
          { method: route.method, url },
          { token: stand.olive.token, ...(route.method === 'GET' ? {} : { body: '{}' }) },
        )
        const fault = faultIn(answer)
        if (fault !== null) faults.push(`${route.method} ${url.slice(0, 120)}: ${fault}`)
        count++
      }
    }
  }
  t.diagnostic(`${count} requests`)
  assert.deepEqual(faults.slice(0, 30), [])
})

test('still there, and nothing of it reached Object’s prototype', async () => {
  assert.equal(({} as Record<string, unknown>)['x'], undefined)
  assert.equal((await ask(stand, { method: 'GET', url: '/api/v3/repos/olive/the-private' }, { token: stand.olive.token })).statusCode, 200)
})
