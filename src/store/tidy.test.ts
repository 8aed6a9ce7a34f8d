// Collection and compaction: what is needed stays readable, what isn't goes, keys and all.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { makeLog, systemRandomness } from '../base/index.ts'
import { sweepOrphans } from '../jobs/index.ts'
import { sql } from '../db/index.ts'
import { rebuildStore } from './index.ts'
import { contentHost, type ContentHost, put, read, sha256 } from '../../tests/support/content.ts'
import { noise, Seeded, seedOfRun } from '../../tests/support/seeded.ts'

let host: ContentHost

before(async () => {
  host = await contentHost()
})
after(() => host.close())

/** As if a day and an hour had passed for what is due. */
async function aDayPasses(): Promise<void> {
  const { queries } = host.db.database
  await sql`update content set leased_until = leased_until - interval '25 hours'`.execute(queries)
  await sql`update content_review set due_at = due_at - interval '25 hours'`.execute(queries)
  await sql`update segment set draining_since = draining_since - interval '25 hours', review_at = review_at - interval '25 hours'`.execute(
    queries,
  )
}

async function keys(): Promise<string[]> {
  await sweepOrphans(host.db.database, host.bucket, makeLog('silent'))
  const found: string[] = []
  for await (const { key } of host.bucket.list('segment/')) found.push(key)
  return found
}

async function rows(text: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int n from ${sql.raw(text)}`.execute(host.db.database.queries)
  return rows[0]?.n ?? -1
}

const reference = () => ({ kind: 'test', id: systemRandomness.uuid() })

describe('collection', () => {
  test('what has neither reference nor lease goes with its key; what is held stays', async () => {
    const kept = noise(1, 6 << 20)
    const gone = noise(2, 6 << 20)
    const holder = reference()
    await put(host.store, kept, { reference: holder })
    await put(host.store, gone)
    assert.equal((await keys()).length, 2)
    assert.equal((await host.store.tidy()).contents, 0)
    await aDayPasses()
    const first = await host.store.tidy()
    assert.deepEqual({ contents: first.contents, drained: first.drained }, { contents: 1, drained: 1 })
    assert.equal(await host.store.has(sha256(gone)), false)
    assert.equal((await keys()).length, 2, 'a draining segment is readable for a day')
    await aDayPasses()
    await host.store.tidy()
    assert.equal((await keys()).length, 1)
    assert.equal(Buffer.compare((await read(host.store, sha256(kept))) as Buffer, kept), 0)
    await host.db.database.transaction((tx) => host.store.release(tx, holder))
    for (let days = 0; days < 3; days++) {
      await aDayPasses()
      await host.store.tidy()
    }
    assert.equal((await keys()).length, 0)
    assert.deepEqual([await rows('content'), await rows('segment'), await rows('chunk'), await rows('content_review')], [0, 0, 0, 0])
  })

  test('a put that finds its chunks in a segment which is being drained brings it back', async () => {
    const bytes = noise(3, 6 << 20)
    await put(host.store, bytes)
    await aDayPasses()
    const longer = Buffer.concat([bytes, noise(4, 1 << 20)])
    const { database } = host.db
    // drained between the put's looking and its commit
    const works = database.transaction.bind(database)
    let isDrained = false
    database.transaction = async (run, options) => {
      if (!isDrained) {
        isDrained = true
        assert.equal((await host.store.tidy()).drained, 1)
      }
      return works(run, options)
    }
    try {
      await put(host.store, longer, { reference: reference() })
    } finally {
      database.transaction = works
    }
    assert.equal(await rows('segment where draining_since is not null'), 0)
    for (let days = 0; days < 3; days++) {
      await aDayPasses()
      await host.store.tidy()
    }
    assert.equal(Buffer.compare((await read(host.store, sha256(longer))) as Buffer, longer), 0)
  })

  test('a put whose chunks went for good meanwhile fails, and stores them when tried again', async () => {
    const bytes = noise(5, 6 << 20)
    await put(host.store, bytes)
    await aDayPasses()
    const longer = Buffer.concat([bytes, noise(6, 1 << 20)])
    const { database } = host.db
    const works = database.transaction.bind(database)
    let isGone = false
    database.transaction = async (run, options) => {
      if (!isGone) {
        isGone = true
        for (let days = 0; days < 3; days++) {
          await host.store.tidy()
          await aDayPasses()
        }
      }
      return works(run, options)
    }
    try {
      await assert.rejects(() => put(host.store, longer, { reference: reference() }), { code: 'content-changed' })
    } finally {
      database.transaction = works
    }
    await put(host.store, longer, { reference: reference() })
    assert.equal(Buffer.compare((await read(host.store, sha256(longer))) as Buffer, longer), 0)
  })
})

describe('compaction', () => {
  test('tails become one segment, sparse segments are emptied; every content is read as before', async () => {
    const random = new Seeded(seedOfRun('compaction'))
    const contents = new Map<string, Uint8Array>()
    const holders: { kind: string; id: string }[] = []
    for (let n = 0; n < 120; n++) {
      const bytes = noise(random.below(2 ** 31), random.below(n % 12 === 0 ? 3 << 20 : 240_000))
      const holder = reference()
      const { digest } = await put(host.store, bytes, { reference: holder })
      contents.set(digest, bytes)
      holders.push(holder)
    }
    assert.ok((await host.store.tidy()).compactions > 0)
    assert.ok((await rows('segment where tail is not null and draining_since is null')) < 5)
    const check = async (): Promise<void> => {
      for (const [digest, bytes] of contents)
        assert.equal(Buffer.compare((await read(host.store, sha256(bytes))) as Buffer, bytes), 0, digest)
    }
    await check()
    // two thirds go
    for (const [n, digest] of [...contents.keys()].entries()) {
      if (n % 3 === 0) continue
      contents.delete(digest)
      await host.db.database.transaction((tx) => host.store.release(tx, holders[n] as { kind: string; id: string }))
    }
    for (let days = 0; days < 3; days++) {
      await aDayPasses()
      await host.store.tidy()
      await check()
    }
    const stored = await rows('chunk')
    assert.equal(
      await rows('chunk left join segment on segment.id = chunk.segment_id where segment.id is null or draining_since is not null'),
      0,
    )
    // what is put again finds its chunks where they are now
    for (const bytes of contents.values()) assert.equal((await put(host.store, bytes)).isNew, false)
    const longest = [...contents.values()].toSorted((a, b) => b.length - a.length)[0] as Uint8Array
    const { addedBytes } = await put(host.store, Buffer.concat([longest, new Uint8Array([1])]))
    assert.ok(addedBytes < longest.length / 2, `${addedBytes} of ${longest.length}`)
    assert.ok(stored > 0)
    assert.equal(await rows('upload_intent'), 0)
  })
})

describe('rows out of the bucket', () => {
  test('all contents but those of tails are there again, after two compactions, too', async () => {
    const { database } = host.db
    const random = new Seeded(seedOfRun('rebuild'))
    const contents = new Map<string, Uint8Array>()
    const large = noise(random.below(2 ** 31), 9 << 20)
    const add = async (bytes: Uint8Array): Promise<void> => {
      contents.set((await put(host.store, bytes, { reference: reference() })).digest, bytes)
    }
    await add(large)
    // its own segment names the large one's chunks
    await add(Buffer.concat([large.subarray(0, 5 << 20), noise(random.below(2 ** 31), 9 << 20)]))
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 45; n++) await add(noise(random.below(2 ** 31), 200_000 + n))
      assert.ok((await host.store.tidy()).compactions > 0)
      for (let days = 0; days < 3; days++) {
        await aDayPasses()
        await host.store.tidy()
      }
      await keys()
    }
    const inTails = await sql<{ digest: Uint8Array }>`
      select distinct digest from content_segment join segment on segment.id = segment_id where tail is not null`.execute(database.queries)
    for (const { digest } of inTails.rows) contents.delete(Buffer.from(digest).toString('hex'))
    assert.ok(contents.size > 60)
    await sql`truncate segment, content, content_review, chunk cascade`.execute(database.queries)
    const made = await rebuildStore(database, host.bucket)
    assert.deepEqual({ damaged: made.damaged, unresolved: made.unresolved }, { damaged: [], unresolved: [] })
    for (const [digest, bytes] of contents)
      assert.equal(Buffer.compare((await read(host.store, sha256(bytes))) as Buffer, bytes), 0, digest)
    const again = await rebuildStore(database, host.bucket)
    assert.equal(again.contents, 0)
    // the rows that were made serve puts and collection
    assert.equal((await put(host.store, large)).isNew, false)
    assert.ok((await put(host.store, Buffer.concat([large, noise(1, 1 << 20)]))).addedBytes < 2 << 20)
    await host.store.tidy()
    for (const bytes of contents.values()) assert.equal(Buffer.compare((await read(host.store, sha256(bytes))) as Buffer, bytes), 0)
  })

  test('content that was collected comes back with segments that were about to go', async () => {
    const bytes = noise(77, 6 << 20)
    await put(host.store, bytes)
    await aDayPasses()
    assert.ok((await host.store.tidy()).drained > 0)
    assert.equal(await host.store.has(sha256(bytes)), false)
    assert.ok((await rebuildStore(host.db.database, host.bucket)).contents > 0)
    for (let days = 0; days < 3; days++) {
      await aDayPasses()
      await host.store.tidy()
    }
    assert.equal(Buffer.compare((await read(host.store, sha256(bytes))) as Buffer, bytes), 0)
  })
})
