// Queries that are built once: their parameters stand where they belong, whatever else the query holds.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import { fixedQuery, sql } from './index.ts'

let db: TestDatabase
before(async () => {
  db = await testDatabase()
})
after(() => db.close())

test('it is built once, and runs with other parameters each time; one that is named twice stands twice', async () => {
  let builds = 0
  const find = fixedQuery((queries, a: number, b: string | null) => {
    builds++
    return queries.selectNoFrom([
      sql<string | null>`${b}::text`.as('text'),
      sql<string>`${'own'}::text`.as('own'),
      sql<number>`${a}::int + ${a}::int`.as('twice'),
    ])
  })
  const { queries } = db.database
  assert.deepEqual(await find(queries, 21, 'x'), [{ text: 'x', own: 'own', twice: 42 }])
  assert.deepEqual(await find(queries, 1, null), [{ text: null, own: 'own', twice: 2 }])
  const inside = await db.database.transaction(async (tx) => await find(tx, 2, 'tx'))
  assert.deepEqual(inside, [{ text: 'tx', own: 'own', twice: 4 }])
  assert.equal(builds, 1)
})

test('a parameter that the query changed before it used it would stay the same for ever: it is refused', async () => {
  const find = fixedQuery((queries, name: string) => queries.selectNoFrom(sql<string>`${`${name}!`}::text`.as('text')))
  await assert.rejects(find(db.database.queries, 'x'), /not used as it is/)
})
