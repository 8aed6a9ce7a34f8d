// What every bucket promises (src/bucket/bucket.ts), as tests. Run by the memory twin, the filesystem bucket and a real S3 server.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { appendFile, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { concatBytes, CorruptError, UnavailableError } from '../../src/base/index.ts'
import { type Bucket, type ByteRange, type Key, parseKey } from '../../src/bucket/index.ts'
import { noise } from './seeded.ts'

export interface BucketUnderTest {
  readonly bucket: Bucket
  /** Keys with an upload that was begun and neither finished nor removed. */
  unfinished(): Promise<readonly string[]>
  /** Cuts the stored value to that size, behind the bucket's back. */
  cut(key: Key, sizeBytes: number): Promise<void>
  dispose(): Promise<void>
}

const isMissing = (error: unknown): boolean => error instanceof CorruptError && error.code === 'missing-key'
const isShort = (error: unknown): boolean => error instanceof CorruptError && error.code === 'short'
const isAborted = (error: unknown): boolean => error instanceof UnavailableError && error.code === 'aborted'
const mebibyte = 1 << 20

export function bucketSuite(name: string, make: () => Promise<BucketUnderTest>): void {
  describe(`bucket: ${name}`, () => {
    let made: BucketUnderTest
    before(async () => {
      made = await make()
    })
    after(async () => {
      await made.dispose()
    })
    const subject = (): BucketUnderTest => made
    valueTests(subject)
    rangeTests(subject)
    uploadTests(subject)
    endingTests(subject)
    concurrencyTests(subject)
  })
}

type Subject = () => BucketUnderTest

function valueTests(subject: Subject): void {
  test('a value is read back as it was written, whatever its size', async () => {
    const { bucket } = subject()
    const part = bucket.partSizeBytes
    for (const sizeBytes of [0, 1, 4095, 4096, 65_537, mebibyte, part - 1, part, part + 1]) {
      const bytes = noise(sizeBytes, sizeBytes)
      const key = freshKey()
      await bucket.put(key, bytes)
      assert.deepEqual(await bucket.head(key), { sizeBytes })
      assertSame(await bucket.get(key, { offset: 0, sizeBytes }), bytes)
      assertSame(await collect(bucket.stream(key, { offset: 0, sizeBytes })), bytes)
    }
  })

  test('the caller keeps its bytes and gets its own', async () => {
    const { bucket } = subject()
    const bytes = noise(1, 1000)
    const key = freshKey()
    await bucket.put(key, bytes)
    bytes.fill(0)
    const range = { offset: 0, sizeBytes: 1000 }
    const first = await bucket.get(key, range)
    assertSame(first, noise(1, 1000))
    first.fill(1)
    assertSame(await bucket.get(key, range), noise(1, 1000))
  })

  test('head of a missing key is null; reading it is CorruptError missing-key', async () => {
    const { bucket } = subject()
    const key = freshKey()
    assert.equal(await bucket.head(key), null)
    for (const range of [
      { offset: 0, sizeBytes: 10 },
      { offset: 0, sizeBytes: 0 },
    ]) {
      await assert.rejects(bucket.get(key, range), isMissing)
      await assert.rejects(collect(bucket.stream(key, range)), isMissing)
      if (bucket.readNow !== undefined) assert.throws(() => bucket.readNow?.(key, range), isMissing)
      if (bucket.openValue !== undefined) await assert.rejects(bucket.openValue(key), isMissing)
    }
  })

  test('a deleted key is gone; deleting it again is no error', async () => {
    const { bucket } = subject()
    const key = freshKey()
    await bucket.put(key, noise(1, 10))
    await bucket.delete(key)
    assert.equal(await bucket.head(key), null)
    await bucket.delete(key)
    await assert.rejects(bucket.get(key, { offset: 0, sizeBytes: 10 }), isMissing)
  })

  test('list gives the keys below a prefix with their sizes, and no others', async () => {
    const { bucket } = subject()
    const root = `test/${randomUUID()}`
    for (let at = 0; at < 25; at++) await bucket.put(parseKey(`${root}/a/${at}`), noise(at, at))
    await bucket.put(parseKey(`${root}/b/0`), noise(1, 1))
    const found: [string, number][] = []
    for await (const { key, sizeBytes } of bucket.list(`${root}/a/`)) found.push([key, sizeBytes])
    assert.deepEqual(found.sort(), Array.from({ length: 25 }, (_, at) => [`${root}/a/${at}`, at]).sort())
    for await (const { key } of bucket.list(`${root}/none/`)) assert.fail(key)
  })

  test('no name leaves the bucket', async () => {
    const { bucket } = subject()
    for (const name of ['../x', 'a/../x', '/etc/passwd', 'a//b', 'a/./b', '.x', 'tmp/x', '', 'a/', 'a\\b', 'a\0b', 'ä', 'x'.repeat(513)]) {
      assert.throws(() => parseKey(name), CorruptError, name)
      await assert.rejects(bucket.put(name as Key, noise(1, 1)), CorruptError, name)
      await assert.rejects(bucket.get(name as Key, { offset: 0, sizeBytes: 1 }), CorruptError, name)
      await assert.rejects(bucket.delete(name as Key), CorruptError, name)
    }
  })

  test('probe succeeds, requests are counted', async () => {
    const { bucket } = subject()
    await bucket.probe()
    const before = { ...bucket.requests }
    const key = freshKey()
    await bucket.put(key, noise(1, 100))
    await bucket.get(key, { offset: 10, sizeBytes: 50 })
    assert.equal(bucket.requests.puts - before.puts, 1)
    assert.equal(bucket.requests.gets - before.gets, 1)
    assert.equal(bucket.requests.bytesIn - before.bytesIn, 100)
    assert.equal(bucket.requests.bytesOut - before.bytesOut, 50)
  })
}

function rangeTests(subject: Subject): void {
  test('any range is read exactly', async () => {
    const { bucket } = subject()
    const bytes = noise(7, 9 * mebibyte + 77)
    const key = freshKey()
    await bucket.put(key, bytes)
    const ranges = [
      [0, 1],
      [0, 0],
      [bytes.length, 0],
      [bytes.length - 1, 1],
      [1, 4096],
      [4 * mebibyte - 1, 2],
      [12_345, 5_000_000],
    ]
    for (const [offset = 0, sizeBytes = 0] of ranges) {
      const range = { offset, sizeBytes }
      const expected = bytes.subarray(offset, offset + sizeBytes)
      assertSame(await bucket.get(key, range), expected)
      assertSame(await collect(bucket.stream(key, range)), expected)
      if (bucket.readNow !== undefined) assertSame(bucket.readNow(key, range), expected)
    }
    const value = await bucket.openValue?.(key)
    if (value === undefined) return
    const targets = [1, 4096, 100_000].map((sizeBytes) => new Uint8Array(sizeBytes))
    await value.read(targets, 777)
    assertSame(Buffer.concat(targets), bytes.subarray(777, 777 + 104_097))
    await assert.rejects(value.read(targets, bytes.length - 5000), isShort)
    await value.close()
  })

  test('a range past the end is CorruptError short, a senseless one bad-range', async () => {
    const { bucket } = subject()
    const key = freshKey()
    await bucket.put(key, noise(1, 1000))
    const past: ByteRange[] = [
      { offset: 0, sizeBytes: 1001 },
      { offset: 1000, sizeBytes: 1 },
      { offset: 5000, sizeBytes: 10 },
    ]
    for (const range of past) {
      await assert.rejects(bucket.get(key, range), isShort)
      await assert.rejects(collect(bucket.stream(key, range)), isShort)
      if (bucket.readNow !== undefined) assert.throws(() => bucket.readNow?.(key, range), isShort)
    }
    await assert.rejects(bucket.get(key, { offset: 1001, sizeBytes: 0 }), isShort)
    for (const range of [
      { offset: -1, sizeBytes: 1 },
      { offset: 0, sizeBytes: -1 },
      { offset: 0.5, sizeBytes: 1 },
      { offset: 0, sizeBytes: NaN },
    ]) {
      await assert.rejects(bucket.get(key, range), { code: 'bad-range' })
      await assert.rejects(collect(bucket.stream(key, range)), { code: 'bad-range' })
    }
  })

  test('a stored value that was cut is CorruptError short', async () => {
    const { bucket } = subject()
    const key = freshKey()
    await bucket.put(key, noise(1, 3 * mebibyte))
    await subject().cut(key, 2 * mebibyte + 5)
    const range = { offset: 0, sizeBytes: 3 * mebibyte }
    await assert.rejects(bucket.get(key, range), isShort)
    await assert.rejects(collect(bucket.stream(key, range)), isShort)
  })

  test('a stream reads no further ahead than its bound, and stops when its reader leaves', async () => {
    const { bucket } = subject()
    const sizeBytes = 40 * mebibyte
    const key = freshKey()
    await bucket.put(key, noise(3, sizeBytes))
    const before = bucket.requests.bytesOut
    let chunkBytes = 0
    for await (const chunk of bucket.stream(key, { offset: 0, sizeBytes })) {
      chunkBytes = chunk.length
      assert.ok(chunkBytes <= 4 * mebibyte)
      await new Promise((done) => setTimeout(done, 200))
      break
    }
    if (bucket.kind !== 'memory') assert.ok(bucket.requests.bytesOut - before <= 3 * chunkBytes)
  })
}

function uploadTests(subject: Subject): void {
  test('uploadFile: sizes around the size of a part; one PUT up to it; the file is gone afterwards', async () => {
    const { bucket } = subject()
    const part = bucket.partSizeBytes
    for (const sizeBytes of [0, 1, 300_000, part - 1, part, part + 1, 2 * part, 2 * part + 1]) {
      const bytes = noise(sizeBytes + 1, sizeBytes)
      const path = await spool(bucket, bytes)
      const key = freshKey()
      const before = bucket.requests.puts
      const upload = bucket.uploadFile(key, path)
      upload.advance(sizeBytes)
      await upload.complete(sizeBytes)
      if (sizeBytes <= part) assert.equal(bucket.requests.puts - before, 1)
      assert.deepEqual(await bucket.head(key), { sizeBytes })
      assertSame(await collect(bucket.stream(key, { offset: 0, sizeBytes })), bytes)
      assert.equal(existsSync(path), false)
    }
  })

  test('uploadFile: 40 MiB that grow, whose head changes before complete', async () => {
    const { bucket } = subject()
    const bytes = noise(40, 40 * mebibyte + 123)
    const path = await spool(bucket, new Uint8Array())
    const key = freshKey()
    const upload = bucket.uploadFile(key, path)
    for (let at = 0; at < bytes.length; at += 3 * mebibyte) {
      await appendFile(path, bytes.subarray(at, at + 3 * mebibyte))
      upload.advance(Math.min(at + 3 * mebibyte, bytes.length))
      await new Promise((done) => setTimeout(done, 5))
    }
    const head = noise(41, 12)
    bytes.set(head)
    const file = await open(path, 'r+')
    await file.write(head, 0, 12, 0)
    await file.close()
    await upload.complete(bytes.length)
    assertSame(await collect(bucket.stream(key, { offset: 0, sizeBytes: bytes.length })), bytes)
    assert.equal(existsSync(path), false)
    assert.deepEqual(await subject().unfinished(), [])
  })

  test('uploadFile: nothing is visible before complete; abort leaves nothing', async () => {
    const { bucket } = subject()
    const bytes = noise(5, 3 * bucket.partSizeBytes)
    const path = await spool(bucket, bytes)
    const key = freshKey()
    const upload = bucket.uploadFile(key, path)
    upload.advance(bytes.length)
    await new Promise((done) => setTimeout(done, 30))
    assert.equal(await bucket.head(key), null)
    await upload.abort()
    await upload.abort()
    assert.equal(await bucket.head(key), null)
    assert.equal(existsSync(path), false)
    assert.deepEqual(await subject().unfinished(), [])
    await assert.rejects(upload.complete(bytes.length), isAborted)
  })

  test('uploadFile: a file shorter than was said is CorruptError short and leaves nothing', async () => {
    const { bucket } = subject()
    for (const sizeBytes of [1000, 2 * bucket.partSizeBytes]) {
      const path = await spool(bucket, noise(6, sizeBytes))
      const key = freshKey()
      const upload = bucket.uploadFile(key, path)
      await assert.rejects(upload.complete(sizeBytes + 10), isShort)
      await upload.abort()
      assert.equal(await bucket.head(key), null)
      assert.equal(existsSync(path), false)
      assert.deepEqual(await subject().unfinished(), [])
    }
  })

  test('delete removes an upload that its process left unfinished', async () => {
    const { bucket } = subject()
    const path = await spool(bucket, noise(8, 3 * bucket.partSizeBytes))
    const key = freshKey()
    const upload = bucket.uploadFile(key, path)
    upload.advance(3 * bucket.partSizeBytes)
    for (let at = 0; at < 100 && (await subject().unfinished()).length === 0 && bucket.kind !== 'filesystem'; at++) {
      await new Promise((done) => setTimeout(done, 20))
    }
    await bucket.delete(key)
    assert.deepEqual(await subject().unfinished(), [])
    await upload.abort()
  })
}

function endingTests(subject: Subject): void {
  test('a signal ends every call with UnavailableError aborted', async () => {
    const { bucket } = subject()
    const key = freshKey()
    const range = { offset: 0, sizeBytes: 5 * mebibyte }
    await bucket.put(key, noise(1, range.sizeBytes))
    const signal = AbortSignal.abort(new Error('enough'))
    const other = freshKey()
    await assert.rejects(bucket.put(other, noise(1, 10), signal), isAborted)
    await assert.rejects(bucket.get(key, range, signal), isAborted)
    await assert.rejects(collect(bucket.stream(key, range, signal)), isAborted)
    await assert.rejects(bucket.head(key, signal), isAborted)
    await assert.rejects(bucket.delete(key, signal), isAborted)
    await assert.rejects(bucket.probe(signal), isAborted)
    const path = await spool(bucket, noise(1, 1000))
    await assert.rejects(bucket.uploadFile(other, path).complete(1000, signal), isAborted)
    assert.equal(existsSync(path), false)
    assert.equal(await bucket.head(other), null)
    assert.deepEqual(await bucket.head(key), { sizeBytes: range.sizeBytes })
  })

  test('a stream that is under way ends by its signal', async () => {
    const { bucket } = subject()
    const key = freshKey()
    const range = { offset: 0, sizeBytes: 20 * mebibyte }
    await bucket.put(key, noise(1, range.sizeBytes))
    const stop = new AbortController()
    const reading = async (): Promise<void> => {
      for await (const chunk of bucket.stream(key, range, stop.signal)) {
        assert.ok(chunk.length > 0)
        stop.abort()
      }
    }
    await assert.rejects(reading(), isAborted)
  })
}

function concurrencyTests(subject: Subject): void {
  test('many calls at a time', async () => {
    const { bucket } = subject()
    const one = async (at: number): Promise<void> => {
      const bytes = noise(at, 1 + ((at * 7919) % 200_000))
      const key = freshKey()
      if (at % 3 === 0) await bucket.uploadFile(key, await spool(bucket, bytes)).complete(bytes.length)
      else await bucket.put(key, bytes)
      const range = { offset: 0, sizeBytes: bytes.length }
      const [got, streamed] = await Promise.all([bucket.get(key, range), collect(bucket.stream(key, range))])
      assertSame(got, bytes)
      assertSame(streamed, bytes)
      if (at % 2 === 0) await bucket.delete(key)
      assert.equal((await bucket.head(key)) === null, at % 2 === 0)
    }
    await Promise.all(Array.from({ length: 60 }, (_, at) => one(at)))
  })

  test('several large uploads at a time', async () => {
    const { bucket } = subject()
    const sizeBytes = 2 * bucket.partSizeBytes + 999
    const one = async (at: number): Promise<void> => {
      const bytes = noise(at + 100, sizeBytes)
      const key = freshKey()
      const upload = bucket.uploadFile(key, await spool(bucket, bytes))
      upload.advance(sizeBytes)
      await upload.complete(sizeBytes)
      assertSame(await collect(bucket.stream(key, { offset: 0, sizeBytes })), bytes)
    }
    await Promise.all([0, 1, 2, 3].map(one))
  })
}

export function freshKey(): Key {
  return parseKey(`test/${randomUUID()}`)
}

export async function spool(bucket: Bucket, bytes: Uint8Array): Promise<string> {
  const path = join(bucket.spoolFolder, randomUUID())
  await writeFile(path, bytes)
  return path
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk.slice())
  return concatBytes(chunks)
}

/** As deepEqual, without printing megabytes. */
export function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length, 'size')
  assert.equal(Buffer.compare(actual, expected), 0, 'bytes differ')
}
