// Contents that lie in the bucket by themselves, so that they can be linked to: which do, that everything else goes on as with footers, and that rows are made again of them.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { CorruptError, makeLog } from '../../base/index.ts'
import type { Bucket, Key } from '../../bucket/index.ts'
import { sql } from '../../db/index.ts'
import { sweepOrphans } from '../../jobs/index.ts'
import { contentHost, type ContentHost, pieces, put, read, sha256 } from '../../../tests/support/content.ts'
import { noise, Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { until } from '../../../tests/support/until.ts'
import { encodeFooter, isPlain } from '../format/whole.ts'
import type { ContentFinding } from '../fsck/content-finding.ts'
import { type Digest, rebuildStore, type SegmentStore } from '../index.ts'
import { noteColdRead } from './hot.ts'

const limitBytes = 2 ** 40
const life = { at: new Date(0), lifetimeMs: 60_000 }
const random = new Seeded(seedOfRun('whole-plain'))
let host: ContentHost
/** Stores so that it can be linked to. */
let store: SegmentStore
/** Another node, which doesn't. */
let other: SegmentStore

before(async () => {
  host = await contentHost()
  const link: Bucket['link'] = async (key, { lifetimeMs }) => `https://bucket.test/${key}?for=${lifetimeMs}`
  Object.assign(host.bucket, { link })
  store = host.another(host.bucket, host.db.database, { isLinking: true })
  other = host.another()
})
after(() => host.close())
afterEach(async () => {
  const { queries } = host.db.database
  await sql`truncate content, content_upload, content_review, content_reference, content_cold_read, segment cascade`.execute(queries)
  await sql`truncate upload_intent, key_deletion`.execute(queries)
  for (const key of await keys()) await host.bucket.delete(key)
})

function fresh(sizeBytes: number): Uint8Array {
  return noise(random.below(2 ** 31), sizeBytes)
}

function expectedOf(bytes: Uint8Array) {
  return { algorithm: 'sha256', digest: createHash('sha256').update(bytes).digest() } as const
}

const reference = { kind: 'test', id: '1' }

/** Requests of those sizes, each at the node that stands with it, and what is left with the last one. */
async function upload(bytes: Uint8Array, requests: readonly (readonly [SegmentStore, number])[], last = store): Promise<Digest> {
  const { id } = await store.uploads.begin({ scope: 'k' })
  let at = 0
  for (const [node, size] of requests) {
    const source = pieces(bytes.subarray(at, (at += size)))
    await node.uploads.append(id, 'k', { source, limitBytes })
  }
  const rest = at === bytes.length ? {} : { last: { source: pieces(bytes.subarray(at)) } }
  const done = await last.uploads.finish(id, 'k', { expected: expectedOf(bytes), ...rest, limitBytes, reference })
  return (done ?? assert.fail('the upload is there')).digest
}

async function keys(): Promise<Key[]> {
  const found: Key[] = []
  for await (const { key } of host.bucket.list('whole/')) found.push(key)
  return found
}

async function check(): Promise<string[]> {
  const findings: ContentFinding[] = []
  const report = (found: ContentFinding) => void findings.push(found)
  await store.check({ threads: 2, signal: new AbortController().signal, progress: () => {}, report })
  return findings.map((found) => found.code)
}

/** The bytes that whoever has the link gets; null: there is none. */
async function linked(digest: Digest): Promise<Buffer | null> {
  const url = await store.link(digest, life)
  if (url === null) return null
  const { pathname, search } = new URL(url)
  assert.equal(search, '?for=60000')
  return readFileSync(join(host.folder, 'bucket', pathname))
}

test('what came in one piece lies by itself, whichever way it came', async () => {
  const ways: ((bytes: Uint8Array) => Promise<Digest>)[] = [
    async (bytes) => (await store.uploads.receive(pieces(bytes), { expected: expectedOf(bytes), limitBytes, reference })).digest,
    (bytes) => upload(bytes, [[store, bytes.length]]),
    (bytes) => upload(bytes, []),
    (bytes) => upload(bytes, [[store, bytes.length]], other),
  ]
  for (const way of ways) {
    for (const sizeBytes of [300_000, 3_500_000]) {
      const bytes = fresh(sizeBytes)
      const digest = await way(bytes)
      assert.ok((await linked(digest))?.equals(bytes), `${ways.indexOf(way)}: the key is the content`)
      assert.ok((await read(other, digest))?.equals(bytes))
      assert.ok((await read(other, digest, 1_000, 200_000))?.equals(bytes.subarray(1_000, 201_000)))
    }
  }
  assert.deepEqual(await check(), [])
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from upload_intent`.execute(host.db.database.queries)
  assert.deepEqual(rows, [{ n: 0 }])
})

test('what came in several pieces, is small, in another form, or came to a node that does not link, has no link', async () => {
  const digests = [
    await upload(fresh(3_000_000), [[store, 1_500_000]]),
    await upload(fresh(1_400_000), [
      [store, 700_000],
      [other, 700_000],
    ]),
    await upload(fresh(1_400_000), [
      [store, 10],
      [store, 700_000],
    ]),
    await upload(fresh(900_000), [[other, 900_000]]),
    await upload(fresh(50_000), []),
    (await put(store, fresh(2_000_000), { reference })).digest,
  ]
  for (const digest of digests) {
    assert.equal(await store.link(digest, life), null)
    assert.equal(sha256((await read(store, digest)) as Buffer), digest)
  }
  assert.equal(await store.link('0'.repeat(64) as Digest, life), null, 'there is no such content')
  assert.deepEqual(await check(), [])
})

test('a hot copy can be linked to', async () => {
  const { queries } = host.db.database
  const bytes = fresh(1_700_000)
  const { digest } = await put(store, bytes, { reference })
  for (let n = 0; n < 4; n++) await noteColdRead(queries, digest)
  assert.equal((await store.tend()).warmed, 1)
  assert.ok((await linked(digest))?.equals(bytes))
  await sql`update content_whole set read_at = now() - interval '2 hours'`.execute(queries)
  await store.link(digest, life)
  await until('it is noted that whoever is given the link reads', async () => {
    return (await sql`select 1 from content_whole where read_at > now() - interval '1 hour'`.execute(queries)).rows.length === 1
  })
})

test('a flipped bit never leaves by the server, and check finds it', async () => {
  const bytes = fresh(2_500_000)
  const digest = await upload(bytes, [])
  const [key] = await keys()
  const path = join(host.folder, 'bucket', key ?? '')
  const good = readFileSync(path)
  for (let n = 0; n < 5; n++) {
    const at = random.below(good.length)
    const damaged = Buffer.from(good)
    damaged[at] = (damaged[at] as number) ^ 1
    writeFileSync(path, damaged)
    await assert.rejects(read(store, digest), (error) => error instanceof CorruptError && error.code === 'whole')
    assert.deepEqual(await check(), ['whole-damaged'])
  }
  writeFileSync(path, good.subarray(1))
  assert.deepEqual(await check(), ['whole-row'])
})

test('rows out of the bucket: plain keys are read, those of several pieces are put together', async () => {
  const { database } = host.db
  const contents = [fresh(2_500_000), fresh(1 << 20), fresh(4_000_000), fresh(900_000)] as const
  await upload(contents[0], [])
  await upload(contents[1], [[store, 1 << 20]])
  await upload(contents[2], [
    [store, 1_500_000],
    [store, 300_000],
  ])
  await upload(contents[3], [[other, 900_000]])
  const rowsOf = async () =>
    (
      await sql<{
        uuid: string
      }>`select uuid::text as uuid, digest, ordinal, size_bytes, stored_bytes, sums, has_digest from whole_part order by uuid`.execute(
        database.queries,
      )
    ).rows
  const before = await rowsOf()
  assert.equal(before.filter(({ uuid }) => isPlain(uuid)).length, 3)
  await sql`truncate content, content_upload, content_review cascade`.execute(database.queries)
  const made = await rebuildStore(database, host.bucket)
  assert.deepEqual({ wholes: made.wholes, damaged: made.damaged }, { wholes: 4, damaged: [] })
  assert.deepEqual(await rowsOf(), before)
  for (const bytes of contents) assert.ok((await read(store, sha256(bytes)))?.equals(bytes))
  assert.ok((await linked(sha256(contents[0])))?.equals(contents[0]))
  assert.deepEqual(await check(), [])
})

test('bytes that end as a footer does are bytes: nobody brings in a content by another name', async () => {
  const { database } = host.db
  const honest = fresh(300_000)
  const footer = encodeFooter({
    sizeBytes: 200_000,
    sums: new Uint8Array(4),
    digest: createHash('sha256').update(honest).digest(),
    earlier: [],
  })
  const forged = Buffer.concat([fresh(200_000), footer])
  await upload(forged, [])
  await sql`truncate content, content_upload, content_review cascade`.execute(database.queries)
  assert.equal((await rebuildStore(database, host.bucket)).wholes, 1)
  assert.equal(await read(store, sha256(honest)), null)
  assert.ok((await read(store, sha256(forged)))?.equals(forged))
})

test('an upload that is given up leaves no key', async () => {
  const { id } = await store.uploads.begin({ scope: 'k' })
  await store.uploads.append(id, 'k', { source: pieces(fresh(900_000)), limitBytes })
  const wrong = { expected: expectedOf(fresh(1)), limitBytes }
  await assert.rejects(store.uploads.finish(id, 'k', wrong))
  await assert.rejects(store.uploads.receive(pieces(fresh(900_000)), wrong))
  await sql`update key_deletion set not_before = now()`.execute(host.db.database.queries)
  await sweepOrphans(host.db.database, host.bucket, makeLog('silent'))
  assert.deepEqual(await keys(), [])
})
