// Uploads and whole contents on a real database and a folder: what came is content, by every way, and can be read.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { InputError, UnavailableError } from '../../base/index.ts'
import { MemoryBucket } from '../../bucket/index.ts'
import { type Database, sql } from '../../db/index.ts'
import { contentHost, type ContentHost, pieces, read, sha256 } from '../../../tests/support/content.ts'
import { noise, Seeded } from '../../../tests/support/seeded.ts'
import type { ContentUploads, ExpectedDigest } from '../index.ts'

let host: ContentHost
let uploads: ContentUploads
const limitBytes = 2 ** 40

before(async () => {
  host = await contentHost()
  uploads = host.store.uploads
})
after(() => host.close())

function expected(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): ExpectedDigest {
  return { algorithm, digest: createHash(algorithm).update(bytes).digest() }
}

async function count(table: 'content_upload' | 'whole_part' | 'content_whole' | 'upload_intent'): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int n from ${sql.table(table)}`.execute(host.db.database.queries)
  return rows[0]?.n ?? -1
}

async function assertStored(bytes: Uint8Array): Promise<void> {
  const got = await read(host.store, sha256(bytes))
  assert.ok(got !== null, 'it is there')
  assert.equal(Buffer.compare(got, bytes), 0)
}

const sizes = [0, 1, 65_536, 65_537, 262_144, 262_145, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_000]

describe('in one request', () => {
  for (const sizeBytes of sizes) {
    test(`${sizeBytes} bytes`, async () => {
      const bytes = noise(sizeBytes + 1, sizeBytes)
      const got = await uploads.receive(pieces(bytes), { expected: expected(bytes), limitBytes })
      assert.deepEqual(got, { digest: sha256(bytes), sizeBytes, isNew: true })
      await assertStored(bytes)
      const again = await uploads.receive(pieces(bytes), { expected: expected(bytes, 'sha512'), limitBytes })
      assert.deepEqual(again, { digest: sha256(bytes), sizeBytes, isNew: false })
      assert.equal(await count('upload_intent'), 0)
    })
  }
})

describe('POST, PATCH, PUT', () => {
  for (const sizeBytes of sizes) {
    test(`${sizeBytes} bytes`, async () => {
      const bytes = noise(sizeBytes + 2, sizeBytes)
      const { id } = await uploads.begin({ scope: 'a/1' })
      const state = await uploads.append(id, 'a/1', { source: pieces(bytes), offset: 0, limitBytes })
      assert.equal(state?.sizeBytes, sizeBytes)
      assert.equal((await uploads.find(id, 'a/1'))?.sizeBytes, sizeBytes)
      assert.equal(await uploads.find(id, 'a/2'), null)
      assert.equal(await uploads.finish(id, 'a/2', { expected: expected(bytes), limitBytes }), null)
      const got = await uploads.finish(id, 'a/1', { expected: expected(bytes), limitBytes })
      assert.deepEqual(got, { digest: sha256(bytes), sizeBytes, isNew: sizeBytes > 0 }) // nothing has been there before
      await assertStored(bytes)
      assert.equal(await uploads.find(id, 'a/1'), null)
      assert.equal(await count('upload_intent'), 0)
    })
  }
})

test('pieces of all sizes, on two nodes, in every mixture', async () => {
  const random = new Seeded(7)
  const nodes = [uploads, host.another().uploads]
  for (let round = 0; round < 40; round++) {
    const algorithm = random.below(3) === 0 ? 'sha512' : 'sha256'
    const { id } = await (nodes[0] as ContentUploads).begin({ scope: 'b', ...(random.below(2) === 0 ? { algorithm } : {}) })
    const all: Uint8Array[] = []
    const count = random.below(6)
    let sizeBytes = 0
    for (let n = 0; n < count; n++) {
      const bytes = noise(random.below(2 ** 31), random.below(3) === 0 ? random.below(2_500_000) : random.below(40_000))
      const node = nodes[random.below(2)] as ContentUploads
      const state = await node.append(id, 'b', { source: pieces(bytes), offset: sizeBytes, limitBytes })
      sizeBytes += bytes.length
      assert.equal(state?.sizeBytes, sizeBytes)
      all.push(bytes)
    }
    const last =
      random.below(2) === 0 ? noise(random.below(2 ** 31), random.below(2) === 0 ? random.below(1000) : random.below(3_000_000)) : null
    const whole = Buffer.concat(last === null ? all : [...all, last])
    const node = nodes[random.below(2)] as ContentUploads
    const got = await node.finish(id, 'b', {
      expected: expected(whole, algorithm),
      limitBytes,
      ...(last === null ? {} : { last: { source: pieces(last), offset: sizeBytes } }),
    })
    assert.deepEqual(got, { digest: sha256(whole), sizeBytes: whole.length, isNew: whole.length > 0 }, `round ${round}`)
    await assertStored(whole)
    for (let n = 0; n < 5 && whole.length > 0; n++) {
      const offset = random.below(whole.length)
      const length = random.below(whole.length - offset + 1)
      const part = (await read(host.store, sha256(whole), offset, length)) as Buffer
      assert.equal(Buffer.compare(part, whole.subarray(offset, offset + length)), 0, `${offset} ${length}`)
    }
  }
  assert.equal(await count('content_upload'), 0)
  assert.equal(await count('upload_intent'), 0)
})

describe('refused', () => {
  const refused = (code: string) => (error: unknown) => error instanceof InputError && error.code === code

  test('a wrong digest: nothing is stored, and the upload is gone', async () => {
    for (const sizeBytes of [10, 100_000, 2_000_000]) {
      const bytes = noise(sizeBytes + 9, sizeBytes)
      const { id } = await uploads.begin({ scope: 'c' })
      await uploads.append(id, 'c', { source: pieces(bytes), limitBytes })
      await assert.rejects(uploads.finish(id, 'c', { expected: expected(noise(1, 5)), limitBytes }), refused('digest-mismatch'))
      assert.equal(await uploads.find(id, 'c'), null)
      await assert.rejects(uploads.receive(pieces(bytes), { expected: expected(noise(1, 5)), limitBytes }), refused('digest-mismatch'))
      assert.equal(await host.store.has(sha256(bytes)), false)
      const other = await uploads.begin({ scope: 'c' })
      const last = { source: pieces(bytes) }
      await assert.rejects(uploads.finish(other.id, 'c', { expected: expected(noise(1, 5)), last, limitBytes }), refused('digest-mismatch'))
      assert.equal(await uploads.find(other.id, 'c'), null)
    }
    assert.equal(await count('upload_intent'), 0)
  })

  test('a wrong offset, too much, another size: the upload stays as it was', async () => {
    const { id } = await uploads.begin({ scope: 'd' })
    const first = noise(31, 300_000)
    await uploads.append(id, 'd', { source: pieces(first), limitBytes })
    for (const sizeBytes of [5, 400_000, 3_000_000]) {
      const source = () => pieces(noise(32, sizeBytes))
      await assert.rejects(uploads.append(id, 'd', { source: source(), offset: 7, limitBytes }), refused('upload-offset'))
      await assert.rejects(uploads.append(id, 'd', { source: source(), limitBytes: 300_004 }), refused('too-large'))
      await assert.rejects(uploads.append(id, 'd', { source: source(), limitBytes, sizeBytes: sizeBytes + 1 }), refused('size-mismatch'))
      await assert.rejects(uploads.append(id, 'd', { source: source(), limitBytes, sizeBytes: sizeBytes - 1 }), refused('size-mismatch'))
      const whole = Buffer.concat([first, noise(32, sizeBytes)])
      const finish = { expected: expected(whole), limitBytes }
      await assert.rejects(uploads.finish(id, 'd', { ...finish, last: { source: source(), offset: 7 } }), refused('upload-offset'))
      await assert.rejects(uploads.finish(id, 'd', { ...finish, last: { source: source() }, limitBytes: 300_004 }), refused('too-large'))
      assert.equal((await uploads.find(id, 'd'))?.sizeBytes, 300_000)
    }
    assert.ok(await uploads.finish(id, 'd', { expected: expected(first), limitBytes }))
    assert.equal(await count('upload_intent'), 0)
  })

  test('two that add at once', async () => {
    const { id } = await uploads.begin({ scope: 'e' })
    const bytes = noise(41, 3_000_000)
    const open = Promise.withResolvers<void>()
    const slow = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 2_000_000)
      await open.promise
      yield bytes.subarray(2_000_000)
    }
    const first = uploads.append(id, 'e', { source: slow(), limitBytes })
    while ((await sql`select 1 from content_upload where adding is not null`.execute(host.db.database.queries)).rows.length === 0);
    for (const sizeBytes of [10, 2_000_000]) {
      await assert.rejects(uploads.append(id, 'e', { source: pieces(noise(1, sizeBytes)), limitBytes }), refused('upload-busy'))
    }
    await assert.rejects(uploads.finish(id, 'e', { expected: expected(bytes), limitBytes }), refused('upload-busy'))
    open.resolve()
    assert.equal((await first)?.sizeBytes, 3_000_000)
    assert.ok(await uploads.finish(id, 'e', { expected: expected(bytes), limitBytes }))
    await assertStored(bytes)
  })
})

test('a request that breaks off: what came is kept, and the upload goes on', async () => {
  for (const cut of [20_000, 1_500_000]) {
    const bytes = noise(cut + 3, 2_000_000)
    const { id } = await uploads.begin({ scope: 'f' })
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces(bytes.subarray(0, cut))
      throw new Error('cut')
    }
    await assert.rejects(uploads.append(id, 'f', { source: broken(), limitBytes }), /cut/)
    assert.equal((await uploads.find(id, 'f'))?.sizeBytes, cut)
    await uploads.append(id, 'f', { source: pieces(bytes.subarray(cut)), offset: cut, limitBytes })
    assert.ok(await uploads.finish(id, 'f', { expected: expected(bytes), limitBytes }))
    await assertStored(bytes)
  }
})

test("the caller's rows are in the same transaction", async () => {
  const queries = host.db.database.queries
  const rows = async (): Promise<number> => (await sql`select 1 from server_fact where name = 'visible'`.execute(queries)).rows.length
  for (const sizeBytes of [100, 500_000]) {
    const bytes = noise(sizeBytes + 51, sizeBytes)
    const { id } = await uploads.begin({ scope: 'g' })
    await uploads.append(id, 'g', { source: pieces(bytes), limitBytes })
    const visible = async (fails: boolean, tx: typeof queries): Promise<void> => {
      await sql`insert into server_fact (name, value) values ('visible', '1')`.execute(tx)
      if (fails) throw new InputError('no', 'no')
    }
    const options = { expected: expected(bytes), limitBytes, reference: { kind: 'test', id: '1' } }
    await assert.rejects(uploads.finish(id, 'g', { ...options, visible: (tx) => visible(true, tx) }), /no/)
    assert.equal(await rows(), 0)
    assert.equal((await uploads.find(id, 'g'))?.sizeBytes, sizeBytes)
    assert.ok(await uploads.finish(id, 'g', { ...options, visible: (tx) => visible(false, tx) }))
    assert.equal(await rows(), 1)
    await sql`delete from server_fact where name = 'visible'`.execute(queries)
    const held = await sql`select 1 from content_reference where digest = ${Buffer.from(sha256(bytes), 'hex')}`.execute(queries)
    assert.equal(held.rows.length, 1)
  }
})

test('on a bucket that is far: parts that go ahead, streams in pieces of any size', async () => {
  const bucket = new MemoryBucket(host.folder, { partSizeBytes: 1_000_000, streamChunkBytes: 700_001 })
  const store = host.another(bucket)
  const random = new Seeded(11)
  for (const sizeBytes of [70_000, 1 << 20, (1 << 20) + 1, 7_654_321]) {
    const bytes = noise(sizeBytes + 71, sizeBytes)
    const { id } = await store.uploads.begin({ scope: 'far' })
    const cut = random.below(sizeBytes)
    await store.uploads.append(id, 'far', { source: pieces(bytes.subarray(0, cut)), limitBytes })
    // another node reads back what it hasn't seen
    const other = host.another(bucket)
    const done = await other.uploads.finish(id, 'far', {
      expected: expected(bytes),
      last: { source: pieces(bytes.subarray(cut)) },
      limitBytes,
    })
    assert.equal(done?.isNew, true)
    for (let n = 0; n < 6; n++) {
      const offset = n === 0 ? 0 : random.below(sizeBytes)
      const length = n === 0 ? sizeBytes : random.below(sizeBytes - offset + 1)
      const part = (await read(store, sha256(bytes), offset, length)) as Buffer
      assert.equal(Buffer.compare(part, bytes.subarray(offset, offset + length)), 0, `${offset} ${length} of ${sizeBytes}`)
    }
  }
  assert.equal(bucket.unfinished.size, 0)
  assert.ok(bucket.requests.puts > 10, 'in parts')
})

test('the end of bytes that are others than were to come, and nobody knows whether it counts: what came last goes all the same', async () => {
  const { database } = host.db
  const losing: Database = Object.assign(Object.create(database) as Database, {
    transaction: async (...of: Parameters<Database['transaction']>) => {
      await database.transaction(...of)
      throw new UnavailableError('commit-unknown', 'the database went away during a commit')
    },
  })
  const store = host.another(undefined, losing)
  const { id } = await store.uploads.begin({ scope: 'i' })
  await store.uploads.append(id, 'i', { source: pieces(noise(62, 2_000_000)), limitBytes })
  const last = { source: pieces(noise(63, 3_000_000)) }
  await assert.rejects(store.uploads.finish(id, 'i', { expected: expected(noise(64, 9)), limitBytes, last }), { code: 'commit-unknown' })
  assert.equal(await uploads.find(id, 'i'), null)
  assert.equal(await count('upload_intent'), 0)
  assert.deepEqual(readdirSync(host.bucket.spoolFolder), [])
})

test('cancelled: what it had goes', async () => {
  const { id } = await uploads.begin({ scope: 'h' })
  await uploads.append(id, 'h', { source: pieces(noise(61, 2_000_000)), limitBytes })
  const { rows } = await sql<{ key: string }>`
    select 'whole/' || left(uuid::text, 2) || '/' || uuid as key from whole_part where upload_id = ${id}::uuid`.execute(
    host.db.database.queries,
  )
  assert.equal(await uploads.cancel(id, 'x'), false)
  assert.equal(await uploads.cancel(id, 'h'), true)
  assert.equal(await uploads.cancel(id, 'h'), false)
  const queued = await host.db.database.queries
    .selectFrom('key_deletion')
    .select('key')
    .where('key', '=', rows[0]?.key ?? '')
    .execute()
  assert.equal(queued.length, 1)
  assert.equal(await uploads.append(id, 'h', { source: pieces(noise(1, 2_000_000)), limitBytes }), null)
  assert.equal(await uploads.append(id, 'h', { source: pieces(noise(1, 2)), limitBytes }), null)
  assert.equal(await uploads.find('not an id', 'h'), null)
})
