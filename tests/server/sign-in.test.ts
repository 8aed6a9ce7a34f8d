// Signing in to the real server: by a password, by a real OpenID provider, and for CI jobs by the id-tokens of a provider of theirs.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Issuer, openIssuer } from '../support/ci-issuer.ts'
import { freePort } from '../support/port.ts'
import { Browser, client, openProvider, passProvider, type TestProvider } from '../support/oidc-provider.ts'
import { TempFolder } from '../support/git.ts'
import { Server } from '../support/server.ts'

const folder = new TempFolder('sign-in')
let server: Server
let provider: TestProvider
let issuer: Issuer
before(async () => {
  const port = await freePort()
  provider = await openProvider(`http://127.0.0.1:${port}/login/oidc/callback`)
  issuer = await openIssuer()
  const env = {
    STEMMA_OIDC_ISSUER: provider.issuer,
    STEMMA_OIDC_CLIENT_ID: client.id,
    STEMMA_OIDC_CLIENT_SECRET: client.secret,
    STEMMA_CI_ISSUERS: issuer.url,
    STEMMA_CI_AUDIENCE: 'stemma-test',
  }
  server = await Server.start({ data: folder.join('data'), port, env })
})
after(async () => {
  await server?.stop()
  await provider?.close()
  await issuer?.close()
  folder.remove()
})

const api = (path: string) => `${server.url}/api/v3${path}`
async function send(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(api(path), { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
}
const asAdmin = { authorization: `Bearer adm` }

describe('by a password', () => {
  const cookieOf = (answer: Response) => /stemma_session=([^;]*)/.exec(answer.headers.getSetCookie().join('\n'))?.[1]
  const signIn = (login: string, password: string, headers: Readonly<Record<string, string>> = {}) =>
    send('POST', '/session', { login, password }, headers)
  const sameOrigin = { 'sec-fetch-site': 'same-origin' }
  before(async () => {
    asAdmin.authorization = `Bearer ${server.token}`
    assert.equal((await send('PUT', '/user/password', { password: 'correct horse' }, asAdmin)).status, 204)
  })

  test('the cookie carries the session, and nothing else may', async () => {
    const answer = await signIn('ADMIN', 'correct horse')
    assert.equal(answer.status, 201)
    assert.match(
      answer.headers.getSetCookie().join(),
      /^stemma_session=stm_[0-9a-f]{40}; Path=\/; Max-Age=1209600; HttpOnly; SameSite=Lax$/,
    )
    const secret = cookieOf(answer) ?? ''
    const cookie = `stemma_session=${secret}`
    assert.equal((await send('GET', '/user', undefined, { cookie })).status, 200)
    assert.equal((await send('GET', '/user', undefined, { authorization: `Bearer ${secret}` })).status, 401)
    assert.equal((await send('GET', '/user', undefined, { cookie: `stemma_session=${server.token}` })).status, 401)
  })

  test('an unknown login, a wrong password and one without a password are one answer', async () => {
    const told = async (login: string, password: string) => {
      const answer = await signIn(login, password)
      return [answer.status, await answer.text(), cookieOf(answer)]
    }
    const wrong = await told('admin', 'wrong horse')
    assert.equal(wrong[0], 401)
    assert.deepEqual(await told('nobody', 'wrong horse'), wrong)
  })

  test('session fixation: a new secret each time, and the session that the browser had is over', async () => {
    const planted = cookieOf(await signIn('admin', 'correct horse')) ?? ''
    const again = await signIn('admin', 'correct horse', { cookie: `stemma_session=${planted}`, ...sameOrigin })
    const secret = cookieOf(again) ?? ''
    assert.notEqual(secret, planted)
    assert.equal((await send('GET', '/user', undefined, { cookie: `stemma_session=${planted}` })).status, 401)
    assert.equal((await send('GET', '/user', undefined, { cookie: `stemma_session=${secret}` })).status, 200)
    const made = 'stm_1111111111111111111111111111111111111111'
    assert.notEqual(cookieOf(await signIn('admin', 'correct horse', { cookie: `stemma_session=${made}`, ...sameOrigin })), made)
  })

  test('CSRF: what comes from a page of another site does nothing, signing in included', async () => {
    const cookie = `stemma_session=${cookieOf(await signIn('admin', 'correct horse'))}`
    for (const foreign of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.example' }]) {
      assert.equal((await send('POST', '/user/repos', { name: 'csrf' }, { cookie, ...foreign })).status, 403)
      assert.equal((await signIn('admin', 'correct horse', foreign)).status, 403)
    }
    assert.equal((await send('GET', '/repos/admin/csrf', undefined, asAdmin)).status, 404)
    const own = { cookie, ...sameOrigin }
    assert.equal((await send('POST', '/user/repos', { name: 'own' }, own)).status, 201)
  })

  test('signing out, ending one session, and a new password that ends the others', async () => {
    const [first, second, third] = await Promise.all(
      [1, 2, 3].map(async () => `stemma_session=${cookieOf(await signIn('admin', 'correct horse'))}`),
    )
    const isOpen = async (cookie = '') => (await send('GET', '/user', undefined, { cookie })).status === 200
    assert.equal((await send('DELETE', '/session', undefined, { cookie: first ?? '', ...sameOrigin })).status, 204)
    assert.deepEqual([await isOpen(first), await isOpen(second)], [false, true])
    const sessions = (await (await send('GET', '/user/sessions', undefined, { cookie: second ?? '' })).json()) as {
      id: number
      current: boolean
    }[]
    const current = sessions.filter((session) => session.current)
    assert.equal(current.length, 1)
    assert.equal((await send('DELETE', `/user/sessions/${current[0]?.id}`, undefined, { cookie: third ?? '', ...sameOrigin })).status, 204)
    assert.deepEqual([await isOpen(second), await isOpen(third)], [false, true])
    const change = (current_password: string, cookie = third ?? '') =>
      send('PUT', '/user/password', { password: 'battery staple', current_password }, { cookie, ...sameOrigin })
    assert.equal((await change('wrong')).status, 422)
    const other = `stemma_session=${cookieOf(await signIn('admin', 'correct horse'))}`
    assert.equal((await change('correct horse')).status, 204)
    assert.deepEqual([await isOpen(other), await isOpen(third)], [false, true])
    assert.equal((await signIn('admin', 'correct horse')).status, 401)
    assert.equal(
      (await send('PUT', '/user/password', { password: 'correct horse', current_password: 'battery staple' }, asAdmin)).status,
      204,
    )
  })
})

describe('by OpenID Connect', () => {
  async function arrive(browser: Browser, name: string, start = '/login/oidc?return_to=/there', headers = {}): Promise<Response> {
    const departure = await browser.get(server.url + start, headers)
    assert.equal(departure.status, 303)
    return browser.get(await passProvider(browser, departure.headers.get('location') ?? '', name))
  }
  const who = async (browser: Browser) =>
    (await (await browser.get(api('/user'))).json()) as { login?: string; email?: string | null; name?: string | null }

  test('whoever the provider lets in has an account, the same at each time, and a session', async () => {
    provider.people.set('sub-1', { preferred_username: 'Wanda Wu!', name: 'Wanda', email: 'wanda@example.org', email_verified: true })
    const browser = new Browser()
    const answer = await arrive(browser, 'sub-1')
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/there'])
    const { login, name, email } = await who(browser)
    assert.deepEqual({ login, name, email }, { login: 'Wanda-Wu', name: 'Wanda', email: 'wanda@example.org' })
    provider.people.set('sub-1', { preferred_username: 'other' })
    const again = new Browser()
    await arrive(again, 'sub-1')
    assert.equal((await who(again)).login, 'Wanda-Wu')
  })

  test('a login that is taken, or reserved, is nobody else’s: the next one is given', async () => {
    provider.people.set('sub-2', { preferred_username: 'admin', email: 'wanda@example.org', email_verified: true })
    provider.people.set('sub-3', { preferred_username: 'api', email: 'x@example.org', email_verified: false })
    const [second, third] = [new Browser(), new Browser()]
    await arrive(second, 'sub-2')
    await arrive(third, 'sub-3')
    assert.equal((await who(second)).login, 'admin-2')
    const { login, email } = await who(third)
    assert.deepEqual([login, email], ['api-2', null])
  })

  test('an answer for another browser, one that was used, and a state that nobody has are refused', async () => {
    const [victim, thief] = [new Browser(), new Browser()]
    const departure = await thief.get(`${server.url}/login/oidc`)
    const callback = await passProvider(thief, departure.headers.get('location') ?? '', 'sub-thief')
    assert.equal((await victim.get(callback)).status, 400)
    assert.equal((await thief.get(callback)).status, 303)
    assert.equal((await thief.get(callback)).status, 400)
    thief.setCookie(server.url, 'stemma_oidc', 'made-up')
    assert.equal((await thief.get(`${server.url}/login/oidc/callback?code=x&state=made-up`)).status, 400)
    const mine = await thief.get(`${server.url}/login/oidc`)
    const forged = new URL(await passProvider(thief, mine.headers.get('location') ?? '', 'sub-thief'))
    forged.searchParams.set('code', 'forged')
    assert.equal((await thief.get(forged.href)).status, 403)
  })

  test('who was signed in keeps his account, but only when he came by himself', async () => {
    const browser = new Browser()
    const answer = await send('POST', '/session', { login: 'admin', password: 'correct horse' })
    browser.setCookie(server.url, 'stemma_session', /stemma_session=([^;]*)/.exec(answer.headers.getSetCookie().join())?.[1] ?? '')
    await arrive(browser, 'sub-led', '/login/oidc', { 'sec-fetch-site': 'cross-site' })
    assert.notEqual((await who(browser)).login, 'admin')
    const second = new Browser()
    const answer2 = await send('POST', '/session', { login: 'admin', password: 'correct horse' })
    second.setCookie(server.url, 'stemma_session', /stemma_session=([^;]*)/.exec(answer2.headers.getSetCookie().join())?.[1] ?? '')
    await arrive(second, 'sub-admin', '/login/oidc', { 'sec-fetch-site': 'same-origin' })
    const third = new Browser()
    await arrive(third, 'sub-admin')
    assert.deepEqual([(await who(second)).login, (await who(third)).login], ['admin', 'admin'])
  })

  test('it leads nowhere but to a path of this server', async () => {
    const answer = await arrive(new Browser(), 'sub-1', `/login/oidc?return_to=${encodeURIComponent('//evil.example/')}`)
    assert.equal(answer.headers.get('location'), '/')
  })
})

describe('CI jobs', () => {
  const claims = { repository: 'org/app', ref: 'refs/heads/main', workflow_ref: 'org/app/.github/workflows/ci.yml@refs/heads/main' }
  const exchange = async (idToken: string, repository = 'admin/built') => {
    const answer = await send('POST', `/repos/${repository}/ci-token`, { id_token: idToken })
    const body = (await answer.json()) as { token?: string; message?: string; scopes?: string[] }
    return { ...body, status: answer.status }
  }
  before(async () => {
    assert.equal((await send('POST', '/user/repos', { name: 'built', private: true }, asAdmin)).status, 201)
    assert.equal((await send('POST', '/user/repos', { name: 'other', private: true }, asAdmin)).status, 201)
    const patterns = { repository: 'org/app', ref: 'refs/heads/*', workflow_ref: 'org/app/.github/workflows/ci.yml@*' }
    const trust = { name: 'main', issuer: issuer.url, claims: patterns, scopes: ['repository:write'], lifetime_seconds: 300 }
    assert.equal((await send('POST', '/repos/admin/built/ci-trusts', trust, asAdmin)).status, 201)
    assert.equal((await send('POST', '/repos/admin/built/ci-trusts', trust, asAdmin)).status, 422)
  })

  test('an id-token that the repository trusts is worth a short token for it alone, once', async () => {
    const idToken = await issuer.sign(claims)
    const { status, token = '', scopes } = await exchange(idToken)
    assert.deepEqual([status, scopes], [201, ['repository:write']])
    const headers = { authorization: `Bearer ${token}` }
    assert.equal((await send('GET', '/repos/admin/built', undefined, headers)).status, 200)
    assert.equal((await send('GET', '/repos/admin/other', undefined, headers)).status, 404)
    assert.equal((await send('DELETE', '/repos/admin/built', undefined, headers)).status, 403)
    assert.equal((await send('GET', '/user', undefined, headers)).status, 403)
    const again = await exchange(idToken)
    assert.deepEqual([again.status, again.message], [401, 'The id-token is not trusted: it was exchanged before'])
  })

  test('git pushes with it', async () => {
    const { token = '' } = await exchange(await issuer.sign(claims))
    const { Git } = await import('../support/git.ts')
    const git = new Git(folder)
    const work = folder.join('work')
    await git.run(['init', '-q', '-b', 'main', work])
    await git.run(['-C', work, 'commit', '-q', '--allow-empty', '-m', 'by CI'])
    const url = new URL(`${server.url}/admin/built.git`)
    url.username = 'x'
    url.password = token
    await git.run(['-C', work, 'push', '-q', url.href, 'main'])
    url.pathname = '/admin/other.git'
    await assert.rejects(git.run(['-C', work, 'push', '-q', url.href, 'main']))
  })

  test('other jobs, other audiences, other keys, old ones: refused, whatever is at the place', async () => {
    const bad: [string, Promise<string>][] = [
      ['no trust of the repository is meant for it', issuer.sign({ ...claims, repository: 'org/fork' })],
      ['no trust of the repository is meant for it', issuer.sign({ ...claims, ref: 'refs/pull/1/merge' })],
      [
        'no trust of the repository is meant for it',
        issuer.sign({ ...claims, workflow_ref: 'org/app/.github/workflows/evil.yml@refs/heads/main' }),
      ],
      ["its claim 'aud' is not as it must be", issuer.sign(claims, { audience: 'someone-else' })],
      ['it has expired', issuer.sign(claims, { expires: '-5m' })],
      ['its signature does not hold', issuer.sign(claims, { key: 'stranger' })],
      ['it is no JWT', Promise.resolve('a.b.c')],
    ]
    for (const [why, idToken] of bad) {
      const { status, message } = await exchange(await idToken)
      assert.deepEqual([status, message], [401, `The id-token is not trusted: ${why}`])
    }
    const unsigned = [{ alg: 'none' }, { iss: issuer.url, sub: 's', jti: 'j', aud: 'stemma-test', iat: 1, exp: 9e9, ...claims }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    assert.equal((await exchange(`${unsigned}.`)).status, 401)
    const [missing, untrusting] = [
      await exchange(await issuer.sign(claims), 'admin/nothing'),
      await exchange(await issuer.sign(claims), 'admin/other'),
    ]
    assert.deepEqual(missing, untrusting)
  })

  test('a trust names an issuer that the server knows, and whose jobs', async () => {
    const claims = { repository: 'org/app' }
    const good = { name: 'x', issuer: issuer.url, claims }
    for (const bad of [
      { ...good, issuer: 'http://169.254.169.254' },
      { ...good, claims: {} },
      { ...good, claims: { ref: 'refs/heads/main' } },
      { ...good, claims: { repository: '*' } },
      { ...good, claims: { repository: '*/app' } },
      { ...good, claims: { sub: 'repo:*' } },
      { ...good, scopes: ['repository:admin'] },
      { ...good, scopes: ['server:admin'] },
      { ...good, lifetime_seconds: 86_400 },
    ]) {
      assert.equal((await send('POST', '/repos/admin/built/ci-trusts', bad, asAdmin)).status, 422, JSON.stringify(bad))
    }
    const made = (await (await send('POST', '/repos/admin/built/ci-trusts', good, asAdmin)).json()) as { id: number }
    assert.equal((await send('DELETE', `/repos/admin/other/ci-trusts/${made.id}`, undefined, asAdmin)).status, 404)
    assert.equal((await send('DELETE', `/repos/admin/built/ci-trusts/${made.id}`, undefined, asAdmin)).status, 204)
  })
})
