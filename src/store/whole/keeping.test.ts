// Whole contents while time passes: collected, cooled, warmed, checked, scrubbed, and made again from the bucket alone.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { CorruptError, makeLog } from '../../base/index.ts'
import { sql } from '../../db/index.ts'
import { sweepOrphans } from '../../jobs/index.ts'
import { contentHost, type ContentHost, pieces, put, read, sha256 } from '../../../tests/support/content.ts'
import { noise, Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import type { ContentFinding } from '../fsck/content-finding.ts'
import { type Digest, rebuildStore } from '../index.ts'
import { until } from '../../../tests/support/until.ts'
import { dropWhole, noteColdRead } from './hot.ts'

let host: ContentHost
const limitBytes = 2 ** 40
const random = new Seeded(seedOfRun('whole-keeping'))
const signal = new AbortController().signal

before(async () => {
  host = await contentHost()
})
after(() => host.close())
afterEach(async () => {
  await sql`delete from content_reference`.execute(host.db.database.queries)
  await daysPass(2)
  await daysPass(2)
  assert.deepEqual(await keys(), [], 'nothing is left')
})

async function receive(bytes: Uint8Array, isHeld = true): Promise<Digest> {
  const expected = { algorithm: 'sha256', digest: createHash('sha256').update(bytes).digest() } as const
  const reference = isHeld ? { reference: { kind: 'test', id: '1' } } : {}
  return (await host.store.uploads.receive(pieces(bytes), { expected, limitBytes, ...reference })).digest
}

/** In three requests, so in three parts. */
async function upload(bytes: Uint8Array, sizes: readonly number[]): Promise<Digest> {
  const { uploads } = host.store
  const { id } = await uploads.begin({ scope: 'k' })
  let at = 0
  for (const size of sizes) await uploads.append(id, 'k', { source: pieces(bytes.subarray(at, (at += size))), limitBytes })
  const expected = { algorithm: 'sha256', digest: createHash('sha256').update(bytes).digest() } as const
  const last = { source: pieces(bytes.subarray(at)) }
  const done = await uploads.finish(id, 'k', { expected, last, limitBytes, reference: { kind: 'test', id: '1' } })
  assert.ok(done !== null)
  return done.digest
}

async function daysPass(days: number): Promise<void> {
  const { database } = host.db
  const by = sql`${days} * interval '1 day'`
  await sql`update content set leased_until = leased_until - ${by}`.execute(database.queries)
  await sql`update content_review set due_at = due_at - ${by}`.execute(database.queries)
  await sql`update content_whole set read_at = read_at - ${by}`.execute(database.queries)
  await sql`update content_upload set touched_at = touched_at - ${by}`.execute(database.queries)
  await sql`update content_cold_read set since = since - ${by}`.execute(database.queries)
  await sql`update segment set draining_since = draining_since - ${by}, review_at = review_at - ${by}`.execute(database.queries)
  await sql`update upload_intent set expires_at = expires_at - ${by}`.execute(database.queries)
  await host.store.tidy()
  await sql`update key_deletion set not_before = not_before - ${by}`.execute(database.queries)
  await sweepOrphans(database, host.bucket, makeLog('silent'))
}

async function keys(): Promise<string[]> {
  const found: string[] = []
  for await (const { key } of host.bucket.list('whole/')) found.push(key)
  return found
}

async function check(): Promise<string[]> {
  const findings: ContentFinding[] = []
  await host.store.check({ threads: 2, signal, progress: () => {}, report: (found) => void findings.push(found) })
  return findings.map((found) => `${found.code} ${found.key === null ? '-' : 'key'}`)
}

async function assertStored(bytes: Uint8Array): Promise<void> {
  assert.equal(Buffer.compare((await read(host.store, sha256(bytes))) as Buffer, bytes), 0)
}

async function isWhole(digest: Digest): Promise<boolean> {
  return (
    (await sql`select 1 from content_whole where digest = ${Buffer.from(digest, 'hex')}`.execute(host.db.database.queries)).rows.length > 0
  )
}

test('what nothing holds goes after its lease, and its keys a day later', async () => {
  const bytes = noise(random.below(2 ** 31), 300_000)
  const digest = await receive(bytes, false)
  await host.store.tidy()
  await assertStored(bytes)
  await sql`update content set leased_until = now()`.execute(host.db.database.queries)
  await sql`update content_review set due_at = now()`.execute(host.db.database.queries)
  const open = await host.store.get(digest)
  await host.store.tidy()
  assert.equal(await host.store.has(digest), false)
  await sweepOrphans(host.db.database, host.bucket, makeLog('silent'))
  assert.equal((await keys()).length, 1)
  const parts: Uint8Array[] = []
  for await (const part of open?.bytes ?? []) parts.push(part)
  assert.equal(Buffer.compare(Buffer.concat(parts), bytes), 0, 'who reads already reads on')
})

test('uploads that nobody touches go', async () => {
  const { uploads } = host.store
  const { id } = await uploads.begin({ scope: 'x' })
  await uploads.append(id, 'x', { source: pieces(noise(1, 900_000)), limitBytes })
  assert.equal((await host.store.tidy()).uploads, 0)
  assert.equal((await keys()).length, 1)
  await daysPass(2)
  assert.equal(await uploads.find(id, 'x'), null)
  assert.deepEqual(await keys(), [])
})

test('a flipped bit never leaves, and is found by check and scrub', async () => {
  const bytes = noise(random.below(2 ** 31), 3_500_000)
  const digest = await upload(bytes, [1_200_000, 700_000])
  assert.deepEqual(await check(), [])
  for (const { key, sizeBytes } of await listed()) {
    const path = join(host.folder, 'bucket', key)
    const good = readFileSync(path)
    for (let n = 0; n < 3; n++) {
      const damaged = Buffer.from(good)
      const at = random.below(sizeBytes)
      damaged[at] = (damaged[at] as number) ^ (1 << random.below(8))
      writeFileSync(path, damaged)
      const got = await read(host.store, digest).catch((error: unknown) => error)
      if (got instanceof CorruptError) assert.equal(got.code, 'whole')
      else assert.equal(Buffer.compare(got as Buffer, bytes), 0, `a wrong byte at ${at} of ${key}`)
      const codes = await check()
      assert.ok(codes.length > 0 && codes.every((code) => /^whole-(damaged|row) key/.test(code)), `${codes.join()} at ${at}`)
    }
    rmSync(path)
    assert.deepEqual(await check(), ['whole-missing key'])
    writeFileSync(path, good)
  }
  const job = host.store.scrubJob(makeLog('silent'))
  const scrubbed = async () => {
    await sql`update content_whole set verified_at = now() - interval '31 days'`.execute(host.db.database.queries)
    await job.run(signal)
    const { rows } = await sql<{ code: string | null }>`select findings -> 0 ->> 'code' as code from content_whole`.execute(
      host.db.database.queries,
    )
    return rows.map((row) => row.code)
  }
  assert.deepEqual(await scrubbed(), [null])
  const [first] = await keys()
  const path = join(host.folder, 'bucket', first as string)
  const good = readFileSync(path)
  writeFileSync(path, Buffer.concat([good.subarray(0, 10), Buffer.from([(good[10] as number) ^ 1]), good.subarray(11)]))
  assert.deepEqual(await scrubbed(), ['whole-damaged'])
  writeFileSync(path, good)
  assert.deepEqual(await scrubbed(), [null])
})

async function listed(): Promise<{ key: string; sizeBytes: number }[]> {
  const found: { key: string; sizeBytes: number }[] = []
  for await (const one of host.bucket.list('whole/')) found.push(one)
  return found
}

test('rows out of the bucket: whole contents in one part and in many, and what was on its way goes', async () => {
  const { database } = host.db
  const contents = [
    noise(random.below(2 ** 31), 70_000),
    noise(random.below(2 ** 31), 2_500_000),
    noise(random.below(2 ** 31), 4_000_000),
    noise(random.below(2 ** 31), 600_000),
  ]
  await receive(contents[0] as Uint8Array)
  await receive(contents[1] as Uint8Array)
  await upload(contents[2] as Uint8Array, [300_000, 10, 1_500_000, 5_000, 4_000])
  await upload(contents[3] as Uint8Array, [300_000, 300_000])
  const { id } = await host.store.uploads.begin({ scope: 'x' })
  const half = noise(random.below(2 ** 31), 800_000)
  await host.store.uploads.append(id, 'x', { source: pieces(half), limitBytes })
  const before =
    await sql`select uuid, ordinal, size_bytes, stored_bytes, sums from whole_part where digest is not null order by uuid`.execute(
      database.queries,
    )
  await sql`truncate content, content_upload, content_review cascade`.execute(database.queries)
  const made = await rebuildStore(database, host.bucket)
  assert.deepEqual({ wholes: made.wholes, damaged: made.damaged }, { wholes: 5, damaged: [] })
  const again = await sql`select uuid, ordinal, size_bytes, stored_bytes, sums from whole_part
    where digest is not null and digest <> ${Buffer.from(sha256(half), 'hex')} order by uuid`.execute(database.queries)
  assert.deepEqual(again.rows, before.rows)
  for (const bytes of contents) await assertStored(bytes)
  assert.deepEqual(await check(), [])
  assert.equal((await rebuildStore(database, host.bucket)).wholes, 0)
  await daysPass(31)
})

test('a copy is dropped where another form is proven, and only there; hot ones stay within their bytes', async () => {
  const { database } = host.db
  const { queries } = database
  const made: Digest[] = []
  for (let n = 0; n < 4; n++) made.push(await receive(noise(random.below(2 ** 31), 400_000)))
  const [first, second] = made as [Digest, Digest, Digest, Digest]
  assert.equal(await database.transaction((tx) => dropWhole(tx, first)), false, 'it is the only form')
  await host.store.tend()
  assert.equal((await keys()).length, 4)
  // another form: as if the background had chunked them
  const there = await put(host.store, noise(3, 400_000), { reference: { kind: 'test', id: '3' } })
  await sql`update content set recipe = (select recipe from content where digest = ${Buffer.from(there.digest, 'hex')}) where recipe is null`.execute(
    queries,
  )
  assert.equal(await database.transaction((tx) => dropWhole(tx, first)), true)
  assert.equal(await isWhole(first), false)
  await host.store.tend()
  assert.equal(await isWhole(second), true, 'it was read of late')
  const few = host.another(host.bucket, database, { hot: { keepMs: 14 * 24 * 3600_000, bytes: 900_000 } })
  await sql`update content_whole set read_at = now() - interval '2 hours' where digest = ${Buffer.from(second, 'hex')}`.execute(queries)
  await few.tend()
  assert.equal(await isWhole(second), false, 'it was read longest ago')
  assert.equal((await sql`select 1 from content_whole`.execute(queries)).rows.length, 2)
  await sql`update content_whole set read_at = now() - interval '15 days'`.execute(queries)
  await few.tend()
  assert.equal((await sql`select 1 from content_whole`.execute(queries)).rows.length, 0)
})

test('two nodes that make the same content whole at once: one does', async () => {
  const bytes = noise(random.below(2 ** 31), 300_000)
  const { digest } = await put(host.store, bytes, { reference: { kind: 'test', id: '1' } })
  const { database } = host.db
  for (let n = 0; n < 3; n++) await noteColdRead(database.queries, digest)
  const nodes = [host.store, host.another()]
  const tending: Promise<{ warmed: number }>[] = []
  // both come to the row while it is locked
  await database.transaction(async (tx) => {
    await sql`select from content where digest = decode(${digest}, 'hex') for update`.execute(tx)
    tending.push(...nodes.map((node) => node.tend()))
    await until('both wait', async () => {
      const { rows } = await sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(database.queries)
      return rows.length === 2
    })
  })
  const warmed = (await Promise.all(tending)).map((one) => one.warmed)
  assert.deepEqual(warmed.toSorted(), [0, 1])
  await assertStored(bytes)
})

test('what is read often is made whole again', async () => {
  const { queries } = host.db.database
  const bytes = noise(random.below(2 ** 31), 1_700_000)
  const { digest } = await put(host.store, bytes, { reference: { kind: 'test', id: '4' } })
  await noteColdRead(queries, digest)
  assert.equal((await host.store.tend()).warmed, 0)
  for (let n = 0; n < 3; n++) await noteColdRead(queries, digest)
  assert.deepEqual(await host.store.tend(), { cooled: 0, warmed: 1 })
  assert.equal(await isWhole(digest), true)
  await assertStored(bytes)
  assert.deepEqual(await check(), [])
  assert.deepEqual(await host.store.tend(), { cooled: 0, warmed: 0 })
})
