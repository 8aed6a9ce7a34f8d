// The content store dies at every step, and races with itself: what was acknowledged is readable, what wasn't is whole or invisible, no key is leaked.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { makeLog, systemRandomness, UnavailableError } from '../../src/base/index.ts'
import { sql } from '../../src/db/index.ts'
import { sweepOrphans } from '../../src/jobs/index.ts'
import type { Digest, SegmentStore } from '../../src/store/index.ts'
import { contentHost, type ContentHost, put, read, sha256 } from '../support/content.ts'
import { Fuse } from '../support/fuse.ts'
import { lateBucket } from '../support/late-bucket.ts'
import { noise, Seeded, seedOfRun } from '../support/seeded.ts'

let host: ContentHost

before(async () => {
  host = await contentHost()
})
after(() => host.close())

async function hoursPass(hours: number): Promise<void> {
  const { queries } = host.db.database
  const by = sql`${hours} * interval '1 hour'`
  await sql`update content set leased_until = leased_until - ${by}`.execute(queries)
  await sql`update content_review set due_at = due_at - ${by}`.execute(queries)
  await sql`update segment set draining_since = draining_since - ${by}, review_at = review_at - ${by}`.execute(queries)
  await sql`update upload_intent set expires_at = expires_at - ${by}`.execute(queries)
}

/** Rows and keys say the same, and every recipe's segments are there. */
async function assertWhole(): Promise<void> {
  const { queries } = host.db.database
  await sweepOrphans(host.db.database, host.bucket, makeLog('silent'))
  const keys = new Set<string>()
  for await (const { key } of host.bucket.list('segment/')) keys.add(key.slice(-36))
  const rows = await queries.selectFrom('segment').select('uuid').where('tail', 'is', null).execute()
  const intents = await queries.selectFrom('upload_intent').select('key').execute()
  const known = new Set([...rows.map((row) => row.uuid), ...intents.map((row) => row.key.slice(-36))])
  assert.deepEqual(
    [...keys].filter((key) => !known.has(key)),
    [],
    'leaked keys',
  )
  assert.deepEqual(
    rows.map((row) => row.uuid).filter((uuid) => !keys.has(uuid)),
    [],
    'rows without keys',
  )
  const dangling = await sql<{ n: number }>`
    select count(*)::int n from chunk left join segment on segment.id = segment_id where segment.id is null or draining_since is not null`.execute(
    queries,
  )
  assert.equal(dangling.rows[0]?.n, 0, 'chunk rows that name no live segment')
}

async function assertReadable(store: SegmentStore, contents: ReadonlyMap<Digest, Uint8Array>): Promise<void> {
  for (const [digest, bytes] of contents) {
    const got = await read(store, digest)
    assert.ok(got !== null && Buffer.compare(got, bytes) === 0, `${digest} of ${bytes.length} bytes`)
  }
}

test('death at every step of a put', async () => {
  const seed = seedOfRun('death')
  const acknowledged = new Map<Digest, Uint8Array>()
  const old = noise(seed, 5_500_000)
  for (let steps = 0; ; steps++) {
    const fuse = new Fuse(steps)
    const store = host.another(fuse.bucket(host.bucket), fuse.database(host.db.database))
    const small = noise(seed + steps * 2 + 1, 20_000)
    // half of it is there after the first time
    const large = Buffer.concat([old, noise(seed + steps * 2 + 2, 5_500_000)])
    let survived = 0
    for (const bytes of [small, large]) {
      try {
        await put(store, bytes, { reference: { kind: 'death', id: String(steps) } })
        acknowledged.set(sha256(bytes), bytes)
        survived++
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error
        const got = await read(host.store, sha256(bytes))
        assert.ok(got === null || Buffer.compare(got, bytes) === 0, `half of a put is visible after ${steps} steps`)
      }
    }
    await store.close()
    if (steps % 5 === 0) await assertReadable(host.store, acknowledged)
    if (survived === 2) {
      assert.ok(steps > 20, `only ${steps} steps`)
      break
    }
  }
  await hoursPass(25)
  await assertWhole()
  const left = await host.db.database.queries.selectFrom('upload_intent').select('key').execute()
  assert.deepEqual(left, [])
  await assertReadable(host.store, acknowledged)
})

test('death at every step of collection and compaction', async () => {
  const random = new Seeded(seedOfRun('death of tidying'))
  const kept = new Map<Digest, Uint8Array>()
  for (let n = 0; n < 60; n++) {
    const bytes = noise(random.below(2 ** 31), 200_000)
    const { digest } = await put(host.store, bytes, n % 3 === 0 ? {} : { reference: { kind: 'tidy', id: String(n) } })
    if (n % 3 !== 0) kept.set(digest, bytes)
  }
  await hoursPass(25)
  for (let steps = 0; ; steps++) {
    const fuse = new Fuse(steps)
    const store = host.another(fuse.bucket(host.bucket), fuse.database(host.db.database))
    let isDone = false
    try {
      await store.tidy()
      isDone = !fuse.isBurnt
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
    }
    await store.close()
    if (isDone) {
      assert.ok(steps > 15, `only ${steps} steps`)
      break
    }
  }
  await assertReadable(host.store, kept)
  await hoursPass(25)
  await host.store.tidy()
  await assertWhole()
  await assertReadable(host.store, kept)
})

test('writes that nobody answered, and that are carried out later than the deletions behind them', async () => {
  const { bucket, land } = lateBucket(host.bucket)
  const store = host.another(bucket)
  for (const sizeBytes of [900_000, 9_000_000]) {
    await assert.rejects(put(store, noise(seedOfRun(`late ${sizeBytes}`), sizeBytes)), { code: 'bucket-unavailable' })
  }
  await store.close()
  await land()
  await hoursPass(25)
  await assertWhole()
})

describe('two nodes at once', () => {
  test('put, release, collect and compact without a stop', async () => {
    const random = new Seeded(seedOfRun('two nodes'))
    const nodes = [host.store, host.another()]
    const pool = Array.from({ length: 24 }, (_, n) => noise(random.below(2 ** 31), n % 4 === 0 ? 2_500_000 : random.below(200_000)))
    const held = new Map<string, Uint8Array>()
    let isOver = false
    const worker = async (node: SegmentStore): Promise<void> => {
      for (let n = 0; n < 40; n++) {
        const bytes = random.below(3) === 0 ? Buffer.concat([random.pick(pool), random.pick(pool)]) : random.pick(pool)
        const id = systemRandomness.uuid()
        try {
          const { digest } = await put(node, bytes, { reference: { kind: 'race', id } })
          assert.equal(digest, sha256(bytes))
          held.set(id, bytes)
        } catch (error) {
          if (!(error instanceof UnavailableError && error.code === 'content-changed')) throw error
        }
        if (random.below(2) === 0 && held.size > 0) {
          const gone = random.pick([...held.keys()])
          held.delete(gone)
          await host.db.database.transaction((tx) => node.release(tx, { kind: 'race', id: gone }))
        }
        if (random.below(4) === 0) {
          const got = await read(node, sha256(bytes))
          assert.ok(got === null || Buffer.compare(got, bytes) === 0)
        }
      }
    }
    const time = async (): Promise<void> => {
      while (!isOver) {
        await hoursPass(9)
        await Promise.all(nodes.map((node) => node.tidy()))
      }
    }
    const passing = time()
    await Promise.all([worker(nodes[0]!), worker(nodes[1]!), worker(nodes[0]!), worker(nodes[1]!)]).finally(() => {
      isOver = true
    })
    await passing
    await assertReadable(nodes[1]!, new Map([...held.values()].map((bytes) => [sha256(bytes), bytes])))
    await hoursPass(25)
    await host.store.tidy()
    await assertWhole()
  })

  test('the same content from both: one is new, both are readable', async () => {
    const nodes = [host.store, host.another()]
    for (const sizeBytes of [5000, 7_000_000]) {
      const bytes = noise(sizeBytes + 77, sizeBytes)
      const results = await Promise.all(nodes.flatMap((node) => [put(node, bytes), put(node, bytes)]))
      assert.equal(results.filter((result) => result.isNew).length, 1)
      for (const node of nodes) await assertReadable(node, new Map([[sha256(bytes), bytes]]))
    }
    await hoursPass(1)
    await assertWhole()
  })
})
