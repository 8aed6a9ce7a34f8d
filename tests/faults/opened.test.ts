// Opening dies at every step, and two nodes open the same: what was stored is read as it was, nothing is left over, and at last it is opened.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { makeLog, UnavailableError } from '../../src/base/index.ts'
import { sql } from '../../src/db/index.ts'
import { sweepOrphans } from '../../src/jobs/index.ts'
import type { Digest, SegmentStore } from '../../src/store/index.ts'
import { contentHost, type ContentHost, pieces, read } from '../support/content.ts'
import { Fuse } from '../support/fuse.ts'
import { noise, seedOfRun } from '../support/seeded.ts'
import { sampleLayer, sampleText, tarMember, tarOf } from '../support/tar.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host.close())

async function receive(bytes: Uint8Array): Promise<Digest> {
  const expected = { algorithm: 'sha256', digest: createHash('sha256').update(bytes).digest() } as const
  const reference = { kind: 'test', id: 'layer' }
  return (await host.store.uploads.receive(pieces(bytes), { expected, limitBytes: 2 ** 40, reference })).digest
}

async function daysPass(): Promise<void> {
  const { queries } = host.db.database
  for (const change of [
    `content set leased_until = leased_until - interval '3 days'`,
    `content_review set due_at = due_at - interval '3 days'`,
    `segment set draining_since = draining_since - interval '3 days', review_at = review_at - interval '3 days'`,
    `upload_intent set expires_at = expires_at - interval '3 days'`,
  ]) {
    await sql.raw(`update ${change}`).execute(queries)
  }
  await host.store.tidy()
}

async function keysAndRows(): Promise<{ keys: number; rows: number }> {
  await sweepOrphans(host.db.database, host.bucket, makeLog('silent'))
  let keys = 0
  for await (const _key of host.bucket.list('segment/')) keys++
  const { rows } = await sql<{ n: number }>`select count(*)::int n from segment where tail is null`.execute(host.db.database.queries)
  return { keys, rows: rows[0]?.n ?? -1 }
}

const isOpened = async (digest: Digest): Promise<boolean> =>
  (await sql`select 1 from content_opened where digest = decode(${digest}, 'hex')`.execute(host.db.database.queries)).rows.length > 0

test('death at every step of opening', async () => {
  const seed = seedOfRun('death of opening')
  // more than waits for a group commit, so that it has segments of its own
  const layer = gzipSync(
    tarOf(tarMember({ name: 'noise', body: noise(seed, 4_400_000) }), tarMember({ name: 'text', body: sampleText(1, 100_000) })),
    { level: 1 },
  )
  const digest = await receive(layer)
  for (let steps = 0; ; steps++) {
    assert.ok(steps < 300, 'it is never opened')
    const fuse = new Fuse(steps)
    const store = host.another(fuse.bucket(host.bucket), fuse.database(host.db.database))
    await store.openDue().catch((error: unknown) => {
      if (!(error instanceof UnavailableError)) throw error
    })
    await store.close()
    assert.deepEqual(await read(host.store, digest), layer)
    if (await isOpened(digest)) {
      assert.ok(steps > 10, `only ${steps} steps`)
      break
    }
    await sql`update content_opening set due_at = now() - interval '1 minute', attempts = 0`.execute(host.db.database.queries)
  }
  for (let n = 0; n < 3; n++) await daysPass()
  assert.deepEqual(await read(host.store, digest), layer)
  const { keys, rows } = await keysAndRows()
  assert.equal(keys, rows, 'keys without rows')
})

test('two nodes open the same content at once, and it is opened once', async () => {
  const layer = gzipSync(sampleLayer(2))
  const digest = await receive(layer)
  const nodes: SegmentStore[] = [host.another(), host.another()]
  await Promise.all(nodes.map((node) => node.openDue()))
  for (const node of nodes) await node.close()
  assert.ok(await isOpened(digest))
  for (let n = 0; n < 3; n++) await daysPass()
  assert.deepEqual(await read(host.store, digest), layer)
  const { rows } = await sql`select 1 from content_reference where kind = 'opened' and id = ${digest}`.execute(host.db.database.queries)
  assert.equal(rows.length, 1)
})

test('a content that goes while it is opened leaves nothing', async () => {
  const digest = await receive(gzipSync(sampleLayer(3)))
  const opening = host.store.openDue()
  await sql`delete from content_reference where kind = 'test' and digest = decode(${digest}, 'hex')`.execute(host.db.database.queries)
  await opening
  for (let n = 0; n < 4; n++) await daysPass()
  assert.equal(await read(host.store, digest), null)
  assert.equal(await isOpened(digest), false)
})
