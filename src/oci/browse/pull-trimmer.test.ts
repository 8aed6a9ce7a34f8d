// Pulls by day: kept for a year and told by day, and gone afterwards.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { makeAccount } from '../../../tests/support/accounts.ts'
import { makeImage } from '../../../tests/support/images.ts'
import { testDatabase } from '../../../tests/support/test-database.ts'
import { sql } from '../../db/index.ts'
import { imagePulls } from './image-figures.ts'
import { pullTrimmer } from './pull-trimmer.ts'

const host = await testDatabase()
after(() => host.close())

test('what a count grows by is told on its day, whoever writes it; after 400 days it is gone', async () => {
  const db = host.database
  const { id } = await makeAccount(db, 'olive')
  const image = await makeImage(db, { ownerId: id, ownerLogin: 'olive', name: 'app' })
  const count = async (pulls: number) =>
    db.queries.updateTable('oci_manifest').set({ pull_count: pulls }).where('id', '=', image.versionId).execute()
  await count(3)
  await count(5)
  await count(5)
  await count(0) // that one begins anew takes nothing back
  await count(1)
  const told = await imagePulls(db.queries, image.package.id, 7, null)
  assert.deepEqual([told.total, told.days.length, told.days.at(-1)?.pullCount], [6, 7, 6])
  for (const days of [366, 399, 401]) {
    await sql`insert into oci_pull_day select ${image.package.id}, (now() at time zone 'UTC')::date - ${days}::int, '\\x00', 1`.execute(
      db.queries,
    )
  }
  await pullTrimmer(db).run(new AbortController().signal)
  const { rows } = await sql<{ days: number }>`select (now() at time zone 'UTC')::date - day as days from oci_pull_day order by 1`.execute(
    db.queries,
  )
  assert.deepEqual(
    rows.map(({ days }) => days),
    [0, 366, 399],
  )
})
