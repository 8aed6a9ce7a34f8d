// A pack that is taken in, and the bucket that fails under it.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openTestRoom, type TestRoom } from '../../../tests/support/git-room.ts'
import { lateBucket } from '../../../tests/support/late-bucket.ts'
import { blob, rootCommit } from '../../../tests/support/pack-builder.ts'
import { makeLog } from '../../base/index.ts'
import { sql } from '../../db/index.ts'
import { sweepOrphans } from '../../jobs/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { PackIntake } from './pack-intake.ts'

const folder = mkdtempSync(join(tmpdir(), 'stemma-intake-'))
let host: TestRoom
before(async () => {
  host = await openTestRoom(folder)
})
after(async () => {
  await host?.close()
  rmSync(folder, { recursive: true, force: true })
})

test('an upload that nobody answered may come later than its deletion: its intent row stays, and leads the sweeper to it', async () => {
  const { bucket, land } = lateBucket(host.bucket)
  const intake = new PackIntake({ ...host.room.intakeParts, bucket })
  const file = blob('a file\n')
  const { pack, tip } = rootCommit([['100644', 'file', file.id]], [file])
  const networkId = '00000000-0000-4000-8000-000000000000'
  const questions = {
    packs: { networkId, format: 'sha1' as const, lineage: 0, packs: [] },
    networkId,
    tips: [tip.id as ObjectId],
    fsck: null,
    buildOn: null,
    shallows: [],
    ancestry: [],
    maxInputBytes: 0,
  }
  const body = async function* () {
    yield pack.build()
  }
  await assert.rejects(
    intake.take(questions, body(), () => {}),
    { code: 'bucket-unavailable' },
  )
  assert.equal(host.keyFiles('').filter((path) => path.includes('/pack/')).length, 0)
  await land()
  assert.equal(host.keyFiles('pack').length, 1)
  const { queries } = host.db.database
  await sql`update upload_intent set expires_at = now() - interval '1 second'`.execute(queries)
  await sweepOrphans(host.db.database, host.bucket, makeLog('silent'))
  assert.deepEqual(host.keyFiles('pack'), [])
  assert.deepEqual(await queries.selectFrom('upload_intent').select('key').execute(), [])
})
