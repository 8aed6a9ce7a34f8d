// fsck on packs that git's own repositories were imported into: nothing is found where nothing is wrong; whatever bit is changed of whatever is
// stored, it is found and named with what depends on it, and no read gives other bytes than were written.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CorruptError, equalBytes, makeLog } from '../../base/index.ts'
import { packKey } from '../../bucket/index.ts'
import { sql } from '../../db/index.ts'
import { ObjectCache, ObjectReader, PackStore } from '../odb/index.ts'
import { indexStart, storedPackTrailerBytes } from '../format/stored-pack.ts'
import { git, makeHistory } from '../../../tests/support/history.ts'
import { openTestRoom, type TestRoom } from '../../../tests/support/git-room.ts'
import { temporaryFolder } from '../../../tests/support/pack-indexing.ts'
import { historyBuilder } from '../history-job.ts'
import { type Finding, fsck, type FsckOptions, type FsckSummary, rebuild } from './index.ts'

let rooms: TestRoom
before(async () => {
  rooms = await openTestRoom(temporaryFolder())
  await rooms.import(makeHistory(60), 'first')
  await rooms.import(makeHistory(700), 'second')
  await rooms.import(makeHistory(5, 'sha256'), 'third')
  await historyBuilder(rooms.room).run(new AbortController().signal)
})
after(() => rooms?.close())

async function check(options: Partial<FsckOptions> = {}): Promise<{ readonly summary: FsckSummary; readonly findings: Finding[] }> {
  const findings: Finding[] = []
  const { signal } = new AbortController()
  const report = (found: Finding) => void findings.push(found)
  return { summary: await fsck(rooms.room, { signal, progress: () => {}, report, ...options }), findings }
}

const first = { repository: { owner: 'Admin', name: 'First' } }
const codes = (findings: readonly Finding[]) => findings.map(({ code }) => code).sort()

/** The file of a repository's first pack, with its row. */
async function packOf(name: string) {
  const { rows } = await sql<{ id: number; key: string; pack_bytes: number }>`
    select p.id, p.key, p.pack_bytes from pack p join repository r using (network_id) where r.name = ${name} order by p.id limit 1`.execute(
    rooms.db.database.queries,
  )
  const row = rows[0]
  assert.ok(row)
  return { ...row, path: join(rooms.bucketFolder, row.key) }
}

async function changed(path: string, change: (bytes: Buffer) => Uint8Array | void, run: () => Promise<void>): Promise<void> {
  const whole = readFileSync(path)
  const bytes = Buffer.from(whole)
  writeFileSync(path, change(bytes) ?? bytes)
  try {
    await run()
  } finally {
    writeFileSync(path, whole)
  }
}

test('what is right is found to be right, and counted; progress comes to its end', async () => {
  const steps: [string, number, number][] = []
  const { summary, findings } = await check({ progress: (...step) => void steps.push(step) })
  assert.deepEqual(findings, [])
  const { rows } = await sql<{ objects: number; bytes: number; packs: number }>`
    select sum(object_count)::float8 objects, sum(pack_bytes)::float8 bytes, count(*)::int packs from pack`.execute(
    rooms.db.database.queries,
  )
  const { scrub, ...counts } = summary
  assert.equal(scrub.findings, 0)
  assert.deepEqual(counts, {
    networks: 3,
    repositories: 3,
    refs: 3 + 1 + 14,
    packs: rows[0]?.packs,
    objects: rows[0]?.objects,
    packBytes: rows[0]?.bytes,
    keys: rooms.keyFiles('').length,
    errors: 0,
    warnings: 0,
  })
  assert.ok(rooms.keyFiles('history').length === 1)
  assert.deepEqual(steps.at(-1), ['checking packs', rows[0]?.bytes, rows[0]?.bytes])
  assert.equal((await check(first)).summary.networks, 1)
  await assert.rejects(check({ repository: { owner: 'admin', name: 'none' } }), { code: 'no-repository' })
})

describe('a changed bit', () => {
  /** Every object as it should be, by its id. */
  async function objects(): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    await read((oid, bytes) => void found.set(oid, bytes.slice()))
    return found
  }

  /** Reads all objects of the first repository through a fresh store; what fails must fail as damage. */
  async function read(take: (oid: string, bytes: Uint8Array) => void): Promise<number> {
    const { db, room } = rooms
    const { rows } = await sql<{ id: string }>`select network_id as id from repository where name = 'first'`.execute(db.database.queries)
    const store = new PackStore(db.database, room.reader, 1 << 20, makeLog('silent'))
    let failures = 0
    const attempt = async (body: () => Promise<void>) => {
      try {
        await body()
      } catch (error) {
        assert.ok(error instanceof CorruptError, `${error}`)
        failures++
      }
    }
    await attempt(async () => {
      const { set } = await store.open(rows[0]?.id ?? '')
      const reader = new ObjectReader(set, new ObjectCache(0))
      for (let number = 0; number < set.size; number++) {
        await attempt(async () => take(Buffer.from(set.oid(number)).toString('hex'), await reader.read(number)))
      }
    })
    return failures
  }

  test('anywhere in a stored pack is found, named with what needs it, and never gives other bytes', async () => {
    const { id, key, path, pack_bytes: packBytes } = await packOf('first')
    const right = await objects()
    const value = readFileSync(path)
    for (const [part, at] of places(value, packBytes)) {
      await changed(
        path,
        (bytes) => void (bytes[at] = (bytes[at] as number) ^ (1 << (at % 8))),
        async () => {
          const failures = await read((oid, bytes) => assert.ok(equalBytes(bytes, right.get(oid) ?? new Uint8Array()), `${part}, ${at}`))
          const { findings } = await check(first)
          assert.ok(findings.length > 0, `nothing was found of a bit at ${at}, ${part}`)
          for (const found of findings) assert.deepEqual([found.key, found.pack], [key, id], `${part}, ${at}: ${found.message}`)
          if (part === 'pad') return assert.deepEqual([codes(findings), failures], [['pack-pad'], 0])
          assert.ok(part === 'pack' || failures > 0, `a bit at ${at}, ${part}, kept no read from going on`)
          if (failures === 0) return
          const needed = findings.find((found) => found.dependents.refCount > 0)
          assert.deepEqual(needed?.dependents.repositories, ['admin/first'], `${part}, ${at}: ${JSON.stringify(findings)}`)
          assert.ok(needed?.dependents.refs.some(({ ref }) => ref === 'refs/heads/main'))
        },
      )
    }
  })

  /** Some places of each part of the value: pack, pad, each section, directory, trailer. */
  function places(value: Buffer, packBytes: number): [string, number][] {
    const trailerAt = value.length - storedPackTrailerBytes
    const sections = value.readUInt32LE(trailerAt + 32)
    const found: [string, number][] = []
    const some = (part: string, from: number, sizeBytes: number, count: number) => {
      for (let i = 0; i < count && sizeBytes > 0; i++) found.push([part, from + Math.floor(((i + 0.5) * sizeBytes) / count)])
    }
    some('pack', 0, 12, 3)
    some('pack', 12, packBytes - 32, 25)
    some('pack', packBytes - 20, 20, 2)
    some('pad', packBytes, indexStart(packBytes) - packBytes, 2)
    for (let i = 0; i < sections; i++) {
      const entry = trailerAt - (sections - i) * 24
      some(
        value.toString('latin1', entry, entry + 4),
        Number(value.readBigUInt64LE(entry + 8)),
        Number(value.readBigUInt64LE(entry + 16)),
        3,
      )
      some('directory', entry, 24, 2)
    }
    some('trailer', trailerAt, storedPackTrailerBytes, 9)
    return found
  }

  test('in a history table is a warning: fetches go without it', async () => {
    const [path = ''] = rooms.keyFiles('history')
    const { length } = readFileSync(path)
    for (const at of [0, length >> 1, length - 60, length - 1]) {
      await changed(
        path,
        (bytes) => void (bytes[at] = (bytes[at] as number) ^ 4),
        async () => {
          const { findings } = await check()
          assert.deepEqual(
            findings.map(({ severity, code, key }) => ({ severity, code, isKey: path.endsWith(key ?? '?') })),
            [{ severity: 'warning', code: 'history-damaged', isKey: true }],
          )
        },
      )
    }
  })
})

describe('rows and keys', () => {
  test('a pack that is cut, or gone, is named with all that needs it', async () => {
    const { path } = await packOf('second')
    await changed(
      path,
      (bytes) => bytes.subarray(0, -100),
      async () => {
        const { findings, summary } = await check()
        assert.deepEqual(codes(findings.filter(({ key }) => key !== null)), ['pack-size'])
        assert.equal(summary.errors, findings.length)
      },
    )
    const away = join(rooms.bucketFolder, 'tmp/away')
    renameSync(path, away)
    const { findings } = await check()
    renameSync(away, path)
    const missing = findings.find(({ code }) => code === 'pack-missing')
    assert.deepEqual([missing?.dependents.repositories, missing?.dependents.refCount], [['admin/second'], 15])
    assert.deepEqual(codes(findings), ['pack-missing'])
  })

  test('a key without a row; one that is being written, and one that waits for its deletion, are none', async () => {
    const { queries } = rooms.db.database
    const [stray, intended, doomed] = ['1', '2', '3'].map((digit) => packKey(`0000000${digit}-0000-4000-8000-000000000000`))
    await sql`insert into upload_intent (key, expires_at) values (${intended}, now() + interval '1 hour')`.execute(queries)
    await sql`insert into key_deletion (key, not_before) values (${doomed}, now() + interval '1 hour')`.execute(queries)
    for (const key of [stray, intended, doomed]) await rooms.bucket.put(key as ReturnType<typeof packKey>, new Uint8Array(100))
    const { findings } = await check()
    assert.deepEqual(
      findings.map(({ severity, code, key }) => ({ severity, code, key })),
      [{ severity: 'warning', code: 'key-stray', key: stray }],
    )
    for (const key of [stray, intended, doomed]) await rooms.bucket.delete(key as ReturnType<typeof packKey>)
    await sql`truncate upload_intent, key_deletion`.execute(queries)
  })

  test('a key that is needed and waits for its deletion', async () => {
    const { queries } = rooms.db.database
    const { key } = await packOf('first')
    await sql`insert into key_deletion (key, not_before) values (${key}, now() + interval '1 hour')`.execute(queries)
    const { findings } = await check()
    await sql`truncate key_deletion`.execute(queries)
    assert.deepEqual(
      findings.map((found) => [found.severity, found.code, found.key]),
      [['error', 'key-doomed', key]],
    )
  })

  test('a row that says something else than its value; other kinds of key have their rows asked for', async () => {
    const { queries } = rooms.db.database
    const { id } = await packOf('third')
    await sql`update pack set object_count = object_count + 1 where id = ${id}`.execute(queries)
    const kind = { prefix: 'else/', name: 'thing', named: async () => ['else/there', 'else/gone'], isReadElsewhere: false }
    mkdirSync(join(rooms.bucketFolder, 'else'))
    writeFileSync(join(rooms.bucketFolder, 'else/there'), '1')
    writeFileSync(join(rooms.bucketFolder, 'else/stray'), '2')
    const { findings } = await check({ otherKeys: [kind] })
    rmSync(join(rooms.bucketFolder, 'else'), { recursive: true })
    await sql`update pack set object_count = object_count - 1 where id = ${id}`.execute(queries)
    assert.deepEqual([...new Set(codes(findings))], ['key-missing', 'key-stray', 'pack-row'])
    assert.deepEqual(
      findings.flatMap(({ code, key }) => (code === 'key-missing' ? [key] : [])),
      ['else/gone'],
    )
  })

  test('a value that went because its pack was replaced meanwhile is no finding', async () => {
    const { queries } = rooms.db.database
    const { id, key, path } = await packOf('first')
    const moved = packKey('00000004-0000-4000-8000-000000000000')
    const head = rooms.bucket.head.bind(rooms.bucket)
    let replaced = 0
    rooms.bucket.head = async (asked, ...rest) => {
      if (asked === key && replaced++ === 0) {
        // as compaction and the sweeper would: a new key, a new row, the old key gone
        mkdirSync(dirname(join(rooms.bucketFolder, moved)), { recursive: true })
        renameSync(path, join(rooms.bucketFolder, moved))
        await sql`update pack set key = ${moved} where id = ${id}`.execute(queries)
      }
      return head(asked, ...rest)
    }
    try {
      assert.deepEqual((await check(first)).findings, [])
      assert.equal(replaced, 1)
    } finally {
      rooms.bucket.head = head
    }
  })
})

test('rows are made again from the bucket alone', async () => {
  const { queries } = rooms.db.database
  const rows = () => sql`select network_id, key, size_bytes, pack_bytes, object_count from pack order by key`.execute(queries)
  const written = await rows()
  const { id } = await packOf('first')
  const [table = ''] = rooms.keyFiles('history')
  writeFileSync(table, 'damaged')
  await sql`delete from pack where id <> ${id}`.execute(queries)
  await sql`update pack set object_count = 1, pack_bytes = 64`.execute(queries)
  const stray = packKey('0000000b-0000-4000-8000-000000000000')
  await rooms.bucket.put(stray, readFileSync(table))
  const options = { signal: new AbortController().signal, progress: () => {} }
  const { left, ...counts } = await rebuild(rooms.room, options)
  assert.deepEqual(counts, { made: written.rows.length - 1, corrected: 1, removed: 0, histories: 1 })
  assert.deepEqual(
    left.map(({ key }) => key),
    [stray],
  )
  assert.deepEqual((await rows()).rows, written.rows)
  await rooms.bucket.delete(stray)
  assert.deepEqual((await check()).findings, [])
  assert.deepEqual(await rebuild(rooms.room, options), { made: 0, corrected: 0, removed: 0, histories: 0, left: [] })
  // a row of a dump from before a repack, whose key is gone; one that is needed stays
  await sql`insert into pack (network_id, key, size_bytes, pack_bytes, object_count)
    select network_id, ${packKey('0000000c-0000-4000-8000-000000000000')}, size_bytes, pack_bytes, object_count from pack where id = ${id}`.execute(
    queries,
  )
  const { path } = await packOf('second')
  const away = join(rooms.bucketFolder, 'tmp/away')
  renameSync(path, away)
  assert.equal((await rebuild(rooms.room, options)).removed, 1)
  renameSync(away, path)
  assert.deepEqual((await rows()).rows, written.rows)
  await sql`truncate key_deletion`.execute(queries)
})

test('refs that point to nothing, or to what they may not', async () => {
  const { queries } = rooms.db.database
  const tree = git(makeHistory(60), ['rev-parse', 'main^{tree}']).toString().trim()
  const { rows } = await sql<{ id: number }>`select id from repository where name = 'first'`.execute(queries)
  await sql`insert into ref (repository_id, name, oid) values
    (${rows[0]?.id}, 'refs/heads/gone', ${Buffer.alloc(20, 7)}), (${rows[0]?.id}, 'refs/heads/tree', ${Buffer.from(tree, 'hex')})`.execute(
    queries,
  )
  await sql`update ref set peeled = null where repository_id = ${rows[0]?.id} and name = 'refs/tags/v49'`.execute(queries)
  const { findings } = await check(first)
  assert.deepEqual(
    findings.map(({ code, dependents }) => [code, dependents.refs[0]?.ref]),
    [
      ['ref-missing', 'refs/heads/gone'],
      ['ref-kind', 'refs/heads/tree'],
      ['ref-peeled', 'refs/tags/v49'],
    ],
  )
})
