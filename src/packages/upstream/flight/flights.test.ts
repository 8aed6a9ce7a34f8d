import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeLog, systemRandomness, UnavailableError } from '../../../base/index.ts'
import { seededBytes } from '../../../../tests/support/random.ts'
import { until } from '../../../../tests/support/until.ts'
import type { OpenBody, Outcome } from '../client/connection.ts'
import { type Departure, Flights } from './flights.ts'

let folder: string
let flights: Flights
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flights-'))
  flights = new Flights({ folder: join(folder, 'spool'), randomness: systemRandomness, log: makeLog('silent'), places: 16 })
})
after(async () => await rm(folder, { recursive: true }))

const all = { from: 0, to: null, isClient: true }
const digestOf = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** An upstream whose bytes come when the test says. */
function upstream(bytes: Uint8Array, { digest = digestOf(bytes), sizeBytes = bytes.length as number | null, ranges = true } = {}) {
  const state = { opened: [] as number[], stored: null as Uint8Array | null, aborted: false }
  let given = 0
  let broken = false
  let wake = Promise.withResolvers<void>()
  const move = () => {
    wake.resolve()
    wake = Promise.withResolvers<void>()
  }
  async function* body(from: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const abort = () => ((state.aborted = true), move())
    signal.addEventListener('abort', abort, { once: true })
    for (let at = from; at < bytes.length; ) {
      signal.throwIfAborted()
      if (broken) {
        broken = false
        throw new UnavailableError('outbound-unreachable', 'cut')
      }
      const end = Math.min(given, at + 1000)
      if (at < end) {
        yield bytes.subarray(at, end)
        at = end
      } else await wake.promise
    }
  }
  const departure = (): Departure => ({
    of: 'test',
    digest,
    sizeBytes: null,
    limitBytes: 10 << 20,
    retryMs: 1,
    open: async (asked, signal): Promise<Outcome<OpenBody>> => {
      state.opened.push(asked)
      const from = ranges ? asked : 0
      return { kind: 'found', value: { sizeBytes, from, body: body(from, signal) } }
    },
    store: async (pieces) => {
      const came = await collected(pieces)
      state.stored = came
    },
  })
  return {
    state,
    departure,
    give: (count: number) => ((given = Math.max(given, count)), move()),
    cut: () => ((broken = true), move()),
  }
}

async function collected(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const piece of pieces) parts.push(Buffer.from(piece))
  return Buffer.concat(parts)
}

const over = (key: string) => until(`${key} is over`, () => !flights.isFlying(key))

test('many who want a blob at once, and in the middle, read one fetch', async () => {
  const bytes = seededBytes(1, 300_000)
  const source = upstream(bytes)
  const joined = await Promise.all(Array.from({ length: 20 }, () => flights.join('a', all, source.departure)))
  const early = joined.map(({ reader }) => collected(reader))
  source.give(150_000)
  await until('the upstream has answered', () => joined[0]?.flight.sizeBytes === bytes.length)
  const late = await flights.join('a', all, () => assert.fail('a second flight'))
  const range = await flights.join('a', { from: 1000, to: 2000, isClient: true }, () => assert.fail('a second flight'))
  source.give(bytes.length)
  for (const came of [...early, collected(late.reader)]) assert.deepEqual(Buffer.from(await came), Buffer.from(bytes))
  assert.deepEqual(Buffer.from(await collected(range.reader)), Buffer.from(bytes.subarray(1000, 2000)))
  await over('a')
  assert.deepEqual(source.state.opened, [0])
  assert.deepEqual(Buffer.from(source.state.stored ?? []), Buffer.from(bytes))
  assert.deepEqual(await readdir(join(folder, 'spool')), [])
})

test('wrong bytes come to no good end: not whole, not as a range, and nothing is stored', async () => {
  const bytes = seededBytes(2, 50_000)
  const source = upstream(bytes, { digest: digestOf(seededBytes(3, 50_000)) })
  const whole = await flights.join('b', all, source.departure)
  const range = await flights.join('b', { from: 100, to: 200, isClient: true }, source.departure)
  source.give(bytes.length)
  let count = 0
  await assert.rejects(
    async () => {
      for await (const piece of whole.reader) count += piece.length
    },
    { code: 'upstream-file', message: /have the digest/ },
  )
  assert.ok(count < bytes.length, `${count} bytes came`)
  await assert.rejects(collected(range.reader), { code: 'upstream-file' })
  await over('b')
  assert.equal(source.state.stored, null)
  const good = upstream(bytes)
  good.give(bytes.length)
  const again = await flights.join('b', all, good.departure)
  assert.equal((await collected(again.reader)).length, bytes.length)
})

test('a size that differs from what a manifest or the upstream said is wrong', async () => {
  const bytes = seededBytes(4, 5000)
  for (const sizeBytes of [4999, 5001]) {
    const source = upstream(bytes)
    source.give(bytes.length)
    const { flight, reader } = await flights.join(`c${sizeBytes}`, all, () => ({ ...source.departure(), sizeBytes }))
    await assert.rejects(collected(reader), { code: 'upstream-file' })
    assert.equal((await flight.begun).kind, 'failed')
  }
  const silent = upstream(bytes, { sizeBytes: null })
  silent.give(bytes.length)
  const short = await flights.join('c', all, () => ({ ...silent.departure(), sizeBytes: 4000 }))
  await assert.rejects(collected(short.reader), { code: 'upstream-file', message: /more than 4000/ })
  await over('c')
})

test('a connection that breaks is taken up where it broke, with ranges or without', async () => {
  const bytes = seededBytes(5, 40_000)
  for (const ranges of [true, false]) {
    const source = upstream(bytes, { ranges })
    const { reader } = await flights.join(`d${ranges}`, all, source.departure)
    const came = collected(reader)
    source.give(20_000)
    await until('try 1', () => source.state.opened.length === 1)
    source.cut()
    await until('try 2', () => source.state.opened.length === 2)
    source.give(bytes.length)
    assert.deepEqual(Buffer.from(await came), Buffer.from(bytes))
    assert.equal(source.state.opened.length, 2)
  }
})

test('who leaves harms nobody; when all have left, little is fetched to its end and much is not', async () => {
  const bytes = seededBytes(6, 50_000)
  const source = upstream(bytes)
  const first = await flights.join('e', all, source.departure)
  const second = await flights.join('e', all, source.departure)
  source.give(10_000)
  await first.reader.next()
  await first.reader.return()
  source.give(bytes.length)
  assert.equal((await collected(second.reader)).length, bytes.length)
  await over('e')

  const small = upstream(bytes)
  const only = await flights.join('f', all, small.departure)
  await only.reader.return()
  small.give(bytes.length)
  await over('f')
  assert.equal(small.state.stored?.length, bytes.length)

  const large = upstream(bytes, { sizeBytes: 100 << 20 })
  const lonely = await flights.join('g', all, () => ({ ...large.departure(), limitBytes: 200 << 20 }))
  const waiting = lonely.reader.next().then(() => lonely.reader.next())
  large.give(1000)
  await lonely.flight.begun
  await lonely.reader.return() // though it waits for more
  await waiting
  await over('g')
  assert.equal(large.state.aborted, true)
  assert.equal(large.state.stored, null)
})

test('an empty blob, and an upstream that has none', async () => {
  const empty = upstream(new Uint8Array())
  const { reader } = await flights.join('h', all, empty.departure)
  assert.equal((await collected(reader)).length, 0)
  await over('h')
  const none = { ...empty.departure(), open: async () => ({ kind: 'missing' }) as const }
  const joined = await flights.join('h', all, () => none)
  assert.deepEqual(await joined.flight.begun, { kind: 'missing' })
  await joined.reader.return()
})

test('closing ends what is under way', async () => {
  const source = upstream(seededBytes(7, 50_000))
  const { reader } = await flights.join('i', all, source.departure)
  // looked at from here on: it may well be refused before the closing is over
  const refused = assert.rejects(collected(reader), { code: 'upstream-file' })
  source.give(1000)
  await flights.close()
  await refused
  assert.deepEqual([source.state.stored, flights.count], [null, 0])
})
