// Packages that jobs publish, and versions that wait for somebody's yes, by npm's own client against the real server.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { NpmStand, password } from '../support/npm-stand.ts'
import { appOf } from '../support/otp-app.ts'

let stand: NpmStand
before(async () => {
  stand = await NpmStand.open('npm-trust')
})
after(async () => await stand?.close())

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
    stand.ask('POST', `/-/npm/v1/oidc/token/exchange/package/${name.replace('/', '%2f')}`, { token: idToken })
  before(async () => {
    token = await stand.user('tina')
    stand.npm.configure({ token })
    assert.equal((await stand.publish('@tina/a', '1.0.0')).code, 0)
    assert.equal((await stand.publish('@tina/b', '1.0.0')).code, 0)
  })

  test('npm trust github, list and revoke', async () => {
    const made = await stand.npm.run([
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
    const listed = await stand.npm.ok('trust', 'list', '@tina/a')
    assert.match(listed, /repository: octo\/app/)
    assert.match(listed, /permissions: publish/)
    const other = await stand.ask('POST', '/npm/-/package/@tina%2fb/trust', {
      token,
      body: [
        { type: 'github', claims: { repository: 'octo/app', workflow_ref: { file: 'release.yml' } }, permissions: ['createStagedPackage'] },
      ],
    })
    assert.equal(other.status, 201)
    const second = await stand.ask('POST', '/npm/-/package/@tina%2fb/trust', {
      token,
      body: { type: 'gitlab', claims: { project_path: 'octo/app', ci_config_ref_uri: { file: '.gitlab-ci.yml' } } },
    })
    await stand.npm.ok('trust', 'revoke', '@tina/b', `--id=${second.body[0].id}`)
    assert.equal((await stand.ask('GET', '/npm/-/package/@tina%2fb/trust', { token })).body.length, 1)
    const elsewhere = await stand.ask(
      'DELETE',
      `/npm/-/package/@tina%2fb/trust/${(await stand.ask('GET', '/npm/-/package/@tina%2fa/trust', { token })).body[0].id}`,
      { token },
    )
    assert.equal(elsewhere.status, 404, 'a trust of another package')
    const loose = await stand.ask('POST', '/npm/-/package/@tina%2fa/trust', {
      token,
      body: [{ type: 'github', claims: { repository: 'octo/*', workflow_ref: { file: 'x.yml' } } }],
    })
    assert.equal(loose.status, 400)
  })

  test('npm publish in a job: the client exchanges the id-token, at the root of the host', async () => {
    stand.npm.configure({})
    const published = await stand.publish('@tina/a', '1.1.0', ['--provenance=false'], inJob(await stand.issuer.sign(claims)))
    assert.equal(published.code, 0, published.stderr)
    stand.npm.configure({ token })
    assert.ok((await stand.versionsOf('@tina/a', token)).includes('1.1.0'))
    const found = await stand.ask('GET', '/api/v3/audit-log?per_page=50', { token: stand.server.token })
    assert.match(JSON.stringify(found.body), /octo\/app/)
  })

  test('the token is for that package alone, to publish it, and for nothing else', async () => {
    const { status, body } = await exchange(await stand.issuer.sign(claims))
    assert.equal(status, 201)
    stand.npm.configure({ token: body.token })
    assert.match(await stand.npm.ok('whoami'), /^ci token .* of tina$/m)
    assert.notEqual((await stand.publish('@tina/b', '1.1.0')).code, 0)
    assert.notEqual((await stand.publish('@tina/new', '1.0.0')).code, 0)
    assert.equal((await stand.publish('@tina/a', '1.2.0')).code, 0)
    for (const [method, path, more] of [
      ['POST', '/npm/-/package/@tina%2fa/access', { access: 'public' }],
      ['POST', '/npm/-/npm/v1/tokens', {}],
      ['POST', '/npm/-/npm/v1/user', { email: 'a@b.example' }],
      ['DELETE', '/npm/@tina%2fa/-rev/1', undefined],
    ] as const)
      assert.equal((await stand.ask(method, path, { token: body.token, ...(more === undefined ? {} : { body: more }) })).status, 403, path)
    stand.npm.configure({ token })
  })

  test('each id-token once for each package, and only where all fits', async () => {
    const idToken = await stand.issuer.sign({ ...claims, environment: undefined })
    assert.equal((await exchange(idToken, '@tina/b')).status, 201)
    assert.equal((await exchange(idToken, '@tina/b')).status, 401)
    const missing = await exchange(await stand.issuer.sign(claims), '@tina/none')
    for (const [what, answer] of [
      ['another repository', exchange(await stand.issuer.sign({ ...claims, repository: 'octo/fork' }))],
      [
        'another workflow',
        exchange(await stand.issuer.sign({ ...claims, workflow_ref: 'octo/app/.github/workflows/x.yml@refs/heads/main' })),
      ],
      ['another environment', exchange(await stand.issuer.sign({ ...claims, environment: 'test' }))],
      ['another audience', exchange(await stand.issuer.sign(claims, { audience: 'npm:registry.npmjs.org' }))],
      ['an old one', exchange(await stand.issuer.sign(claims, { expires: '-5m' }))],
      ['a stranger’s', exchange(await stand.issuer.sign(claims, { key: 'stranger' }))],
      ['none', exchange('none')],
    ] as const)
      assert.equal((await answer).status, 401, what)
    assert.deepEqual(
      [missing.status, missing.body.error],
      [401, (await exchange(await stand.issuer.sign({ ...claims, repository: 'octo/fork' }))).body.error],
    )
  })
})

describe('staged publishing', () => {
  let token: string
  before(async () => {
    token = await stand.user('stella')
    stand.npm.configure({ token })
    assert.equal((await stand.publish('@stella/a', '1.0.0')).code, 0)
  })
  const stage = async (version: string, more: readonly string[] = []) => {
    const staged = await stand.npm.run(['stage', 'publish', ...more], {
      cwd: stand.npm.package({ name: '@stella/a', version }, { 'index.js': `module.exports = '${version}'\n` }),
    })
    assert.equal(staged.code, 0, staged.stderr)
    return /staged with id ([0-9a-f-]{36})/.exec(staged.stdout)?.[1] ?? ''
  }

  test('what is staged is seen by nobody but its publishers until it is approved, and then it is the version', async () => {
    const id = await stage('2.0.0', ['--tag=next'])
    assert.deepEqual(await stand.versionsOf('@stella/a', token), ['1.0.0'])
    const listed = JSON.parse(await stand.npm.ok('stage', 'list', '--json')) as {
      id: string
      tag: string
      version: string
      actorType: string
    }[]
    assert.deepEqual(
      listed.map((one) => [one.id, one.version, one.tag, one.actorType]),
      [[id, '2.0.0', 'next', 'user']],
    )
    assert.match(await stand.npm.ok('stage', 'list', '@stella/a'), /2\.0\.0/)
    assert.match(await stand.npm.ok('stage', 'list', '@stella/none'), /No staged versions/)
    assert.match(await stand.npm.ok('stage', 'view', id), /package name: @stella\/a/)
    await stand.npm.ok('stage', 'download', id)
    const stranger = await stand.user('nosy')
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/tarball'],
      ['POST', '/approve'],
      ['DELETE', ''],
    ] as const) {
      const hidden = await stand.ask(method, `/npm/-/stage/${id}${path}`, { token: stranger })
      const missing = await stand.ask(method, `/npm/-/stage/00000000-0000-4000-8000-000000000000${path}`, { token: stranger })
      assert.deepEqual([hidden.status, hidden.body], [missing.status, missing.body])
      assert.equal(hidden.status, 404)
    }
    assert.equal((await stand.ask('GET', '/npm/-/stage', { token: stranger })).body.total, 0)
    assert.equal((await stand.ask('GET', '/npm/-/stage')).status, 401)
    await stand.npm.ok('stage', 'approve', id)
    const packument = (await stand.ask('GET', '/npm/@stella%2fa?write=true', { token })).body
    assert.deepEqual(packument['dist-tags'], { latest: '1.0.0', next: '2.0.0' })
    assert.deepEqual(Object.keys(packument.versions).sort(), ['1.0.0', '2.0.0'])
    assert.equal((await stand.npm.run(['stage', 'approve', id])).code === 0, false)
    assert.equal((await stand.ask('GET', '/npm/-/stage', { token })).body.total, 0)
  })

  test('one that is rejected was never there; the same version may come again', async () => {
    const id = await stage('3.0.0')
    const again = await stand.npm.run(['stage', 'publish'], { cwd: stand.npm.package({ name: '@stella/a', version: '3.0.0' }) })
    assert.ok(again.code !== 0 && /waits already/.test(again.stderr), again.stderr)
    await stand.npm.ok('stage', 'reject', id)
    assert.equal((await stand.npm.run(['stage', 'view', id])).code === 0, false)
    await stand.npm.ok('stage', 'approve', await stage('3.0.0'))
    const published = await stand.npm.run(['stage', 'publish'], { cwd: stand.npm.package({ name: '@stella/a', version: '3.0.0' }) })
    assert.ok(published.code !== 0 && /previously published/.test(published.stderr), published.stderr)
  })

  test('a token for staging alone stages, publishes nothing and approves nothing', async () => {
    const made = await stand.ask('POST', '/npm/-/npm/v1/tokens', {
      token,
      body: { password, name: 'stages', packages_and_scopes_permission: 'read-write-stage-only', packages: ['@stella/a'] },
    })
    stand.npm.configure({ token: made.body.token })
    assert.notEqual((await stand.publish('@stella/a', '4.0.0')).code, 0)
    const id = await stage('4.0.0')
    assert.equal((await stand.ask('POST', `/npm/-/stage/${id}/approve`, { token: made.body.token })).status, 403)
    stand.npm.configure({ token })
    const automation = await stand.ask('POST', '/npm/-/npm/v1/tokens', { token, body: { password, name: 'bypasses', bypass_2fa: true } })
    assert.equal((await stand.ask('POST', `/npm/-/stage/${id}/approve`, { token: automation.body.token })).status, 403)
    await stand.npm.ok('stage', 'approve', id)
  })

  test('of two who approve at once one does; approving takes a code where there is a second factor, staging none', async () => {
    const both = await stage('5.0.0')
    const answers = await Promise.all([1, 2, 3].map(() => stand.ask('POST', `/npm/-/stage/${both}/approve`, { token })))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 404, 404])
    const tfa = (given: unknown) => stand.ask('POST', '/npm/-/npm/v1/user', { token, body: { tfa: given } })
    const code = appOf((await tfa({ password, mode: 'auth-only' })).body.tfa)
    const [first = ''] = (await tfa([code(-1)])).body.tfa as string[]
    const id = await stage('6.0.0')
    assert.match((await stand.npm.run(['stage', 'approve', id])).stderr, /EOTP/)
    assert.ok(!(await stand.versionsOf('@stella/a', token)).includes('6.0.0'))
    await stand.npm.ok('stage', 'approve', id, `--otp=${first}`)
    assert.ok((await stand.versionsOf('@stella/a', token)).includes('6.0.0'))
  })
})
