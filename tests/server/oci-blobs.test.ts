// Blobs over the registry's protocol: pulled, asked for, mounted, deleted.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { changePackage, findPackage, operator } from '../../src/access/index.ts'
import { sql } from '../../src/db/index.ts'
import { seededBytes } from '../support/random.ts'
import { digestText, imageOf, TestRegistry } from '../support/registry.ts'
import { until } from '../support/until.ts'

let registry: TestRegistry
before(async () => {
  registry = await TestRegistry.open()
})
after(async () => await registry?.close())

const zeros = `sha256:${'0'.repeat(64)}`

test('GET and HEAD: bytes, length, digest; conditional; missing', async () => {
  const bytes = seededBytes('blob', 300_000)
  const digest = await registry.pushBlob('olive/pull', bytes)
  const got = await registry.ask('GET', `olive/pull/blobs/${digest}`)
  assert.deepEqual([got.status, got.bytes.equals(bytes)], [200, true])
  const head = await registry.ask('HEAD', `olive/pull/blobs/${digest}`)
  for (const { headers, status } of [got, head]) {
    assert.equal(status, 200)
    assert.equal(headers.get('docker-content-digest'), digest)
    assert.equal(headers.get('content-length'), '300000')
    assert.equal(headers.get('etag'), `"${digest}"`)
    assert.equal(headers.get('docker-distribution-api-version'), 'registry/2.0')
  }
  assert.equal(head.bytes.length, 0)
  for (const etag of [`"${digest}"`, `W/"${digest}", "x"`, '*']) {
    assert.equal((await registry.ask('GET', `olive/pull/blobs/${digest}`, { headers: { 'if-none-match': etag } })).status, 304)
  }
  assert.equal((await registry.ask('GET', `olive/pull/blobs/${digest}`, { headers: { 'if-none-match': '"x"' } })).status, 200)
  const missing = await registry.ask('GET', `olive/pull/blobs/${zeros}`)
  assert.deepEqual([missing.status, missing.code], [404, 'BLOB_UNKNOWN'])
  assert.equal((await registry.ask('HEAD', `olive/pull/blobs/${zeros}`)).status, 404)
})

test('a blob whose bytes are found to be lost isn’t there for HEAD and mounts, until it is sent again', async () => {
  const { queries } = registry.faces.db
  const bytes = seededBytes('lost', 700_000)
  const digest = await registry.pushBlob('olive/lost', bytes)
  const path = `olive/lost/blobs/${digest}`
  const head = async () => (await registry.ask('HEAD', path)).status
  const mount = async (name: string) => (await registry.ask('POST', `${name}/blobs/uploads/?mount=${digest}&from=olive/lost`)).status
  const marks = async () => (await sql`select 1 from content_whole where findings is not null`.execute(queries)).rows.length
  const lose = () =>
    sql`update whole_part set uuid = gen_random_uuid() where digest = ${Buffer.from(digest.slice(7), 'hex')}`.execute(queries)
  await lose()
  assert.equal(await head(), 200, 'nobody knows it yet')
  await registry.ask('GET', path).catch(() => {})
  await until('it is marked', async () => (await marks()) === 1)
  assert.deepEqual([await head(), await mount('olive/elsewhere')], [404, 202])
  await registry.pushBlob('olive/lost', bytes)
  assert.deepEqual([await head(), await mount('olive/elsewhere'), await marks()], [200, 201, 0])
  assert.ok((await registry.ask('GET', path)).bytes.equals(bytes))
})

test('a blob of which a whole copy is damaged, and that can be read in another form, is there', async () => {
  const { queries } = registry.faces.db
  const digest = await registry.pushBlob('olive/lost', seededBytes('another form', 700_000))
  const content = Buffer.from(digest.slice(7), 'hex')
  await sql`update content_whole set findings = '[]' where digest = ${content}`.execute(queries)
  const head = async () => (await registry.ask('HEAD', `olive/lost/blobs/${digest}`)).status
  assert.equal(await head(), 404)
  await sql`update content set recipe = '' where digest = ${content}`.execute(queries)
  assert.equal(await head(), 200)
})

test('ranges: exactly those bytes, or 416', async () => {
  const bytes = seededBytes('ranges', 200_000)
  const digest = await registry.pushBlob('olive/ranges', bytes)
  const ask = (range: string, more: Record<string, string> = {}) =>
    registry.ask('GET', `olive/ranges/blobs/${digest}`, { headers: { range, ...more } })
  for (const [range, from, to] of [
    ['bytes=0-0', 0, 1],
    ['bytes=70000-150000', 70_000, 150_001],
    ['bytes=199999-', 199_999, 200_000],
    ['bytes=-500', 199_500, 200_000],
    ['bytes=150000-999999', 150_000, 200_000],
  ] as const) {
    const answer = await ask(range)
    assert.equal(answer.status, 206, range)
    assert.equal(answer.headers.get('content-range'), `bytes ${from}-${to - 1}/200000`)
    assert.equal(answer.headers.get('content-length'), String(to - from))
    assert.ok(answer.bytes.equals(bytes.subarray(from, to)), range)
  }
  for (const range of ['bytes=200000-', 'bytes=500-0', 'bytes=-0']) {
    const answer = await ask(range)
    assert.deepEqual([answer.status, answer.headers.get('content-range')], [416, 'bytes */200000'], range)
  }
  assert.equal((await ask('bytes=0-1,5-6')).status, 200) // several ranges may be passed over
  assert.equal((await ask('bytes=0-1', { 'if-range': '"other"' })).status, 200)
  assert.equal((await ask('bytes=0-1', { 'if-range': `"${digest}"` })).status, 206)
})

test('an empty blob', async () => {
  const digest = await registry.pushBlob('olive/empty', '')
  const got = await registry.ask('GET', `olive/empty/blobs/${digest}`)
  assert.deepEqual([got.status, got.headers.get('content-length'), got.bytes.length], [200, '0', 0])
})

test('a blob is an image’s own: nobody gets it elsewhere, or without being let in', async () => {
  const digest = await registry.pushBlob('olive/own', 'secret')
  await registry.pushBlob('olive/other', 'another')
  await registry.pushBlob('sam/his', 'his', registry.sam)
  assert.equal((await registry.ask('GET', `olive/other/blobs/${digest}`)).status, 404)
  assert.equal((await registry.ask('GET', `sam/his/blobs/${digest}`, { as: registry.sam })).status, 404)
  const hidden = await registry.ask('GET', `olive/own/blobs/${digest}`, { as: registry.sam })
  const nothing = await registry.ask('GET', `olive/none/blobs/${digest}`, { as: registry.sam })
  assert.deepEqual([hidden.status, hidden.bytes.toString()], [404, nothing.bytes.toString()])
  const anonymous = await registry.ask('GET', `olive/own/blobs/${digest}`, { as: null })
  assert.deepEqual([anonymous.status, anonymous.code], [401, 'UNAUTHORIZED'])
  assert.ok(anonymous.headers.get('www-authenticate'))
})

test('DELETE: gone at once; not while a manifest names it', async () => {
  const digest = await registry.pushBlob('olive/delete', 'to go')
  assert.equal((await registry.ask('DELETE', `olive/delete/blobs/${digest}`)).status, 202)
  assert.equal((await registry.ask('HEAD', `olive/delete/blobs/${digest}`)).status, 404)
  assert.equal((await registry.ask('DELETE', `olive/delete/blobs/${digest}`)).code, 'BLOB_UNKNOWN')
  const image = await registry.pushImage('olive/delete', 'v1')
  const layer = digestText('layer of olive/delete v1')
  const refused = await registry.ask('DELETE', `olive/delete/blobs/${layer}`)
  assert.deepEqual([refused.status, refused.code], [405, 'DENIED'])
  assert.equal((await registry.ask('DELETE', `olive/delete/manifests/${image.digest}`)).status, 202)
  assert.equal((await registry.ask('DELETE', `olive/delete/blobs/${layer}`)).status, 202)
})

test('the same bytes under both digests: each goes by itself', async () => {
  const [short, long] = [digestText('twice'), digestText('twice', 'sha512')]
  for (const digest of [short, long]) {
    assert.equal((await registry.ask('POST', `olive/twice/blobs/uploads/?digest=${digest}`, { body: 'twice' })).status, 201)
  }
  assert.equal((await registry.ask('DELETE', `olive/twice/blobs/${short}`)).status, 202)
  const left = await registry.ask('GET', `olive/twice/blobs/${long}`)
  assert.deepEqual([left.status, left.bytes.toString(), left.headers.get('docker-content-digest')], [200, 'twice', long])
})

test('mounts: from an image that the caller may read, named or not', async () => {
  const digest = await registry.pushBlob('olive/base', 'shared layer')
  const named = await registry.ask('POST', `olive/app/blobs/uploads/?mount=${digest}&from=olive/base`)
  assert.equal(named.status, 201)
  assert.equal(named.headers.get('location'), `/v2/olive/app/blobs/${digest}`)
  assert.equal(named.headers.get('docker-content-digest'), digest)
  assert.equal((await registry.ask('GET', `olive/app/blobs/${digest}`)).bytes.toString(), 'shared layer')
  assert.equal((await registry.ask('POST', `olive/third/blobs/uploads/?mount=${digest}`)).status, 201)
  // what it was mounted from may go
  assert.equal((await registry.ask('DELETE', `olive/base/blobs/${digest}`)).status, 202)
  assert.equal((await registry.ask('GET', `olive/app/blobs/${digest}`)).status, 200)
})

test('mounts tell nothing: a blob that somebody else has is as one that nobody has', async () => {
  const digest = await registry.pushBlob('olive/private', 'what only olive has')
  const shape = ({ status, headers, bytes }: Awaited<ReturnType<TestRegistry['ask']>>) => {
    const own = ['date', 'x-request-id', 'location', 'docker-upload-uuid']
    return { status, headers: [...headers].filter(([name]) => !own.includes(name)), bytes: bytes.toString() }
  }
  const as = registry.sam
  for (const from of ['', '&from=olive/private', '&from=olive/none', '&from=nobody/x', '&from=Not/a/name', '&from=x']) {
    const [there, nowhere] = [
      await registry.ask('POST', `sam/probe/blobs/uploads/?mount=${digest}${from}`, { as }),
      await registry.ask('POST', `sam/probe/blobs/uploads/?mount=${zeros}${from}`, { as }),
    ]
    assert.equal(there.status, 202)
    assert.match(there.headers.get('location') ?? '', /^\/v2\/sam\/probe\/blobs\/uploads\/[0-9a-f-]{36}$/)
    assert.deepEqual(shape(there), shape(nowhere), from)
  }
  assert.equal((await registry.ask('GET', `sam/probe/blobs/${digest}`, { as })).status, 404)
  // once he may read it, he may mount it
  const one = await findPackage(registry.faces.db.queries, { format: 'oci', owner: 'olive', name: 'private' })
  assert.ok(one)
  await changePackage(registry.faces.db, one.id, { visibility: 'public' }, operator)
  assert.equal((await registry.ask('POST', `sam/probe/blobs/uploads/?mount=${digest}`, { as })).status, 201)
})

test('a manifest that names what a mount brought', async () => {
  await registry.pushImage('olive/from', 'v1')
  const layer = digestText('layer of olive/from v1')
  for (const digest of [layer, digestText('{}')]) {
    assert.equal((await registry.ask('POST', `olive/to/blobs/uploads/?mount=${digest}&from=olive/from`)).status, 201)
  }
  assert.equal((await registry.putManifest('olive/to', 'v1', imageOf('{}', ['layer of olive/from v1']))).status, 201)
})
