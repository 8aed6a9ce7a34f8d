// Who may do what, as npm's own client asks it of the real server: organisations, owners, visibility, second factors at publishing; and advisories.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { NpmStand, password } from '../support/npm-stand.ts'
import { appOf } from '../support/otp-app.ts'

let stand: NpmStand
before(async () => {
  stand = await NpmStand.open('npm-access')
})
after(async () => await stand?.close())

describe('organisations, owners and visibility', () => {
  let ada: string
  let bobs: string
  before(async () => {
    ada = await stand.user('ada')
    bobs = await stand.user('bob')
    await stand.organization('acme', ada)
    stand.npm.configure({ token: ada })
    const published = await stand.publish('@acme/a', '1.0.0')
    assert.equal(published.code, 0, published.stderr)
  })

  test('npm org set, ls and rm', async () => {
    assert.match(await stand.npm.ok('org', 'set', 'acme', 'bob'), /Added bob as developer to acme. You now have 2 members/)
    assert.deepEqual(JSON.parse(await stand.npm.ok('org', 'ls', 'acme', '--json')), { ada: 'admin', bob: 'developer' })
    assert.deepEqual(await stand.npm.ok('team', 'ls', 'acme:developers').then((text) => text.trim().split('\n').slice(1)), ['ada', 'bob'])
    assert.match(await stand.npm.ok('team', 'ls', 'acme'), /@acme:developers/)
    assert.match((await stand.npm.run(['team', 'create', 'acme:others'])).stderr, /no other can be made/)
    assert.match((await stand.npm.run(['team', 'rm', 'acme:developers', 'bob'])).stderr, /npm org rm acme USER/)
    assert.match(await stand.npm.ok('org', 'rm', 'acme', 'bob'), /Successfully removed bob from acme/)
    await stand.npm.ok('team', 'add', 'acme:developers', 'bob')
    assert.deepEqual(JSON.parse(await stand.npm.ok('org', 'ls', 'acme', '--json')), { ada: 'admin', bob: 'developer' })
    assert.match((await stand.npm.run(['org', 'rm', 'acme', 'ada'])).stderr, /Nobody else administers acme/)
    assert.match((await stand.npm.run(['org', 'set', 'acme', 'nobody-there'])).stderr, /There is no user/)
  })

  test('npm access: visibility, collaborators, packages, and what one team can not be given', async () => {
    assert.equal(await stand.npm.ok('access', 'get', 'status', '@acme/a'), '@acme/a: private\n')
    await stand.npm.ok('access', 'set', 'status=public', '@acme/a')
    assert.equal((await stand.ask('GET', '/npm/-/package/@acme%2fa/visibility')).body.public, true)
    await stand.npm.ok('access', 'set', 'status=private', '@acme/a')
    assert.equal((await stand.ask('GET', '/npm/-/package/@acme%2fa/visibility')).status, 401)
    assert.deepEqual(JSON.parse(await stand.npm.ok('access', 'list', 'collaborators', '@acme/a', '--json')), {
      ada: 'read-write',
      bob: 'read-write',
    })
    assert.deepEqual(JSON.parse(await stand.npm.ok('access', 'list', 'packages', 'acme', '--json')), { '@acme/a': 'read-write' })
    assert.deepEqual(JSON.parse(await stand.npm.ok('access', 'list', 'packages', 'ada', '--json')), {})
    assert.deepEqual(JSON.parse(await stand.npm.ok('access', 'list', 'packages', 'acme:developers', '--json')), { '@acme/a': 'read-write' })
    await stand.npm.ok('access', 'grant', 'read-write', 'acme:developers', '@acme/a')
    assert.match((await stand.npm.run(['access', 'grant', 'read-only', 'acme:developers', '@acme/a'])).stderr, /can not be made less/)
    assert.match((await stand.npm.run(['access', 'revoke', 'acme:developers', '@acme/a'])).stderr, /npm access set status/)
  })

  test('npm owner: of what is linked to a repository its collaborators; else it is said how it is done', async () => {
    assert.deepEqual((await stand.npm.ok('owner', 'ls', '@acme/a')).trim().split('\n').sort(), ['ada <>', 'bob <>'])
    await stand.user('carl')
    assert.match((await stand.npm.run(['owner', 'add', 'carl', '@acme/a'])).stderr, /npm org set acme carl developer/)
    const whole = (await stand.ask('POST', '/api/v3/user/tokens', { token: stand.server.token, body: { name: 'whole', scopes: null } }))
      .body.token as string
    assert.equal((await stand.ask('POST', '/api/v3/orgs/acme/repos', { token: whole, body: { name: 'a', private: true } })).status, 201)
    const linked = await stand.ask('PATCH', '/api/v3/orgs/acme/packages/npm/@acme%2fa', { token: whole, body: { repository: 'a' } })
    assert.equal(linked.status, 200, JSON.stringify(linked.body))
    assert.match(
      (await stand.npm.run(['owner', 'add', 'carl', '@acme/a'])).stderr,
      /takes the role admin there/,
      'a token for packages does not administer the repository',
    )
    stand.npm.configure({ token: whole })
    await stand.npm.ok('owner', 'add', 'carl', '@acme/a')
    assert.deepEqual((await stand.npm.ok('owner', 'ls', '@acme/a')).trim().split('\n').sort(), ['ada <>', 'bob <>', 'carl <>'])
    assert.equal((await stand.ask('GET', '/api/v3/repos/acme/a/collaborators/carl/permission', { token: whole })).body.permission, 'write')
    await stand.npm.ok('owner', 'rm', 'carl', '@acme/a')
    assert.match((await stand.npm.run(['owner', 'rm', 'bob', '@acme/a'])).stderr, /npm org rm acme bob/)
    assert.match((await stand.npm.run(['owner', 'add', 'nobody-there', '@acme/a'])).stderr, /E404/)
    stand.npm.configure({ token: bobs })
    assert.equal(await stand.npm.ok('owner', 'ls', '@acme/a'), 'acme <>\n', 'who may publish is shown to those who administer it')
    stand.npm.configure({ token: ada })
  })

  test('nobody else changes who may', async () => {
    const carl = await stand.user('carl-too')
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
      const answer = await stand.ask(method, path, { token: carl, ...(body === undefined ? {} : { body }) })
      assert.ok([403, 404].includes(answer.status), `${method} ${path}: ${answer.status}`)
    }
  })
})

describe('a second factor at publishing', () => {
  let token: string
  let code: (ahead?: number) => string
  let recovery: readonly string[]
  before(async () => {
    token = await stand.user('otto')
    stand.npm.configure({ token })
    assert.equal((await stand.publish('@otto/a', '1.0.0')).code, 0)
    const tfa = (given: unknown) => stand.ask('POST', '/npm/-/npm/v1/user', { token, body: { tfa: given } })
    code = appOf((await tfa({ password, mode: 'auth-and-writes' })).body.tfa)
    recovery = (await tfa([code(-1)])).body.tfa
  })

  test('npm publish, dist-tag and access ask for a code; with one they go on, and only the same command may repeat it', async () => {
    const without = await stand.publish('@otto/a', '1.1.0')
    assert.ok(without.code !== 0 && /EOTP/.test(without.stderr), without.stderr)
    assert.deepEqual(await stand.versionsOf('@otto/a', token), ['1.0.0'])
    const wrong = await stand.publish('@otto/a', '1.1.0', ['--otp=000000'])
    assert.ok(wrong.code !== 0 && /EOTP/.test(wrong.stderr), wrong.stderr)
    const otp = code()
    const right = await stand.publish('@otto/a', '1.1.0', [`--otp=${otp}`])
    assert.equal(right.code, 0, right.stderr)
    assert.equal((await stand.publish('@otto/a', '1.2.0', [`--otp=${otp}`])).code, 0, 'as a workspace’s next package')
    assert.ok(/EOTP/.test((await stand.npm.run(['dist-tag', 'add', '@otto/a@1.0.0', 'old', `--otp=${otp}`])).stderr), 'another command')
    const other = await stand.ask('PUT', '/npm/-/user/org.couchdb.user:otto', {
      body: { name: 'otto', password },
      headers: { 'npm-otp': otp },
    })
    assert.equal(other.status, 401, 'a sign-in')
    assert.ok(/EOTP/.test((await stand.npm.run(['access', 'set', 'status=public', '@otto/a'])).stderr))
    assert.ok(/EOTP/.test((await stand.npm.run(['deprecate', '@otto/a@1.0.0', 'old'])).stderr))
    assert.deepEqual((await stand.versionsOf('@otto/a', token)).sort(), ['1.0.0', '1.1.0', '1.2.0'])
  })

  test('a token that was made to do without publishes without, unless the package wants a person', async () => {
    const made = await stand.ask('POST', '/npm/-/npm/v1/tokens', {
      token,
      body: { password, name: 'ci', bypass_2fa: true },
      headers: { 'npm-otp': recovery[0] ?? '' },
    })
    assert.equal(made.status, 201)
    stand.npm.configure({ token: made.body.token })
    assert.equal((await stand.publish('@otto/a', '2.0.0')).code, 0)
    const mfa = await stand.ask('POST', '/npm/-/package/@otto%2fa/access', {
      token,
      body: { publish_requires_tfa: true, automation_token_overrides_tfa: false },
      headers: { 'npm-otp': recovery[1] ?? '' },
    })
    assert.equal(mfa.status, 200)
    const refused = await stand.publish('@otto/a', '2.1.0')
    assert.ok(refused.code !== 0 && /two-factor authentication/.test(refused.stderr), refused.stderr)
    stand.npm.configure({ token })
  })
})

describe('npm audit', () => {
  test('advisories of the operator’s, for bodies that come gzipped', async () => {
    const bulk = async (body: string | Buffer, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${stand.server.url}/npm/-/npm/v1/security/advisories/bulk`, {
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
    stand.npm.configure({})
    const cwd = stand.npm.package({ name: 'app', version: '1.0.0', dependencies: { bad: '1.0.0' } })
    const lock = {
      name: 'app',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': { name: 'app', version: '1.0.0', dependencies: { bad: '1.0.0' } },
        'node_modules/bad': { version: '1.0.0', resolved: `${stand.server.url}/npm/bad/-/bad-1.0.0.tgz`, integrity: 'sha512-x' },
      },
    }
    writeFileSync(`${cwd}/package-lock.json`, JSON.stringify(lock))
    const { stdout, code } = await stand.npm.run(['audit', '--json'], { cwd })
    assert.equal(code, 1)
    const report = JSON.parse(stdout) as { vulnerabilities: Record<string, { severity: string }> }
    assert.equal(report.vulnerabilities.bad?.severity, 'critical')
  })
})
