// What forks keep from each other: what is stored of them in one place is told by no size and no figure, and no fork opens what its source keeps closed.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createRepository, forkRepository } from '../../src/access/index.ts'
import { makeAccount, type TestAccount } from '../support/accounts.ts'
import { openFaces, type TestFaces } from '../support/faces.ts'

let faces: TestFaces
let ann: TestAccount
let bob: TestAccount
let eve: TestAccount
let root: TestAccount
before(async () => {
  faces = await openFaces({ isWhole: true })
  ;[ann, bob, eve] = [await makeAccount(faces.db, 'ann'), await makeAccount(faces.db, 'bob'), await makeAccount(faces.db, 'eve')]
  root = await makeAccount(faces.db, 'root', true)
  const source = await createRepository(faces.db, { ownerId: ann.id, name: 'pub', visibility: 'public' })
  await write('ann', ann, 1000)
  const fork = { sourceId: source.id, name: 'pub', takesRef: () => true }
  await forkRepository(faces.db, { ...fork, ownerId: bob.id, visibility: 'private' })
  await forkRepository(faces.db, { ...fork, ownerId: eve.id })
})
after(async () => await faces?.close())

async function write(owner: string, by: TestAccount, sizeBytes: number): Promise<void> {
  const content = Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, i) => (i * i * 31 + i) & 255)).toString('base64')
  const { statusCode, body } = await ask('PUT', `/repos/${owner}/pub/contents/${owner}.bin`, by, { message: 'more', content })
  assert.equal(statusCode, 201, body)
}

async function ask(method: 'GET' | 'PUT' | 'PATCH', url: string, by?: TestAccount, payload?: object) {
  const headers = by === undefined ? {} : { authorization: `Bearer ${by.token}` }
  return faces.listener.inject({ method, url: `/api/v3${url}`, headers, ...(payload ? { payload } : {}) })
}

test('what is pushed to a private fork changes no size that others see', async () => {
  const shown = async () => [
    (await ask('GET', '/repos/ann/pub')).json().size,
    (await ask('GET', '/repos/ann/pub/forks')).json()[0].size,
    (await ask('GET', '/users/ann/repos')).json()[0].size,
    (await ask('GET', '/repos/eve/pub', eve)).json().parent.size,
  ]
  const before = await shown()
  const own = (await ask('GET', '/repos/bob/pub', bob)).json().size
  await write('bob', bob, 300_000)
  assert.deepEqual(await shown(), before)
  assert.notEqual((await ask('GET', '/repos/bob/pub', bob)).json().size, own)
})

test('figures of a store that forks share are for administrators of the server', async () => {
  assert.equal((await ask('GET', '/repos/eve/pub/storage', eve)).statusCode, 403)
  assert.equal((await ask('GET', '/repos/ann/pub/storage', ann)).statusCode, 403)
  assert.equal((await ask('GET', '/repos/eve/pub/storage', root)).statusCode, 200)
})

test('a fork is shown to no more than its source, also by a change of it', async () => {
  const source = await createRepository(faces.db, { ownerId: ann.id, name: 'closed', visibility: 'private' })
  await faces.db.queries.insertInto('collaborator').values({ repository_id: source.id, account_id: eve.id, role: 'read' }).execute()
  const made = await forkRepository(faces.db, { sourceId: source.id, ownerId: eve.id, name: 'closed', takesRef: () => true })
  assert.equal(made?.visibility, 'private')
  for (const change of [{ visibility: 'internal' }, { private: false }]) {
    const answer = await ask('PATCH', '/repos/eve/closed', eve, change)
    assert.deepEqual([answer.statusCode, answer.json().errors?.[0]?.field], [422, 'visibility'])
  }
  assert.equal((await ask('PATCH', '/repos/eve/closed', eve, { private: true, description: 'mine' })).statusCode, 200)
  assert.equal((await ask('PATCH', '/repos/ann/closed', ann, { private: false })).statusCode, 200)
  assert.equal((await ask('PATCH', '/repos/eve/closed', eve, { private: false })).statusCode, 200)
})

test('names with a NUL are names of nothing', async () => {
  const post = async (url: string, payload: object) =>
    (await faces.listener.inject({ method: 'POST', url: `/api/v3${url}`, headers: { authorization: `Bearer ${ann.token}` }, payload }))
      .statusCode
  assert.equal(await post('/session', { login: 'ann\0', password: 'wrong horse' }), 401)
  assert.equal(await post('/repos/ann/pub/transfer', { new_owner: 'bob\0' }), 422)
  assert.equal(await post('/repos/ann/pub/forks', { organization: 'x\0' }), 422)
  assert.equal(await post('/user/tokens', { name: 'n', scopes: null, owners: ['x\0'] }), 422)
  assert.equal(await post('/user/tokens', { name: 'n', scopes: null, repositories: ['ann/x\0'] }), 422)
  const trust = { name: 'n', issuer: 'https://gitlab.com', claims: { project_path: 'ann/pub', ref: 'x\0' } }
  assert.equal(await post('/repos/ann/pub/ci-trusts', trust), 422)
  assert.equal((await ask('GET', '/users?since=99999999999999999999999', ann)).statusCode, 422)
})
