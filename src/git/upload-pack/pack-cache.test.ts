// The pack cache: one making for many readers, each at its own pace; failures, cuts, bounds, and bytes that changed on the disk.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeSync, openSync, closeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { CorruptError, systemClock, systemRandomness, UnavailableError } from '../../base/index.ts'
import { answerFetch } from './fetch-answer.ts'
import type { FetchEvent } from './fetch.ts'
import type { AnswerEvent, PackSource } from './cached-pack.ts'
import { FrameBuffers } from './frame-buffers.ts'
import { PackCache } from './pack-cache.ts'
import { emptyRequest } from './request.ts'
import type { PackRegion } from './run-bytes.ts'

const folder = mkdtempSync(join(tmpdir(), 'stemma-pack-cache-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function newCache(limitBytes = 64 << 20): PackCache {
  return new PackCache({ folder, limitBytes, buffers: new FrameBuffers(), clock: systemClock, randomness: systemRandomness })
}

interface Maker {
  readonly source: () => PackSource
  starts: number
  stops: number
  /** Lets the next event out; without calls of it, all come at once. */
  readonly gate: { open: boolean; wake: (() => void)[] }
}

/** Work that makes these chunks and regions. */
function maker(events: readonly (FetchEvent | Error)[], options: { readonly waits?: boolean } = {}): Maker {
  const gate = { open: !options.waits, wake: [] as (() => void)[] }
  const made: Maker = { source: () => start(), starts: 0, stops: 0, gate }
  function start(): PackSource {
    const stopped = Promise.withResolvers<never>()
    stopped.promise.catch(() => {})
    let isStopped = false
    async function* run(): AsyncGenerator<FetchEvent, void, undefined> {
      made.starts++
      for (const event of events) {
        await turn()
        if (!gate.open) await Promise.race([stopped.promise, new Promise<void>((resolve) => gate.wake.push(resolve))])
        if (isStopped) throw new UnavailableError('worker', 'stopped')
        if (event instanceof Error) throw event
        yield event.type === 'chunk' ? { type: 'chunk', bytes: event.bytes.slice() } : event
      }
    }
    const stop = () => {
      if (isStopped) return
      isStopped = true
      made.stops++
      stopped.reject(new UnavailableError('worker', 'stopped'))
    }
    return { events: run(), stop, again: () => start() }
  }
  return made
}

function chunks(count: number, sizeBytes: number, seed = 1): FetchEvent[] {
  return Array.from({ length: count }, (_, i) => ({ type: 'chunk', bytes: new Uint8Array(sizeBytes).map((_, at) => at * seed + i) }))
}

/** Only the bytes of the pack. */
function packOf(events: readonly (FetchEvent | Error)[]): Buffer {
  return Buffer.concat(events.flatMap((event) => ('type' in event && event.type === 'chunk' ? [event.bytes] : [])))
}

function wanted(key: string, made: Maker, isStored = () => true) {
  return { key, format: 'sha1' as const, source: made.source(), isStored }
}

async function take(events: AsyncIterable<AnswerEvent>, each?: () => Promise<void>): Promise<{ pack: Buffer; trailer: Uint8Array | null }> {
  const parts: Uint8Array[] = []
  let trailer: Uint8Array | null = null
  for await (const event of events) {
    await each?.()
    if (event.type === 'chunk') parts.push(event.bytes.slice())
    if (event.type === 'trailer') trailer = event.bytes
  }
  return { pack: Buffer.concat(parts), trailer }
}

function sha1(...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha1')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const here = () => new AbortController()

test('many readers of one pack under way: it is made once, and each gets all of it', async () => {
  const cache = newCache()
  const made = maker(chunks(12, 100_000))
  const taken = await Promise.all(Array.from({ length: 32 }, () => take(cache.read(wanted('a', made), here().signal))))
  for (const { pack, trailer } of taken) {
    assert.ok(pack.equals(packOf(chunks(12, 100_000))))
    assert.deepEqual(trailer && Buffer.from(trailer), sha1(pack))
  }
  assert.equal(made.starts, 1)
  assert.deepEqual(cache.counts, { made: 1, hits: 0, shared: 31 })
  const later = await take(cache.read(wanted('a', made), here().signal))
  assert.ok(later.pack.equals(taken[0]?.pack as Buffer))
  assert.equal(made.starts, 1)
  assert.equal(cache.counts.hits, 1)
  cache.close()
})

test('another key is another pack', async () => {
  const cache = newCache()
  const one = await take(cache.read(wanted('network-1 k', maker(chunks(1, 10, 1))), here().signal))
  const other = await take(cache.read(wanted('network-2 k', maker(chunks(1, 10, 7))), here().signal))
  assert.ok(!one.pack.equals(other.pack))
  cache.close()
})

test('what was made of a network that objects have left is not found again; others are, and who reads it reads on', async () => {
  const cache = newCache()
  const made = maker(chunks(20, 100_000))
  const reader = cache.read(wanted('network-1 k', made), here().signal)
  await reader.next()
  const other = maker(chunks(1, 10, 7))
  await take(cache.read(wanted('network-2 k', other), here().signal))
  cache.forget('network-1')
  assert.equal((await take(reader)).pack.length, 2_000_000)
  await take(cache.read(wanted('network-1 k', made), here().signal))
  await take(cache.read(wanted('network-2 k', other), here().signal))
  assert.deepEqual([made.starts, other.starts], [2, 1])
  cache.close()
})

test('a reader that takes nothing holds up neither the work nor the others', async () => {
  const cache = newCache()
  const made = maker(chunks(20, 100_000))
  const slow = cache.read(wanted('a', made), here().signal)
  await slow.next()
  const quick = await take(cache.read(wanted('a', made), here().signal))
  assert.equal(quick.pack.length, 2_000_000)
  const rest = await take(slow)
  assert.ok(rest.pack.equals(quick.pack))
  assert.equal(made.starts, 1)
  cache.close()
})

test('when the first reader goes, the others go on', async () => {
  const cache = newCache()
  const made = maker(chunks(5, 1000), { waits: true })
  const first = here()
  const gone = take(cache.read(wanted('a', made), first.signal))
  const other = take(cache.read(wanted('a', made), here().signal))
  await turn()
  first.abort(new Error('gone'))
  await assert.rejects(gone, /gone/)
  made.gate.open = true
  for (const wake of made.gate.wake) wake()
  assert.equal((await other).pack.length, 5000)
  assert.equal(made.starts, 1)
  cache.close()
})

test('when the last reader goes, the work ends and nothing is kept', async () => {
  const cache = newCache()
  const made = maker(chunks(5, 1000), { waits: true })
  const readers = [here(), here()]
  const taken = readers.map(({ signal }) => take(cache.read(wanted('a', made), signal)))
  await turn()
  for (const reader of readers) reader.abort(new Error('gone'))
  await Promise.all(taken.map((each) => assert.rejects(each, /gone/)))
  assert.equal(cache.heldBytes, 0)
  assert.ok(made.stops >= 1)
  cache.close()
})

test('work that fails, fails all its readers, and the next request begins anew', async () => {
  const cache = newCache()
  const broken = maker([...chunks(3, 1000), new CorruptError('stored-pack', 'wrong')])
  const taken = [1, 2, 3].map(() => take(cache.read(wanted('a', broken), here().signal)))
  await Promise.all(taken.map((each) => assert.rejects(each, CorruptError)))
  assert.equal(broken.starts, 1)
  const again = await take(cache.read(wanted('a', maker(chunks(3, 1000))), here().signal))
  assert.equal(again.pack.length, 3000)
  cache.close()
})

test('a failure never looks like the end of a pack', async () => {
  const cache = newCache()
  const broken = maker([...chunks(3, 1000), new UnavailableError('worker', 'the worker thread ended')])
  const written: Uint8Array[] = []
  const events = async function* (): AsyncGenerator<AnswerEvent> {
    yield { type: 'preamble', bytes: Buffer.from('000dpackfile\n'), pack: true, key: 'k' }
    yield* cache.read(wanted('a', broken), here().signal)
  }
  const sink = { write: (bytes: Uint8Array) => void written.push(bytes.slice()) }
  const request = { ...emptyRequest(2), sideband: 65520 as const }
  const never = async function* (): AsyncGenerator<Uint8Array> {}
  await assert.rejects(answerFetch(events(), sink, { request, format: 'sha1', region: never }), UnavailableError)
  const answer = Buffer.concat(written).toString('latin1')
  // a bucket that doesn't answer is no corruption, and nobody is to look for one
  assert.ok(answer.includes('\x03the repository cannot be read at the moment; try again later'))
  assert.ok(!answer.endsWith('0000'))
  assert.ok(!answer.includes(sha1(packOf(chunks(3, 1000))).toString('latin1')))
  cache.close()
})

test('a pack that is too large is cut: the first reader goes on with the work, the others have it made again', async () => {
  const cache = newCache(1_000_000)
  const events = chunks(20, 100_000)
  const made = maker(events)
  const readers = [1, 2, 3].map(() => hashed(cache.read(wanted('a', made), here().signal)))
  const taken = await Promise.all(readers)
  for (const { pack, trailer } of taken) {
    assert.ok(pack.equals(packOf(events)))
    assert.deepEqual(trailer, sha1(pack))
  }
  assert.equal(made.starts, 3)
  assert.equal(cache.heldBytes, 0)
  await hashed(cache.read(wanted('a', made), here().signal))
  assert.equal(cache.counts.hits, 0)
  cache.close()
})

test('a reader that leaves at the cut does not take the work along: the next one goes on with it', async () => {
  const cache = newCache(1_000_000)
  const events = chunks(20, 100_000)
  const made = maker(events)
  const leaver = new AbortController()
  const leaving = async () => {
    for await (const event of cache.read(wanted('a', made), leaver.signal)) {
      if (event.type === 'hash' && event.state !== null) leaver.abort(new Error('the client closed the connection'))
    }
  }
  const staying = cache.read(wanted('a', made), here().signal)
  await Promise.all([assert.rejects(leaving(), /closed the connection/), staying.next()])
  const { pack, trailer } = await hashed(staying)
  assert.ok(pack.equals(packOf(events)))
  assert.deepEqual(trailer, sha1(pack))
  assert.equal(made.starts, 1)
  cache.close()
})

/** As an answer does: hashes when it is told to. */
async function hashed(events: AsyncIterable<AnswerEvent>): Promise<{ pack: Buffer; trailer: Buffer | undefined }> {
  const parts: Uint8Array[] = []
  let state: ReturnType<typeof createHash> | null = createHash('sha1')
  for await (const event of events) {
    if (event.type === 'hash') state = event.state
    if (event.type === 'trailer') return { pack: Buffer.concat(parts), trailer: Buffer.from(event.bytes) }
    if (event.type !== 'chunk') continue
    state?.update(event.bytes)
    parts.push(event.bytes.slice())
  }
  return { pack: Buffer.concat(parts), trailer: state?.digest() }
}

test('a pack that comes out differently when it is made again breaks the answer off', async () => {
  const cache = newCache(1_000_000)
  const made = maker(chunks(20, 100_000))
  const other = maker(chunks(20, 100_000, 3))
  const source = () => ({ ...made.source(), again: () => other.source() })
  const read = () => cache.read({ key: 'a', format: 'sha1', source: source(), isStored: () => true }, here().signal)
  const [first, second] = await Promise.allSettled([hashed(read()), hashed(read())])
  assert.equal(first?.status, 'fulfilled')
  assert.equal(second?.status, 'rejected')
  cache.close()
})

test('what is kept is bounded: the least recently used pack goes first', async () => {
  const cache = newCache(3_000_000)
  const makers = new Map(['a', 'b', 'c', 'd', 'e'].map((key) => [key, maker(chunks(8, 100_000))]))
  const read = async (key: string) => void (await take(cache.read(wanted(key, makers.get(key) as Maker), here().signal)))
  for (const key of ['a', 'b', 'c', 'a', 'd', 'e', 'a']) {
    await read(key)
    assert.ok(cache.heldBytes >= 800_000 && cache.heldBytes <= 3_000_000)
  }
  assert.equal(makers.get('a')?.starts, 1)
  await read('b')
  assert.equal(makers.get('b')?.starts, 2)
  cache.close()
  assert.equal(cache.heldBytes, 0)
})

test('a limit of 0 keeps and shares nothing', async () => {
  const cache = newCache(0)
  const made = maker(chunks(3, 1000))
  await Promise.all([1, 2].map(() => take(cache.read(wanted('a', made), here().signal))))
  assert.equal(made.starts, 2)
  assert.equal(cache.heldBytes, 0)
  cache.close()
})

test('from the first region on, a reader hashes for itself until one has told the trailer', async () => {
  const cache = newCache()
  const region = regionOf(7, 1000)
  const made = maker([...chunks(2, 500), { type: 'region', region, trailer: false }, ...chunks(1, 20)])
  const seen: AnswerEvent[] = []
  for await (const event of cache.read(wanted('a', made), here().signal)) {
    seen.push(event)
    if (event.type === 'hash' && event.state) {
      assert.deepEqual(event.state.copy().digest(), sha1(packOf(chunks(2, 500))))
      event.tell(Buffer.alloc(20, 9))
    }
  }
  assert.ok(seen.some((event) => event.type === 'hash' && event.state !== null))
  const later = []
  for await (const event of cache.read(wanted('a', made), here().signal)) later.push(event)
  assert.ok(!later.some((event) => event.type === 'hash' && event.state !== null))
  assert.deepEqual(later.at(-1), { type: 'trailer', bytes: Buffer.alloc(20, 9) })
  cache.close()
})

function regionOf(packId: number, sizeBytes: number): PackRegion {
  return { pack: 0, packId, offset: 12, sizeBytes, segments: { from: 12, ends: Float64Array.of(12 + sizeBytes), crcs: Uint32Array.of(0) } }
}

test('a pack that rests on a stored pack which is gone is made anew', async () => {
  const cache = newCache()
  const made = maker([...chunks(1, 10), { type: 'region', region: regionOf(7, 1000), trailer: false }])
  await take(cache.read(wanted('a', made), here().signal))
  await take(
    cache.read(
      wanted('a', made, () => true),
      here().signal,
    ),
  )
  assert.equal(made.starts, 1)
  await take(
    cache.read(
      wanted('a', made, () => false),
      here().signal,
    ),
  )
  assert.equal(made.starts, 2)
  cache.close()
})

test('a file of the cache that has changed raises the alarm, no trailer is sent, and the pack is made anew', async () => {
  const cache = newCache()
  const made = maker(chunks(10, 100_000))
  await take(cache.read(wanted('a', made), here().signal))
  overwriteUnnamed(500_000)
  const parts: AnswerEvent[] = []
  await assert.rejects(async () => {
    for await (const event of cache.read(wanted('a', made), here().signal)) parts.push(event)
  }, CorruptError)
  assert.ok(!parts.some((event) => event.type === 'trailer'))
  const again = await take(cache.read(wanted('a', made), here().signal))
  assert.ok(again.pack.equals(packOf(chunks(10, 100_000))))
  assert.equal(made.starts, 2)
  cache.close()
})

/** Changes a byte in the one file of the folder that is open and has no name. */
function overwriteUnnamed(at: number): void {
  const place = '/proc/self/fd'
  const found = readdirSync(place).filter((fd) => {
    try {
      return readlinkSync(join(place, fd)).startsWith(folder)
    } catch {
      return false // the listing's own descriptor
    }
  })
  assert.equal(found.length, 1)
  const file = openSync(join(place, found[0] as string), 'r+')
  writeSync(file, Buffer.from('x'), 0, 1, at)
  closeSync(file)
}

test('files of the cache have no name: nothing is left of a process that ends', async () => {
  const cache = newCache()
  await take(cache.read(wanted('a', maker(chunks(10, 100_000))), here().signal))
  assert.deepEqual(readdirSync(folder), [])
  cache.close()
})

test('where no file can be made, packs that need one are cut, and served all the same', async () => {
  const cache = new PackCache({
    folder: '/proc/no-such',
    limitBytes: 64 << 20,
    buffers: new FrameBuffers(),
    clock: systemClock,
    randomness: systemRandomness,
  })
  const made = maker(chunks(10, 100_000))
  const { pack } = await hashed(cache.read(wanted('a', made), here().signal))
  assert.ok(pack.equals(packOf(chunks(10, 100_000))))
  cache.close()
})
