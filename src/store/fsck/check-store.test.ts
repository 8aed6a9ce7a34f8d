// A bit flipped anywhere in a stored segment is found, named with its key, and so is what rests on it; wrong rows are found, and made right by a rebuild.
import assert from 'node:assert/strict'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CorruptError, makeLog, systemClock, systemRandomness } from '../../base/index.ts'
import { makeBlockReader, segmentKey } from '../../bucket/index.ts'
import { sql } from '../../db/index.ts'
import { contentHost, type ContentHost, put, sha256 } from '../../../tests/support/content.ts'
import { noise, Seeded, seedOfRun } from '../../../tests/support/seeded.ts'
import { indexStart, SegmentIndex, trailerBytes } from '../format/segment.ts'
import { ContentReader } from '../content-reader.ts'
import { rebuildStore } from '../index.ts'
import { planRecipe } from '../plan-chunks.ts'
import type { ContentFinding } from './content-finding.ts'

let host: ContentHost
const random = new Seeded(seedOfRun('check-store'))
const contents = new Map<string, Uint8Array>()

before(async () => {
  host = await contentHost()
  for (let n = 0; n < 45; n++) await keep(noise(100 + n, 200_000 + n))
  assert.ok((await host.store.tidy()).compactions > 0)
  const large = Buffer.concat([Buffer.from(Array.from({ length: 200_000 }, (_, n) => `line ${n * 7919}\n`).join('')), noise(1, 5 << 20)])
  await keep(large)
  // its own segment, and chunks of the other's
  await keep(Buffer.concat([large.subarray(0, 6 << 20), noise(2, 5 << 20)]))
  await keep(noise(3, 10_000)) // a tail
})
after(() => host.close())

async function keep(bytes: Uint8Array): Promise<void> {
  const { digest } = await put(host.store, bytes, { reference: { kind: 'test', id: `n${contents.size}` } })
  contents.set(digest, bytes)
}

async function check(heldBy?: { kind: string; ids: string[] }): Promise<ContentFinding[]> {
  const findings: ContentFinding[] = []
  const report = (found: ContentFinding) => void findings.push(found)
  const signal = new AbortController().signal
  await host.store.check({ ...(heldBy ? { heldBy } : {}), threads: 2, signal, progress: () => {}, report })
  return findings
}

const query = async <T>(text: string): Promise<T[]> => (await sql.raw<T>(text).execute(host.db.database.queries)).rows

const live = () =>
  query<{ id: number; uuid: string }>(
    'select id::float8 as id, uuid from segment where tail is null and draining_since is null order by id',
  )

const pathOf = (uuid: string) => join(host.folder, 'bucket', segmentKey(uuid))

/** Contents that can't be read, by a reader that has seen nothing before. */
async function unreadable(): Promise<string[]> {
  const blocks = makeBlockReader(host.bucket, { clock: systemClock, randomness: systemRandomness, memoryBytes: 64 << 20, disk: null })
  const reader = new ContentReader(blocks)
  const found: string[] = []
  for (const [digest, bytes] of contents) {
    const parts: Uint8Array[] = []
    try {
      for await (const part of reader.read((await planRecipe(host.db.database.queries, sha256(bytes)))!)) parts.push(part)
      assert.equal(Buffer.compare(Buffer.concat(parts), bytes), 0, 'wrong bytes')
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      found.push(digest)
    }
  }
  return found.sort()
}

test('what was put and compacted is right', async () => {
  assert.deepEqual(await check(), [])
  assert.deepEqual(await unreadable(), [])
})

test('a bit in any block, any section, the directory or the trailer', async () => {
  let blocks = 0
  const names = new Set<string>()
  for (const { id, uuid } of await live()) {
    const good = readFileSync(pathOf(uuid))
    const from = indexStart(good.subarray(good.length - trailerBytes))
    const index = new SegmentIndex(good.subarray(from))
    const places: { at: number; code: string; block: number | null }[] = []
    for (let number = 0; number < index.blockCount; number += Math.ceil(index.blockCount / 3)) {
      const { offset, storedBytes } = index.block(number)
      places.push({ at: offset + random.below(storedBytes), code: 'block-damaged', block: number })
    }
    const sections = good.readUInt32LE(good.length - trailerBytes + 20)
    const directory = good.length - trailerBytes - sections * 24
    for (let n = 0; n < sections; n++) {
      const [start, size] = [8, 16].map((at) => Number(good.readBigUInt64LE(directory + n * 24 + at))) as [number, number]
      places.push({ at: directory + n * 24 + random.below(24), code: 'segment-index', block: null })
      if (size === 0) continue
      names.add(good.toString('latin1', directory + n * 24, directory + n * 24 + 4))
      places.push({ at: start + random.below(size), code: 'segment-index', block: null })
    }
    for (let at = good.length - trailerBytes; at < good.length; at += 13) places.push({ at, code: 'segment-index', block: null })
    for (const { at, code, block } of places) {
      const damaged = Buffer.from(good)
      damaged[at] = damaged[at]! ^ (1 << random.below(8))
      writeFileSync(pathOf(uuid), damaged)
      const findings = await check()
      assert.deepEqual(
        findings.map((found) => [found.code, found.severity, found.key, found.segment]),
        [[code, 'error', segmentKey(uuid), id]],
        `byte ${at}`,
      )
      const [found] = findings
      if (block !== null) assert.match(found!.message, new RegExp(`^block ${block} \\(chunks \\d+ to \\d+\\): `))
      const lost = block === null ? null : await unreadable()
      if (lost === null) continue
      blocks++
      assert.equal(found!.contentCount, lost.length)
      assert.deepEqual([...found!.contents].sort(), lost.slice(0, 10))
      assert.deepEqual(found!.references.map(({ digest }) => digest as string).sort(), lost.slice(0, 20))
    }
    writeFileSync(pathOf(uuid), good)
  }
  assert.ok(blocks >= 6)
  assert.deepEqual([...names].sort(), ['BLKS', 'CONT', 'HASH', 'MOVE', 'SIZE'])
  assert.deepEqual(await check(), [])
})

test('a key that is cut or gone, a tail that is damaged', async () => {
  const [{ uuid }] = (await live()) as { id: number; uuid: string }[] as [{ id: number; uuid: string }]
  const good = readFileSync(pathOf(uuid))
  writeFileSync(pathOf(uuid), good.subarray(0, -1))
  assert.deepEqual(
    (await check()).map(({ code, key }) => [code, key]),
    [['segment-size', segmentKey(uuid)]],
  )
  renameSync(pathOf(uuid), `${pathOf(uuid)}-away`)
  const [missing] = await check()
  assert.deepEqual([missing!.code, missing!.contentCount > 0], ['segment-missing', true])
  renameSync(`${pathOf(uuid)}-away`, pathOf(uuid))
  writeFileSync(pathOf(uuid), good)
  const tail = (
    await query<{ id: number; tail: Buffer }>('select id, tail from segment where tail is not null and draining_since is null')
  )[0]!
  const damaged = Buffer.from(tail.tail)
  damaged[100] = damaged[100]! ^ 4
  await sql`update segment set tail = ${damaged} where id = ${tail.id}`.execute(host.db.database.queries)
  const [found] = await check()
  assert.deepEqual([found!.code, found!.key, Number(found!.segment), found!.contentCount], ['block-damaged', null, Number(tail.id), 1])
  await sql`update segment set tail = ${tail.tail} where id = ${tail.id}`.execute(host.db.database.queries)
})

test('only what somebody holds is checked when that is asked for', async () => {
  const [first] = (await live()) as { id: number; uuid: string }[] as [{ id: number; uuid: string }]
  const good = readFileSync(pathOf(first.uuid))
  const damaged = Buffer.from(good)
  damaged[5000] = damaged[5000]! ^ 1
  writeFileSync(pathOf(first.uuid), damaged)
  assert.deepEqual(await check({ kind: 'test', ids: ['n45', 'n46'] }), [])
  assert.deepEqual(
    (await check({ kind: 'test', ids: ['n0', 'n1'] })).map(({ code }) => code),
    ['block-damaged'],
  )
  writeFileSync(pathOf(first.uuid), good)
})

test('rows that say something else are found, and a rebuild corrects them', async () => {
  const [a, b] = (await live()) as [{ id: number; uuid: string }, { id: number; uuid: string }]
  const own = (
    await query<{ digest: string }>(`select encode(digest, 'hex') as digest from content_segment where segment_id = ${b.id} limit 1`)
  )[0]!.digest
  const wrong: readonly (readonly [string, readonly string[]])[] = [
    [`update segment set chunk_count = chunk_count + 1 where id = ${a.id}`, ['segment-row']],
    [`update segment set index_bytes = index_bytes - 8 where id = ${a.id}`, ['segment-row']],
    [`update chunk set ordinal = 1 - ordinal where segment_id = ${a.id} and ordinal < 2`, ['chunk-row']],
    [`update content set recipe = set_byte(recipe, 1, (get_byte(recipe, 1) + 1) % 256) where digest = '\\x${own}'`, ['recipe-damaged']],
    [`delete from content_segment where digest = '\\x${own}'`, ['content-row']],
  ]
  for (const [change, codes] of wrong) {
    await query(change)
    const findings = await check()
    // what the row makes unreadable is told, too
    assert.deepEqual(
      findings.map(({ code }) => code).filter((code) => code !== 'content-damaged'),
      codes,
      change,
    )
    const { corrected, damaged, unresolved } = await rebuildStore(host.db.database, host.bucket)
    assert.ok(corrected > 0, change)
    assert.deepEqual([damaged, unresolved], [[], []])
    assert.deepEqual(await check(), [], change)
  }
  assert.equal((await rebuildStore(host.db.database, host.bucket)).corrected, 0)
  assert.deepEqual(await unreadable(), [])
})

test('chunk rows that are gone are made again', async () => {
  const before = await query<{ n: number }>('select count(*)::int as n from chunk join segment s on s.id = segment_id where tail is null')
  await query('delete from chunk using segment s where s.id = segment_id and s.tail is null')
  await rebuildStore(host.db.database, host.bucket)
  assert.deepEqual(await query('select count(*)::int as n from chunk join segment s on s.id = segment_id where tail is null'), before)
  assert.deepEqual(await check(), [])
})

test('the scrub reads what is due, and keeps what it found until it is mended', async () => {
  const [{ uuid }] = (await live()) as { id: number; uuid: string }[] as [{ id: number; uuid: string }]
  const good = readFileSync(pathOf(uuid))
  const damaged = Buffer.from(good)
  damaged[9] = damaged[9]! ^ 1
  writeFileSync(pathOf(uuid), damaged)
  const job = host.store.scrubJob(makeLog('silent'))
  await job.run(new AbortController().signal)
  assert.deepEqual(await query('select 1 from segment where verified_at is not null'), [], 'nothing is due yet')
  const due = async () => {
    await query(`update segment set verified_at = now() - interval '31 days' where uuid = '${uuid}'`)
    await job.run(new AbortController().signal)
    return await query<{ code: string }>(
      "select findings -> 0 ->> 'code' as code from segment where verified_at > now() - interval '1 day'",
    )
  }
  assert.deepEqual(await due(), [{ code: 'block-damaged' }])
  writeFileSync(pathOf(uuid), good)
  assert.deepEqual(await due(), [{ code: null }])
})
