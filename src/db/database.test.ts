// Queries and transactions on a real PostgreSQL: numbers, bytes, retries, time limits, and what an error means.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CorruptError, InputError, makeLog, UnavailableError } from '../base/index.ts'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import { Database, sql, sqlState } from './index.ts'

let db: TestDatabase
before(async () => {
  db = await testDatabase()
})
after(() => db.close())

const one = async <T>(text: ReturnType<typeof sql<{ v: T }>>): Promise<T | undefined> =>
  (await text.execute(db.database.queries)).rows[0]?.v

describe('values', () => {
  test('bigint is a number as long as it is exact, and an error beyond', async () => {
    assert.equal(await one(sql<{ v: number }>`select 9007199254740991::bigint as v`), Number.MAX_SAFE_INTEGER)
    await assert.rejects(one(sql<{ v: number }>`select 9007199254740992::bigint as v`), RangeError)
    assert.equal(await one(sql<{ v: number }>`select count(*) as v from pack where id > ${0}`), 0)
  })

  test('bytes go in as any Uint8Array, views too, and come back the same', async () => {
    const bytes = Uint8Array.from({ length: 300 }, (_, i) => i).subarray(7, 290)
    assert.deepEqual(new Uint8Array((await one(sql<{ v: Uint8Array }>`select ${bytes}::bytea as v`)) ?? []), new Uint8Array(bytes))
  })
})

describe('transactions', () => {
  before(() => sql`create table t (id int primary key, n int not null)`.execute(db.database.queries))

  test('commit, roll back, and leave no connection behind', async () => {
    await db.database.transaction((tx) => sql`insert into t values (1, 0), (2, 0)`.execute(tx))
    for (let i = 0; i < 20; i++) {
      const failing = db.database.transaction(async (tx) => {
        await sql`insert into t values (${100 + i}, 0)`.execute(tx)
        if (i % 2 === 0) throw new InputError('wanted', 'wanted')
        await sql`insert into t values (1, 0)`.execute(tx)
      })
      await assert.rejects(failing, { code: i % 2 === 0 ? 'wanted' : '23505' })
    }
    assert.equal(await one(sql<{ v: number }>`select count(*) as v from t`), 2)
  })

  test('serializable counters: those who may run again all succeed, nothing is lost', async () => {
    const add = () =>
      db.database.transaction(
        async (tx) => {
          const { rows } = await sql<{ n: number }>`select n from t where id = 1`.execute(tx)
          await sql`update t set n = ${(rows[0]?.n ?? 0) + 1} where id = 1`.execute(tx)
        },
        { mayRetry: true, isolation: 'serializable' },
      )
    const results = await Promise.allSettled(Array.from({ length: 4 }, add))
    const succeeded = results.filter((result) => result.status === 'fulfilled').length
    for (const result of results) if (result.status === 'rejected') assert.equal(sqlState(result.reason), '40001')
    assert.equal(await one(sql<{ v: number }>`select n as v from t where id = 1`), succeeded)
    assert.ok(succeeded >= 2)
  })

  test('a deadlock reaches a caller who may not run again, and only him', async () => {
    const gate = Promise.withResolvers<void>()
    let waiting = 0
    const cross = (first: number, second: number, mayRetry: boolean) => {
      let runs = 0
      return db.database.transaction(
        async (tx) => {
          await sql`update t set n = n + 1 where id = ${first}`.execute(tx)
          if (runs++ === 0) {
            if (++waiting === 2) gate.resolve()
            await gate.promise
          }
          await sql`update t set n = n + 1 where id = ${second}`.execute(tx)
        },
        { mayRetry },
      )
    }
    const results = await Promise.allSettled([cross(1, 2, true), cross(2, 1, true)])
    assert.deepEqual(
      results.map((result) => result.status),
      ['fulfilled', 'fulfilled'],
    )
  })

  test('a migration under way does not break prepared statements of a caller who may run again', async () => {
    const read = () => db.database.transaction((tx) => sql<{ id: number }>`select * from t where id = ${1}`.execute(tx), { mayRetry: true })
    await Promise.all(Array.from({ length: 8 }, read))
    await sql`alter table t add column more text`.execute(db.database.queries)
    for (let i = 0; i < 3; i++) assert.equal((await read()).rows.length, 1)
    await sql`alter table t add column evenMore text`.execute(db.database.queries)
    assert.equal((await sql`select * from t where id = ${1}`.execute(db.database.queries)).rows.length, 1)
  })
})

describe('what an error means', () => {
  test('a statement that takes too long, a lock that is held, a lost connection: unavailable', async () => {
    const hasty = new Database({ url: db.url, poolSize: 2, log: makeLog('silent'), statementTimeoutMs: 100 })
    await assert.rejects(sql`select pg_sleep(5)`.execute(hasty.queries), { code: 'statement-timeout' })
    await assert.rejects(sql`select pg_terminate_backend(pg_backend_pid())`.execute(hasty.queries), UnavailableError)
    await sql`select 1`.execute(hasty.queries)
    await hasty.close()
  })

  test('nobody there', async () => {
    const nowhere = new Database({ url: 'postgresql://a:b@127.0.0.1:1/c', poolSize: 2, log: makeLog('silent') })
    await assert.rejects(nowhere.probe(), { code: 'database-unavailable' })
    await assert.rejects(
      nowhere.transaction(async () => 1),
      { code: 'database-unavailable' },
    )
    await nowhere.close()
  })

  test('a connection that breaks in COMMIT leaves it open whether it happened', async () => {
    const broken = db.database.transaction(async (tx) => {
      await sql`create table if not exists deferred (id int primary key)`.execute(tx)
      await sql`create function die() returns trigger language plpgsql as $$ begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return null; end $$`.execute(
        tx,
      )
      await sql`create constraint trigger dies after insert on deferred deferrable initially deferred for each row execute function die()`.execute(
        tx,
      )
      await sql`insert into deferred values (1)`.execute(tx)
    })
    await assert.rejects(broken, { code: 'commit-unknown' })
  })

  test('an error of the statement stays what it is', async () => {
    await assert.rejects(
      sql`select 1/0`.execute(db.database.queries),
      (error) => sqlState(error) === '22012' && !(error instanceof UnavailableError) && !(error instanceof CorruptError),
    )
  })

  test('the probe refuses a schema that has become too new', async () => {
    await db.database.probe()
    await sql`update server_fact set value = '1000' where name = 'schema_floor'`.execute(db.database.queries)
    await assert.rejects(db.database.probe(), { code: 'newer-schema' })
    await sql`update server_fact set value = '1' where name = 'schema_floor'`.execute(db.database.queries)
  })
})
