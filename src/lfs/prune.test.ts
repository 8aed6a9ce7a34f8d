// What leaves and what stays, with a history that the test makes up: races with pushes and with uploads, the grace, and when the job looks.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { put } from '../../tests/support/content.ts'
import { openApi, type TestApi } from '../../tests/support/api.ts'
import { createRepository, type RepositoryId } from '../access/index.ts'
import { CorruptError, makeLog, systemClock, systemRandomness, UnavailableError, utf8 } from '../base/index.ts'
import { type Bucket, openBucket } from '../bucket/index.ts'
import { sql } from '../db/index.ts'
import { type Digest, SegmentStore } from '../store/index.ts'
import { askForObjects, keepObject } from './objects.ts'
import { pruneJob, pruneObjects, type ReachedBlobs } from './index.ts'

let api: TestApi
let store: SegmentStore
let bucket: Bucket
const folder = mkdtempSync(join(tmpdir(), 'stemma-prune-'))
const signal = new AbortController().signal
const graceS = 14 * 86_400

before(async () => {
  mkdirSync(join(folder, 'bucket'))
  const bucketConfig = { kind: 'filesystem', folder: join(folder, 'bucket') } as const
  bucket = await openBucket(bucketConfig, { clock: systemClock, randomness: systemRandomness })
  api = await openApi(() => {})
  const cache = { memoryBytes: 1 << 20, diskBytes: 0, folder: join(folder, 'cache') }
  store = new SegmentStore({ db: api.db, bucket, bucketConfig, randomness: systemRandomness, log: makeLog('silent'), cache, threads: 1 })
})
after(async () => {
  await api?.close()
  await store?.close()
  await bucket?.close()
  rmSync(folder, { recursive: true, force: true })
})

let count = 0

/** A repository with LFS objects that were uploaded so long ago. */
async function repository(objects: number, days: number): Promise<{ id: RepositoryId; oids: Digest[] }> {
  const { id } = await createRepository(api.db, { ownerId: api.owner.id, name: `p${++count}`, visibility: 'public' })
  const oids: Digest[] = []
  for (let n = 0; n < objects; n++) {
    const bytes = utf8(`object ${n} of ${count}`)
    const digest = createHash('sha256').update(bytes).digest('hex') as Digest
    await put(store, bytes)
    await keepObject({ db: api.db, store }, id, { digest, sizeBytes: bytes.length })
    oids.push(digest)
  }
  await sql`update lfs_object set asked_at = now() - ${days} * interval '1 day' where repository_id = ${id}`.execute(api.db.queries)
  return { id, oids }
}

async function left(id: RepositoryId): Promise<string[]> {
  const { rows } = await sql<{ oid: string }>`
    select encode(oid, 'hex') as oid from lfs_object o join content_reference f on f.kind = 'lfs' and f.id = o.repository_id::text and f.digest = o.oid
    where repository_id = ${id}`.execute(api.db.queries)
  return rows.map(({ oid }) => oid).sort()
}

/** A history with pointers to those, and what happens while it is read. */
function history(pointers: readonly Digest[], meanwhile: (id: number) => Promise<void> = async () => {}): ReachedBlobs & { reads: number } {
  const reached: ReachedBlobs = async (id, { mostBytes, contains }, take) => {
    read.reads++
    assert.deepEqual([mostBytes, Buffer.from(contains).toString()], [1024, 'oid sha256:'])
    const { rows } = await sql<{ v: number }>`select refs_version::float8 as v from repository where id = ${id}`.execute(api.db.queries)
    take(utf8('version 1 of something else, oid sha256: none\n'))
    for (const oid of pointers) take(utf8(`version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize 1\n`))
    await meanwhile(id)
    return rows[0]?.v ?? -1
  }
  const read = Object.assign(reached, { reads: 0 })
  return read
}

const refsMove = async (id: number): Promise<void> => {
  await sql`update repository set refs_version = refs_version + 1 where id = ${id}`.execute(api.db.queries)
}

test('what no pointer names leaves with its reference; what one names, or is younger than the grace, stays', async () => {
  const { id, oids } = await repository(3, 15)
  const young = await repository(1, 13)
  const reachedBlobs = history([oids[1] as Digest])
  const dry = await pruneObjects({ db: api.db, reachedBlobs }, id, { graceS, isDry: true, signal })
  assert.deepEqual([dry.objects, dry.kept, (await left(id)).length], [2, 1, 3])
  const done = await pruneObjects({ db: api.db, reachedBlobs }, id, { graceS, isDry: false, signal })
  assert.deepEqual(done, { objects: 2, bytes: dry.bytes, kept: 1 })
  assert.deepEqual(await left(id), [oids[1]])
  const nobody = history([])
  assert.equal((await pruneObjects({ db: api.db, reachedBlobs: nobody }, young.id, { graceS, isDry: false, signal })).objects, 0)
  assert.equal(nobody.reads, 0, 'no history is read for what is young')
  assert.equal((await pruneObjects({ db: api.db, reachedBlobs: nobody }, young.id, { graceS: 0, isDry: false, signal })).objects, 1)
})

test('an object that somebody asks for while history is read stays', async () => {
  const { id, oids } = await repository(2, 15)
  const reachedBlobs = history([], () => askForObjects(api.db.queries, id, [oids[0] as Digest]))
  assert.equal((await pruneObjects({ db: api.db, reachedBlobs }, id, { graceS, isDry: false, signal })).objects, 1)
  assert.deepEqual(await left(id), [oids[0]])
})

test('where refs move while history is read it is read again, and nothing is removed while they don’t stop', async () => {
  const { id, oids } = await repository(1, 15)
  const always = history([], refsMove)
  await assert.rejects(() => pruneObjects({ db: api.db, reachedBlobs: always }, id, { graceS, isDry: false, signal }), {
    code: 'lfs-raced',
  })
  assert.deepEqual([always.reads, await left(id)], [3, oids])
  let moves = 1
  const once = history([], async (repositoryId) => {
    if (moves-- > 0) await refsMove(repositoryId)
  })
  assert.equal((await pruneObjects({ db: api.db, reachedBlobs: once }, id, { graceS, isDry: false, signal })).objects, 1)
  assert.equal(once.reads, 2)
})

test('nothing leaves a repository whose history can’t be read, and the job goes on with the others', async () => {
  const [broken, silent, other] = [await repository(1, 15), await repository(1, 15), await repository(1, 15)]
  await sql`update lfs_review set due_at = now() - interval '1 day' where repository_id in (${broken.id}, ${silent.id}, ${other.id})`.execute(
    api.db.queries,
  )
  const fine = history([])
  const reachedBlobs: ReachedBlobs = async (id, ...rest) => {
    if (id === broken.id) throw new CorruptError('test', 'damaged')
    if (id === silent.id) throw new UnavailableError('test', 'no answer')
    return fine(id, ...rest)
  }
  await pruneJob({ db: api.db, log: makeLog('silent'), reachedBlobs }, { graceS }).run(signal)
  assert.deepEqual([(await left(broken.id)).length, (await left(silent.id)).length, (await left(other.id)).length], [1, 1, 0])
})

test('the job reads history only where refs moved or objects grew old since it last did', async () => {
  const { id, oids } = await repository(1, 15)
  const reachedBlobs = history(oids)
  const job = pruneJob({ db: api.db, log: makeLog('silent'), reachedBlobs }, { graceS })
  const run = async (): Promise<number> => {
    await sql`update lfs_review set due_at = now() where repository_id = ${id}`.execute(api.db.queries)
    const reads = reachedBlobs.reads
    await job.run(signal)
    return reachedBlobs.reads - reads
  }
  assert.equal(await run(), 1)
  await sql`update lfs_object set asked_at = now() - interval '50 days' where repository_id = ${id}`.execute(api.db.queries)
  assert.equal(await run(), 0)
  await sql`update repository set pushed_at = now() where id = ${id}`.execute(api.db.queries)
  assert.equal(await run(), 1)
  assert.deepEqual(await left(id), oids)
})
