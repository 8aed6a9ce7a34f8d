// Whole contents whose keys were lost or damaged in the bucket: whoever sends the same bytes again, by whatever way, puts them in their place.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CorruptError, makeLog } from '../../base/index.ts'
import { sql } from '../../db/index.ts'
import { sweepOrphans } from '../../jobs/index.ts'
import { contentHost, type ContentHost, pieces, put, read, sha256 } from '../../../tests/support/content.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { until } from '../../../tests/support/until.ts'
import type { ContentFinding } from '../fsck/content-finding.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host.close())

const limitBytes = 2 ** 40
const reference = { kind: 'test', id: '1' }
const expected = (bytes: Uint8Array) => ({ algorithm: 'sha256', digest: createHash('sha256').update(bytes).digest() }) as const

/** Every way that bytes come by, with the transaction that each ends in. */
const ways: Readonly<Record<string, (bytes: Uint8Array) => Promise<unknown>>> = {
  'in one request': (bytes) => host.store.uploads.receive(pieces(bytes), { expected: expected(bytes), limitBytes, reference }),
  'POST, PUT with all of it': (bytes) => upload(bytes, []),
  'POST, PATCH, PUT': (bytes) => upload(bytes, [bytes.length]),
  'in parts, small ones too, the last with the PUT': (bytes) => upload(bytes, [500_000, 1000, 300_000]),
}

async function upload(bytes: Uint8Array, sizes: readonly number[]): Promise<unknown> {
  const { uploads } = host.store
  const { id } = await uploads.begin({ scope: 'd' })
  let at = 0
  for (const size of sizes) await uploads.append(id, 'd', { source: pieces(bytes.subarray(at, (at += size))), limitBytes })
  const last = at < bytes.length ? { last: { source: pieces(bytes.subarray(at)) } } : {}
  return await uploads.finish(id, 'd', { expected: expected(bytes), limitBytes, reference, ...last })
}

const raw = (key: string) => join(host.folder, 'bucket', key)

async function keysOf(bytes: Uint8Array): Promise<string[]> {
  const { rows } = await sql<{ uuid: string }>`
    select uuid::text as uuid from whole_part where digest = ${Buffer.from(sha256(bytes), 'hex')} order by ordinal`.execute(
    host.db.database.queries,
  )
  return rows.map(({ uuid }) => `whole/${uuid.slice(0, 2)}/${uuid}`)
}

async function marks(): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from content_whole where findings is not null`.execute(
    host.db.database.queries,
  )
  return rows[0]?.n ?? -1
}

async function check(): Promise<string[]> {
  const findings: ContentFinding[] = []
  const report = (found: ContentFinding) => void findings.push(found)
  await host.store.check({ threads: 2, signal: new AbortController().signal, progress: () => {}, report })
  return findings.map(({ code }) => code)
}

let seed = 0
for (const [way, send] of Object.entries(ways)) {
  test(`sent again ${way}: a failed read, or a check, has marked it, and the new bytes take the place of the lost ones`, async () => {
    for (const found of ['read', 'check'] as const) {
      const bytes = noise(++seed, 1_700_000)
      await send(bytes)
      const before = await keysOf(bytes)
      const lost = before.at(-1) as string
      if (found === 'read') {
        rmSync(raw(lost))
        await assert.rejects(read(host.store, sha256(bytes)), CorruptError)
        await until('it is marked', async () => (await marks()) === 1)
      } else {
        writeFileSync(raw(lost), noise(seed, 1000))
        assert.ok((await check()).every((code) => code.startsWith('whole-')))
        assert.equal(await marks(), 1)
      }
      await send(bytes)
      assert.ok((await read(host.store, sha256(bytes)))?.equals(bytes))
      const keys = await keysOf(bytes)
      assert.ok(keys.length > 0 && keys.every((key) => !before.includes(key)))
      assert.equal(await marks(), 0)
      assert.deepEqual(await check(), [])
      // the keys of before go, and only they; sent once more, what is there stays
      await send(bytes)
      assert.deepEqual(await keysOf(bytes), keys)
      await sql`update key_deletion set not_before = now() - interval '1 second'`.execute(host.db.database.queries)
      await sweepOrphans(host.db.database, host.bucket, makeLog('silent'))
      for (const key of before) assert.equal(await host.bucket.head(key as never), null)
      assert.ok((await read(host.store, sha256(bytes)))?.equals(bytes))
      assert.deepEqual(await check(), [])
    }
  })
}

test('put again in chunks: it has these from then on, and the lost ones go', async () => {
  const { store } = host
  const bytes = noise(++seed, 1_700_000)
  const digest = sha256(bytes)
  await host.store.uploads.receive(pieces(bytes), { expected: expected(bytes), limitBytes, reference })
  const [lost = ''] = await keysOf(bytes)
  await put(store, bytes)
  assert.equal((await keysOf(bytes)).length, 1, 'what is there stays as it is')
  rmSync(raw(lost))
  assert.notEqual(await store.stat(digest), null, 'nobody knows it yet')
  await assert.rejects(read(store, digest), CorruptError)
  await until('it is marked', async () => (await marks()) === 1)
  assert.deepEqual([await store.stat(digest), await store.has(digest)], [null, false])
  await Promise.all([put(store, bytes), put(store, bytes)])
  assert.ok((await read(store, digest))?.equals(bytes))
  assert.deepEqual([(await store.stat(digest))?.sizeBytes, await marks(), await keysOf(bytes)], [bytes.length, 0, []])
  assert.deepEqual(await check(), [])
})

test('of several who send it again at once, one puts it in place, and all of it is there', async () => {
  const bytes = noise(++seed, 1_700_000)
  await upload(bytes, [900_000])
  for (const key of await keysOf(bytes)) rmSync(raw(key))
  await assert.rejects(read(host.store, sha256(bytes)), CorruptError)
  await until('it is marked', async () => (await marks()) === 1)
  await Promise.all([...Object.values(ways), ...Object.values(ways)].map((send) => send(bytes)))
  assert.ok((await read(host.store, sha256(bytes)))?.equals(bytes))
  assert.deepEqual([await marks(), await check()], [0, []])
})

test('a check that finds it well again, out of a backup, ends the mark', async () => {
  const bytes = noise(++seed, 700_000)
  await upload(bytes, [])
  const [key = ''] = await keysOf(bytes)
  const good = readFileSync(raw(key))
  rmSync(raw(key))
  assert.deepEqual([await check(), await marks()], [['whole-missing'], 1])
  writeFileSync(raw(key), good)
  assert.deepEqual([await check(), await marks()], [[], 0])
  assert.deepEqual(await keysOf(bytes), [key])
})
