// Opened contents while time passes: whole copies go, parts go with the content, damage is found, and rows are made again from the bucket alone.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { pino } from 'pino'
import { wholeKey } from '../../bucket/index.ts'
import { sql } from '../../db/index.ts'
import { contentHost, type ContentHost, pieces, read } from '../../../tests/support/content.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { sampleLayer, tarMember, tarOf } from '../../../tests/support/tar.ts'
import type { ContentFinding } from '../fsck/content-finding.ts'
import { contentWays, type Digest, rebuildStore } from '../index.ts'
import { dropWhole } from '../whole/hot.ts'

let host: ContentHost
before(async () => {
  host = await contentHost()
})
after(() => host.close())

const query = async <T>(text: string): Promise<T[]> => (await sql.raw<T>(text).execute(host.db.database.queries)).rows
const count = async (table: string): Promise<number> => (await query<{ n: number }>(`select count(*)::int n from ${table}`))[0]?.n ?? -1

/** As an upload leaves it: whole, held. */
async function receive(bytes: Uint8Array, id = 'layer'): Promise<Digest> {
  const expected = { algorithm: 'sha256', digest: createHash('sha256').update(bytes).digest() } as const
  const reference = { kind: 'test', id }
  return (await host.store.uploads.receive(pieces(bytes), { expected, limitBytes: 2 ** 40, reference })).digest
}

async function receiveCold(bytes: Uint8Array, id?: string): Promise<Digest> {
  const digest = await receive(bytes, id)
  await host.store.openDue()
  assert.ok(await host.db.database.transaction((tx) => dropWhole(tx, digest)), 'it has another form')
  return digest
}

async function daysPass(days: number): Promise<void> {
  const by = sql`${days} * interval '1 day'`
  const { queries } = host.db.database
  await sql`update content set leased_until = leased_until - ${by}`.execute(queries)
  await sql`update content_review set due_at = due_at - ${by}`.execute(queries)
  await sql`update segment set draining_since = draining_since - ${by}, review_at = review_at - ${by}`.execute(queries)
  await host.store.tidy()
}

async function check(): Promise<ContentFinding[]> {
  const findings: ContentFinding[] = []
  const signal = new AbortController().signal
  await host.store.check({ threads: 2, signal, progress: () => {}, report: (found) => void findings.push(found) })
  return findings
}

test('what is uploaded is opened, and read without its whole copy; other large content becomes chunks', async () => {
  const layer = gzipSync(sampleLayer(1))
  const model = Buffer.concat([noise(1, 1_000_000), Buffer.alloc(2_000_000)])
  for (const bytes of [layer, model]) assert.deepEqual(await read(host.store, await receiveCold(bytes)), bytes)
  const ways = await contentWays(host.db.database.queries)
  assert.deepEqual(
    ways.map(({ way, contentCount }) => [way, contentCount]),
    [
      ['chunks', 2],
      ['opened: node-zlib level 6, memLevel 8', 1],
      ['whole', 0],
    ],
  )
})

test('what does not pay keeps its whole copy', async () => {
  const digest = await receive(noise(2, 500_000))
  await host.store.openDue()
  assert.equal(await host.db.database.transaction((tx) => dropWhole(tx, digest)), false)
  assert.deepEqual(await read(host.store, digest), Buffer.from(noise(2, 500_000)))
})

test('after compaction, and with the rows of contents lost, all is read as before', async () => {
  const layers = new Map<Digest, Buffer>()
  // the first is so much that it has a segment of its own in the bucket, which holds all that the others have in common with it
  for (const version of [10, 11, 12]) {
    const bytes = gzipSync(tarOf(tarMember({ name: 'noise', mtime: version, body: noise(4, 5_000_000) }), sampleLayer(version)), {
      level: 1,
    })
    layers.set(await receiveCold(bytes, `v${version}`), bytes)
  }
  await daysPass(0)
  assert.deepEqual(await check(), [])
  for (const [digest, bytes] of layers) assert.deepEqual(await read(host.store, digest), bytes)
  await query(
    'truncate content_opened, content_listed, content_opening, content_reference, content_review, content_segment, chunk, content_cold_read, whole_part, content_whole, content_upload, content, segment',
  )
  await rebuildStore(host.db.database, host.bucket)
  assert.deepEqual(await check(), [])
  // what stood only in PostgreSQL is lost: of the later ones, as they are small
  let found = 0
  for (const [digest, bytes] of layers) {
    const got = await read(host.store, digest)
    if (got === null) continue
    found++
    assert.deepEqual(got, bytes)
  }
  assert.ok(found >= 1, 'none of the layers came back')
})

test('a check finds parts that are held no longer, and a form that makes something else; a rebuild holds them again', async () => {
  const digest = await receiveCold(
    gzipSync(tarOf(tarMember({ name: 'noise', body: noise(5, 5_000_000) }), sampleLayer(20)), { level: 1 }),
    'checked',
  )
  await query(`delete from content_reference where kind = 'opened' and id = '${digest}'`)
  assert.deepEqual(
    (await check()).map(({ code }) => code),
    ['opened-row'],
  )
  assert.equal((await rebuildStore(host.db.database, host.bucket)).corrected, 1)
  assert.deepEqual(await check(), [])
  await query(
    `update content_opened set form = set_byte(form, 120, (get_byte(form, 120) + 1) % 256) where digest = decode('${digest}', 'hex')`,
  )
  const findings = await check()
  assert.deepEqual(
    findings.map(({ code, references }) => [code, references[0]?.id]),
    [['opened-damaged', 'checked']],
  )
  await assert.rejects(read(host.store, digest), { name: 'CorruptError' })
  await query(
    `update content_opened set form = set_byte(form, 120, (get_byte(form, 120) + 255) % 256) where digest = decode('${digest}', 'hex')`,
  )
})

test('a whole copy that is damaged or missing is a loss only where it is the only form', async () => {
  const lines: string[] = []
  const store = host.another(host.bucket, host.db.database, { log: pino({ level: 'error' }, { write: (line) => void lines.push(line) }) })
  const layer = gzipSync(tarOf(tarMember({ name: 'noise', body: noise(7, 4_000_000) }), sampleLayer(40)), { level: 1 })
  const text = Buffer.concat([noise(8, 2_500_000), Buffer.alloc(2_500_000)])
  for (const [bytes, id] of [
    [layer, 'opened'],
    [text, 'chunked'],
  ] as const) {
    const digest = await receive(bytes, id)
    const path = join(host.folder, 'bucket', await wholeKeyOf(digest))
    const good = readFileSync(path)
    const damaged = Buffer.from(good)
    damaged[2_000_000] = (damaged[2_000_000] as number) ^ 8
    writeFileSync(path, damaged)
    await assert.rejects(read(store, digest), { name: 'CorruptError' }, 'it has no other form yet')
    writeFileSync(path, good)
    await store.openDue()
    for (const fault of ['damaged', 'missing']) {
      if (fault === 'damaged') writeFileSync(path, damaged)
      else rmSync(path)
      lines.length = 0
      assert.deepEqual(await read(store, digest), bytes, `${id}, ${fault}`)
      assert.deepEqual(await read(store, digest, 1_900_000, 1_000_000), bytes.subarray(1_900_000, 2_900_000))
      const sent: Uint8Array[] = []
      const open = await store.get(digest)
      await open?.sendTo(new Writable({ write: (piece: Uint8Array, _, done) => (sent.push(new Uint8Array(piece)), done()) }))
      assert.deepEqual(Buffer.concat(sent), bytes)
      assert.equal(lines.filter((line) => line.includes('is read in another form') && line.includes(digest)).length, 3)
    }
    writeFileSync(path, good)
  }
})

async function wholeKeyOf(digest: Digest): Promise<string> {
  const [row] = await query<{ uuid: string }>(`select uuid::text as uuid from whole_part where digest = decode('${digest}', 'hex')`)
  return wholeKey(row?.uuid ?? '')
}

test('a file list of what is not opened is held, checked, and held again by a rebuild', async () => {
  const tar = tarOf(tarMember({ name: 'noise', body: noise(6, 9_000_000) }), sampleLayer(30))
  const digest = await receive(zstdCompressSync(tar), 'listed')
  await host.store.openDue()
  const names = async () => {
    const files = await host.store.layerFiles(digest)
    if (files === null) return null
    const found: string[] = []
    for await (const { path } of files) found.push(Buffer.from(path).toString('latin1'))
    return found
  }
  assert.equal((await names())?.length, 63)
  await daysPass(40)
  assert.equal((await names())?.length, 63)
  await query(`delete from content_reference where kind = 'listed'`)
  assert.deepEqual(
    (await check()).map(({ code }) => code),
    ['opened-row'],
  )
  assert.equal((await rebuildStore(host.db.database, host.bucket)).corrected, 1)
  assert.deepEqual(await check(), [])
})

test('when the content goes, all that it was made of goes', async () => {
  await query(`delete from content_reference where kind = 'test'`)
  for (let days = 0; days < 8; days++) await daysPass(40)
  for (const table of ['content_opened', 'content_listed', 'content_opening', 'content_reference', 'content', 'segment', 'chunk'])
    assert.equal(await count(table), 0, table)
})
