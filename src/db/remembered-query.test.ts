// Queries whose rows are remembered: what they cost is less, what they say is the same.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import { type Database, Moment, rememberedQuery, sql } from './index.ts'

let test1: TestDatabase
let db: Database
before(async () => {
  test1 = await testDatabase()
  db = test1.database
})
after(() => test1.close())

const makeFind = () =>
  rememberedQuery(
    (queries, name: string, other: string | null) =>
      queries
        .selectFrom('server_fact')
        .where((eb) => eb.or([eb('name', '=', name), eb('name', '=', other)]))
        .select(['name', 'value', sql<string>`${'own'}::text`.as('own')])
        .orderBy('name'),
    { types: ['text', 'text'], most: 100 },
  )

async function statements<T>(run: () => Promise<T>): Promise<readonly [T, number]> {
  const before = db.figures.statements
  const result = await run()
  return [result, db.figures.statements - before]
}

async function write(name: string, value: string): Promise<void> {
  const row = { name, value }
  await db.queries
    .insertInto('server_fact')
    .values(row)
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute()
}

test('each question gets its own rows: one, several or none', async () => {
  const find = makeFind()
  await write('a', '1')
  await write('b', '2')
  const [answers, count] = await statements(() =>
    Promise.all([find(db, 'a', null), find(db, 'none', null), find(db, 'a', 'b'), find(db, 'a', null)]),
  )
  const plain = answers.map((rows) => rows.map(({ name, value, own }) => `${name} ${value} ${own}`))
  assert.deepEqual(plain, [['a 1 own'], [], ['a 1 own', 'b 2 own'], ['a 1 own']])
  assert.equal(count, 1)
})

test('what a transaction commits is seen by the next question, and what it hasn’t committed is not', async () => {
  const find = makeFind()
  const value = async (): Promise<string | undefined> => (await find(db, 'c', null))[0]?.value
  assert.equal(await value(), undefined)
  await write('c', '1')
  assert.equal(await value(), '1')
  await db.transaction(async (tx) => {
    await tx.updateTable('server_fact').set({ value: '2' }).where('name', '=', 'c').execute()
    assert.equal(await value(), '1')
    assert.equal(await value(), '1')
  })
  assert.equal(await value(), '2')
  for (let n = 0; n < 100; n++) {
    await write('c', `later ${n}`)
    assert.equal(await value(), `later ${n}`)
  }
})

test('while nothing is committed, many questions cost one small statement', async () => {
  const find = makeFind()
  const all = () => Promise.all(Array.from({ length: 300 }, (_, n) => find(db, `name ${n % 60}`, null)))
  let [, count] = await statements(all)
  assert.ok(count <= 2, `${count} statements for 60 questions`)
  for (let n = 0; n < 5; n++) [, count] = await statements(all) // a job may have written something at the first
  assert.equal(count, 1)
})

test('parameters that the rows don’t depend on make no question of their own', async () => {
  const find = rememberedQuery(
    (queries, name: string, other: number | null) =>
      queries.selectNoFrom([sql<string>`${name}`.as('name'), sql<number | null>`${other}::bigint`.as('other')]),
    {
      types: ['text', 'bigint'],
      most: 10,
      keyed: 1,
    },
  )
  assert.deepEqual((await find(db, 'a', 1))[0]?.other, 1)
  assert.deepEqual((await find(db, 'a', 2))[0]?.other, 1)
  assert.deepEqual((await find(db, 'b', null))[0]?.other, null)
})

test('bytes are parameters too', async () => {
  const find = rememberedQuery((queries, bytes: Uint8Array | null) => queries.selectNoFrom(sql<Uint8Array | null>`${bytes}`.as('bytes')), {
    types: ['bytea'],
    most: 10,
  })
  const answers = await Promise.all([Buffer.from([0, 92, 255]), null, Buffer.alloc(0)].map((bytes) => find(db, bytes)))
  assert.deepEqual(
    answers.map(([row]) => row?.bytes),
    [Buffer.from([0, 92, 255]), null, Buffer.alloc(0)],
  )
})

test('a question that fails fails alone, and the next ones are asked again', async () => {
  const find = rememberedQuery((queries, number: string) => queries.selectNoFrom(sql<number>`${number}::int`.as('number')), {
    types: ['text'],
    most: 10,
  })
  const [bad, good] = await Promise.allSettled([find(db, 'x'), find(db, '4')])
  assert.equal(bad.status, 'rejected')
  assert.equal(good.status === 'fulfilled' && good.value[0]?.number, 4)
  assert.equal((await find(db, '5'))[0]?.number, 5)
})

test('what fails whatever is asked is not asked for each again', async () => {
  const find = rememberedQuery((queries, number: string) => queries.selectNoFrom(sql<number>`no_such_function(${number})`.as('number')), {
    types: ['text'],
    most: 10,
  })
  const [results, count] = await statements(() => Promise.allSettled(['1', '2', '3'].map((number) => find(db, number))))
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  assert.equal(count, 1)
})

test('as of a moment, no further look is needed for what is known; a later moment sees what was committed between', async () => {
  const find = makeFind()
  await write('d', '1')
  for (const name of ['d', 'e']) await find(db, name, null)
  const moment = new Moment(db)
  const value = async (at: Database | Moment): Promise<string | undefined> => (await find(at, 'd', null))[0]?.value
  await find(moment, 'e', null)
  const [first, count] = await statements(() => value(moment))
  assert.deepEqual([first, count], ['1', 0])
  await write('d', '2')
  assert.equal(await value(moment), '1')
  assert.equal(await value(new Moment(db)), '2')
  assert.equal(await value(db), '2')
  assert.equal(await value(moment), '2')
})
