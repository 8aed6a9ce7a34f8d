// The scrub on packs that are due and packs that are not: what it reads, what it notes, and the alarm that it raises.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { sql } from '../../db/index.ts'
import { makeHistory } from '../../../tests/support/history.ts'
import { openTestRoom, type TestRoom } from '../../../tests/support/git-room.ts'
import { temporaryFolder } from '../../../tests/support/pack-indexing.ts'
import { scrubJob, scrubState } from './scrub.ts'

let rooms: TestRoom
before(async () => {
  rooms = await openTestRoom(temporaryFolder())
  await rooms.import(makeHistory(40), 'one')
  await rooms.import(makeHistory(50), 'two')
})
after(() => rooms?.close())

const { signal } = new AbortController()
const run = () => scrubJob(rooms.room).run(signal)
const age = (days: number) =>
  sql`update pack set verified_at = null, created_at = now() - ${days} * interval '1 day'`.execute(rooms.db.database.queries)

async function verified(): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(verified_at)::int as n from pack`.execute(rooms.db.database.queries)
  return rows[0]?.n ?? -1
}

test('what is due is read and noted, what came lately is not', async () => {
  await run()
  assert.equal(await verified(), 0)
  await age(31)
  await run()
  assert.equal(await verified(), 2)
  const state = await scrubState(rooms.db.database)
  assert.equal(state.findings, 0)
  assert.ok(state.oldest && state.oldest > new Date(Date.now() - 3600_000))
  await sql`update pack set verified_at = now() - interval '29 days'`.execute(rooms.db.database.queries)
  const before = rooms.bucket.requests.heads
  await run()
  assert.equal(rooms.bucket.requests.heads, before, 'nothing was looked at')
})

test('damage is an alarm, and stands until it is found mended', async () => {
  const [path = ''] = rooms.keyFiles('pack')
  const bytes = readFileSync(path)
  const changed = Buffer.from(bytes)
  changed[500] = (changed[500] as number) ^ 2
  writeFileSync(path, changed)
  const alarms: unknown[] = []
  const { log } = rooms.room.options
  log.error = (about: unknown) => void alarms.push(about)
  await age(31)
  await run()
  assert.ok(alarms.length > 0)
  assert.ok(
    alarms.every(
      (about) =>
        (about as { alarm: boolean; finding: { key: string } }).alarm && path.endsWith((about as { finding: { key: string } }).finding.key),
    ),
  )
  assert.equal((await scrubState(rooms.db.database)).findings, alarms.length)
  assert.equal(await verified(), 2, 'it goes on with the others')
  writeFileSync(path, bytes)
  await age(31)
  await run()
  assert.equal((await scrubState(rooms.db.database)).findings, 0)
})
