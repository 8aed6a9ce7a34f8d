// The content store on a real database and a folder: what is put can be read, once and for all.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { InputError, UnavailableError } from '../base/index.ts'
import { sql } from '../db/index.ts'
import { contentHost, type ContentHost, pieces, put, read, sha256 } from '../../tests/support/content.ts'
import { noise } from '../../tests/support/seeded.ts'
import type { Digest } from './index.ts'

let host: ContentHost

before(async () => {
  host = await contentHost()
})
after(() => host.close())

async function count(table: 'segment' | 'content' | 'chunk' | 'upload_intent' | 'content_reference'): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int n from ${sql.table(table)}`.execute(host.db.database.queries)
  return rows[0]?.n ?? -1
}

describe('put and get', () => {
  const sizes = [0, 1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20, 20 << 20]
  for (const sizeBytes of sizes) {
    test(`${sizeBytes} bytes of noise`, async () => {
      const bytes = noise(sizeBytes + 1, sizeBytes)
      const digest = sha256(bytes)
      const result = await put(host.store, bytes)
      assert.deepEqual({ digest: result.digest, sizeBytes: result.sizeBytes, isNew: result.isNew }, { digest, sizeBytes, isNew: true })
      assert.equal(Buffer.compare((await read(host.store, digest)) as Buffer, bytes), 0)
      assert.deepEqual(await host.store.stat(digest), { digest, sizeBytes })
      const again = await put(host.store, bytes)
      assert.deepEqual({ isNew: again.isNew, addedBytes: again.addedBytes }, { isNew: false, addedBytes: 0 })
    })
  }

  test('content larger than a segment; ranges of it', async () => {
    const bytes = noise(5, 40 << 20)
    const { digest } = await put(host.store, bytes)
    assert.equal(Buffer.compare((await read(host.store, digest)) as Buffer, bytes), 0)
    for (const [offset, sizeBytes] of [
      [0, 1],
      [0, 100_000],
      [30 << 20, 3 << 20],
      [(40 << 20) - 5, 5],
      [12_345_678, 1],
      [7, 0],
      [(32 << 20) - 9, 18],
    ] as const) {
      const part = (await read(host.store, digest, offset, sizeBytes)) as Buffer
      assert.equal(Buffer.compare(part, bytes.subarray(offset, offset + sizeBytes)), 0, `${offset} ${sizeBytes}`)
    }
    assert.equal(await count('upload_intent'), 0)
  })

  test('what repeats itself is stored once', async () => {
    const part = noise(6, 2 << 20)
    const bytes = Buffer.concat([part, part, part, part])
    const { digest, addedBytes } = await put(host.store, bytes)
    assert.ok(addedBytes < part.length * 1.2, `${addedBytes} bytes`)
    assert.equal(Buffer.compare((await read(host.store, digest)) as Buffer, bytes), 0)
  })

  test('a version with a change in its middle shares the rest', async () => {
    const bytes = noise(7, 12 << 20)
    await put(host.store, bytes)
    const changed = Buffer.concat([bytes.subarray(0, 5 << 20), Buffer.from('something else'), bytes.subarray((5 << 20) + 3)])
    const { digest, addedBytes } = await put(host.store, changed)
    assert.ok(addedBytes > 0 && addedBytes < 600 << 10, `${addedBytes} bytes`)
    assert.equal(Buffer.compare((await read(host.store, digest)) as Buffer, changed), 0)
  })

  test('text is compressed', async () => {
    const bytes = Buffer.from(Array.from({ length: 400_000 }, (_, n) => `line ${n}\n`).join(''))
    const { digest, addedBytes } = await put(host.store, bytes)
    assert.ok(addedBytes < bytes.length / 3)
    assert.equal(Buffer.compare((await read(host.store, digest)) as Buffer, bytes), 0)
    assert.deepEqual(await read(host.store, digest, 1_000_000, 11), bytes.subarray(1_000_000, 1_000_011))
  })

  test('many at once share segments and requests', async () => {
    const before = await count('segment')
    const puts = host.bucket.requests.puts
    const all = Array.from({ length: 60 }, (_, n) => noise(1000 + n, 30_000 + n))
    const results = await Promise.all(all.map((bytes) => put(host.store, bytes)))
    const segments = (await count('segment')) - before
    assert.ok(segments < 30, `${segments} segments`)
    assert.ok(host.bucket.requests.puts - puts <= segments)
    for (const [n, { digest }] of results.entries()) assert.deepEqual(await read(host.store, digest), Buffer.from(all[n] as Uint8Array))
  })

  test('nothing is there that was not put', async () => {
    const nobody = sha256(noise(1, 5))
    assert.equal(await host.store.get(nobody), null)
    assert.equal(await host.store.has(nobody), false)
    assert.equal((await host.store.statMany([nobody])).size, 0)
    await assert.rejects(async () => host.store.get((await put(host.store, noise(8, 10))).digest, { offset: 5, sizeBytes: 6 }), RangeError)
  })
})

describe('what is not as it should be', () => {
  async function assertNothingStored(act: () => Promise<unknown>, expected: object): Promise<void> {
    const before = [await count('segment'), await count('content'), await count('chunk'), await count('upload_intent')]
    await assert.rejects(act, expected)
    assert.deepEqual([await count('segment'), await count('content'), await count('chunk'), await count('upload_intent')], before)
  }
  for (const sizeBytes of [1000, 9 << 20]) {
    const bytes = noise(sizeBytes + 5, sizeBytes)
    test(`${sizeBytes} bytes: a wrong digest, a short body, a long one`, async () => {
      await assertNothingStored(() => put(host.store, bytes, { expected: { digest: sha256(noise(1, 3)) } }), { code: 'digest-mismatch' })
      await assertNothingStored(() => put(host.store, bytes, { expected: { sizeBytes: sizeBytes + 1 } }), { code: 'size-mismatch' })
      await assertNothingStored(() => put(host.store, bytes, { expected: { sizeBytes: sizeBytes - 1 } }), { code: 'size-mismatch' })
      await assertNothingStored(() => put(host.store, bytes, { limitBytes: sizeBytes - 1 }), { code: 'too-large' })
    })

    test(`${sizeBytes} bytes: a source that breaks, a caller who gives up`, async () => {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield* pieces(bytes)
        throw new InputError('gone', 'the client went away')
      }
      await assertNothingStored(() => host.store.put(broken(), { limitBytes: 2 ** 40 }), { code: 'gone' })
      const stop = new AbortController()
      async function* slow(): AsyncGenerator<Uint8Array> {
        yield bytes.subarray(0, bytes.length >> 1)
        stop.abort()
        await sleep(10)
        yield bytes.subarray(bytes.length >> 1)
      }
      await assertNothingStored(() => host.store.put(slow(), { limitBytes: 2 ** 40, signal: stop.signal }), UnavailableError)
    })
  }

  test('more than is allowed is not read on for ever', async () => {
    let given = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given += 65_536
        yield new Uint8Array(65_536)
      }
    }
    await assertNothingStored(() => host.store.put(endless(), { limitBytes: 3 << 20 }), { code: 'too-large' })
    assert.ok(given < 16 << 20, `${given} bytes were taken`)
  })
})

describe('references', () => {
  const bytes = noise(99, 4000)
  const digest = sha256(bytes)
  const reference = { kind: 'test', id: '1' }

  test('are held in the transaction of the put or of the caller, and go with it', async () => {
    const { database } = host.db
    assert.equal(await database.transaction((tx) => host.store.hold(tx, digest, reference)), false)
    await put(host.store, bytes, { reference })
    assert.equal(await count('content_reference'), 1)
    const other = { kind: 'test', id: '2' }
    assert.equal(await database.transaction((tx) => host.store.hold(tx, digest, other)), true)
    assert.equal(await database.transaction((tx) => host.store.hold(tx, digest, other)), true)
    assert.equal(await count('content_reference'), 2)
    await assert.rejects(() =>
      database.transaction(async (tx) => {
        await host.store.release(tx, other)
        throw new Error('not after all')
      }),
    )
    assert.equal(await count('content_reference'), 2)
    await database.transaction((tx) => host.store.release(tx, other, sha256(noise(1, 1)) as Digest))
    assert.equal(await count('content_reference'), 2)
    await database.transaction((tx) => host.store.release(tx, other))
    await database.transaction((tx) => host.store.release(tx, reference, digest))
    assert.equal(await count('content_reference'), 0)
    const due = await database.queries.selectFrom('content_review').select('digest').execute()
    assert.ok(due.some((row) => sha256(bytes) === Buffer.from(row.digest).toString('hex')))
  })
})
