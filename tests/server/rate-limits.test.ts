// How many requests a caller may make, at the server's own door and in each protocol's own form (docs/design/limits.md).
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createToken } from '../../src/access/index.ts'
import { systemRandomness } from '../../src/base/index.ts'
import { createRepository } from '../../src/access/index.ts'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'

const off = { apiReads: 0, apiWrites: 0, anonymousApi: 0, git: 0, anonymousGit: 0, failures: 0, accountFailures: 0 }

let faces: TestFaces
let olive: TestAccount
let sam: TestAccount
before(async () => {
  const rates = { ...off, apiReads: 10, apiWrites: 3, anonymousApi: 5, git: 6, anonymousGit: 4, failures: 5 }
  faces = await openFaces({ isWhole: true, rates, trustProxy: true })
  ;[olive, sam] = [await makeAccount(faces.db, 'olive'), await makeAccount(faces.db, 'sam')]
  for (const visibility of ['public', 'private'] as const) {
    await createRepository(faces.db, { ownerId: olive.id, name: `the-${visibility}`, visibility })
  }
})
after(async () => await faces?.close())

interface Asked {
  readonly url: string
  readonly method?: 'GET' | 'POST'
  readonly token?: string | undefined
  readonly ip?: string
  readonly body?: unknown
  readonly type?: string
}

async function ask({ url, method = 'GET', token, ip = '192.0.2.1', body, type = 'application/json' }: Asked) {
  const headers: Record<string, string> = { 'x-forwarded-for': ip }
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  if (body !== undefined) headers['content-type'] = type
  const payload = body === undefined ? {} : { payload: JSON.stringify(body) }
  return faces.listener.inject({ method, url, headers, ...payload })
}

async function askMany(count: number, asked: Asked): Promise<number[]> {
  const statuses: number[] = []
  for (let i = 0; i < count; i++) statuses.push((await ask(asked)).statusCode)
  return statuses
}

const times = (count: number, status: number) => Array.from({ length: count }, () => status)

test('the API says what is left with every answer, and refuses what is too much in GitHub’s form', async () => {
  const first = await ask({ url: '/api/v3/users/olive', token: olive.token })
  const { headers } = first
  assert.deepEqual(
    ['limit', 'remaining', 'used', 'resource'].map((name) => headers[`x-ratelimit-${name}`]),
    ['10', '9', '1', 'core'],
  )
  assert.equal(headers['x-ratelimit-reset'], '6') // in seconds of the clock, which stands at 0: the one that is gone is back then
  assert.deepEqual(await askMany(9, { url: '/api/v3/user', token: olive.token }), times(9, 200))
  const refused = await ask({ url: '/api/v3/user', token: olive.token })
  assert.equal(refused.statusCode, 429)
  assert.equal(refused.headers['x-ratelimit-remaining'], '0')
  assert.equal(refused.headers['retry-after'], '6')
  const { message, documentation_url: url, status } = refused.json()
  assert.match(message, /^API rate limit exceeded; try again in 6 seconds$/)
  assert.deepEqual([typeof url, status], ['string', '429'])
})

test('another token of the same account is the same caller; another account, and nobody, are others', async () => {
  const second = await createToken(faces.db, { account: 'olive', name: 'second', expiresAt: null }, systemRandomness)
  assert.equal((await ask({ url: '/api/v3/user', token: second })).statusCode, 429)
  assert.equal((await ask({ url: '/api/v3/user', token: sam.token })).statusCode, 200)
  assert.equal((await ask({ url: '/api/v3/users/olive' })).statusCode, 200)
})

test('GET /rate_limit: what is left of each, and asking doesn’t count', async () => {
  for (let i = 0; i < 20; i++) assert.equal((await ask({ url: '/api/v3/rate_limit', token: olive.token })).statusCode, 200)
  const { resources, rate } = (await ask({ url: '/api/v3/rate_limit', token: olive.token })).json()
  assert.deepEqual(Object.keys(resources).sort(), ['core', 'git', 'writes'])
  assert.deepEqual([resources.core, rate.remaining, rate.limit, resources.writes.remaining], [rate, 0, 10, 3])
})

test('writes count by themselves', async () => {
  const wanted = { url: '/api/v3/user/repos', method: 'POST', token: olive.token, body: {} } as const
  assert.deepEqual(await askMany(4, wanted), [422, 422, 422, 429])
})

test('nobody counts by his address: IPv6 by its /64', async () => {
  const url = '/api/v3/users/olive'
  assert.deepEqual(await askMany(6, { url, ip: '192.0.2.9' }), [...times(5, 200), 429])
  assert.equal((await ask({ url, ip: '192.0.2.10' })).statusCode, 200)
  for (let i = 0; i < 5; i++) await ask({ url, ip: `2001:db8:1:2::${i}` })
  assert.equal((await ask({ url, ip: '2001:db8:1:2:ffff::1' })).statusCode, 429)
  assert.equal((await ask({ url, ip: '2001:db8:1:3::1' })).statusCode, 200)
})

test('Git is told in text, LFS in its JSON, both when to come again', async () => {
  const url = '/olive/the-public.git/info/refs?service=git-upload-pack'
  assert.deepEqual(await askMany(4, { url, ip: '192.0.2.20' }), times(4, 200))
  const git = await ask({ url, ip: '192.0.2.20' })
  assert.deepEqual([git.statusCode, git.headers['content-type'], git.headers['retry-after']], [429, 'text/plain; charset=utf-8', '15'])
  assert.match(git.body, /^Too many requests; try again in 15 seconds\n$/)
  const batch = { operation: 'download', objects: [] }
  const lfs = await ask({ url: '/olive/the-public.git/info/lfs/objects/batch', method: 'POST', ip: '192.0.2.20', body: batch })
  assert.deepEqual([lfs.statusCode, lfs.headers['content-type'], lfs.headers['retry-after']], [429, 'application/vnd.git-lfs+json', '15'])
  assert.deepEqual(Object.keys(lfs.json()).sort(), ['documentation_url', 'message', 'request_id'])
})

test('a private thing and a missing one count alike, and are refused alike', async () => {
  const answers = await Promise.all(
    ['the-private', 'the-missing'].map(async (name, i) => {
      const found = []
      for (let n = 0; n < 6; n++) {
        const { statusCode, headers } = await ask({ url: `/api/v3/repos/olive/${name}`, ip: `192.0.2.3${i}` })
        found.push([statusCode, headers['x-ratelimit-remaining'], headers['retry-after']])
      }
      return found
    }),
  )
  assert.deepEqual(answers[0], answers[1])
  assert.deepEqual(
    answers[0]?.map(([status]) => status),
    [...times(5, 404), 429],
  )
})

test('bad credentials: refused beyond the limit, from that address alone, and good ones go on from there', async () => {
  const bad = 'stm_0000000000000000000000000000000000000000'
  const statuses = await askMany(7, { url: '/api/v3/rate_limit', token: bad, ip: '192.0.2.40' })
  assert.deepEqual(statuses, [...times(5, 401), 429, 429])
  assert.equal((await ask({ url: '/api/v3/rate_limit', token: sam.token, ip: '192.0.2.40' })).statusCode, 200)
  assert.equal((await ask({ url: '/api/v3/rate_limit', token: bad, ip: '192.0.2.41' })).statusCode, 401)
  // what could be guessed isn't looked up any more
  assert.equal((await ask({ url: '/api/v3/rate_limit', token: 'guess', ip: '192.0.2.40' })).statusCode, 429)
})

test('passwords: so many wrong ones for an account, whoever sends them, and whether or not it is there', async () => {
  const guarded = await openFaces({ isWhole: true, rates: { ...off, failures: 100, accountFailures: 3 }, trustProxy: true })
  const { token } = await makeAccount(guarded.db, 'paula')
  const authorization = `Bearer ${token}`
  const set = await guarded.listener.inject({
    method: 'PUT',
    url: '/api/v3/user/password',
    headers: { authorization },
    payload: { password: 'correct horse' },
  })
  assert.equal(set.statusCode, 204, set.body)
  const signIn = async (login: string, password: string, ip: string) => {
    const headers = { 'x-forwarded-for': ip, 'sec-fetch-site': 'same-origin' }
    return (await guarded.listener.inject({ method: 'POST', url: '/api/v3/session', headers, payload: { login, password } })).statusCode
  }
  assert.equal(await signIn('paula', 'correct horse', '192.0.2.1'), 201)
  const tried = async (login: string) => {
    const statuses: number[] = []
    for (let i = 0; i < 5; i++) statuses.push(await signIn(login, `guess ${i}`, `198.51.100.${i}`))
    return statuses
  }
  assert.deepEqual(await tried('paula'), [401, 401, 401, 429, 429])
  assert.deepEqual(await tried('nobody-here'), [401, 401, 401, 429, 429])
  assert.equal(await signIn('paula', 'correct horse', '203.0.113.1'), 429)
  assert.equal(await signIn('paula', 'correct horse', '192.0.2.1'), 201, 'where she signed in before')
  await guarded.close()
})

test('passwords that are no good: refused beyond the limit, one after the other or all at once, and the right one isn’t looked at then', async () => {
  const strict = await openFaces({ isWhole: true, rates: { ...off, failures: 5 }, trustProxy: true })
  const { token } = await makeAccount(strict.db, 'popeye')
  const password = 'correct horse'
  const send = async (method: 'POST' | 'PUT', url: string, body: unknown, headers: Readonly<Record<string, string>>) =>
    strict.listener.inject({ method, url, headers: { 'content-type': 'application/json', ...headers }, payload: JSON.stringify(body) })
  const set = await send('PUT', '/api/v3/user/password', { password }, { authorization: `Bearer ${token}` })
  assert.equal(set.statusCode, 204, set.body)
  const signIn = async (ip: string, given: string, login = 'popeye') =>
    (await send('POST', '/api/v3/session', { login, password: given }, { 'x-forwarded-for': ip })).statusCode
  const atOnce = await Promise.all(
    Array.from({ length: 12 }, async (_, i) => signIn('192.0.2.50', 'wrong horse', i % 2 === 0 ? 'popeye' : 'nobody')),
  )
  assert.deepEqual(atOnce.sort(), [...times(5, 401), ...times(7, 429)])
  assert.equal(await signIn('192.0.2.50', password), 429)
  // whoever signs in takes nothing from the allowance
  for (let i = 0; i < 6; i++) assert.equal(await signIn('192.0.2.51', password), 201)
  assert.equal(await signIn('192.0.2.51', 'wrong horse'), 401)
  await strict.close()
})

test('the cookie of a session that has ended is no guess: a browser sends it by itself', async () => {
  const headers = { cookie: 'stemma_session=stm_0000000000000000000000000000000000000000', 'x-forwarded-for': '192.0.2.99' }
  const look = async () =>
    (await faces.listener.inject({ url: '/olive/the-public.git/info/refs?service=git-upload-pack', headers })).statusCode
  assert.deepEqual([await look(), await look(), await look(), await look()], times(4, 200))
  for (let i = 0; i < 6; i++) await faces.listener.inject({ url: '/api/v3/user', headers })
  const wrong = await ask({ url: '/api/v3/user', token: 'stm_1111111111111111111111111111111111111111', ip: '192.0.2.99' })
  assert.equal(wrong.statusCode, 401, 'nothing was counted against that address')
})

test('without limits nothing is said of them, and /rate_limit isn’t there', async () => {
  const free = await openFaces({ isWhole: true, rates: off })
  const root = await free.listener.inject({ url: '/api/v3/' })
  assert.deepEqual([root.statusCode, root.headers['x-ratelimit-limit']], [200, undefined])
  assert.equal((await free.listener.inject({ url: '/api/v3/rate_limit' })).statusCode, 404)
  await free.close()
})

test('X-Forwarded-For is nobody’s word without trustProxy', async () => {
  const direct = await openFaces({ isWhole: true, rates: { ...off, anonymousApi: 2 } })
  const statuses: number[] = []
  for (let i = 0; i < 3; i++) {
    const headers = { 'x-forwarded-for': `192.0.2.${i}`, forwarded: `for=192.0.2.${i}`, 'x-real-ip': `192.0.2.${i}` }
    statuses.push((await direct.listener.inject({ url: '/api/v3/', headers })).statusCode)
  }
  assert.deepEqual(statuses, [200, 200, 429])
  await direct.close()
})
