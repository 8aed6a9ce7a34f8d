// Who somebody is, as npm's own client asks it of the real server: signing in, tokens, profile, second factor.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { TempFolder } from '../support/git.ts'
import { NpmClient } from '../support/npm-client.ts'
import { appOf } from '../support/otp-app.ts'
import { Server } from '../support/server.ts'

const folder = new TempFolder('npm-account')
let server: Server
let npm: NpmClient
const password = 'correct horse battery'
before(async () => {
  server = await Server.start({ data: folder.join('data'), env: { STEMMA_NPM_SIGN_UP: 'true', STEMMA_HTTP_TRUST_PROXY: '127.0.0.1' } })
  npm = new NpmClient(folder, 'npm', `${server.url}/npm/`)
})
after(async () => {
  await server?.stop()
  folder.remove()
})

const to = (path: string, init: RequestInit & { readonly token?: string } = {}) => {
  const { token, ...rest } = init
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(init.headers as Record<string, string> | undefined),
  }
  return fetch(`${server.url}${path}`, { ...rest, headers, redirect: 'manual' })
}
const put = (path: string, body: unknown, more: Readonly<Record<string, string>> = {}) =>
  to(path, { method: 'PUT', body: JSON.stringify(body), headers: more })
const post = (path: string, body: unknown, token?: string, more: Readonly<Record<string, string>> = {}) =>
  to(path, { method: 'POST', body: JSON.stringify(body), headers: more, ...(token === undefined ? {} : { token }) })
const json = async (answer: Response) => (await answer.json()) as any // oxlint-disable-line typescript/no-explicit-any

/** Signs up as `npm adduser` does, or in as `npm login --auth-type=legacy`. */
const couch = (login: string, secret = password, more: Readonly<Record<string, string>> = {}, fields: object = {}) =>
  put(
    `/npm/-/user/org.couchdb.user:${login}`,
    { _id: `org.couchdb.user:${login}`, name: login, password: secret, type: 'user', roles: [], ...fields },
    more,
  )

let addresses = 0
/** From an address of his own, for few accounts are made from one. */
async function user(login: string): Promise<string> {
  const from = { 'x-forwarded-for': `192.0.2.${++addresses}` }
  const answer = await couch(login, password, from, { email: `${login}@example.org` })
  assert.equal(answer.status, 201)
  return (await json(answer)).token as string
}

test('npm ping and npm whoami, in the root registry and an owner’s', async () => {
  await npm.ok('ping')
  npm.configure({ token: server.token })
  assert.equal(await npm.ok('whoami'), 'admin\n')
  const owners = new NpmClient(folder, 'owners', `${server.url}/npm/admin/`)
  owners.configure({ token: server.token })
  assert.equal(await owners.ok('whoami'), 'admin\n')
  npm.configure({ token: 'stm_0000000000000000000000000000000000000000' })
  assert.match((await npm.run(['whoami'])).stderr, /E401/)
  assert.equal((await to('/npm/-/whoami')).status, 401)
})

describe('by name and password', () => {
  test('npm adduser makes an account where the server lets it, npm login signs in to it, and npm logout ends the token', async () => {
    npm.configure({})
    const asked = await npm.run(['adduser', '--auth-type=legacy'], { answers: ['ada', password, 'ada@example.org'] })
    assert.equal(asked.code, 0, asked.stdout + asked.stderr)
    const first = npm.token ?? ''
    assert.equal(await npm.ok('whoami'), 'ada\n')
    const again = await npm.run(['login', '--auth-type=legacy'], { answers: ['ada', password] })
    assert.equal(again.code, 0, again.stdout + again.stderr)
    assert.notEqual(npm.token, first)
    const token = npm.token ?? ''
    await npm.ok('logout')
    assert.equal(npm.token, null)
    assert.equal((await to('/npm/-/whoami', { token })).status, 401)
    assert.equal((await to('/npm/-/whoami', { token: first })).status, 200)
  })

  test('whoever signs in sends along a token that has ended: that hinders nobody, and he can log out', async () => {
    await user('ended')
    npm.configure({ token: 'stm_0000000000000000000000000000000000000000' })
    const again = await npm.run(['login', '--auth-type=legacy'], { answers: ['ended', password] })
    assert.equal(again.code, 0, again.stdout + again.stderr)
    npm.configure({ token: 'stm_1111111111111111111111111111111111111111' })
    await npm.ok('logout')
    assert.equal(npm.token, null)
  })

  test('a wrong password and an unknown login are one answer', async () => {
    await user('wrong')
    const told = async (login: string, secret: string) => {
      const answer = await couch(login, secret)
      return [answer.status, (await answer.text()).replaceAll(login, 'LOGIN')]
    }
    const wrong = await told('wrong', 'not his password')
    assert.equal(wrong[0], 401)
    assert.deepEqual(await told('nobody-at-all', 'not his password'), wrong)
  })

  test('what isn’t a sign-in is refused', async () => {
    for (const [path, body] of [
      ['/npm/-/user/somebody', { name: 'somebody', password }],
      ['/npm/-/user/org.couchdb.user:a', { name: 'b', password }],
      ['/npm/-/user/org.couchdb.user:a', { name: 'a' }],
      ['/npm/-/user/org.couchdb.user:a', { name: 'a', password: 7 }],
      ['/npm/-/user/org.couchdb.user:a', []],
      ['/npm/-/user/org.couchdb.user:a%00', { name: 'a\0', password, email: 'a@b' }],
      ['/npm/-/user/org.couchdb.user:api', { name: 'api', password, email: 'a@b' }],
      ['/npm/-/user/org.couchdb.user:short', { name: 'short', password: 'short', email: 'a@b' }],
    ] as const) {
      const answer = await put(path, body)
      assert.ok([400, 401].includes(answer.status), `${path} ${JSON.stringify(body)}: ${answer.status}`)
      assert.equal(typeof (await json(answer)).error, 'string')
    }
  })

  test('few accounts are made from one address', async () => {
    const from = { 'x-forwarded-for': '198.51.100.7' }
    const statuses = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7].map(async (n) => (await couch(`many-${n}`, password, from, { email: 'a@b.example' })).status),
    )
    assert.equal(statuses.filter((status) => status === 429).length, 2, statuses.join())
  })

  test('no token stands in the log', async () => {
    const token = await user('logged')
    assert.equal((await to(`/npm/-/user/token/${token}`, { method: 'DELETE' })).status, 200)
    assert.ok(!server.output.includes(token))
  })
})

describe('npm token', () => {
  let token: string
  before(async () => {
    token = await user('tess')
    npm.configure({ token })
  })

  test('create, list, and revoke by key and by the token itself', async () => {
    const made = JSON.parse(
      await npm.ok(
        'token',
        'create',
        '--json',
        '--name=reading',
        `--password=${password}`,
        '--packages-and-scopes-permission=read-only',
        '--packages-all',
        '--expires=7',
      ),
    )
    assert.match(made.token, /^stm_[0-9a-f]{40}$/)
    assert.equal(made.readonly, true)
    assert.ok(Date.parse(made.expires) > Date.now() + 6 * 86_400_000)
    const listed = JSON.parse(await npm.ok('token', 'list', '--json')) as { name: string; key: string; id: string; readonly: boolean }[]
    const found = listed.find(({ name }) => name === 'reading')
    assert.equal(found?.readonly, true)
    assert.equal((await to('/npm/-/whoami', { token: made.token })).status, 200)
    await npm.ok('token', 'revoke', found.id)
    assert.equal((await to('/npm/-/whoami', { token: made.token })).status, 401)
    const other = JSON.parse(await npm.ok('token', 'create', '--json', '--name=other', `--password=${password}`))
    await npm.ok('token', 'revoke', other.token)
    assert.equal((await to('/npm/-/whoami', { token: other.token })).status, 401)
  })

  test('a wrong password, addresses, and what can not be said here are refused in words', async () => {
    const refused = async (pattern: RegExp, ...args: string[]) => {
      const { code, stderr } = await npm.run(['token', 'create', ...args])
      assert.ok(code !== 0 && pattern.test(stderr), stderr)
    }
    await refused(/password is wrong/, '--password=wrong')
    await refused(/leave --cidr out/, `--password=${password}`, '--cidr=10.0.0.0/8')
    await refused(/no package '@tess\/none'/, `--password=${password}`, '--packages=@tess/none')
    await refused(/no owner '@nobody-there'/, `--password=${password}`, '--scopes=@nobody-there')
    await refused(/Make two/, `--password=${password}`, '--scopes=@tess', '--orgs=admin')
  })

  test('a token for reading publishes nothing, makes no token, and one of another account isn’t there', async () => {
    const made = JSON.parse(await npm.ok('token', 'create', '--json', '--name=weak', `--password=${password}`, '--read-only'))
    assert.equal((await post('/npm/-/npm/v1/tokens', { password }, made.token)).status, 403)
    const others = await user('uma')
    const mine = (await json(await to('/npm/-/npm/v1/tokens', { token }))).objects as { key: string }[]
    const key = mine[0]?.key ?? ''
    const missing = await to(`/npm/-/npm/v1/tokens/token/${'0'.repeat(32)}`, { method: 'DELETE', token: others })
    const foreign = await to(`/npm/-/npm/v1/tokens/token/${key}`, { method: 'DELETE', token: others })
    assert.deepEqual([foreign.status, await foreign.text()], [missing.status, await missing.text()])
    assert.equal(foreign.status, 404)
  })

  test('many tokens come by pages', async () => {
    const all = (await json(await to('/npm/-/npm/v1/tokens', { token }))).total as number
    const names = new Set<string>()
    for (let url: string | undefined = '/-/npm/v1/tokens?perPage=2'; url !== undefined; ) {
      const page: { objects: { name: string }[]; urls: { next?: string } } = await json(await to(`/npm${url}`, { token }))
      assert.ok(page.objects.length <= 2)
      for (const { name } of page.objects) names.add(name)
      url = page.urls.next
    }
    assert.equal(names.size, all)
  })
})

describe('profile and second factor', () => {
  let token: string
  before(async () => {
    token = await user('pia')
    npm.configure({ token })
  })

  test('npm profile get and set', async () => {
    assert.match(await npm.ok('profile', 'get'), /^name: pia$/m)
    await npm.ok('profile', 'set', 'email', 'pia@example.net')
    await npm.ok('profile', 'set', 'fullname', 'Pia', 'P.')
    const { email, fullname, email_verified } = JSON.parse(await npm.ok('profile', 'get', '--json'))
    assert.deepEqual([email, fullname, email_verified], ['pia@example.net', 'Pia P.', false])
    assert.match((await npm.run(['profile', 'set', 'twitter', 'pia'])).stderr, /'twitter' is not kept here/)
  })

  test('npm profile set password', async () => {
    const changed = await npm.run(['profile', 'set', 'password'], { answers: [password, 'another good one', 'another good one'] })
    assert.equal(changed.code, 0, changed.stdout + changed.stderr)
    assert.equal((await couch('pia', password)).status, 401)
    assert.equal((await couch('pia', 'another good one')).status, 201)
    assert.equal((await post('/npm/-/npm/v1/user', { password: { old: 'wrong', new: password } }, token)).status, 403)
    assert.equal((await post('/npm/-/npm/v1/user', { password: { old: 'another good one', new: password } }, token)).status, 200)
  })

  test('a second factor: begun, confirmed, asked for at signing in and at changes, and ended', async () => {
    const set = (tfa: unknown, otp?: string) => post('/npm/-/npm/v1/user', { tfa }, token, otp === undefined ? {} : { 'npm-otp': otp })
    assert.equal((await set({ password: 'wrong', mode: 'auth-and-writes' })).status, 403)
    const uri = (await json(await set({ password, mode: 'auth-and-writes' }))).tfa as string
    const code = appOf(uri)
    assert.equal((await json(await to('/npm/-/npm/v1/user', { token }))).tfa.pending, true)
    assert.equal((await couch('pia')).status, 201)
    assert.equal((await set(['000000'])).status, 401)
    const recovery = (await json(await set([code(-1)]))).tfa as string[]
    assert.equal(recovery.length, 10)
    const asked = await couch('pia')
    assert.deepEqual([asked.status, asked.headers.get('www-authenticate')], [401, 'OTP'])
    assert.match((await json(asked)).error, /one-time pass/)
    assert.equal((await couch('pia', password, { 'npm-otp': code() })).status, 201)
    assert.equal((await couch('pia', password, { 'npm-otp': code() })).status, 401, 'it was used')
    const { code: ended, stderr } = await npm.run(['token', 'create', `--password=${password}`])
    assert.ok(ended !== 0 && /EOTP/.test(stderr), stderr)
    const made = await npm.run(['token', 'create', '--json', `--password=${password}`, '--bypass-2fa', `--otp=${recovery[0]}`])
    assert.equal(made.code, 0, made.stderr)
    assert.equal(JSON.parse(made.stdout).bypass_2fa, true)
    const session = await post('/api/v3/session', { login: 'pia', password }, undefined, { 'sec-fetch-site': 'same-origin' })
    assert.deepEqual([session.status, session.headers.get('x-github-otp')], [401, 'required; app'])
    assert.equal((await set({ password, mode: 'disable' })).status, 401)
    assert.equal((await json(await set({ password, mode: 'disable' }, recovery[1]))).tfa, false)
    assert.equal((await couch('pia')).status, 201)
  })
})
