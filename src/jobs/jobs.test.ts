// Leased work and the sweeper, on a real database and the bucket's memory twin.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError, makeLog, systemRandomness } from '../base/index.ts'
import { MemoryBucket, packKey } from '../bucket/index.ts'
import { sql } from '../db/index.ts'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import { findDue } from './due-work.ts'
import { type Job, JobRunner, sweepOrphans } from './index.ts'

const log = makeLog('silent')
const folder = mkdtempSync(join(tmpdir(), 'stemma-jobs-'))
let db: TestDatabase
before(async () => {
  db = await testDatabase()
})
after(async () => {
  await db.close()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  await sql`truncate job, upload_intent, key_deletion`.execute(db.database.queries)
})

function runnerOf(job: Job): JobRunner {
  return new JobRunner({ database: db.database, randomness: systemRandomness, log, jobs: [job], pollMs: 20 })
}

describe('leased work', () => {
  test('of many nodes, one at a time does it; it is due again after the interval', async () => {
    let running = 0
    let most = 0
    let runs = 0
    const job: Job = {
      kind: 'count',
      intervalMs: 50,
      leaseMs: 3000,
      run: async () => {
        most = Math.max(most, ++running)
        runs++
        await sleep(20)
        running--
      },
    }
    const runners = Array.from({ length: 5 }, () => runnerOf(job))
    for (const runner of runners) runner.start()
    await sleep(600)
    await Promise.all(runners.map((runner) => runner.stop()))
    assert.equal(most, 1)
    assert.ok(runs >= 3 && runs <= 12, `${runs} runs`)
    const row = await db.database.queries.selectFrom('job').selectAll().executeTakeFirstOrThrow()
    assert.equal(row.holder, null)
    assert.equal(row.error, null)
  })

  test('a dead node is overtaken when its lease ends, not before', async () => {
    await sql`insert into job (kind, holder, leased_until) values ('dead', gen_random_uuid(), now() + interval '300 milliseconds')`.execute(
      db.database.queries,
    )
    const runner = runnerOf({ kind: 'dead', intervalMs: 1000, run: async () => {} })
    assert.equal(await runner.runIfDue('dead'), false)
    await sleep(350)
    assert.equal(await runner.runIfDue('dead'), true)
    assert.equal(await runner.runIfDue('dead'), false, 'not due yet')
  })

  test('work that lasts longer than its lease keeps it; work that lost it is told', async () => {
    const long = runnerOf({ kind: 'long', intervalMs: 1000, leaseMs: 150, run: () => sleep(500) })
    const working = long.runIfDue('long')
    await sleep(350)
    assert.equal(await runnerOf({ kind: 'long', intervalMs: 1, run: async () => {} }).runIfDue('long'), false)
    assert.equal(await working, true)
    const robbed = runnerOf({
      kind: 'robbed',
      intervalMs: 1000,
      leaseMs: 150,
      run: (signal) => sleep(5000, undefined, { signal }).catch(() => signal.throwIfAborted()),
    })
    const doomed = robbed.runIfDue('robbed')
    await sleep(20)
    await sql`update job set holder = gen_random_uuid() where kind = 'robbed'`.execute(db.database.queries)
    await assert.rejects(doomed, { code: 'lease-lost' })
    const row = await db.database.queries
      .selectFrom('job')
      .select(['holder', 'ended_at'])
      .where('kind', '=', 'robbed')
      .executeTakeFirstOrThrow()
    assert.notEqual(row.holder, null, "the new holder's lease is left alone")
    assert.equal(row.ended_at, null)
  })

  test('a failure is noted and the work is due again', async () => {
    const failing = runnerOf({ kind: 'failing', intervalMs: 3_600_000, run: () => Promise.reject(new Error('no luck')) })
    await assert.rejects(failing.runIfDue('failing'), /no luck/)
    const row = await db.database.queries
      .selectFrom('job')
      .select(['error', sql<boolean>`due_at <= now() + interval '61 seconds'`.as('soon')])
      .executeTakeFirstOrThrow()
    assert.deepEqual(row, { error: 'no luck', soon: true })
  })
})

describe('looking for work', () => {
  test('work that is due, held by nobody, and that has something to do', async () => {
    const { queries } = db.database
    await sql`insert into job (kind, holder, leased_until, due_at) values
      ('held', gen_random_uuid(), now() + interval '1 minute', now()), ('left', gen_random_uuid(), now() - interval '1 second', now()),
      ('later', null, null, now() + interval '1 minute'), ('now', null, null, now())`.execute(queries)
    const nothing = () => sql<boolean>`exists (select 1 from upload_intent)`
    const kinds = ['held', 'left', 'later', 'now', 'new']
    const jobs: Job[] = kinds.map((kind) => ({ kind, intervalMs: 1, run: async () => {} }))
    assert.deepEqual((await findDue(queries, jobs)).toSorted(), ['left', 'new', 'now'])
    assert.deepEqual((await findDue(queries, [...jobs, { ...(jobs[3] as Job), kind: 'idle', work: nothing }])).toSorted(), [
      'left',
      'new',
      'now',
    ])
    assert.deepEqual(await findDue(queries, []), [])
  })

  test('what has nothing to do is left alone until it has', async () => {
    let runs = 0
    const runner = runnerOf({
      kind: 'idle',
      intervalMs: 10,
      work: () => sql<boolean>`exists (select 1 from upload_intent)`,
      run: async () => void runs++,
    })
    runner.start()
    await sleep(200)
    assert.equal(runs, 0)
    await sql`insert into upload_intent (key, expires_at) values ('pack/x', now())`.execute(db.database.queries)
    for (let tries = 0; runs === 0 && tries < 200; tries++) await sleep(20)
    assert.ok(runs > 0)
    await runner.stop()
  })

  test('work that goes on holds up no other work, and is waited for at the end', async () => {
    let ended = false
    let others = 0
    const long: Job = { kind: 'long', intervalMs: 10, run: () => sleep(400).then(() => void (ended = true)) }
    const quick: Job = { kind: 'quick', intervalMs: 10, run: async () => void others++ }
    const runner = new JobRunner({ database: db.database, randomness: systemRandomness, log, jobs: [long, quick], pollMs: 20 })
    runner.start()
    for (let tries = 0; others < 2 && tries < 200; tries++) await sleep(20)
    assert.ok(others >= 2)
    await runner.stop()
    assert.ok(ended)
  })
})

describe('the sweeper', () => {
  const keys = Array.from({ length: 4 }, () => packKey(systemRandomness.uuid()))
  const [expired, alive, dropped, later] = keys as [string, string, string, string] & typeof keys

  async function fill(bucket: MemoryBucket): Promise<void> {
    for (const key of keys) await bucket.put(key, new Uint8Array(3))
    await sql`insert into upload_intent (key, expires_at) values (${expired}, now() - interval '1 second'), (${alive}, now() + interval '1 hour')`.execute(
      db.database.queries,
    )
    await sql`insert into key_deletion (key, not_before) values (${dropped}, now()), (${later}, now() + interval '1 hour')`.execute(
      db.database.queries,
    )
  }

  async function left(bucket: MemoryBucket): Promise<string[]> {
    const found: string[] = []
    for await (const { key } of bucket.list('')) found.push(key)
    return found.sort()
  }

  test('deletes what is due, keys and rows, and nothing else', async () => {
    const bucket = new MemoryBucket(folder)
    await fill(bucket)
    assert.deepEqual(await sweepOrphans(db.database, bucket, log), { orphans: 1, deletedKeys: 2, failures: 0 })
    assert.deepEqual(await left(bucket), [alive, later].sort())
    assert.deepEqual(await db.database.queries.selectFrom('upload_intent').select('key').execute(), [{ key: alive }])
    assert.deepEqual(await db.database.queries.selectFrom('key_deletion').select('key').execute(), [{ key: later }])
    assert.deepEqual(await sweepOrphans(db.database, bucket, log), { orphans: 0, deletedKeys: 0, failures: 0 })
  })

  test('a bucket that fails keeps the rows for later; the upload can no longer become visible', async () => {
    const bucket = new MemoryBucket(folder)
    await fill(bucket)
    const works = bucket.delete.bind(bucket)
    bucket.delete = () => Promise.reject(new UnavailableError('bucket-unavailable', 'down'))
    assert.deepEqual(await sweepOrphans(db.database, bucket, log), { orphans: 1, deletedKeys: 0, failures: 2 })
    assert.equal((await db.database.queries.selectFrom('upload_intent').select('key').where('key', '=', expired).execute()).length, 0)
    bucket.delete = works
    await sql`update key_deletion set not_before = now() where key in (${expired}, ${dropped})`.execute(db.database.queries)
    assert.deepEqual(await sweepOrphans(db.database, bucket, log), { orphans: 0, deletedKeys: 2, failures: 0 })
  })

  test('an upload whose transaction is under way is left alone', async () => {
    const bucket = new MemoryBucket(folder)
    await fill(bucket)
    await db.database.transaction(async (tx) => {
      await tx.deleteFrom('upload_intent').where('key', '=', expired).execute()
      assert.deepEqual(await sweepOrphans(db.database, bucket, log), { orphans: 0, deletedKeys: 1, failures: 0 })
    })
    assert.equal((await sweepOrphans(db.database, bucket, log)).orphans, 0)
    assert.ok((await left(bucket)).includes(expired))
  })

  test('thousands of rows', async () => {
    const bucket = new MemoryBucket(folder)
    await sql`insert into upload_intent (key, expires_at) select 'pack/aa/' || gen_random_uuid(), now() - interval '1 s' from generate_series(1, 1203)`.execute(
      db.database.queries,
    )
    assert.deepEqual(await sweepOrphans(db.database, bucket, log), { orphans: 1203, deletedKeys: 1203, failures: 0 })
  })
})
