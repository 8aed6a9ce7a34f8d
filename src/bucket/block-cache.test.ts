// Reads through blocks: right bytes from every layer, bounded memory and disk, one fetch however many wait, broken cache files repaired.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, truncate, unlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { assertSame, collect, freshKey } from '../../tests/support/bucket-suite.ts'
import { noise, Seeded } from '../../tests/support/seeded.ts'
import { type Clock, CorruptError, systemClock, systemRandomness, UnavailableError } from '../base/index.ts'
import { type BlockCacheOptions, type BlockReader, makeBlockReader } from './block-cache.ts'
import type { ByteRange, Key } from './bucket.ts'
import { DiskBlocks } from './disk-blocks.ts'
import { FilesystemBucket } from './filesystem.ts'
import { MemoryBucket } from './memory.ts'

const surroundings = { clock: systemClock, randomness: systemRandomness }
const kibibyte = 1024

/** Counts what runs at a time and can be told to fail. */
class WatchedBucket extends MemoryBucket {
  failures = 0
  override async get(key: Key, range: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
    await new Promise((done) => setTimeout(done, 2))
    if (this.failures > 0) {
      this.failures--
      throw new UnavailableError('bucket-unavailable', 'told to fail')
    }
    return super.get(key, range, signal)
  }
}

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stemma-block-cache-'))
})
after(async () => {
  await rm(folder, { recursive: true })
})

async function stored(sizeBytes: number): Promise<{ bucket: WatchedBucket; key: Key; bytes: Uint8Array }> {
  const bucket = new WatchedBucket(folder)
  const key = freshKey()
  const bytes = noise(sizeBytes, sizeBytes)
  await bucket.put(key, bytes)
  return { bucket, key, bytes }
}

function options(more: Partial<BlockCacheOptions> = {}): BlockCacheOptions {
  return { memoryBytes: 64 * kibibyte, disk: null, blockBytes: 4 * kibibyte, ...surroundings, ...more }
}

async function diskFolder(): Promise<string> {
  return mkdtemp(join(folder, 'disk-'))
}

async function filesOf(place: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(place, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) found.push(join(entry.parentPath, entry.name))
  }
  return found
}

describe('block cache over a far bucket', () => {
  test('random ranges, by read and by stream, are the value’s bytes', async () => {
    const { bucket, key, bytes } = await stored(333_333)
    const place = await diskFolder()
    const reader = makeBlockReader(bucket, options({ disk: { folder: place, bytes: 1 << 20 } }))
    const random = new Seeded(1)
    for (let at = 0; at < 300; at++) {
      const offset = random.below(bytes.length + 1)
      const sizeBytes = random.below(Math.min(20_000, bytes.length - offset + 1))
      assertSame(await reader.read(key, bytes.length, offset, sizeBytes), bytes.subarray(offset, offset + sizeBytes))
      if (at % 10 === 0) assertSame(await collect(reader.stream(key, offset, sizeBytes)), bytes.subarray(offset, offset + sizeBytes))
      assert.ok(reader.heldBytes <= 64 * kibibyte)
    }
    assert.ok(reader.counts.memory > 0 && reader.counts.disk > 0 && reader.counts.bucket > 0)
    await reader.close()
  })

  test('what is in memory is there at once, without a request', async () => {
    const { bucket, key, bytes } = await stored(10_000)
    const reader = makeBlockReader(bucket, options())
    assert.ok(reader.read(key, bytes.length, 0, 9000) instanceof Promise)
    await reader.read(key, bytes.length, 0, 9000)
    const gets = bucket.requests.gets
    const again = reader.read(key, bytes.length, 4000, 500)
    assert.ok(again instanceof Uint8Array)
    assertSame(again, bytes.subarray(4000, 4500))
    assert.equal(bucket.requests.gets, gets)
  })

  test('a block is fetched once, however many wait for it', async () => {
    const { bucket, key, bytes } = await stored(10_000)
    const reader = makeBlockReader(bucket, options())
    const reads = Array.from({ length: 50 }, async (_, at) => reader.read(key, bytes.length, at * 10, 3000))
    await Promise.all(reads)
    assert.equal(bucket.requests.gets, 1)
  })

  test('several missing blocks come with one request', async () => {
    const { bucket, key, bytes } = await stored(60_000)
    const reader = makeBlockReader(bucket, options())
    assertSame(await reader.read(key, bytes.length, 100, 40_000), bytes.subarray(100, 40_100))
    assert.equal(bucket.requests.gets, 1)
  })

  test('reads in order make the next blocks come ahead', async () => {
    const { bucket, key, bytes } = await stored(400_000)
    const reader = makeBlockReader(bucket, options({ memoryBytes: 1 << 20 }))
    let immediate = 0
    for (let offset = 0; offset + 1000 <= bytes.length; offset += 1000) {
      const got = reader.read(key, bytes.length, offset, 1000)
      if (got instanceof Uint8Array) immediate++
      assertSame(await got, bytes.subarray(offset, offset + 1000))
      if (offset % 4000 === 0) await new Promise((done) => setTimeout(done, 3))
    }
    assert.ok(bucket.requests.gets < 50, `${bucket.requests.gets} requests for 98 blocks`)
    assert.ok(immediate > 350, `${immediate} of 400 at once`)
  })

  test('a failed fetch fails those who wait, and is tried again by the next', async () => {
    const { bucket, key, bytes } = await stored(10_000)
    const reader = makeBlockReader(bucket, options())
    bucket.failures = 1
    const both = await Promise.allSettled([0, 5].map(async (offset) => reader.read(key, bytes.length, offset, 10)))
    assert.ok(both.every(({ status }) => status === 'rejected'))
    assertSame(await reader.read(key, bytes.length, 0, 10), bytes.subarray(0, 10))
  })

  test('past the end, a missing key, a value shorter than said', async () => {
    const { bucket, key, bytes } = await stored(10_000)
    const reader = makeBlockReader(bucket, options())
    assert.throws(() => reader.read(key, bytes.length, 9990, 11), { code: 'short' })
    assert.throws(() => reader.read(key, bytes.length, -1, 11), { code: 'bad-range' })
    await assert.rejects(async () => reader.read(freshKey(), 100, 0, 10), { code: 'missing-key' })
    await assert.rejects(async () => reader.read(key, 20_000, 9000, 10), { code: 'short' })
    await assert.rejects(collect(reader.stream(key, 0, 10_001)), { code: 'short' })
    await assert.rejects(collect(reader.stream(freshKey(), 0, 0)), { code: 'missing-key' })
  })

  test('streaming leaves the memory as it was', async () => {
    const { bucket, key, bytes } = await stored(10 << 20)
    const hot = noise(3, 40_000)
    const hotKey = freshKey()
    await bucket.put(hotKey, hot)
    const reader = makeBlockReader(bucket, options())
    await reader.read(hotKey, hot.length, 0, hot.length)
    const sizes: number[] = []
    for await (const piece of reader.stream(key, 0, bytes.length)) sizes.push(piece.length)
    assert.ok(sizes.slice(0, -1).every((sizeBytes) => sizeBytes >= 1 << 20 && sizeBytes <= 4 << 20))
    assert.ok(reader.read(hotKey, hot.length, 0, hot.length) instanceof Uint8Array)
  })

  test('many streams whose consumers are slow take little each beyond the first few', async () => {
    const { bucket, key, bytes } = await stored(12 << 20)
    const reader = makeBlockReader(bucket, options())
    const streams = Array.from({ length: 40 }, () => reader.stream(key, 0, bytes.length)[Symbol.asyncIterator]())
    const pieces = await Promise.all(streams.map(async (stream) => ((await stream.next()).value as Uint8Array).length))
    assert.ok(pieces.slice(16).every((sizeBytes) => sizeBytes === 1 << 20))
    await new Promise((done) => setTimeout(done, 20))
    assert.ok(bucket.requests.bytesOut <= 16 * (8 << 20) + 24 * (1 << 20))
    const rest: Uint8Array[] = [new Uint8Array(bytes.subarray(0, 1 << 20))]
    const [slow] = streams.slice(-1)
    for (let next = await slow?.next(); next && !next.done; next = await slow?.next()) rest.push(next.value)
    assertSame(Buffer.concat(rest), bytes)
    for (const stream of streams) await stream.return?.()
  })

  test('a stream that is left early stops', async () => {
    const { bucket, key, bytes } = await stored(40 << 20)
    const reader = makeBlockReader(bucket, options())
    for await (const _ of reader.stream(key, 0, bytes.length)) break
    await new Promise((done) => setTimeout(done, 50))
    assert.ok(bucket.requests.bytesOut <= 8 << 20)
  })
})

describe('the disk layer', () => {
  async function filled(): Promise<{ bucket: WatchedBucket; key: Key; bytes: Uint8Array; place: string; make: () => BlockReader }> {
    const { bucket, key, bytes } = await stored(50_000)
    const place = await diskFolder()
    const make = (): BlockReader => makeBlockReader(bucket, options({ disk: { folder: place, bytes: 1 << 20 } }))
    const reader = make()
    await reader.read(key, bytes.length, 0, bytes.length)
    await reader.close()
    return { bucket, key, bytes, place, make }
  }

  test('another reader of the folder needs no request', async () => {
    const { bucket, key, bytes, make } = await filled()
    const gets = bucket.requests.gets
    const reader = make()
    assertSame(await reader.read(key, bytes.length, 1, bytes.length - 1), bytes.subarray(1))
    assert.equal(bucket.requests.gets, gets)
    await reader.close()
  })

  test('what a stream fetched is kept for the next one, and for reads', async () => {
    const { bucket, key, bytes } = await stored((9 << 20) + 777)
    const disk = { folder: await diskFolder(), bytes: 64 << 20 }
    const reader = makeBlockReader(bucket, options({ disk, blockBytes: 256 * kibibyte }))
    assertSame(await collect(reader.stream(key, 0, bytes.length)), bytes)
    await reader.close()
    const gets = bucket.requests.gets
    const other = makeBlockReader(bucket, options({ disk, blockBytes: 256 * kibibyte }))
    assertSame(await collect(other.stream(key, 0, bytes.length)), bytes)
    for (const [offset = 0, sizeBytes = 0] of [
      [0, 100],
      [3_000_000, 2_000_000],
      [(1 << 20) - 5, 10],
    ]) {
      assertSame(await other.read(key, bytes.length, offset, sizeBytes), bytes.subarray(offset, offset + sizeBytes))
    }
    assert.equal(bucket.requests.gets, gets)
    for (const file of (await filesOf(disk.folder)).slice(0, 4)) await unlink(file)
    assertSame(await collect(other.stream(key, 0, bytes.length)), bytes)
    assertSame(await collect(other.stream(key, 1000, bytes.length - 2000)), bytes.subarray(1000, -1000))
    await other.close()
  })

  const damages: [string, (path: string) => Promise<void>][] = [
    ['cut', (path) => truncate(path, 1000)],
    ['empty', (path) => truncate(path, 0)],
    ['longer', async (path) => writeFile(path, Buffer.concat([await readFile(path), Buffer.from('x')]))],
    [
      'flipped',
      async (path) => {
        const bytes = await readFile(path)
        bytes[100] = (bytes[100] ?? 0) ^ 1
        await writeFile(path, bytes)
      },
    ],
    ['vanished', (path) => unlink(path)],
  ]
  for (const [what, damage] of damages) {
    test(`a file that is ${what} is fetched again and repaired`, async () => {
      const { bucket, key, bytes, place, make } = await filled()
      for (const path of await filesOf(place)) await damage(path)
      const gets = bucket.requests.gets
      for (const round of ['repairs', 'finds it repaired']) {
        const reader = make()
        assertSame(await reader.read(key, bytes.length, 0, bytes.length), bytes)
        await reader.close()
        assert.equal(bucket.requests.gets - gets, 1, round)
      }
    })
  }

  test('a file under another name is not believed', async () => {
    const { bucket, key, bytes, place, make } = await filled()
    const files = await filesOf(place)
    const contents = await Promise.all(files.map((path) => readFile(path)))
    for (const [at, path] of files.entries()) await writeFile(path, contents[(at + 1) % files.length] ?? '')
    const gets = bucket.requests.gets
    const reader = make()
    assertSame(await reader.read(key, bytes.length, 0, bytes.length), bytes)
    assert.ok(bucket.requests.gets > gets)
    await reader.close()
  })

  test('a folder that can’t be made costs nothing but speed', async () => {
    const { bucket, key, bytes } = await stored(10_000)
    const file = join(await diskFolder(), 'file')
    await writeFile(file, 'x')
    const reader = makeBlockReader(bucket, options({ disk: { folder: file, bytes: 1 << 20 } }))
    assertSame(await reader.read(key, bytes.length, 0, 10_000), bytes)
    await reader.close()
  })

  test('the longest unused files go first, and the limit holds', async () => {
    const place = await diskFolder()
    let now = systemClock.now() - 3600_000
    const clock: Clock = { now: () => now, monotonic: () => now }
    const limitBytes = 40 * 4112
    const blocks = new DiskBlocks(place, limitBytes, clock, systemRandomness)
    for (let at = 0; at < 30; at++) {
      blocks.set(`old ${at}`, noise(at, 4096))
      await blocks.settled()
    }
    for (const path of await filesOf(place)) await utimes(path, now / 1000, now / 1000)
    now = systemClock.now()
    for (let at = 0; at < 10; at++) assert.ok(await blocks.get(`old ${at}`), 'used: its time is noted')
    for (let at = 0; at < 20; at++) {
      blocks.set(`new ${at}`, noise(at, 4096))
      await blocks.settled()
    }
    const sizes = await Promise.all((await filesOf(place)).map(async (path) => (await stat(path)).size))
    assert.ok(sizes.reduce((sum, sizeBytes) => sum + sizeBytes, 0) <= limitBytes * 1.05)
    for (let at = 0; at < 10; at++) assert.ok(await blocks.get(`old ${at}`), `old ${at} was used`)
    for (let at = 0; at < 20; at++) assert.ok(await blocks.get(`new ${at}`), `new ${at}`)
    await blocks.close()
  })

  test('several readers share one folder that is too small for them', async () => {
    const { bucket, key, bytes } = await stored(500_000)
    const place = await diskFolder()
    const disk = { folder: place, bytes: 100_000 }
    const readers = [1, 2, 3].map(() => makeBlockReader(bucket, options({ disk, memoryBytes: 8192 })))
    const work = async (reader: BlockReader, seed: number): Promise<void> => {
      const random = new Seeded(seed)
      for (let at = 0; at < 200; at++) {
        const offset = random.below(bytes.length - 5000)
        assertSame(await reader.read(key, bytes.length, offset, 5000), bytes.subarray(offset, offset + 5000))
      }
    }
    await Promise.all(readers.map(work))
    await Promise.all(readers.map((reader) => reader.close()))
    const sizes = await Promise.all((await filesOf(place)).map(async (path) => (await stat(path)).size))
    assert.ok(sizes.reduce((sum, sizeBytes) => sum + sizeBytes, 0) <= 100_000 * 1.2)
  })
})

describe('block cache over a near bucket', () => {
  test('every read is immediate and right; memory stays bounded; nothing goes to the disk', async () => {
    const bucket = new FilesystemBucket(await diskFolder(), systemClock, systemRandomness)
    await bucket.prepare()
    const bytes = noise(9, 1_000_000)
    const key = freshKey()
    await bucket.put(key, bytes)
    const place = await diskFolder()
    const reader = makeBlockReader(bucket, options({ disk: { folder: place, bytes: 1 << 20 }, memoryBytes: 32 * kibibyte }))
    const random = new Seeded(2)
    for (let at = 0; at < 2000; at++) {
      const offset = random.below(bytes.length + 1)
      const sizeBytes = random.below(Math.min(20_000, bytes.length - offset + 1))
      const got = reader.read(key, bytes.length, offset, sizeBytes)
      assert.ok(got instanceof Uint8Array)
      assertSame(got, bytes.subarray(offset, offset + sizeBytes))
      assert.ok(reader.heldBytes <= 32 * kibibyte)
    }
    assertSame(await collect(reader.stream(key, 5, bytes.length - 5)), bytes.subarray(5))
    assert.throws(() => reader.read(freshKey(), 10, 0, 10), CorruptError)
    assert.deepEqual(await readdir(place), [])
    await reader.close()
    await bucket.close()
  })
})
