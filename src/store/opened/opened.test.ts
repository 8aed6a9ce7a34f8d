// Archives in the content store: opened, made again byte for byte, read in ranges; what is inside; what can't be opened stays as it was.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, describe, test } from 'node:test'
import { constants, deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { contentHost, pieces, put, read, sha256 } from '../../../tests/support/content.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { sampleLayer as layer, sampleText as text, tarMember, tarOf } from '../../../tests/support/tar.ts'
import { fromUtf8, hex, utf8 } from '../../base/index.ts'
import { sql } from '../../db/index.ts'
import type { Digest } from '../digest.ts'
import { begin, giveBack, nextDue } from './opened-rows.ts'
import { contentTotals } from '../totals.ts'
import { dropWhole } from '../whole/hot.ts'
import { hasBody, type PlacedEntry } from './format/file-list.ts'

const host = await contentHost()
after(() => host.close())

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = []
  for await (const value of source) values.push(value)
  return values
}

async function opened(digest: Digest): Promise<{ engine: string; storedBytes: number } | null> {
  const row = await host.db.database.queries
    .selectFrom('content_opened')
    .selectAll()
    .where('digest', '=', Buffer.from(digest, 'hex'))
    .executeTakeFirst()
  return row === undefined ? null : { engine: row.engine, storedBytes: row.stored_bytes }
}

async function reasonFor(digest: Digest): Promise<string | null> {
  const row = await host.db.database.queries
    .selectFrom('content_opening')
    .selectAll()
    .where('digest', '=', Buffer.from(digest, 'hex'))
    .executeTakeFirst()
  return row?.reason ?? null
}

/** As an upload leaves it. */
async function receive(bytes: Uint8Array): Promise<Digest> {
  return (await host.store.uploads.receive(pieces(bytes), { limitBytes: 2 ** 40, reference: { kind: 'test', id: 'layer' } })).digest
}

async function putAndOpen(bytes: Uint8Array): Promise<Digest> {
  const { digest } = await put(host.store, bytes)
  await host.store.openSoon(digest)
  await host.store.openDue()
  return digest
}

test('a gzip layer is opened, and read back byte for byte, whole and in ranges', async () => {
  const bytes = gzipSync(layer(1))
  const digest = await putAndOpen(bytes)
  assert.match((await opened(digest))?.engine ?? '', /node-zlib level 6/)
  assert.deepEqual(await read(host.store, digest), bytes)
  for (const [offset, size] of [
    [0, 1],
    [5, 100],
    [40_000, 300_000],
    [bytes.length - 9, 9],
    [bytes.length, 0],
  ] as const) {
    assert.deepEqual(await read(host.store, digest, offset, size), bytes.subarray(offset, offset + size))
  }
})

test('another version stores what is new in it', async () => {
  const bytes = gzipSync(layer(2))
  const digest = await putAndOpen(bytes)
  const { storedBytes } = (await opened(digest)) as { storedBytes: number }
  assert.ok(storedBytes < bytes.length / 10, `${storedBytes} of ${bytes.length} bytes`)
  assert.deepEqual(await read(host.store, digest), bytes)
})

test('the file list and single files, by the layer or what is inside of it', async () => {
  const tar = layer(3)
  const digest = await putAndOpen(gzipSync(tar, { level: 9 }))
  for (const name of [digest, sha256(tar)]) {
    const files = await host.store.layerFiles(name)
    assert.ok(files)
    const entries = await all(files)
    assert.equal(entries.length, 62)
    const one = entries[5]
    assert.ok(one)
    assert.equal(fromUtf8(one.path), 'srv/file-4')
    assert.equal(hex(one.sha256 as Uint8Array), sha256(text(4, 3000 + 4 * 211)))
    const file = await host.store.openLayerFile(name, one)
    assert.ok(file)
    assert.deepEqual(Buffer.concat(await all(file.bytes)), text(4, 3000 + 4 * 211))
  }
  assert.equal(await host.store.layerFiles(sha256(utf8('unknown'))), null)
})

test('containers: an archive as it stands, several members, header fields, bytes behind the end', async () => {
  const tar = layer(4)
  const half = 200_000
  const named = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 8 + 4, 1, 2, 3, 4, 2, 255, 3, 0]),
    utf8('abc'),
    utf8('name\0'),
    deflateRawSync(tar.subarray(half), { level: 9 }),
    gzipSync(tar.subarray(half)).subarray(-8),
  ])
  const containers: Readonly<Record<string, Buffer>> = {
    'as it stands': tar,
    'two members': Buffer.concat([gzipSync(tar.subarray(0, half), { level: 9 }), named]),
    'an empty member first': Buffer.concat([gzipSync(new Uint8Array(), { level: 9 }), gzipSync(layer(5), { level: 9 })]),
    'bytes behind the end': Buffer.concat([gzipSync(layer(6), { level: 6 }), Buffer.alloc(1000)]),
  }
  for (const [name, bytes] of Object.entries(containers)) {
    const digest = await putAndOpen(bytes)
    assert.ok(await opened(digest), `${name}: ${await reasonFor(digest)}`)
    assert.deepEqual(await read(host.store, digest), bytes, name)
  }
})

test('what can be opened not at all, or does not pay, stays as it was, and the reason is noted', async () => {
  const bomb = gzipSync(tarOf(tarMember({ body: text(1, 3_000_000) }), tarMember({ body: Buffer.alloc(200 << 20) })))
  const cut = gzipSync(layer(8)).subarray(0, -50)
  const wrongSum = gzipSync(layer(9))
  wrongSum[wrongSum.length - 5] = 0xff
  const cases: Readonly<Record<string, Buffer>> = {
    bomb,
    'gzip-damaged': cut,
    // literals only: every match that zlib would have taken is a correction
    'no-engine': gzipSync(layer(7), { strategy: constants.Z_HUFFMAN_ONLY }),
    // a hash and a line in the list for each of many small files: more than they take in the stream
    'does-not-pay': gzipSync(tarOf(...Array.from({ length: 20_000 }, (_, n) => tarMember({ name: `few/${n}`, body: noise(n, 16) })))),
    trailing: Buffer.concat([gzipSync(layer(10)), noise(1, 100_000)]),
  }
  for (const [reason, bytes] of [...Object.entries(cases), ['gzip-damaged', wrongSum] as const]) {
    const digest = await putAndOpen(bytes)
    assert.equal(await reasonFor(digest), reason)
    assert.equal(await opened(digest), null)
    assert.deepEqual(await read(host.store, digest), bytes)
  }
})

test('what is not opened has a file list all the same: packed with zstd, as it stands, or raw', async () => {
  const tar = (n: number) => tarOf(layer(n).subarray(0, -1024), tarMember({ name: 'noise', body: noise(n, 3_000_000) }))
  const skipped = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5])
  const frames = (bytes: Buffer) => [bytes.subarray(0, 700_000), bytes.subarray(700_000)].map((half) => zstdCompressSync(half))
  const small = tarOf(...Array.from({ length: 20_000 }, (_, n) => tarMember({ name: `small/${n}`, body: noise(n + 7, 16) })))
  const packed: Readonly<Record<string, readonly [Buffer, Buffer]>> = {
    zstd: [tar(30), zstdCompressSync(tar(30))],
    'zstd, several frames, some to be skipped': [tar(31), Buffer.concat([skipped, ...frames(tar(31)), skipped])],
    'gzip, raw': [layer(32), gzipSync(layer(32), { strategy: constants.Z_HUFFMAN_ONLY })],
    'gzip of many small files': [small, gzipSync(small)],
  }
  for (const [name, [plain, bytes]] of Object.entries(packed)) {
    const digest = await putAndOpen(bytes)
    assert.equal(await opened(digest), null, name)
    const reference = await putAndOpen(plain)
    const files = await host.store.layerFiles(digest)
    assert.ok(files, name)
    const entries = await all(files)
    // the other one is opened, or has only a list, too
    assert.deepEqual(entries, await all((await host.store.layerFiles(reference)) as AsyncIterable<PlacedEntry>), name)
    assert.ok(entries.length > 60, name)
    assert.equal(await host.store.openLayerFile(digest, entries.find(hasBody) as PlacedEntry), null)
    assert.deepEqual(await read(host.store, digest), bytes, name)
  }
  const noArchive = await putAndOpen(zstdCompressSync(text(900, 100_000)))
  assert.equal(await host.store.layerFiles(noArchive), null)
})

test('what is small and is no gzip stream stays with others, and has a file list', async () => {
  const bytes = zstdCompressSync(tarOf(tarMember({ name: 'app/main.js', body: text(950, 5000) })))
  const digest = await receive(bytes)
  await host.store.openDue()
  assert.equal(await reasonFor(digest), 'small')
  const files = await host.store.layerFiles(digest)
  assert.ok(files)
  const [entry] = await all(files)
  assert.equal(hex(entry?.sha256 ?? new Uint8Array()), sha256(text(950, 5000)))
  assert.deepEqual(await read(host.store, digest), bytes)
  const config = await receive(utf8('{"architecture":"amd64"}'))
  assert.equal(await reasonFor(config), null)
})

test('a zstd stream of frames for files is chunked between them, also where a first version costs a little more', async () => {
  const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
  const version = (number: number) => {
    const files = Array.from({ length: 80 }, (_, n) =>
      tarMember({
        name: `f/${n}`,
        mtime: 1_700_000_000,
        body: text(700 + n + (n === 41 ? number : 0), n === 60 ? 6_000_000 : 4000 + n * 300),
      }),
    )
    return Buffer.concat([...[...files, Buffer.alloc(1024)].map((file) => zstdCompressSync(file)), skipped])
  }
  const first = await receive(version(1000))
  const segments = async () =>
    (await contentTotals(host.db.database.queries)).segmentBytes + (await contentTotals(host.db.database.queries)).tailBytes
  await host.store.openDue()
  const before = await segments()
  const bytes = version(2000)
  const second = await receive(bytes)
  await host.store.openDue()
  assert.ok((await segments()) - before < bytes.length / 20, `${(await segments()) - before} of ${bytes.length}`)
  for (const [digest, expected] of [
    [first, version(1000)],
    [second, bytes],
  ] as const) {
    assert.ok(await host.db.database.transaction((tx) => dropWhole(tx, digest)), 'it has a recipe')
    assert.deepEqual(await read(host.store, digest), expected)
    assert.deepEqual(await read(host.store, digest, 70_000, 50_000), expected.subarray(70_000, 120_000))
    const files = await host.store.layerFiles(digest)
    assert.equal(files === null ? 0 : (await all(files)).length, 80)
  }
  const tiny = Buffer.concat(Array.from({ length: 20_000 }, (_, n) => Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, n >> 8, n & 255])))
  assert.equal(await reasonFor(await putAndOpen(tiny)), 'too-many-members')
})

describe('streams that no engine makes are opened with a difference', () => {
  const piped =
    (command: string, ...args: string[]) =>
    (tar: Buffer) => {
      const done = spawnSync(command, args, { input: tar, maxBuffer: 2 ** 30 })
      assert.equal(done.status, 0, String(done.stderr))
      return done.stdout
    }
  const python = (program: string) => piped('python3', '-c', program)
  const encoders: Readonly<Record<string, (tar: Buffer) => Buffer>> = {
    gzip: piped('gzip', '-6'),
    'gzip in two members': (tar) =>
      Buffer.concat([piped('gzip', '-9')(tar.subarray(0, 300_000)), piped('gzip', '-6')(tar.subarray(300_000))]),
    "Python's, with memLevel 9": python(`import sys, zlib
c = zlib.compressobj(6, zlib.DEFLATED, 31, 9)
sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read()) + c.flush())`),
    'another memLevel': (tar) => gzipSync(tar, { level: 6, memLevel: 1 }),
    pigz: piped('pigz', '-6'),
  }
  for (const [name, encode] of Object.entries(encoders)) {
    const isThere = name !== 'pigz' || spawnSync('pigz', ['--version']).error === undefined
    test(name, { skip: isThere ? false : 'pigz is not installed' }, async () => {
      // each by itself: what is added is all of it
      const seed = 600 + Object.keys(encoders).indexOf(name) * 50
      const tar = tarOf(...Array.from({ length: 40 }, (_, n) => tarMember({ name: `d/${n}`, body: text(seed + n, 20_000 + n * 999) })))
      const bytes = encode(tar)
      const digest = await putAndOpen(bytes)
      const row = await opened(digest)
      assert.match(row?.engine ?? `${await reasonFor(digest)}`, /^difference/)
      assert.deepEqual(await read(host.store, digest), bytes)
      assert.deepEqual(await read(host.store, digest, bytes.length - 5000, 4000), bytes.subarray(-5000, -1000))
      const again = await putAndOpen(encode(tarOf(tar.subarray(0, -1024), tarMember({ name: 'new', body: text(seed, 5000) }))))
      const added = await opened(again)
      assert.ok(added !== null && added.storedBytes < bytes.length / 5, `${added?.storedBytes} of ${bytes.length}`)
    })
  }
})

test('an archive of 100,000 members', async () => {
  const members = Array.from({ length: 100_000 }, (_, n) => tarMember({ name: `many/${n}`, body: utf8(`file ${n}`) }))
  const tar = tarOf(...members)
  const digest = await putAndOpen(tar)
  assert.ok(await opened(digest), `${await reasonFor(digest)}`)
  const files = await host.store.layerFiles(digest)
  assert.ok(files)
  let count = 0
  for await (const entry of files) assert.equal(fromUtf8(entry.path), `many/${count++}`)
  assert.equal(count, 100_000)
  assert.deepEqual(await read(host.store, digest), tar)
})

test('what ends its process comes behind all others, and after five times is left', async () => {
  const [bad, good] = [await put(host.store, noise(801, 300_000)), await put(host.store, gzipSync(layer(12)))]
  await host.store.openSoon(bad.digest)
  await host.store.openSoon(good.digest)
  const { database } = host.db
  for (let time = 1; time <= 5; time++) {
    assert.equal((await nextDue(database, 0, 1))[0]?.digest, bad.digest)
    assert.ok((await begin(database, [bad.digest])).has(bad.digest))
    assert.equal((await nextDue(database, 0, 1))[0]?.digest, good.digest, `after ${time}`)
    await sql`update content_opening set due_at = now() - interval '1 hour' where digest = ${Buffer.from(bad.digest, 'hex')}`.execute(
      database.queries,
    )
  }
  assert.equal((await begin(database, [bad.digest])).size, 0)
  assert.equal(await reasonFor(bad.digest), 'unfinished')
  await host.store.openDue()
  assert.ok(await opened(good.digest))
  await host.store.openSoon(bad.digest)
  assert.ok((await begin(database, [bad.digest])).has(bad.digest))
  await giveBack(database, [bad.digest])
  assert.equal((await nextDue(database, 0, 1))[0]?.digest, bad.digest, 'stopped for no reason of its own, it is due at once')
})

test('a reader that leaves in the middle ends the work; the next one reads all', async () => {
  const bytes = gzipSync(layer(11))
  const digest = await putAndOpen(bytes)
  const open = await host.store.get(digest)
  assert.ok(open)
  for await (const piece of open.bytes) {
    assert.ok(piece.length > 0)
    break
  }
  assert.deepEqual(await read(host.store, digest), bytes)
})

test('a file in a layer and the same as content by itself are stored once', async () => {
  const large = text(500, 3_000_000)
  const alone = await put(host.store, large)
  const digest = await putAndOpen(gzipSync(tarOf(tarMember({ name: 'large', body: large }))))
  const row = await opened(digest)
  assert.ok(row !== null && row.storedBytes < alone.addedBytes / 50, `${row?.storedBytes} of ${alone.addedBytes}`)
})
