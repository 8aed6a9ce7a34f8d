// What holds for every request to the registry: who may, names, errors in the protocol's form from every layer, images made by what is first pushed.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { changePackage, createRepository, createToken, findPackage, operator } from '../../src/access/index.ts'
import { systemRandomness } from '../../src/base/index.ts'
import { digestText, imageOf, TestRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'

let registry: TestRegistry
before(async () => {
  registry = await TestRegistry.open()
})
after(async () => await registry?.close())

const zeros = `sha256:${'0'.repeat(64)}`
const packageNamed = (name: string) => findPackage(registry.faces.db.queries, { format: 'oci', owner: 'olive', name })

test('/v2/: whoever shows nothing is asked to sign in', async () => {
  const nobody = await registry.ask('GET', '', { as: null })
  assert.deepEqual([nobody.status, nobody.code], [401, 'UNAUTHORIZED'])
  assert.ok(nobody.headers.get('www-authenticate'))
  const olive = await registry.ask('GET', '')
  assert.deepEqual([olive.status, olive.headers.get('docker-distribution-api-version')], [200, 'registry/2.0'])
  assert.equal((await registry.ask('GET', '', { as: { ...registry.olive, token: `stm_${'0'.repeat(40)}` } })).status, 401)
})

test('names that are none, whoever asks', async () => {
  for (const name of [
    'ubuntu',
    'Olive/app',
    'olive/App',
    'olive/_app',
    'olive/a..b',
    'olive/a___b',
    'olive/app-',
    `olive/${'a'.repeat(250)}`,
  ]) {
    for (const as of [registry.olive, null]) {
      const answer = await registry.ask('GET', `${name}/manifests/latest`, { as })
      assert.deepEqual([answer.status, answer.code], [400, 'NAME_INVALID'], name)
    }
  }
  assert.equal((await registry.ask('POST', 'ubuntu/blobs/uploads/')).code, 'NAME_INVALID')
  assert.equal((await registry.ask('GET', 'olive/app/manifests/-x')).code, 'TAG_INVALID')
})

test('every layer answers in the protocol’s form', async () => {
  await registry.pushBlob('olive/form', 'x')
  const cases = [
    ['GET', 'olive', 404],
    ['GET', 'olive/form/whatever', 404],
    ['GET', 'olive/form/tags', 404],
    ['PUT', `olive/form/blobs/${zeros}`, 405],
    ['POST', 'olive/form/manifests/x', 405],
    ['DELETE', 'olive/form/tags/list', 405],
    ['PATCH', 'olive/form/manifests/x', 405],
    ['GET', 'olive/form/blobs/uploads/', 405],
    ['HEAD', 'olive/form/tags/list', 405],
    ['PUT', '_catalog', 405],
    ['GET', 'olive/form/../x/manifests/y', 404],
    ['GET', 'olive%2fform/manifests/y', 400],
    ['GET', 'olive/form/manifests/%00', 400],
  ] as const
  for (const [method, path, status] of cases) {
    const answer = await registry.ask(method, path)
    assert.equal(answer.status, status, `${method} ${path}`)
    if (method !== 'HEAD') {
      assert.match(answer.code ?? '', /^[A-Z_]+$/, `${method} ${path}: ${answer.bytes.toString()}`)
      assert.equal(typeof answer.json.errors[0].message, 'string')
    }
  }
  const wrong = await registry.ask('PUT', `olive/form/blobs/${zeros}`)
  assert.match(wrong.headers.get('allow') ?? '', /GET, HEAD, DELETE/)
})

test('who may: readers pull, writers push, owners delete', async () => {
  await registry.pushImage('olive/rights', 'v1')
  const one = await packageNamed('rights')
  assert.ok(one)
  await changePackage(registry.faces.db, one.id, { visibility: 'public' }, operator)
  for (const as of [registry.sam, null]) assert.equal((await registry.ask('GET', 'olive/rights/manifests/v1', { as })).status, 200)
  const push = await registry.ask('POST', 'olive/rights/blobs/uploads/', { as: registry.sam })
  assert.deepEqual([push.status, push.code], [403, 'DENIED'])
  assert.equal((await registry.ask('POST', 'olive/rights/blobs/uploads/', { as: null })).status, 401)
  assert.deepEqual((await registry.ask('DELETE', 'olive/rights/manifests/v1', { as: registry.sam })).code, 'DENIED')
  const secret = await createToken(
    registry.faces.db,
    { account: 'olive', name: 'w', expiresAt: null, grant: { scopes: ['package:write'], ownerIds: null, repositoryIds: null } },
    systemRandomness,
  )
  const writer = { ...registry.olive, token: secret }
  assert.equal((await registry.ask('POST', 'olive/rights/blobs/uploads/', { as: writer })).status, 202)
  assert.equal((await registry.ask('DELETE', 'olive/rights/manifests/v1', { as: writer })).status, 403)
  const location = await registry.begin('olive/rights')
  assert.equal((await registry.ask('DELETE', location, { as: writer })).status, 204) // his own upload he may give up
})

test('an image is made by the first upload, mount or manifest; nobody makes one in another’s name', async () => {
  assert.equal((await registry.ask('POST', 'olive/first/upload/blobs/uploads/')).status, 202)
  assert.equal((await registry.ask('POST', `olive/first/mount/blobs/uploads/?mount=${zeros}&from=olive/none`)).status, 202)
  assert.equal(
    (
      await registry.putManifest('olive/first/index', 'v1', {
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [],
      })
    ).status,
    201,
  )
  for (const name of ['first/upload', 'first/mount', 'first/index']) assert.equal((await packageNamed(name))?.visibility, 'private', name)
  assert.equal((await registry.putManifest('olive/refused', 'v1', imageOf('{}', []))).status, 404)
  assert.equal((await registry.ask('PUT', 'olive/refused2/manifests/v1', { body: '{' })).status, 400)
  assert.equal(await packageNamed('refused2'), null)
  const foreign = await registry.ask('POST', 'olive/his/blobs/uploads/', { as: registry.sam })
  assert.deepEqual([foreign.status, foreign.code], [404, 'NAME_UNKNOWN'])
  assert.equal(await packageNamed('his'), null)
  const many = await Promise.all(Array.from({ length: 8 }, (_, n) => registry.pushBlob('olive/at/once', `blob ${n}`)))
  for (const digest of many) assert.equal((await registry.ask('HEAD', `olive/at/once/blobs/${digest}`)).status, 200)
})

test('an owner’s name is told apart without regard to case, and written in lower case', async () => {
  const digest = await registry.pushBlob('olive/case', 'x')
  assert.equal((await registry.ask('GET', `OLIVE/case/blobs/${digest}`)).code, 'NAME_INVALID')
})

test('the label that says where an image comes from links it to that repository', async () => {
  const { db } = registry.faces
  const repository = await createRepository(db, { ownerId: registry.olive.id, name: 'sources', visibility: 'private' })
  const strangers = await createRepository(db, { ownerId: registry.sam.id, name: 'sources', visibility: 'public' })
  const push = async (name: string, source: string, more: object = {}) => {
    const config = JSON.stringify({ config: { Labels: { 'org.opencontainers.image.source': source } } })
    await registry.pushBlob(`olive/${name}`, config)
    assert.equal((await registry.putManifest(`olive/${name}`, 'v1', imageOf(config, [], more))).status, 201)
  }
  await push('labelled', `${registry.url}/olive/sources`)
  await until('the image is linked', async () => (await packageNamed('labelled'))?.repositoryId === repository.id)
  await push('annotated', 'x', { annotations: { 'org.opencontainers.image.source': `${registry.url}/olive/sources.git` } })
  await until('the image is linked', async () => (await packageNamed('annotated'))?.repositoryId === repository.id)
  // set by hand: stays
  await registry.pushBlob('olive/by-hand', 'x')
  const byHand = await packageNamed('by-hand')
  assert.ok(byHand)
  await changePackage(db, byHand.id, { repositoryId: null }, operator)
  await push('by-hand', `${registry.url}/olive/sources`)
  await push('elsewhere', 'https://elsewhere.example/olive/sources')
  await push('strangers', `${registry.url}/sam/sources`)
  assert.ok(strangers)
  await push('last', `${registry.url}/olive/sources`)
  await until('the last image is linked', async () => (await packageNamed('last'))?.repositoryId === repository.id)
  for (const name of ['by-hand', 'elsewhere', 'strangers']) assert.equal((await packageNamed(name))?.repositoryId, null, name)
  const told = await db.queries
    .selectFrom('audit')
    .select('action')
    .where('action', '=', 'package.change')
    .where('repository_id', '=', repository.id)
    .execute()
  assert.equal(told.length, 3)
})

test('digests of what was pushed are what anybody computes', async () => {
  const { digest } = await registry.pushImage('olive/digest', 'v1')
  const got = await registry.ask('GET', 'olive/digest/manifests/v1')
  assert.equal(digestText(got.bytes), digest)
})

test('too many requests: 429 in the protocol’s form, with the time to wait', async () => {
  const off = { apiReads: 0, apiWrites: 0, anonymousApi: 0, git: 5, anonymousGit: 5, failures: 0, accountFailures: 0 }
  const narrow = await TestRegistry.open({ rates: off })
  try {
    for (const as of [narrow.olive, null]) {
      const statuses: number[] = []
      for (let n = 0; n < 5; n++) statuses.push((await narrow.ask('GET', 'olive/x/manifests/y', { as })).status)
      assert.deepEqual(new Set(statuses), new Set([as === null ? 401 : 404]))
      const refused = await narrow.ask('GET', 'olive/x/manifests/y', { as })
      assert.deepEqual([refused.status, refused.code], [429, 'TOOMANYREQUESTS'])
      assert.ok(Number(refused.headers.get('retry-after')) > 0)
    }
  } finally {
    await narrow.close()
  }
})

test('a path that can’t be decoded is answered in the registry’s form', async () => {
  const answer = await registry.ask('GET', 'olive/app/manifests/%FF')
  assert.deepEqual([answer.status, answer.code], [400, 'NAME_INVALID'])
})
