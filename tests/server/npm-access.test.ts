// Who may do what, as npm's own client asks it of the real server: organisations, owners, visibility, second factors at publishing, trusted publishing, staged versions, and
// the sign-in by a browser.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Issuer, openIssuer } from '../support/ci-issuer.ts'
import { TempFolder } from '../support/git.ts'
import { NpmClient } from '../support/npm-client.ts'
import { appOf } from '../support/otp-app.ts'
import { Browser } from '../support/oidc-provider.ts'
import { Server } from '../support/server.ts'

const folder = new TempFolder('npm-access')
const password = 'correct horse battery'
let server: Server
let issuer: Issuer
let npm: NpmClient
const advisories = folder.join('advisories.json')
before(async () => {
  issuer = await openIssuer()
  writeFileSync(
    advisories,
    JSON.stringify([
      { id: 7, name: 'bad', title: 'It is bad', severity: 'critical', url: 'https://example.org/7', vulnerable_versions: '<1.2.0' },
    ]),
  )
  const env = {
    STEMMA_NPM_SIGN_UP: 'true',
    STEMMA_HTTP_TRUST_PROXY: '127.0.0.1',
    STEMMA_CI_ISSUERS: issuer.url,
    STEMMA_CI_AUDIENCE: 'stemma-test',
    STEMMA_NPM_ADVISORIES: advisories,
  }
  server = await Server.start({ data: folder.join('data'), env })
  npm = new NpmClient(folder, 'npm', `${server.url}/npm/`)
})
after(async () => {
  await server?.stop()
  await issuer?.close()
  folder.remove()
})

interface Answer {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into whatever came
  readonly body: any
}

async function ask(
  method: string,
  path: string,
  { token, body, headers = {} }: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const answer = await fetch(`${server.url}${path}`, {
    method,
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  return {
    status: answer.status,
    headers: answer.headers,
    body: /json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : text,
  }
}

let addresses = 0
async function user(login: string): Promise<string> {
  const headers = { 'x-forwarded-for': `192.0.2.${++addresses}` }
  const answer = await ask('PUT', `/npm/-/user/org.couchdb.user:${login}`, {
    body: { name: login, password, email: `${login}@example.org` },
    headers,
  })
  assert.equal(answer.status, 201)
  return answer.body.token as string
}

async function organization(login: string, token: string): Promise<void> {
  assert.equal((await ask('POST', '/api/v3/user/orgs', { token, body: { login } })).status, 201)
}

/** Publishes by the client; a version of a package. */
async function publish(name: string, version: string, more: readonly string[] = [], env: Record<string, string> = {}) {
  return npm.run(['publish', ...more], { cwd: npm.package({ name, version }), env })
}

const versionsOf = async (name: string, token: string) =>
  Object.keys((await ask('GET', `/npm/${name.replace('/', '%2f')}?write=true`, { token })).body.versions ?? {})

describe('organisations, owners and visibility', () => {
  let ada: string
  let bobs: string
  before(async () => {
    ada = await user('ada')
    bobs = await user('bob')
    await organization('acme', ada)
    npm.configure({ token: ada })
    const published = await publish('@acme/a', '1.0.0')
    assert.equal(published.code, 0, published.stderr)
  })

  test('npm org set, ls and rm', async () => {
    assert.match(await npm.ok('org', 'set', 'acme', 'bob'), /Added bob as developer to acme. You now have 2 members/)
    assert.deepEqual(JSON.parse(await npm.ok('org', 'ls', 'acme', '--json')), { ada: 'admin', bob: 'developer' })
    assert.deepEqual(await npm.ok('team', 'ls', 'acme:developers').then((text) => text.trim().split('\n').slice(1)), ['ada', 'bob'])
    assert.match(await npm.ok('team', 'ls', 'acme'), /@acme:developers/)
    assert.match((await npm.run(['team', 'create', 'acme:others'])).stderr, /no other can be made/)
    assert.match((await npm.run(['team', 'rm', 'acme:developers', 'bob'])).stderr, /npm org rm acme USER/)
    assert.match(await npm.ok('org', 'rm', 'acme', 'bob'), /Successfully removed bob from acme/)
    await npm.ok('team', 'add', 'acme:developers', 'bob')
    assert.deepEqual(JSON.parse(await npm.ok('org', 'ls', 'acme', '--json')), { ada: 'admin', bob: 'developer' })
    assert.match((await npm.run(['org', 'rm', 'acme', 'ada'])).stderr, /Nobody else administers acme/)
    assert.match((await npm.run(['org', 'set', 'acme', 'nobody-there'])).stderr, /There is no user/)
  })

  test('npm access: visibility, collaborators, packages, and what one team can not be given', async () => {
    assert.equal(await npm.ok('access', 'get', 'status', '@acme/a'), '@acme/a: private\n')
    await npm.ok('access', 'set', 'status=public', '@acme/a')
    assert.equal((await ask('GET', '/npm/-/package/@acme%2fa/visibility')).body.public, true)
    await npm.ok('access', 'set', 'status=private', '@acme/a')
    assert.equal((await ask('GET', '/npm/-/package/@acme%2fa/visibility')).status, 401)
    assert.deepEqual(JSON.parse(await npm.ok('access', 'list', 'collaborators', '@acme/a', '--json')), {
      ada: 'read-write',
      bob: 'read-write',
    })
    assert.deepEqual(JSON.parse(await npm.ok('access', 'list', 'packages', 'acme', '--json')), { '@acme/a': 'read-write' })
    assert.deepEqual(JSON.parse(await npm.ok('access', 'list', 'packages', 'ada', '--json')), {})
    assert.deepEqual(JSON.parse(await npm.ok('access', 'list', 'packages', 'acme:developers', '--json')), { '@acme/a': 'read-write' })
    await npm.ok('access', 'grant', 'read-write', 'acme:developers', '@acme/a')
    assert.match((await npm.run(['access', 'grant', 'read-only', 'acme:developers', '@acme/a'])).stderr, /can not be made less/)
    assert.match((await npm.run(['access', 'revoke', 'acme:developers', '@acme/a'])).stderr, /npm access set status/)
  })

  test('npm owner: of what is linked to a repository its collaborators; else it is said how it is done', async () => {
    assert.deepEqual((await npm.ok('owner', 'ls', '@acme/a')).trim().split('\n').sort(), ['ada <>', 'bob <>'])
    await user('carl')
    assert.match((await npm.run(['owner', 'add', 'carl', '@acme/a'])).stderr, /npm org set acme carl developer/)
    const whole = (await ask('POST', '/api/v3/user/tokens', { token: server.token, body: { name: 'whole', scopes: null } })).body
      .token as string
    assert.equal((await ask('POST', '/api/v3/orgs/acme/repos', { token: whole, body: { name: 'a', private: true } })).status, 201)
    const linked = await ask('PATCH', '/api/v3/orgs/acme/packages/npm/@acme%2fa', { token: whole, body: { repository: 'a' } })
    assert.equal(linked.status, 200, JSON.stringify(linked.body))
    assert.match(
      (await npm.run(['owner', 'add', 'carl', '@acme/a'])).stderr,
      /takes the role admin there/,
      'a token for packages does not administer the repository',
    )
    npm.configure({ token: whole })
    await npm.ok('owner', 'add', 'carl', '@acme/a')
    assert.deepEqual((await npm.ok('owner', 'ls', '@acme/a')).trim().split('\n').sort(), ['ada <>', 'bob <>', 'carl <>'])
    assert.equal((await ask('GET', '/api/v3/repos/acme/a/collaborators/carl/permission', { token: whole })).body.permission, 'write')
    await npm.ok('owner', 'rm', 'carl', '@acme/a')
    assert.match((await npm.run(['owner', 'rm', 'bob', '@acme/a'])).stderr, /npm org rm acme bob/)
    assert.match((await npm.run(['owner', 'add', 'nobody-there', '@acme/a'])).stderr, /E404/)
    npm.configure({ token: bobs })
    assert.equal(await npm.ok('owner', 'ls', '@acme/a'), 'acme <>\n', 'who may publish is shown to those who administer it')
    npm.configure({ token: ada })
  })

  test('nobody else changes who may', async () => {
    const carl = await user('carl-too')
    for (const [method, path, body] of [
      ['PUT', '/npm/-/org/acme/user', { user: 'carl-too', role: 'owner' }],
      ['DELETE', '/npm/-/org/acme/user', { user: 'bob' }],
      ['GET', '/npm/-/org/acme/user', undefined],
      ['GET', '/npm/-/org/acme/team', undefined],
      ['GET', '/npm/-/package/@acme%2fa/collaborators', undefined],
      ['POST', '/npm/-/package/@acme%2fa/access', { access: 'public' }],
      ['GET', '/npm/-/package/@acme%2fa/trust', undefined],
      ['PUT', '/npm/@acme%2fa/-rev/1', { _id: '@acme/a', maintainers: [{ name: 'carl-too' }] }],
    ] as const) {
      const answer = await ask(method, path, { token: carl, ...(body === undefined ? {} : { body }) })
      assert.ok([403, 404].includes(answer.status), `${method} ${path}: ${answer.status}`)
    }
  })
})

describe('a second factor at publishing', () => {
  let token: string
  let code: (ahead?: number) => string
  let recovery: readonly string[]
  before(async () => {
    token = await user('otto')
    npm.configure({ token })
    assert.equal((await publish('@otto/a', '1.0.0')).code, 0)
    const tfa = (given: unknown) => ask('POST', '/npm/-/npm/v1/user', { token, body: { tfa: given } })
    code = appOf((await tfa({ password, mode: 'auth-and-writes' })).body.tfa)
    recovery = (await tfa([code(-1)])).body.tfa
  })

  test('npm publish, dist-tag and access ask for a code; with one they go on, and only the same command may repeat it', async () => {
    const without = await publish('@otto/a', '1.1.0')
    assert.ok(without.code !== 0 && /EOTP/.test(without.stderr), without.stderr)
    assert.deepEqual(await versionsOf('@otto/a', token), ['1.0.0'])
    const wrong = await publish('@otto/a', '1.1.0', ['--otp=000000'])
    assert.ok(wrong.code !== 0 && /EOTP/.test(wrong.stderr), wrong.stderr)
    const otp = code()
    const right = await publish('@otto/a', '1.1.0', [`--otp=${otp}`])
    assert.equal(right.code, 0, right.stderr)
    assert.equal((await publish('@otto/a', '1.2.0', [`--otp=${otp}`])).code, 0, 'as a workspace’s next package')
    assert.ok(/EOTP/.test((await npm.run(['dist-tag', 'add', '@otto/a@1.0.0', 'old', `--otp=${otp}`])).stderr), 'another command')
    const other = await ask('PUT', '/npm/-/user/org.couchdb.user:otto', { body: { name: 'otto', password }, headers: { 'npm-otp': otp } })
    assert.equal(other.status, 401, 'a sign-in')
    assert.ok(/EOTP/.test((await npm.run(['access', 'set', 'status=public', '@otto/a'])).stderr))
    assert.ok(/EOTP/.test((await npm.run(['deprecate', '@otto/a@1.0.0', 'old'])).stderr))
    assert.deepEqual((await versionsOf('@otto/a', token)).sort(), ['1.0.0', '1.1.0', '1.2.0'])
  })

  test('a token that was made to do without publishes without, unless the package wants a person', async () => {
    const made = await ask('POST', '/npm/-/npm/v1/tokens', {
      token,
      body: { password, name: 'ci', bypass_2fa: true },
      headers: { 'npm-otp': recovery[0] ?? '' },
    })
    assert.equal(made.status, 201)
    npm.configure({ token: made.body.token })
    assert.equal((await publish('@otto/a', '2.0.0')).code, 0)
    const mfa = await ask('POST', '/npm/-/package/@otto%2fa/access', {
      token,
      body: { publish_requires_tfa: true, automation_token_overrides_tfa: false },
      headers: { 'npm-otp': recovery[1] ?? '' },
    })
    assert.equal(mfa.status, 200)
    const refused = await publish('@otto/a', '2.1.0')
    assert.ok(refused.code !== 0 && /two-factor authentication/.test(refused.stderr), refused.stderr)
    npm.configure({ token })
  })
})

describe('trusted publishing', () => {
  let token: string
  const claims = {
    repository: 'octo/app',
    ref: 'refs/heads/main',
    workflow_ref: 'octo/app/.github/workflows/release.yml@refs/heads/main',
    environment: 'npm',
  }
  /** As a job of GitHub's that has its id-token at hand. */
  const inJob = (idToken: string) => ({ GITHUB_ACTIONS: 'true', CI: 'true', NPM_ID_TOKEN: idToken })
  const exchange = (idToken: string, name = '@tina/a') =>
    ask('POST', `/-/npm/v1/oidc/token/exchange/package/${name.replace('/', '%2f')}`, { token: idToken })
  before(async () => {
    token = await user('tina')
    npm.configure({ token })
    assert.equal((await publish('@tina/a', '1.0.0')).code, 0)
    assert.equal((await publish('@tina/b', '1.0.0')).code, 0)
  })

  test('npm trust github, list and revoke', async () => {
    const made = await npm.run([
      'trust',
      'github',
      '@tina/a',
      '--file=release.yml',
      '--repository=octo/app',
      '--environment=npm',
      '--allow-publish',
      '--yes',
    ])
    assert.equal(made.code, 0, made.stderr)
    const listed = await npm.ok('trust', 'list', '@tina/a')
    assert.match(listed, /repository: octo\/app/)
    assert.match(listed, /permissions: publish/)
    const other = await ask('POST', '/npm/-/package/@tina%2fb/trust', {
      token,
      body: [
        { type: 'github', claims: { repository: 'octo/app', workflow_ref: { file: 'release.yml' } }, permissions: ['createStagedPackage'] },
      ],
    })
    assert.equal(other.status, 201)
    const second = await ask('POST', '/npm/-/package/@tina%2fb/trust', {
      token,
      body: { type: 'gitlab', claims: { project_path: 'octo/app', ci_config_ref_uri: { file: '.gitlab-ci.yml' } } },
    })
    await npm.ok('trust', 'revoke', '@tina/b', `--id=${second.body[0].id}`)
    assert.equal((await ask('GET', '/npm/-/package/@tina%2fb/trust', { token })).body.length, 1)
    const elsewhere = await ask(
      'DELETE',
      `/npm/-/package/@tina%2fb/trust/${(await ask('GET', '/npm/-/package/@tina%2fa/trust', { token })).body[0].id}`,
      { token },
    )
    assert.equal(elsewhere.status, 404, 'a trust of another package')
    const loose = await ask('POST', '/npm/-/package/@tina%2fa/trust', {
      token,
      body: [{ type: 'github', claims: { repository: 'octo/*', workflow_ref: { file: 'x.yml' } } }],
    })
    assert.equal(loose.status, 400)
  })

  test('npm publish in a job: the client exchanges the id-token, at the root of the host', async () => {
    npm.configure({})
    const published = await publish('@tina/a', '1.1.0', ['--provenance=false'], inJob(await issuer.sign(claims)))
    assert.equal(published.code, 0, published.stderr)
    npm.configure({ token })
    assert.ok((await versionsOf('@tina/a', token)).includes('1.1.0'))
    const found = await ask('GET', '/api/v3/audit-log?per_page=50', { token: server.token })
    assert.match(JSON.stringify(found.body), /octo\/app/)
  })

  test('the token is for that package alone, to publish it, and for nothing else', async () => {
    const { status, body } = await exchange(await issuer.sign(claims))
    assert.equal(status, 201)
    npm.configure({ token: body.token })
    assert.match(await npm.ok('whoami'), /^ci token .* of tina$/m)
    assert.notEqual((await publish('@tina/b', '1.1.0')).code, 0)
    assert.notEqual((await publish('@tina/new', '1.0.0')).code, 0)
    assert.equal((await publish('@tina/a', '1.2.0')).code, 0)
    for (const [method, path, more] of [
      ['POST', '/npm/-/package/@tina%2fa/access', { access: 'public' }],
      ['POST', '/npm/-/npm/v1/tokens', {}],
      ['POST', '/npm/-/npm/v1/user', { email: 'a@b.example' }],
      ['DELETE', '/npm/@tina%2fa/-rev/1', undefined],
    ] as const)
      assert.equal((await ask(method, path, { token: body.token, ...(more === undefined ? {} : { body: more }) })).status, 403, path)
    npm.configure({ token })
  })

  test('each id-token once for each package, and only where all fits', async () => {
    const idToken = await issuer.sign({ ...claims, environment: undefined })
    assert.equal((await exchange(idToken, '@tina/b')).status, 201)
    assert.equal((await exchange(idToken, '@tina/b')).status, 401)
    const missing = await exchange(await issuer.sign(claims), '@tina/none')
    for (const [what, answer] of [
      ['another repository', exchange(await issuer.sign({ ...claims, repository: 'octo/fork' }))],
      ['another workflow', exchange(await issuer.sign({ ...claims, workflow_ref: 'octo/app/.github/workflows/x.yml@refs/heads/main' }))],
      ['another environment', exchange(await issuer.sign({ ...claims, environment: 'test' }))],
      ['another audience', exchange(await issuer.sign(claims, { audience: 'npm:registry.npmjs.org' }))],
      ['an old one', exchange(await issuer.sign(claims, { expires: '-5m' }))],
      ['a stranger’s', exchange(await issuer.sign(claims, { key: 'stranger' }))],
      ['none', exchange('none')],
    ] as const)
      assert.equal((await answer).status, 401, what)
    assert.deepEqual(
      [missing.status, missing.body.error],
      [401, (await exchange(await issuer.sign({ ...claims, repository: 'octo/fork' }))).body.error],
    )
  })
})

describe('staged publishing', () => {
  let token: string
  before(async () => {
    token = await user('stella')
    npm.configure({ token })
    assert.equal((await publish('@stella/a', '1.0.0')).code, 0)
  })
  const stage = async (version: string, more: readonly string[] = []) => {
    const staged = await npm.run(['stage', 'publish', ...more], {
      cwd: npm.package({ name: '@stella/a', version }, { 'index.js': `module.exports = '${version}'\n` }),
    })
    assert.equal(staged.code, 0, staged.stderr)
    return /staged with id ([0-9a-f-]{36})/.exec(staged.stdout)?.[1] ?? ''
  }

  test('what is staged is seen by nobody but its publishers until it is approved, and then it is the version', async () => {
    const id = await stage('2.0.0', ['--tag=next'])
    assert.deepEqual(await versionsOf('@stella/a', token), ['1.0.0'])
    const listed = JSON.parse(await npm.ok('stage', 'list', '--json')) as { id: string; tag: string; version: string; actorType: string }[]
    assert.deepEqual(
      listed.map((one) => [one.id, one.version, one.tag, one.actorType]),
      [[id, '2.0.0', 'next', 'user']],
    )
    assert.match(await npm.ok('stage', 'list', '@stella/a'), /2\.0\.0/)
    assert.match(await npm.ok('stage', 'list', '@stella/none'), /No staged versions/)
    assert.match(await npm.ok('stage', 'view', id), /package name: @stella\/a/)
    await npm.ok('stage', 'download', id)
    const stranger = await user('nosy')
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/tarball'],
      ['POST', '/approve'],
      ['DELETE', ''],
    ] as const) {
      const hidden = await ask(method, `/npm/-/stage/${id}${path}`, { token: stranger })
      const missing = await ask(method, `/npm/-/stage/00000000-0000-4000-8000-000000000000${path}`, { token: stranger })
      assert.deepEqual([hidden.status, hidden.body], [missing.status, missing.body])
      assert.equal(hidden.status, 404)
    }
    assert.equal((await ask('GET', '/npm/-/stage', { token: stranger })).body.total, 0)
    assert.equal((await ask('GET', '/npm/-/stage')).status, 401)
    await npm.ok('stage', 'approve', id)
    const packument = (await ask('GET', '/npm/@stella%2fa?write=true', { token })).body
    assert.deepEqual(packument['dist-tags'], { latest: '1.0.0', next: '2.0.0' })
    assert.deepEqual(Object.keys(packument.versions).sort(), ['1.0.0', '2.0.0'])
    assert.equal((await npm.run(['stage', 'approve', id])).code === 0, false)
    assert.equal((await ask('GET', '/npm/-/stage', { token })).body.total, 0)
  })

  test('one that is rejected was never there; the same version may come again', async () => {
    const id = await stage('3.0.0')
    const again = await npm.run(['stage', 'publish'], { cwd: npm.package({ name: '@stella/a', version: '3.0.0' }) })
    assert.ok(again.code !== 0 && /waits already/.test(again.stderr), again.stderr)
    await npm.ok('stage', 'reject', id)
    assert.equal((await npm.run(['stage', 'view', id])).code === 0, false)
    await npm.ok('stage', 'approve', await stage('3.0.0'))
    const published = await npm.run(['stage', 'publish'], { cwd: npm.package({ name: '@stella/a', version: '3.0.0' }) })
    assert.ok(published.code !== 0 && /previously published/.test(published.stderr), published.stderr)
  })

  test('a token for staging alone stages, publishes nothing and approves nothing', async () => {
    const made = await ask('POST', '/npm/-/npm/v1/tokens', {
      token,
      body: { password, name: 'stages', packages_and_scopes_permission: 'read-write-stage-only', packages: ['@stella/a'] },
    })
    npm.configure({ token: made.body.token })
    assert.notEqual((await publish('@stella/a', '4.0.0')).code, 0)
    const id = await stage('4.0.0')
    assert.equal((await ask('POST', `/npm/-/stage/${id}/approve`, { token: made.body.token })).status, 403)
    npm.configure({ token })
    const automation = await ask('POST', '/npm/-/npm/v1/tokens', { token, body: { password, name: 'bypasses', bypass_2fa: true } })
    assert.equal((await ask('POST', `/npm/-/stage/${id}/approve`, { token: automation.body.token })).status, 403)
    await npm.ok('stage', 'approve', id)
  })

  test('of two who approve at once one does; approving takes a code where there is a second factor, staging none', async () => {
    const both = await stage('5.0.0')
    const answers = await Promise.all([1, 2, 3].map(() => ask('POST', `/npm/-/stage/${both}/approve`, { token })))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 404, 404])
    const tfa = (given: unknown) => ask('POST', '/npm/-/npm/v1/user', { token, body: { tfa: given } })
    const code = appOf((await tfa({ password, mode: 'auth-only' })).body.tfa)
    const [first = ''] = (await tfa([code(-1)])).body.tfa as string[]
    const id = await stage('6.0.0')
    assert.match((await npm.run(['stage', 'approve', id])).stderr, /EOTP/)
    assert.ok(!(await versionsOf('@stella/a', token)).includes('6.0.0'))
    await npm.ok('stage', 'approve', id, `--otp=${first}`)
    assert.ok((await versionsOf('@stella/a', token)).includes('6.0.0'))
  })
})

describe('npm login by a browser', () => {
  before(async () => void (await user('wendy')))
  const sameOrigin = { 'sec-fetch-site': 'same-origin' }
  const post = (browser: Browser, path: string, form: Record<string, string>) => browser.post(`${server.url}${path}`, form)
  const begin = async () => (await ask('POST', '/npm/-/v1/login', { body: {} })).body as { loginUrl: string; doneUrl: string }
  const poll = async (url: string) => {
    const answer = await fetch(url)
    return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: (await answer.json()) as { token?: string } }
  }

  test('the client waits, its user signs in on the page and says yes, and the client has a token', async () => {
    npm.configure({})
    const child = npm.run(['login', '--auth-type=web', '--browser=false'], { onOutput: async (text) => follow(text) })
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
    assert.equal(await npm.ok('whoami'), 'wendy\n')
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
    const cookie = ['stemma_session', 'stemma_client_login'].map((name) => `${name}=${browser.cookie(server.url, name) ?? ''}`).join('; ')
    const foreign = await fetch(`${server.url}/login/client`, {
      method: 'POST',
      body: new URLSearchParams({ id, answer: 'yes' }),
      headers: { cookie, 'sec-fetch-site': 'cross-site' },
    })
    assert.equal(foreign.status, 403)
    assert.equal((await poll(doneUrl)).status, 202)
    const own = await fetch(`${server.url}/login/client`, {
      method: 'POST',
      body: new URLSearchParams({ id, answer: 'yes' }),
      headers: { cookie, ...sameOrigin },
    })
    assert.equal(own.status, 200)
    assert.equal((await post(browser, '/login/client', { id, answer: 'yes' })).status, 404, 'once')
    const { status, body } = await poll(doneUrl)
    assert.equal(status, 200)
    assert.equal((await ask('GET', '/npm/-/whoami', { token: body.token ?? '' })).body.username, 'wendy')
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

describe('npm audit', () => {
  test('advisories of the operator’s, for bodies that come gzipped', async () => {
    const bulk = async (body: string | Buffer, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${server.url}/npm/-/npm/v1/security/advisories/bulk`, {
        method: 'POST',
        body: new Uint8Array(Buffer.from(body)),
        headers,
      })
      return { status: answer.status, body: (await answer.json()) as Record<string, { id: number; vulnerable_versions: string }[]> }
    }
    const gzip = { 'content-encoding': 'gzip' }
    const found = await bulk(gzipSync(JSON.stringify({ bad: ['1.1.0', '1.2.0'], good: ['1.0.0'], __proto__: [] })), gzip)
    assert.deepEqual([found.status, found.body.bad?.[0]?.id, Object.keys(found.body)], [200, 7, ['bad']])
    assert.deepEqual((await bulk(JSON.stringify({ bad: ['1.2.0'] }))).body, {})
    assert.equal((await bulk(gzipSync(Buffer.alloc(64 << 20)), gzip)).status, 413, 'a gzip bomb')
    assert.equal((await bulk('[1]')).status, 400)
    assert.equal((await bulk('{"a":[1]}')).status, 400)
  })

  test('npm audit tells of it', async () => {
    npm.configure({})
    const cwd = npm.package({ name: 'app', version: '1.0.0', dependencies: { bad: '1.0.0' } })
    const lock = {
      name: 'app',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': { name: 'app', version: '1.0.0', dependencies: { bad: '1.0.0' } },
        'node_modules/bad': { version: '1.0.0', resolved: `${server.url}/npm/bad/-/bad-1.0.0.tgz`, integrity: 'sha512-x' },
      },
    }
    writeFileSync(`${cwd}/package-lock.json`, JSON.stringify(lock))
    const { stdout, code } = await npm.run(['audit', '--json'], { cwd })
    assert.equal(code, 1)
    const report = JSON.parse(stdout) as { vulnerabilities: Record<string, { severity: string }> }
    assert.equal(report.vulnerabilities.bad?.severity, 'critical')
  })
})
