// Path tables: parts as they are stored, grow, are merged, given up and made again; answers out of them are those without.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type TestRoom, openTestRoom } from '../../../tests/support/git-room.ts'
import { Git, TempFolder } from '../../../tests/support/git.ts'
import { makeRandomHistory, type RandomHistory } from '../../../tests/support/random-history.ts'
import { Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { CorruptError, fromHex, hex, makeLog } from '../../base/index.ts'
import { sql } from '../../db/index.ts'
import { decodePathTable, encodePathTable, modeCode } from '../format/path-table.ts'
import { fsck, rebuild } from '../fsck/index.ts'
import { collectNetwork } from '../gc/index.ts'
import { ObjectCache, ObjectReader, openPackSet, type PackSetHandle } from '../odb/index.ts'
import { openFetchRepository, paced } from '../upload-pack/index.ts'
import { pathHistory, pathTableBuilder } from './index.ts'
import { repackUnderLease } from '../repack/index.ts'
import { loadPathPart, PathTables } from './path-tables.ts'
import { PathIndex } from './path-index.ts'
import { mostChanges, partFor } from './table-job.ts'

const folder = new TempFolder('path-table')
const git = new Git(folder)
const random = new Seeded(seedOfRun('path-table'))
let rooms: TestRoom
let history: RandomHistory
before(async () => {
  rooms = await openTestRoom(folder.join('room'))
  history = await makeRandomHistory(git, folder.join('history'), random, { commits: 60 })
  await rooms.import(history.path, 'first')
})
after(async () => {
  await rooms.close()
  folder.remove()
})

const none = new AbortController().signal
const build = async () => await pathTableBuilder(rooms.room, 1000, 1).run(none)

async function networkId(): Promise<string> {
  const { rows } = await sql<{ id: string }>`select network_id as id from repository where name = 'first'`.execute(
    rooms.db.database.queries,
  )
  return rows[0]?.id as string
}

async function parts(): Promise<{ key: string; part: number; commits: number; last: number }[]> {
  const found = await sql<{ key: string; part: number; commits: number; last: number }>`
    select key, part, commit_count::float8 as commits, last_pack::float8 as last from path_table order by part`.execute(
    rooms.db.database.queries,
  )
  return [...found.rows]
}

async function opened(): Promise<PackSetHandle> {
  return await rooms.room.pathTables.with((await rooms.room.packs.open(await networkId())).handle)
}

/** What the origin has otherwise now comes, as a pack more. */
const bringAgain = async () => await rooms.import(history.path, 'first')

/** What histories look like out of the stored parts alone; all commits must be in them. */
async function histories(handle: PackSetHandle, { commits, paths }: RandomHistory): Promise<string> {
  const set = openPackSet(handle, rooms.room.reader)
  const index = new PathIndex(handle.format, handle.paths)
  const objects = new ObjectReader(set, new ObjectCache(1 << 20))
  const repository = paced(openFetchRepository(set, objects, null, [], undefined, index))
  const found: string[] = []
  for (const commit of commits.slice(-4)) {
    for (const path of paths) {
      for await (const number of pathHistory(repository, set.find(fromHex(commit), 0), path)) found.push(`${path} ${hex(set.oid(number))}`)
    }
  }
  assert.equal(index.rows.count, index.storedRows)
  return found.join('\n')
}

async function expected({ path, commits, paths }: RandomHistory): Promise<string> {
  const found: string[] = []
  for (const commit of commits.slice(-4)) {
    for (const name of paths) {
      const listed = await git.read(['log', '--format=%H', commit, '--', name], { cwd: path })
      for (const id of listed.split('\n')) if (id !== '') found.push(`${Buffer.from(name).toString('latin1')} ${id}`)
    }
  }
  return found.join('\n')
}

const bytewise = (of: RandomHistory): RandomHistory => ({ ...of, paths: of.paths.map((path) => Buffer.from(path).toString('latin1')) })

test('a table is made in the background, and answers as git does', async () => {
  assert.deepEqual(await parts(), [])
  await build()
  const [first, ...others] = await parts()
  assert.deepEqual([first?.part, first?.commits, others.length], [0, 60, 0])
  assert.equal(await histories(await opened(), bytewise(history)), await expected(history))
  await build()
  assert.deepEqual(await parts(), [first], 'nothing came, nothing is written')
})

test('what comes goes to a part of its own while it is little, and the table stays right', async () => {
  const [first] = await parts()
  const work = folder.join('work')
  await git.run(['clone', '-q', history.path, work, '-b', 'c0060'])
  await git.commit(work, { 'd/new': 'new\n' }, 'one more')
  await git.run(['push', '-q', history.path, 'HEAD:refs/heads/c0061'], { cwd: work })
  await bringAgain()
  await build()
  const [kept, second] = await parts()
  assert.equal(kept?.key, first?.key)
  assert.deepEqual([second?.part, second?.commits], [1, 61])
  history = { ...history, commits: [...history.commits, await git.read(['rev-parse', 'HEAD'], { cwd: work })] }
  assert.equal(await histories(await opened(), bytewise(history)), await expected(history))
})

test('parts are written as one before they are many', async () => {
  assert.equal(partFor([], 5), 0)
  assert.equal(partFor([1000], 500), 1)
  assert.equal(partFor([1000], 501), 0)
  assert.equal(partFor([mostChanges, 1000, 600], 400), 1)
  assert.equal(partFor([mostChanges - 1], mostChanges - 2), 1, 'no part is larger than a worker holds')
  const work = folder.join('work')
  for (let i = 0; i < 12; i++) {
    for (let n = 0; n < 5; n++) await git.commit(work, { [`more/${i}/${n}`]: `${i} ${n}\n`, again: `${i} ${n}\n` })
    await git.run(['push', '-q', history.path, `HEAD:refs/heads/d${100 + i}`], { cwd: work })
    await bringAgain()
    await build()
  }
  const found = await parts()
  assert.equal(found.at(-1)?.commits, 121)
  assert.ok(found.length <= 4, `${found.length} parts`)
  history = {
    ...history,
    commits: [...history.commits, await git.read(['rev-parse', 'HEAD'], { cwd: work })],
    paths: [...history.paths, 'again', 'more', 'more/3'],
  }
  assert.equal(await histories(await opened(), bytewise(history)), await expected(history))
})

test('a full repack leaves the table as it is; objects that leave take it with them, and it is made again without them', async () => {
  const before = await parts()
  const repack = { window: 10, depth: 50, reuse: true, threads: 1, memoryBytes: 64 << 20, progress: () => {}, signal: none }
  await repackUnderLease(rooms.room, await networkId(), repack)
  await build()
  assert.deepEqual(
    (await parts()).map(({ key }) => key),
    before.map(({ key }) => key),
  )
  const gone = history.commits.slice(60)
  for (const name of (
    await git.read(['for-each-ref', '--format=%(refname)', 'refs/heads/c0061', 'refs/heads/d*'], { cwd: history.path })
  ).split('\n')) {
    await git.run(['update-ref', '-d', name], { cwd: history.path })
  }
  await bringAgain()
  await sql`delete from reflog`.execute(rooms.db.database.queries)
  await collectNetwork(rooms.room, await networkId(), { ...repack, graceS: 0, collects: () => true, isUrgent: true })
  assert.deepEqual(await parts(), [])
  await build()
  history = { ...history, commits: history.commits.slice(0, 60) }
  const handle = await opened()
  assert.equal(await histories(handle, bytewise(history)), await expected(history))
  const index = new PathIndex(handle.format, handle.paths)
  for (const id of gone) assert.equal(index.rows.find(fromHex(id)), -1)
})

test('a part that is damaged, or gone, is passed over; fsck tells, a rebuild gives it up', async () => {
  const [file = ''] = rooms.keyFiles('paths').slice(-1)
  const [{ key } = { key: '' }] = await parts()
  const path = rooms.keyFiles('paths').find((each) => each.endsWith(key.slice(-36))) ?? file
  writeFileSync(path, 'damaged')
  const handle = (await rooms.room.packs.open(await networkId())).handle
  const fresh = new PathTables(rooms.db.database, rooms.room.reader, 1 << 20, makeLog('silent'))
  assert.deepEqual((await fresh.with(handle)).paths, [])
  await assert.rejects(loadPathPart(rooms.room.reader, { key, sizeBytes: 7 }), CorruptError)
  const options = { signal: none, progress: () => {} }
  const found: string[] = []
  await fsck(rooms.room, { ...options, report: ({ code }) => found.push(code) })
  assert.ok(found.includes('paths-damaged'), found.join())
  await rebuild(rooms.room, options)
  assert.deepEqual(await parts(), [])
})

test('a part reads as it was written; one that is cut or of another version is refused', () => {
  const table = {
    format: 'sha1' as const,
    firstRow: 7,
    ids: new Uint8Array(40).fill(1),
    times: Float64Array.of(5, 6),
    firstParents: Uint32Array.of(0, 0, 1),
    parents: Uint32Array.of(7),
    keys: Buffer.from('\0ad\0b'),
    firstKeys: Uint32Array.of(0, 2, 5),
    firstRows: Uint32Array.of(0, 1, 3),
    rows: Uint32Array.of(7, 7, 8),
    values: Uint32Array.of(0, 8, 0xffffffff),
    valueIds: new Uint8Array(40).fill(2),
  }
  const bytes = encodePathTable(table)
  const { keys, ids, valueIds, ...read } = decodePathTable(bytes)
  const plain = { ids: new Uint8Array(ids), keys: Buffer.from(keys), valueIds: new Uint8Array(valueIds) }
  assert.deepEqual({ ...read, ...plain }, table)
  assert.throws(() => decodePathTable(bytes.subarray(0, -8)), CorruptError)
  assert.throws(() => decodePathTable(bytes.with(bytes.length - 64, 9)), CorruptError)
  const moved = new SharedArrayBuffer(bytes.length)
  new Uint8Array(moved).set(bytes)
  assert.throws(() => new PathIndex('sha1', [{ key: 'one', bytes: moved }]), CorruptError, 'it does not begin at row 0')
})

test('modes count as git counts them', () => {
  assert.deepEqual([0o100644, 0o100664, 0o100755, 0o120000, 0o040000, 0o160000].map(modeCode), [0, 0, 1, 2, 3, 4])
})
