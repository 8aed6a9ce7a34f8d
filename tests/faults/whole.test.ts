// Uploads and whole contents die at every step, and race with themselves: what was acknowledged is readable, what wasn't is whole or invisible, an upload tells the truth
// about what it has, and no key is leaked.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { InputError, makeLog, UnavailableError } from '../../src/base/index.ts'
import { sql } from '../../src/db/index.ts'
import { sweepOrphans } from '../../src/jobs/index.ts'
import type { ContentUploads, Digest, SegmentStore } from '../../src/store/index.ts'
import { contentHost, type ContentHost, pieces, put, read, sha256 } from '../support/content.ts'
import { Fuse } from '../support/fuse.ts'
import { lateBucket } from '../support/late-bucket.ts'
import { noise, Seeded, seedOfRun } from '../support/seeded.ts'

let host: ContentHost
const limitBytes = 2 ** 40

before(async () => {
  host = await contentHost()
})
after(() => host.close())

async function hoursPass(hours: number): Promise<void> {
  const { queries } = host.db.database
  const by = sql`${hours} * interval '1 hour'`
  await sql`update content set leased_until = leased_until - ${by}`.execute(queries)
  await sql`update content_review set due_at = due_at - ${by}`.execute(queries)
  await sql`update content_upload set touched_at = touched_at - ${by}, adding_until = adding_until - ${by}`.execute(queries)
  await sql`update segment set draining_since = draining_since - ${by}, review_at = review_at - ${by}`.execute(queries)
  await sql`update upload_intent set expires_at = expires_at - ${by}`.execute(queries)
  await sql`update key_deletion set not_before = not_before - ${by}`.execute(queries)
}

/** Keys below `whole/` are those of rows, and nothing waits. */
async function assertSwept(): Promise<void> {
  const { database } = host.db
  for (let n = 0; n < 3; n++) {
    await hoursPass(30)
    await host.store.tidy()
    await sweepOrphans(database, host.bucket, makeLog('silent'))
  }
  const keys: string[] = []
  for await (const { key } of host.bucket.list('whole/')) keys.push(key.slice(-36))
  const rows = await sql<{ uuid: string }>`select uuid::text as uuid from whole_part where tail is null`.execute(database.queries)
  assert.deepEqual(keys.sort(), rows.rows.map((row) => row.uuid).sort(), 'keys and rows are the same')
  const waiting = await sql<{ key: string }>`select key from upload_intent union all select key from key_deletion`.execute(database.queries)
  assert.deepEqual(waiting.rows, [])
  assert.deepEqual((await sql`select id from content_upload`.execute(database.queries)).rows, [])
}

async function assertReadable(contents: ReadonlyMap<Digest, Uint8Array>): Promise<void> {
  for (const [digest, bytes] of contents) {
    const got = await read(host.store, digest)
    assert.ok(got !== null && Buffer.compare(got, bytes) === 0, `${digest} of ${bytes.length} bytes`)
  }
}

function expected(bytes: Uint8Array) {
  return { algorithm: 'sha256', digest: createHash('sha256').update(bytes).digest() } as const
}

const reference = { kind: 'faults', id: '1' }

/** POST, two PATCHes with something small between, PUT with the rest; as far as it comes. */
async function pushInParts(uploads: ContentUploads, bytes: Uint8Array, told: { id?: string; sizeBytes: number }): Promise<boolean> {
  const { id } = await uploads.begin({ scope: 'faults' })
  told.id = id
  const cuts = [1_300_000, 1_300_010, 1_700_000]
  for (const cut of cuts) {
    await uploads.append(id, 'faults', { source: pieces(bytes.subarray(told.sizeBytes, cut)), offset: told.sizeBytes, limitBytes })
    told.sizeBytes = cut
  }
  const last = { source: pieces(bytes.subarray(told.sizeBytes)), offset: told.sizeBytes }
  return (await uploads.finish(id, 'faults', { expected: expected(bytes), last, limitBytes, reference })) !== null
}

async function pushAtOnce(uploads: ContentUploads, bytes: Uint8Array): Promise<boolean> {
  const { id } = await uploads.begin({ scope: 'faults' })
  await uploads.append(id, 'faults', { source: pieces(bytes), limitBytes })
  return (await uploads.finish(id, 'faults', { expected: expected(bytes), limitBytes, reference })) !== null
}

test('death at every step of uploads', async () => {
  const seed = seedOfRun('death of uploads')
  const acknowledged = new Map<Digest, Uint8Array>()
  for (let steps = 0; ; steps++) {
    const fuse = new Fuse(steps)
    const store = host.another(fuse.bucket(host.bucket), fuse.database(host.db.database), { isLinking: steps % 2 === 1 })
    const bytes = [0, 1, 2, 3].map((n) => noise(seed + steps * 4 + n, [2_000_000, 400_000, 300_000, 20_000][n] as number))
    const [inParts, atOnce, received, small] = bytes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const told: { id?: string; sizeBytes: number } = { sizeBytes: 0 }
    const ways = [
      async () => pushAtOnce(store.uploads, small).then(() => small),
      async () => store.uploads.receive(pieces(received), { expected: expected(received), limitBytes, reference }).then(() => received),
      async () => pushAtOnce(store.uploads, atOnce).then(() => atOnce),
      async () => pushInParts(store.uploads, inParts, told).then(() => inParts),
    ]
    let survived = 0
    for (const way of ways) {
      try {
        const done = await way()
        acknowledged.set(sha256(done), done)
        survived++
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error
      }
    }
    for (const one of bytes) {
      const got = await read(host.store, sha256(one))
      assert.ok(got === null || Buffer.compare(got, one) === 0, `half of it is visible after ${steps} steps`)
    }
    // what was acknowledged of an upload is there, on another node too, and the upload can be gone on with when the dead one's mark has ended
    if (told.id !== undefined && survived < 4) {
      await sql`update content_upload set adding_until = now() - interval '1 second'`.execute(host.db.database.queries)
      const state = await host.store.uploads.find(told.id, 'faults')
      assert.ok(state === null || state.sizeBytes >= told.sizeBytes, 'what was acknowledged is there')
      if (state !== null && steps % 3 === 0) {
        const last = { source: pieces(inParts.subarray(state.sizeBytes)) }
        assert.ok(await host.store.uploads.finish(told.id, 'faults', { expected: expected(inParts), last, limitBytes, reference }))
        acknowledged.set(sha256(inParts), inParts)
      }
    }
    await store.close()
    if (survived === 4) {
      assert.ok(steps > 40, `only ${steps} steps`)
      break
    }
  }
  await assertSwept()
  await assertReadable(acknowledged)
})

test('death at every step of collection, cooling and warming', async () => {
  const random = new Seeded(seedOfRun('death of cooling'))
  const { queries } = host.db.database
  const kept = new Map<Digest, Uint8Array>()
  for (let n = 0; n < 12; n++) {
    const bytes = noise(random.below(2 ** 31), 300_000)
    const held = n % 3 === 0 ? {} : { reference }
    await host.store.uploads.receive(pieces(bytes), { limitBytes, ...held })
    if (n % 3 !== 0) kept.set(sha256(bytes), bytes)
  }
  for (let n = 0; n < 6; n++) {
    const bytes = noise(random.below(2 ** 31), 300_000)
    const { digest } = await put(host.store, bytes, { reference })
    kept.set(digest, bytes)
    await sql`insert into content_cold_read (digest, reads) values (${Buffer.from(digest, 'hex')}, 5)`.execute(queries)
  }
  await hoursPass(25)
  for (let steps = 0; ; steps++) {
    const fuse = new Fuse(steps)
    const store = host.another(fuse.bucket(host.bucket), fuse.database(host.db.database), {
      hot: { keepMs: 1e9, bytes: steps % 2 === 0 ? 1e9 : 0 },
      isLinking: steps % 4 === 0,
    })
    let isDone = false
    try {
      await store.tidy()
      await store.tend()
      isDone = !fuse.isBurnt
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
    }
    await store.close()
    if (isDone && steps % 2 === 1) {
      assert.ok(steps > 10, `only ${steps} steps`)
      break
    }
  }
  await assertReadable(kept)
  await assertSwept()
  await assertReadable(kept)
})

test('writes that nobody answered, and that are carried out later than the deletions behind them', async () => {
  const { bucket, land } = lateBucket(host.bucket)
  const store = host.another(bucket)
  for (const sizeBytes of [900_000, 3_000_000]) {
    const bytes = noise(seedOfRun(`late ${sizeBytes}`), sizeBytes)
    await assert.rejects(pushAtOnce(store.uploads, bytes), { code: 'bucket-unavailable' })
    await assert.rejects(store.uploads.receive(pieces(bytes), { limitBytes }), { code: 'bucket-unavailable' })
  }
  await store.close()
  await sweepOrphans(host.db.database, host.bucket, makeLog('silent'))
  await land()
  await assertSwept()
})

test('two nodes that push the same, add to the same upload, cancel, release, collect and cool at once', async () => {
  const random = new Seeded(seedOfRun('two nodes of uploads'))
  const nodes = [host.store, host.another(host.bucket, host.db.database, { hot: { keepMs: 0, bytes: 0 }, isLinking: true })] as const
  const pool = Array.from({ length: 12 }, (_, n) => noise(random.below(2 ** 31), n % 3 === 0 ? 1_500_000 : 70_000 + random.below(300_000)))
  const held = new Map<string, Uint8Array>()
  let isOver = false
  let serial = 0
  const expectedErrors = new Set(['content-changed', 'upload-busy', 'lease-lost'])
  const work = async (n: number): Promise<void> => {
    for (let round = 0; round < 30; round++) {
      const [one, other] = random.below(2) === 0 ? nodes : ([nodes[1], nodes[0]] as const)
      const bytes = random.pick(pool)
      const id = `${n}-${serial++}`
      const hold = { expected: expected(bytes), limitBytes, reference: { kind: 'race', id } }
      try {
        if (random.below(3) === 0) await one.uploads.receive(pieces(bytes), hold)
        else {
          const upload = await one.uploads.begin({ scope: 'race' })
          const cut = random.below(bytes.length)
          const append = (node: SegmentStore) =>
            node.uploads.append(upload.id, 'race', { source: pieces(bytes.subarray(0, cut)), offset: 0, limitBytes })
          // both want to begin it: one may
          const added = await Promise.allSettled([append(one), append(other)])
          const wrong = added.filter((result) => result.status === 'rejected').map((result) => result.reason as Error & { code: string })
          for (const error of wrong) if (!(error instanceof InputError) && !(error instanceof UnavailableError)) throw error
          assert.ok(cut === 0 || wrong.length > 0, 'one of two is refused')
          if (random.below(6) === 0) {
            assert.equal(await other.uploads.cancel(upload.id, 'race'), true)
            continue
          }
          const last = { source: pieces(bytes.subarray(cut)), offset: cut }
          assert.ok(await other.uploads.finish(upload.id, 'race', { ...hold, last }))
        }
        held.set(id, bytes)
      } catch (error) {
        if (!(error instanceof UnavailableError || error instanceof InputError) || !expectedErrors.has(error.code)) throw error
      }
      if (random.below(2) === 0 && held.size > 0) {
        const gone = random.pick([...held.keys()])
        held.delete(gone)
        await host.db.database.transaction((tx) => one.release(tx, { kind: 'race', id: gone }))
      }
    }
  }
  const time = async (): Promise<void> => {
    while (!isOver) {
      await sql`update content set leased_until = leased_until - interval '9 hours'`.execute(host.db.database.queries)
      await sql`update content_review set due_at = due_at - interval '9 hours'`.execute(host.db.database.queries)
      await Promise.all(nodes.flatMap((node) => [node.tidy(), node.tend()]))
    }
  }
  const passing = time()
  await Promise.all([work(0), work(1), work(2)]).finally(() => {
    isOver = true
  })
  await passing
  await assertReadable(new Map([...held.values()].map((bytes) => [sha256(bytes), bytes])))
  await assertSwept()
  await assertReadable(new Map([...held.values()].map((bytes) => [sha256(bytes), bytes])))
})
