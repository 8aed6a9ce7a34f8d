// Frames in threads: sums, hashes that go on and branch, writes, and what a thread's end means.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { WorkerPool } from '../../base/index.ts'
import { TempFolder } from '../../../tests/support/git.ts'
import { noise } from '../../../tests/support/seeded.ts'
import { FrameLines } from './frame-lines.ts'
import { KeptHashes, RunningHashes } from './running-hashes.ts'

const folder = new TempFolder('frame-lines')
const pools: WorkerPool[] = []
after(async () => {
  for (const pool of pools) await pool.close()
  folder.remove()
})

function lines(): { readonly pool: WorkerPool; readonly lines: FrameLines } {
  const pool = new WorkerPool({ entry: new URL('./frame-worker.ts', import.meta.url), data: null, threads: 2 })
  pools.push(pool)
  return { pool, lines: new FrameLines(pool, 2) }
}

function shared(bytes: Uint8Array): Uint8Array {
  const memory = new Uint8Array(new SharedArrayBuffer(bytes.length))
  memory.set(bytes)
  return memory
}

const sha256 = (...parts: readonly Uint8Array[]): Buffer => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()

test('frames are summed and hashed in their order, and a copy goes its own way', async () => {
  const [a, b, c] = [noise(1, 300_000), noise(2, 70_000), noise(3, 1)]
  const hashes = RunningHashes.of(lines().lines, 'sha512')
  assert.equal(Buffer.from(await hashes.digest()).compare(sha256()), 0)
  const sums = await Promise.all([hashes.add(shared(a)), hashes.add(shared(b))])
  assert.deepEqual(sums, [crc32(a), crc32(b)])
  const copy = hashes.copy()
  await copy.add(shared(c))
  assert.deepEqual([hashes.sizeBytes, copy.sizeBytes], [370_000, 370_001])
  assert.deepEqual(Buffer.from(await hashes.digest()), sha256(a, b))
  assert.deepEqual(Buffer.from(await copy.digest()), sha256(a, b, c))
  const sha512 = createHash('sha512').update(a).update(b).digest()
  assert.equal(await hashes.is({ algorithm: 'sha512', digest: sha512 }), true)
  assert.equal(await copy.is({ algorithm: 'sha512', digest: sha512 }), false)
})

test('what is written stands where it belongs; a file that can’t be written says so, and its bytes count as hashed', async () => {
  const bytes = noise(4, 200_000)
  const hashes = RunningHashes.of(lines().lines, 'sha256')
  const path = folder.join('written')
  const fd = openSync(path, 'wx')
  await hashes.add(shared(bytes), { fd, position: 3 })
  closeSync(fd)
  assert.deepEqual(readFileSync(path), Buffer.concat([new Uint8Array(3), bytes]))
  const readOnly = openSync(path, 'r')
  await assert.rejects(hashes.add(shared(bytes), { fd: readOnly, position: 0 }), { code: 'EBADF' })
  closeSync(readOnly)
  assert.deepEqual(Buffer.from(await hashes.digest()), sha256(bytes, bytes))
})

test('hashes of a thread that has ended are lost, and known to be', async () => {
  const { pool, lines: ended } = lines()
  const kept = new KeptHashes(ended)
  const hashes = kept.find('an upload', 0, 'sha256') as RunningHashes
  await hashes.add(shared(noise(5, 10)))
  kept.keep('an upload', hashes)
  assert.notEqual(kept.find('an upload', 10, 'sha256'), null)
  assert.equal(kept.find('an upload', 9, 'sha256'), null)
  assert.equal(kept.find('an upload', 10, 'sha512'), null)
  const late = hashes.add(shared(noise(6, 1 << 20)))
  const refused = assert.rejects(
    (async () => {
      await late
      await hashes.digest()
    })(),
    { code: 'worker' },
  )
  await pool.close()
  await refused
  assert.equal(hashes.isLost, true)
  assert.equal(kept.find('an upload', 10, 'sha256'), null)
})

test('lines that are closed end when the frames under way are done; what comes later is refused', async () => {
  const { lines: closing } = lines()
  const bytes = noise(7, 1 << 20)
  const path = folder.join('under way')
  const fd = openSync(path, 'wx')
  const hashes = RunningHashes.of(closing, 'sha256')
  const sums = Promise.all([hashes.add(shared(bytes), { fd, position: 0 }), hashes.add(shared(bytes), { fd, position: bytes.length })])
  await closing.close()
  assert.deepEqual(await sums, [crc32(bytes), crc32(bytes)])
  closeSync(fd)
  assert.ok(readFileSync(path).equals(Buffer.concat([bytes, bytes])))
  const stopping = { code: 'worker', message: 'the server is stopping' }
  await assert.rejects(hashes.add(shared(bytes)), stopping)
  await assert.rejects(hashes.digest(), stopping)
  await assert.rejects(RunningHashes.of(closing, 'sha256').add(shared(bytes)), stopping)
  await closing.close()
})

test('hashes are begun in turn on lines that have as little to do', async () => {
  const { pool, lines: both } = lines()
  const busy = Promise.all([both.line().add(shared(noise(8, 1 << 20)), null, null), both.line().add(shared(noise(9, 1 << 20)), null, null)])
  assert.equal(pool.counts.threads, 2)
  await busy
  const [first, second, third] = [both.line(), both.line(), both.line()]
  assert.notEqual(first, second)
  assert.equal(first, third)
})
