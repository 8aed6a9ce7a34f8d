// Patterns in this process and in the database match the same names.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type TestDatabase, testDatabase } from '../../../tests/support/test-database.ts'
import { sql } from '../../db/index.ts'
import { assertTagPattern, matchesGlob } from './glob.ts'

let db: TestDatabase
before(async () => {
  db = await testDatabase(1)
})
after(() => db?.close())

test('stars, question marks, and characters that LIKE gives a meaning to, as the database has them', async () => {
  const patterns = ['*', '?', 'v*', 'v?.*', '*-rc*', 'a_b', '**', 'v1', '*.*.*', 'a*b*c', '%', '\\', '']
  const names = ['v1', 'v1.0', 'v10.2', 'v1-rc1', 'axb', 'a_b', 'a', 'abc', 'aXXbYYc', 'acb', '1.2.3', 'latest', '%', '\\']
  for (const pattern of patterns) {
    const { rows } = await sql<{
      name: string
    }>`select name from unnest(${names}::text[]) name where name like oci_glob(${pattern})`.execute(db.database.queries)
    const here = names.filter((name) => matchesGlob(pattern, name))
    assert.deepEqual(
      rows.map(({ name }) => name),
      here,
      pattern,
    )
  }
  assert.deepEqual([matchesGlob('v?.*', 'v1.0'), matchesGlob('v?.*', 'v10.2'), matchesGlob('a_b', 'axb')], [true, false, false])
})

test('a pattern of many stars is matched at once', () => {
  assert.equal(matchesGlob(`${'*a'.repeat(60)}b`, 'a'.repeat(128)), false)
})

test('what no tag can match is refused', () => {
  for (const bad of ['', 'a/b', 'a b', 'x'.repeat(129), 'ä', 'a%']) assert.throws(() => assertTagPattern(bad), { code: 'tag-pattern' }, bad)
  for (const fine of ['*', 'v?.*', 'release-1.2_x']) assertTagPattern(fine)
})
