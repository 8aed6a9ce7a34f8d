// Docker's token authentication: the challenge, the passes, and what they are worth.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createRepository, createToken, type Grant, issueToken, operator } from '../../src/access/index.ts'
import { systemRandomness } from '../../src/base/index.ts'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'

let faces: TestFaces
let alice: TestAccount
let bob: TestAccount
let origin: string
before(async () => {
  faces = await openFaces({ isWhole: true })
  origin = await faces.listener.listen({ host: '127.0.0.1', port: 0 })
  alice = await makeAccount(faces.db, 'alice')
  bob = await makeAccount(faces.db, 'bob')
})
after(async () => await faces?.close())

const basic = (secret: string) => ({ authorization: `Basic ${Buffer.from(`x:${secret}`).toString('base64')}` })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

async function call(method: 'GET' | 'PUT' | 'POST' | 'DELETE', url: string, headers: Record<string, string> = {}, payload?: string) {
  const answer = await fetch(origin + url, { method, headers, ...(payload === undefined ? {} : { body: payload }) })
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() }
}

/** The pass for those scopes, and what it says that it is for. */
async function passFor(headers: Record<string, string>, ...scopes: string[]) {
  const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join('&')
  const { status, body } = await call('GET', `/v2/token?service=stemma.test&${query}`, headers)
  assert.equal(status, 200, body)
  const { token, access_token, scope } = JSON.parse(body) as { token: string; access_token: string; scope: string }
  assert.equal(token, access_token)
  return { token, scope }
}

const manifest = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [],
})
const type = { 'content-type': 'application/vnd.oci.image.index.v1+json' }

async function publish(secret: string, name: string): Promise<void> {
  const { status, body } = await call('PUT', `/v2/${name}/manifests/v1`, { ...basic(secret), ...type }, manifest)
  assert.equal(status, 201, body)
}

test('a client is told where to ask and for what; with a pass it gets what it may', async () => {
  await publish(alice.token, 'alice/app')
  const refused = await call('GET', '/v2/alice/app/manifests/v1')
  assert.equal(refused.status, 401)
  assert.match(
    String(refused.headers['www-authenticate']),
    /^Bearer realm="http:\/\/[^"]+\/v2\/token",service="[^"]+",scope="repository:alice\/app:pull"$/,
  )
  const { token, scope } = await passFor(basic(alice.token), 'repository:alice/app:pull')
  assert.equal(scope, 'repository:alice/app:pull')
  assert.equal((await call('GET', '/v2/alice/app/manifests/v1', bearer(token))).status, 200)
})

test('a pass is for what was asked, and no more: other actions and images are told what to ask for', async () => {
  await publish(alice.token, 'alice/other')
  const { token } = await passFor(basic(alice.token), 'repository:alice/app:pull')
  const push = await call('PUT', '/v2/alice/app/manifests/v2', { ...bearer(token), ...type }, manifest)
  assert.equal(push.status, 401)
  assert.match(String(push.headers['www-authenticate']), /scope="repository:alice\/app:pull,push",error="insufficient_scope"/)
  const missing = await call('GET', '/v2/alice/none/manifests/v1', bearer(token))
  const hidden = await call('GET', '/v2/alice/other/manifests/v1', bearer(token))
  assert.deepEqual([hidden.status, missing.status, hidden.body], [401, 401, missing.body])
  assert.match(hidden.body, /You may not do this here, or there is no such image .*role and the scope of your token/)
  assert.equal((await call('DELETE', '/v2/alice/app/manifests/v1', bearer(token))).status, 401)
  const both = await passFor(basic(alice.token), 'repository:alice/app:pull,push', 'repository:alice/other:delete')
  assert.equal(both.scope, 'repository:alice/app:pull,push repository:alice/other:delete')
  assert.equal((await call('PUT', '/v2/alice/app/manifests/v2', { ...bearer(both.token), ...type }, manifest)).status, 201)
})

test('what one may not read and what there isn’t are left out of a pass alike, and answered alike', async () => {
  for (const headers of [{}, basic(bob.token)]) {
    const hidden = await passFor(headers, 'repository:alice/app:pull')
    const missing = await passFor(headers, 'repository:alice/none:pull')
    assert.deepEqual([hidden.scope, missing.scope], ['', ''])
    for (const name of ['alice/app', 'alice/none']) {
      assert.equal((await call('GET', `/v2/${name}/manifests/v1`, bearer(hidden.token))).status, 401, name)
    }
  }
  assert.equal((await passFor(basic(bob.token), 'repository:alice/new:pull,push')).scope, '')
  assert.equal((await passFor(basic(alice.token), 'repository:alice/new:pull,push')).scope, 'repository:alice/new:pull,push')
})

test('a pass is void with the credential that it stands for, and with its account', async () => {
  const secret = await createToken(faces.db, { account: 'alice', name: 'short', expiresAt: null }, systemRandomness)
  const { token } = await passFor(basic(secret), 'repository:alice/app:pull')
  assert.equal((await call('GET', '/v2/alice/app/manifests/v1', bearer(token))).status, 200)
  await faces.db.queries.deleteFrom('token').where('name', '=', 'short').execute()
  assert.equal((await call('GET', '/v2/alice/app/manifests/v1', bearer(token))).status, 401)
  const own = await passFor(basic(bob.token), 'repository:bob/new:pull,push')
  const suspend = (at: Date | null) =>
    faces.db.queries.updateTable('account').set({ suspended_at: at }).where('login', '=', 'bob').execute()
  await suspend(new Date())
  assert.equal((await call('PUT', '/v2/bob/new/manifests/v1', { ...bearer(own.token), ...type }, manifest)).status, 403)
  assert.equal((await call('GET', '/v2/token', basic(bob.token))).status, 403)
  await suspend(null)
})

test('a pass is good for the registry and nothing else, and gets no other pass', async () => {
  const { token } = await passFor(basic(alice.token), 'repository:alice/app:pull,push,delete')
  const packages = ['/api/v3/images/alice/app', '/api/v3/users/alice/packages/container/app', '/api/v3/user/packages/container/app']
  for (const path of packages) assert.equal((await call('GET', path, bearer(alice.token))).status, 200, path)
  const others = ['/api/v3/user', '/api/v3/user/repos', '/api/v3/users/alice', '/alice/app.git/info/refs?service=git-upload-pack']
  for (const path of [...packages, ...others]) assert.equal((await call('GET', path, bearer(token))).status, 401, path)
  assert.equal((await call('DELETE', packages[1] as string, bearer(token))).status, 401)
  assert.equal((await call('GET', '/v2/token', bearer(token))).status, 401)
  assert.equal((await call('GET', '/v2/', bearer(token))).status, 200)
  assert.equal((await call('GET', '/v2/')).status, 401)
  assert.equal((await call('GET', '/v2/', bearer('stmr_abc.def'))).status, 401)
})

test('a pass can’t do what its credential may not: scopes of tokens, and things that they are bound to', async () => {
  const grant: Grant = { scopes: ['package:read'], ownerIds: null, repositoryIds: null }
  const reading = await createToken(faces.db, { account: 'alice', name: 'reading', expiresAt: null, grant }, systemRandomness)
  assert.equal((await passFor(basic(reading), 'repository:alice/app:*')).scope, 'repository:alice/app:pull')
  const none = { ...grant, scopes: ['repository:admin' as const] }
  const other = await createToken(faces.db, { account: 'alice', name: 'git', expiresAt: null, grant: none }, systemRandomness)
  assert.equal((await passFor(basic(other), 'repository:alice/app:pull')).scope, '')
  assert.equal((await call('GET', '/v2/alice/app/manifests/v1', basic(other))).status, 404)
})

test('a repository’s token publishes what becomes its repository’s, and nothing elsewhere', async () => {
  const { db } = faces
  const home = await createRepository(db, { ownerId: alice.id, name: 'home', visibility: 'internal' })
  const kind = { kind: 'repository', repositoryId: home.id, ownerId: alice.id, fullName: 'alice/home' } as const
  const grant: Grant = { scopes: ['package:write'], ownerIds: null, repositoryIds: [home.id] }
  const wanted = { kind: 'ci', bearer: kind, name: 'job', grant, actor: operator, expiresAt: null } as const
  const { secret } = await db.transaction(async (tx) => issueToken(tx, wanted, systemRandomness))
  await publish(secret, 'alice/home/web')
  const row = await db.queries
    .selectFrom('package')
    .select(['repository_id', 'visibility'])
    .where('name', '=', 'home/web')
    .executeTakeFirstOrThrow()
  assert.deepEqual(row, { repository_id: home.id, visibility: 'internal' })
  assert.equal(
    (await call('PUT', '/v2/alice/app/manifests/v1', { ...basic(secret), ...type }, manifest)).status,
    404,
    'a private image of the owner’s',
  )
  assert.equal((await call('PUT', '/v2/bob/web/manifests/v1', { ...basic(secret), ...type }, manifest)).status, 404)
  assert.equal((await call('DELETE', '/v2/alice/home/web/manifests/v1', basic(secret))).status, 403)
  assert.equal((await passFor(basic(secret), 'repository:alice/home/web:*')).scope, 'repository:alice/home/web:pull,push')
})

test('OAuth 2.0’s forms get the same; what they hold is no good, or too much, is told', async () => {
  const form = (values: Record<string, string>) =>
    call('POST', '/v2/token', { 'content-type': 'application/x-www-form-urlencoded' }, new URLSearchParams(values).toString())
  const scope = 'repository:alice/app:pull'
  const password = await form({ grant_type: 'password', username: 'x', password: alice.token, scope, access_type: 'offline' })
  const { access_token: token, refresh_token: refresh, expires_in: seconds } = JSON.parse(password.body) as Record<string, string>
  assert.deepEqual([password.status, refresh, seconds], [200, alice.token, 300])
  assert.equal((await call('GET', '/v2/alice/app/manifests/v1', bearer(String(token)))).status, 200)
  assert.equal((await form({ grant_type: 'refresh_token', refresh_token: alice.token, scope })).status, 200)
  const bad = await form({ grant_type: 'password', password: 'stm_00', scope })
  assert.deepEqual([bad.status, JSON.parse(bad.body).errors[0].code], [401, 'UNAUTHORIZED'])
  assert.match(String(bad.headers['www-authenticate']), /^Basic/)
  assert.equal((await form({ grant_type: 'authorization_code', code: 'x' })).status, 400)
  assert.equal((await form({ grant_type: 'password', password: alice.token, scope: `${scope} `.repeat(60) })).status, 400)
  assert.equal((await form({ grant_type: 'password', password: 'x'.repeat(70_000) })).status, 413)
})
