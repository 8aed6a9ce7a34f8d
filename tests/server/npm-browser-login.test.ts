// npm login by a browser, against the real server.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { NpmStand, password } from '../support/npm-stand.ts'
import { Browser } from '../support/oidc-provider.ts'

let stand: NpmStand
before(async () => {
  stand = await NpmStand.open('npm-browser-login')
})
after(async () => await stand?.close())

describe('npm login by a browser', () => {
  before(async () => void (await stand.user('wendy')))
  const sameOrigin = { 'sec-fetch-site': 'same-origin' }
  const post = (browser: Browser, path: string, form: Record<string, string>) => browser.post(`${stand.server.url}${path}`, form)
  const begin = async () => (await stand.ask('POST', '/npm/-/v1/login', { body: {} })).body as { loginUrl: string; doneUrl: string }
  const poll = async (url: string) => {
    const answer = await fetch(url)
    return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: (await answer.json()) as { token?: string } }
  }

  test('the client waits, its user signs in on the page and says yes, and the client has a token', async () => {
    stand.npm.configure({})
    const child = stand.npm.run(['login', '--auth-type=web', '--browser=false'], { onOutput: async (text) => follow(text) })
    let isFollowed = false
    const follow = async (text: string) => {
      const url = /(http\S+\/login\/client\?id=\w+)/.exec(text)?.[1]
      if (url === undefined || isFollowed) return
      isFollowed = true
      const browser = new Browser()
      const page = await browser.get(url)
      assert.equal(page.status, 200)
      assert.match(page.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
      const id = new URL(url).searchParams.get('id') ?? ''
      assert.equal((await post(browser, '/login/client/session', { id, login: 'wendy', password: 'wrong' })).status, 401)
      assert.equal((await post(browser, '/login/client/session', { id, login: 'wendy', password })).status, 303)
      assert.match(await (await browser.get(url)).text(), /Let it in as wendy/)
      assert.match(await (await post(browser, '/login/client', { id, answer: 'yes' })).text(), /You are signed in/)
    }
    const ended = await child
    assert.equal(ended.code, 0, ended.stderr)
    assert.equal(await stand.npm.ok('whoami'), 'wendy\n')
  })

  test('nobody answers but the browser that opened the page, from this origin, once', async () => {
    const { loginUrl, doneUrl } = await begin()
    const id = new URL(loginUrl).searchParams.get('id') ?? ''
    assert.deepEqual(await poll(doneUrl), { status: 202, retryAfter: '2', body: {} })
    const [browser, other] = [new Browser(), new Browser()]
    await browser.get(loginUrl)
    assert.equal((await other.get(loginUrl)).status, 404, 'opened elsewhere')
    await post(browser, '/login/client/session', { id, login: 'wendy', password })
    assert.equal((await post(other, '/login/client', { id, answer: 'no' })).status, 404)
    const cookie = ['stemma_session', 'stemma_client_login']
      .map((name) => `${name}=${browser.cookie(stand.server.url, name) ?? ''}`)
      .join('; ')
    const foreign = await fetch(`${stand.server.url}/login/client`, {
      method: 'POST',
      body: new URLSearchParams({ id, answer: 'yes' }),
      headers: { cookie, 'sec-fetch-site': 'cross-site' },
    })
    assert.equal(foreign.status, 403)
    assert.equal((await poll(doneUrl)).status, 202)
    const own = await fetch(`${stand.server.url}/login/client`, {
      method: 'POST',
      body: new URLSearchParams({ id, answer: 'yes' }),
      headers: { cookie, ...sameOrigin },
    })
    assert.equal(own.status, 200)
    assert.equal((await post(browser, '/login/client', { id, answer: 'yes' })).status, 404, 'once')
    const { status, body } = await poll(doneUrl)
    assert.equal(status, 200)
    assert.equal((await stand.ask('GET', '/npm/-/whoami', { token: body.token ?? '' })).body.username, 'wendy')
    assert.equal((await poll(doneUrl)).status, 404, 'told once')
  })

  test('no is told, and without a session nobody says yes', async () => {
    const { loginUrl, doneUrl } = await begin()
    const id = new URL(loginUrl).searchParams.get('id') ?? ''
    const browser = new Browser()
    await browser.get(loginUrl)
    assert.equal((await post(browser, '/login/client', { id, answer: 'yes' })).status, 401)
    assert.equal((await post(browser, '/login/client', { id, answer: 'no' })).status, 200)
    assert.equal((await poll(doneUrl)).status, 403)
  })
})
