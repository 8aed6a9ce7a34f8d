import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testDatabase, type TestDatabase } from '../../tests/support/test-database.ts'
import { until } from '../../tests/support/until.ts'
import { type Queries, sql } from '../db/index.ts'
import { hasOutboxRows, moveConsumer, readOutbox, trimOutbox } from './outbox.ts'

let test_: TestDatabase
before(async () => {
  test_ = await testDatabase()
})
after(async () => await test_?.close())

async function write(queries: Queries, kind: string): Promise<void> {
  await queries.insertInto('outbox').values({ kind, payload: '{}' }).execute()
}

/** All kinds that the consumer gets now; it moves on. */
async function take(consumer: string, limit = 100): Promise<string[]> {
  const { database } = test_
  const { from, rows } = await readOutbox(database, consumer, limit)
  const last = rows.at(-1)
  if (last !== undefined) assert.equal(await moveConsumer(database.queries, consumer, from, last.place), true)
  return rows.map((row) => row.kind)
}

/** Other tests' transactions on the same PostgreSQL are waited for, too. */
async function settled(): Promise<void> {
  const { queries } = test_.database
  const { rows } = await sql<{ next: string }>`select pg_snapshot_xmax(pg_current_snapshot())::text as next`.execute(queries)
  const { next } = rows[0] as { next: string }
  await until('all older transactions have ended', async () => {
    const { rows: found } = await sql<{ so: boolean }>`select pg_snapshot_xmin(pg_current_snapshot()) >= ${next}::xid8 as so`.execute(
      queries,
    )
    return found[0]?.so === true
  })
}

async function isNew(consumer: string): Promise<boolean> {
  const { rows } = await sql<{ so: boolean }>`select ${hasOutboxRows(consumer)} as so`.execute(test_.database.queries)
  return rows[0]?.so === true
}

async function empty(): Promise<void> {
  const { queries } = test_.database
  await queries.deleteFrom('outbox').execute()
  await queries.deleteFrom('outbox_consumer').execute()
}

test('each consumer gets every row once, in order, from the first that there is', async () => {
  await empty()
  const { queries } = test_.database
  for (const kind of ['a', 'b', 'c']) await write(queries, kind)
  await settled()
  assert.equal(await isNew('one'), true)
  assert.deepEqual(await take('one', 2), ['a', 'b'])
  assert.deepEqual(await take('two'), ['a', 'b', 'c'])
  assert.deepEqual(await take('one'), ['c'])
  assert.deepEqual(await take('one'), [])
  assert.equal(await isNew('one'), false)
})

test('a transaction that commits late is not passed over, though its ids are older', async () => {
  await empty()
  const { queries } = test_.database
  const slow = await queries.startTransaction().execute()
  await write(slow, 'slow')
  await write(queries, 'fast')
  assert.deepEqual(await take('one'), [], 'the row behind an open transaction waits')
  assert.equal(await isNew('one'), false)
  await write(slow, 'slow again')
  await slow.commit().execute()
  await settled()
  assert.deepEqual(await take('one'), ['slow', 'slow again', 'fast'])
})

test('a transaction that is rolled back holds nothing up', async () => {
  await empty()
  const { queries } = test_.database
  const lost = await queries.startTransaction().execute()
  await write(lost, 'lost')
  await write(queries, 'kept')
  await lost.rollback().execute()
  await settled()
  assert.deepEqual(await take('one'), ['kept'])
})

test('many writers, one reader that moves meanwhile: all rows, each once', async () => {
  await empty()
  const { queries } = test_.database
  let isWriting = true
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let n = 0; n < 40; n++) {
      const tx = await queries.startTransaction().execute()
      await write(tx, `${writer}.${n}`)
      if (n % 3 === 0) await sql`select pg_sleep(0.002)`.execute(tx)
      await tx.commit().execute()
    }
  })
  const done = Promise.all(writers).then(() => (isWriting = false))
  const got: string[] = []
  while (isWriting) got.push(...(await take('one', 7)))
  await done
  await settled()
  for (let more = await take('one'); more.length > 0; more = await take('one')) got.push(...more)
  assert.equal(got.length, 160)
  assert.equal(new Set(got).size, 160)
  for (let writer = 0; writer < 4; writer++) {
    const own = got.filter((kind) => kind.startsWith(`${writer}.`)).map((kind) => Number(kind.split('.')[1]))
    assert.deepEqual(
      own,
      own.toSorted((a, b) => a - b),
    )
  }
})

test('who was overtaken moves nothing', async () => {
  await empty()
  await write(test_.database.queries, 'a')
  await settled()
  const first = await readOutbox(test_.database, 'one', 1)
  assert.deepEqual(await take('one'), ['a'])
  const { place } = first.rows[0] as (typeof first.rows)[number]
  assert.equal(await moveConsumer(test_.database.queries, 'one', first.from, place), false)
})

test('what all have passed is trimmed after an hour, and nothing else', async () => {
  await empty()
  const { database } = test_
  for (const kind of ['a', 'b', 'c']) await write(database.queries, kind)
  await settled()
  assert.equal(await trimOutbox(database), 0, 'nobody has asked')
  await take('fast')
  await take('slow', 1)
  assert.equal(await trimOutbox(database), 0, 'too young')
  await sql`update outbox set at = now() - interval '2 hours'`.execute(database.queries)
  assert.equal(await trimOutbox(database), 1)
  assert.deepEqual(await take('slow'), ['b', 'c'])
  assert.equal(await trimOutbox(database), 2)
})

test('rows of another PostgreSQL, whose transactions are still to come here, are read on', async () => {
  await empty()
  const { queries } = test_.database
  for (const kind of ['a', 'b', 'c']) await write(queries, kind)
  await settled()
  await take('one', 1)
  await sql`update outbox set xid = (xid::text::numeric + 1000000000)::text::xid8`.execute(queries)
  await sql`update outbox_consumer set xid = (xid::text::numeric + 1000000000)::text::xid8`.execute(queries)
  await write(queries, 'd')
  await settled()
  assert.deepEqual(await take('one'), ['b', 'c', 'd'])
  await write(queries, 'e')
  await settled()
  assert.deepEqual(await take('one'), ['e'])
})
