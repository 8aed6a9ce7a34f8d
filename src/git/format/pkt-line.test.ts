import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, InputError, utf8 } from '../../base/index.ts'
import {
  Band,
  decodeBand,
  decodePkt,
  delimPkt,
  encodeBand,
  encodeBandHeader,
  encodePkt,
  flushPkt,
  MAX_PKT_BYTES,
  MAX_PKT_DATA_BYTES,
  type Pkt,
  PktLineReader,
  PktLineWriter,
  pktText,
  responseEndPkt,
} from './pkt-line.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function readAll(reader: PktLineReader): Promise<Pkt[]> {
  const all: Pkt[] = []
  for (let pkt = await reader.read(); pkt !== null; pkt = await reader.read()) all.push(pkt)
  return all
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return concatBytes(parts)
}

const anyPkt: fc.Arbitrary<Pkt> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((data) => ({ type: 'data' as const, data })),
  fc.constantFrom({ type: 'flush' as const }, { type: 'delim' as const }, { type: 'response-end' as const }),
)

function encode(pkt: Pkt): Uint8Array {
  if (pkt.type === 'data') return encodePkt(pkt.data)
  return pkt.type === 'flush' ? flushPkt : pkt.type === 'delim' ? delimPkt : responseEndPkt
}

const comparable = (pkts: readonly Pkt[]) => pkts.map((pkt) => (pkt.type === 'data' ? text(pkt.data) : { type: pkt.type }))

describe('lines', () => {
  test('are written as in the specification', () => {
    assert.equal(text(encodePkt('a\n')), '0006a\n')
    assert.equal(text(encodePkt('')), '0004')
    assert.equal(text(encodePkt('é')), '0006\xc3\xa9')
    assert.equal(encodePkt(new Uint8Array(MAX_PKT_DATA_BYTES)).length, MAX_PKT_BYTES)
    assert.throws(() => encodePkt(new Uint8Array(MAX_PKT_DATA_BYTES + 1)), RangeError)
  })

  test('come back whole however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyPkt, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
        async (pkts, sizes) => {
          const reader = new PktLineReader(chunksOf(concatBytes(pkts.map(encode)), sizes))
          assert.deepEqual(comparable(await readAll(reader)), comparable(pkts))
        },
      ),
    )
  })

  test('from the writer are the same bytes', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string({ unit: 'grapheme' }),
            fc.uint8Array(),
            fc.constantFrom('flush', 'delim', 'responseEnd').map((name) => ({ name })),
          ),
          { maxLength: 50 },
        ),
        (items) => {
          const writer = new PktLineWriter(16)
          const parts = items.map((item) => {
            if (typeof item === 'string') return writer.text(item) && encodePkt(item)
            if (item instanceof Uint8Array) return writer.data(item) && encodePkt(item)
            if (item.name === 'flush') return writer.flush() && flushPkt
            return item.name === 'delim' ? writer.delim() && delimPkt : writer.responseEnd() && responseEndPkt
          })
          const expected = concatBytes(parts)
          assert.equal(writer.sizeBytes, expected.length)
          assert.equal(text(writer.take()), text(expected))
          assert.equal(writer.sizeBytes, 0)
        },
      ),
    )
  })

  test('taken bytes stay what they were', () => {
    const writer = new PktLineWriter()
    const first = writer.text('one').take()
    writer.text('two').take()
    assert.equal(text(first), '0007one')
  })

  test('inside one chunk are views, not copies', async () => {
    const chunk = encodePkt('hello')
    const pkt = await new PktLineReader(chunksOf(chunk, [100])).read()
    assert.equal(pkt?.type === 'data' && pkt.data.buffer, chunk.buffer)
  })

  test('lose one newline at most as text', () => {
    assert.equal(pktText(utf8('a\n\n')), 'a\n')
    assert.equal(pktText(utf8('a')), 'a')
  })
})

describe('the reader', () => {
  const readerOf = (bytes: string, limits = {}) => new PktLineReader(chunksOf(Buffer.from(bytes, 'latin1'), [3]), limits)
  const refuses = (bytes: string, code: string, message: RegExp, limits = {}) =>
    assert.rejects(
      readAll(readerOf(bytes, limits)),
      (error) => error instanceof InputError && error.code === code && message.test(error.message),
    )

  test('refuses bad lengths in git’s words', async () => {
    await refuses('zzzz', 'pkt-length', /^protocol error: bad line length character: zzzz$/)
    await refuses('\0\x1b00', 'pkt-length', /^protocol error: bad line length character: \?\?00$/)
    await refuses('0003', 'pkt-length', /^protocol error: bad line length 3$/)
    await refuses('fff1', 'pkt-length', /^protocol error: bad line length 65517$/)
    await refuses('FFFF', 'pkt-length', /^protocol error: bad line length 65531$/)
    await refuses('0064', 'pkt-length', /^protocol error: bad line length 96$/, { lineBytes: 99 })
    await refuses('GET / HTTP', 'pkt-length', /^protocol error: bad line length character: GET\?$/)
  })

  test('refuses a stream that ends within a line', async () => {
    for (const cut of ['0', '000', '0005', '0009abcd']) await refuses(cut, 'pkt-truncated', /^the remote end hung up unexpectedly$/)
  })

  test('refuses too many lines', () => refuses('0004'.repeat(4), 'pkt-lines', /^protocol error: too many lines$/, { lines: 3 }))

  test('knows a wrong length before it waits for the line', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield utf8('fff')
      yield utf8('f')
      assert.fail('read on after a bad length')
    }
    await assert.rejects(new PktLineReader(endless()).read(), InputError)
  })

  test('ends with the stream, and can be asked again', async () => {
    const reader = readerOf('0000')
    assert.equal((await reader.read())?.type, 'flush')
    assert.equal(await reader.read(), null)
    assert.equal(await reader.read(), null)
  })

  test('peeks', async () => {
    const reader = readerOf('0005a0000')
    assert.equal((await reader.peek())?.type, 'data')
    assert.equal(reader.tryRead()?.type, 'data')
    assert.equal((await reader.peek())?.type, 'flush')
    assert.equal((await reader.read())?.type, 'flush')
    assert.equal(await reader.peek(), null)
  })

  test('hands over what follows, uncopied, and closes the stream', async () => {
    let isClosed = false
    const pack = utf8('PACK and so on')
    async function* stream(): AsyncGenerator<Uint8Array> {
      try {
        yield concatBytes([encodePkt('command'), flushPkt, pack])
        yield pack
        yield pack
      } finally {
        isClosed = true
      }
    }
    const reader = new PktLineReader(stream())
    await reader.read()
    await reader.read()
    const parts: Uint8Array[] = []
    for await (const part of reader.rest()) {
      parts.push(part)
      if (parts.length === 2) break
    }
    assert.equal(text(concatBytes(parts)), 'PACK and so on'.repeat(2))
    assert.equal(parts[1], pack)
    assert.equal(isClosed, true)
  })

  test('any cut leaves the rest whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyPkt, { maxLength: 5 }),
        fc.uint8Array({ maxLength: 99 }),
        fc.integer({ min: 1, max: 64 }),
        async (pkts, pack, size) => {
          const reader = new PktLineReader(chunksOf(concatBytes([...pkts.map(encode), pack]), [size]))
          for (const _ of pkts) await reader.read()
          assert.equal(text(await collect(reader.rest())), text(pack))
        },
      ),
    )
  })

  test('noise throws only InputError', async () => {
    const noise = fc.array(
      fc.oneof(fc.uint8Array({ maxLength: 6 }), fc.constantFrom(utf8('0000'), utf8('0005'), utf8('000'), utf8('fff0'))),
      { maxLength: 12 },
    )
    await fc.assert(
      fc.asyncProperty(noise, fc.integer({ min: 1, max: 9 }), async (parts, size) => {
        try {
          await readAll(new PktLineReader(chunksOf(concatBytes(parts), [size])))
        } catch (error) {
          assert.ok(error instanceof InputError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('bands', () => {
  test('split and come together again within their limit', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1 as const, 2 as const, 3 as const),
        fc.uint8Array({ maxLength: 5000 }),
        fc.constantFrom(1000, MAX_PKT_BYTES),
        (band, data, limit) => {
          const bytes = encodeBand(band, data, limit)
          const parts: Uint8Array[] = []
          for (let at = 0; at < bytes.length; ) {
            const decoded = decodePkt(bytes, at)
            assert.ok(decoded?.pkt.type === 'data' && decoded.end - at <= limit)
            const frame = decodeBand(decoded.pkt.data)
            assert.equal(frame.band, band)
            parts.push(frame.data)
            at = decoded.end
          }
          assert.equal(text(concatBytes(parts)), text(data))
        },
      ),
    )
  })

  test('fill the largest line exactly', () => {
    const bytes = encodeBand(Band.data, new Uint8Array(65515 * 2))
    assert.equal(bytes.length, 65520 * 2)
    assert.equal(text(encodeBandHeader(Band.progress, 65515)), 'fff0\x02')
  })

  test('other numbers are refused', () => {
    assert.throws(() => decodeBand(utf8('\x04x')), InputError)
    assert.throws(() => decodeBand(new Uint8Array(0)), /bad band #0/)
  })
})
