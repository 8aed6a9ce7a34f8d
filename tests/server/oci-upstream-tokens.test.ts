// What the tokens of repositories (a deployment's, a CI job's) get of a pull-through cache: what their owner's upstreams give, and of others' what is public.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { type AccountId, createRepository, issueToken, operator, type Repository, type Scope } from '../../src/access/index.ts'
import { systemRandomness } from '../../src/base/index.ts'
import { type CacheStand, openCache } from '../support/cache-stand.ts'
import { digestOf } from '../support/fake-registry.ts'
import { seededBytes } from '../support/random.ts'

let stand: CacheStand
let own: Repository
let others: Repository
const layer = seededBytes('upstream layer', 100_000)
before(async () => {
  stand = await openCache()
  own = await createRepository(stand.db, { ownerId: stand.hub.id as AccountId, name: 'app', visibility: 'private' })
  others = await createRepository(stand.db, { ownerId: stand.stranger.id as AccountId, name: 'app', visibility: 'private' })
})
after(async () => await stand?.close())
beforeEach(async () => {
  await stand.startAnew()
  stand.upstream.addImage('library/app', 'v1', [layer])
})

let count = 0
/** As the API makes them: bound to their repository. */
async function tokenOf(repository: Repository, kind: 'deploy' | 'ci', scopes: readonly Scope[] = ['package:read']): Promise<string> {
  const { id, ownerId, ownerLogin, name } = repository
  const bearer = { kind: 'repository', repositoryId: id, ownerId, fullName: `${ownerLogin}/${name}` } as const
  const wanted = {
    kind,
    bearer,
    name: `t${count++}`,
    grant: { scopes, ownerIds: null, repositoryIds: [id] },
    actor: operator,
    expiresAt: null,
  }
  return (await stand.db.transaction((tx) => issueToken(tx, wanted, systemRandomness))).secret
}

/** What pulling comes to: a tag, that isn't here or is; its layer; the list of tags. */
async function pulling(token: string): Promise<number[]> {
  const statuses: number[] = []
  for (const path of ['manifests/v1', 'manifests/v1', `blobs/${digestOf(layer)}`, 'tags/list']) {
    const answer = await stand.get(`hub/library/app/${path}`, { token })
    await answer.arrayBuffer()
    statuses.push(answer.status)
  }
  return statuses
}

const given = [200, 200, 200, 200]
const hidden = [404, 404, 404, 404]

test('those of the owner’s repositories pull what his upstreams give, whatever its visibility, and cause a fetch', async () => {
  for (const visibility of ['private', 'internal', 'public'] as const) {
    for (const kind of ['deploy', 'ci'] as const) {
      await stand.startAnew()
      await stand.declare({ url: stand.upstream.origin, visibility })
      assert.deepEqual(await pulling(await tokenOf(own, kind)), given, `${kind} ${visibility}`)
      assert.ok(stand.upstream.seen.length > 0)
    }
  }
})

test('those of other owners’ repositories get what is public, and the rest is hidden from them, here or not', async () => {
  const foreign = await tokenOf(others, 'ci')
  await stand.declare({ url: stand.upstream.origin, visibility: 'public' })
  assert.deepEqual(await pulling(foreign), given)
  for (const visibility of ['private', 'internal'] as const) {
    await stand.startAnew()
    await stand.declare({ url: stand.upstream.origin, visibility })
    assert.deepEqual(await pulling(foreign), hidden, visibility)
    assert.equal(stand.upstream.seen.length, 0, 'nothing was fetched for them')
    assert.deepEqual(await pulling(await tokenOf(own, 'ci')), given)
    assert.deepEqual(await pulling(foreign), hidden, `${visibility}, and here`)
  }
})

test('without the scope for packages nothing that is private; nothing is pushed or deleted with it; the owner’s own images stay hidden', async () => {
  await stand.declare({ url: `${stand.upstream.origin}/library`, visibility: 'private', path: 'library' })
  assert.deepEqual(await pulling(await tokenOf(own, 'deploy', ['repository:write'])), hidden)
  const token = await tokenOf(own, 'ci', ['package:write'])
  assert.deepEqual(await pulling(token), given)
  for (const [method, path] of [
    ['POST', 'hub/library/app/blobs/uploads/'],
    ['DELETE', 'hub/library/app/manifests/v1'],
  ] as const)
    assert.equal((await stand.get(path, { method, token })).status, 403, path)
  const begun = await stand.get('hub/secret/blobs/uploads/', { method: 'POST' })
  assert.equal(begun.status, 202)
  for (const path of ['hub/secret/tags/list', 'hub/missing/tags/list']) assert.equal((await stand.get(path, { token })).status, 404, path)
})

test('a pass says what its token may, and the list of images shows what has come', async () => {
  await stand.declare({ url: stand.upstream.origin, visibility: 'private' })
  const [token, foreign] = [await tokenOf(own, 'ci'), await tokenOf(others, 'ci')]
  const passOf = async (secret: string) => {
    const headers = { authorization: `Basic ${Buffer.from(`ci:${secret}`).toString('base64')}` }
    const answer = await fetch(`${stand.url}/v2/token?scope=repository:hub/library/app:pull,push`, { headers })
    return (await answer.json()) as { token: string; scope: string }
  }
  const pass = await passOf(token)
  assert.equal(pass.scope, 'repository:hub/library/app:pull')
  assert.deepEqual(await pulling(pass.token), given)
  assert.equal((await passOf(foreign)).scope, '')
  const images = async (secret: string) =>
    ((await (await stand.get('_catalog', { token: secret })).json()) as { repositories: string[] }).repositories
  assert.deepEqual([await images(token), await images(foreign)], [['hub/library/app'], []])
})
