// Side-band frames: content, limits, keep-alives, and buffers that are used again only when the sink is done with them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readPkts } from '../../../tests/support/wire.ts'
import { FrameBuffers } from './frame-buffers.ts'
import { SidebandWriter } from './sideband.ts'

/** Reads what went to a sink that keeps references until it "drains", as a socket does. */
class SlowSink {
  readonly parts: Buffer[] = []
  #inUse: Uint8Array[] = []
  readonly #eager: boolean
  constructor(eager: boolean) {
    this.#eager = eager
  }
  write(bytes: Uint8Array): Promise<void> | undefined {
    this.#inUse.push(bytes)
    if (this.#eager) return undefined
    return new Promise((resolve) => {
      setImmediate(() => {
        this.drain()
        resolve()
      })
    })
  }
  drain(): void {
    for (const bytes of this.#inUse) this.parts.push(Buffer.from(bytes))
    this.#inUse = []
  }
}

function bands(stream: Buffer): { pack: Buffer; messages: string; fatal: string; flushed: boolean } {
  const out: Buffer[][] = [[], [], [], []]
  const lines = readPkts(stream)
  for (const line of lines) {
    if (typeof line === 'string') continue
    assert.ok(line.length > 0 && line.length <= 65516)
    out[line[0] as number]?.push(line.subarray(1))
  }
  const [, pack = [], messages = [], fatal = []] = out
  return {
    pack: Buffer.concat(pack),
    messages: Buffer.concat(messages).toString(),
    fatal: Buffer.concat(fatal).toString(),
    flushed: lines.indexOf('0000') === lines.length - 1,
  }
}

test('what is written comes out of the frames, whatever the pieces and however slow the sink', async () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.constantFrom(65514, 65515, 65516, 995, 1 << 20, 2_500_000)), {
    maxLength: 8,
  })
  await fc.assert(
    fc.asyncProperty(sizes, fc.boolean(), fc.constantFrom<1000 | 65520>(1000, 65520), async (pieces, eager, frameBytes) => {
      const sink = new SlowSink(eager)
      const writer = new SidebandWriter(sink, frameBytes)
      const pack = Buffer.concat(pieces.map((size, i) => Buffer.alloc(size, i + 1)))
      let at = 0
      for (const size of pieces) {
        await writer.data(pack.subarray(at, at + size))
        at += size
      }
      await writer.progress('done\n')
      await writer.end()
      sink.drain()
      const read = bands(Buffer.concat(sink.parts))
      assert.ok(read.pack.equals(pack))
      assert.equal(read.messages, 'done\n')
      assert.ok(read.flushed)
    }),
    { numRuns: 40 },
  )
})

test('without side-band the pack goes out bare, messages nowhere', async () => {
  const sink = new SlowSink(false)
  const writer = new SidebandWriter(sink, 0)
  await writer.progress('unheard')
  await writer.data(Buffer.from('PACK'))
  writer.keepAlive()
  await writer.end()
  assert.equal(Buffer.concat(sink.parts).toString(), 'PACK')
})

test('a keep-alive is an empty frame, and only sent when nothing else was', async () => {
  const sink = new SlowSink(true)
  const writer = new SidebandWriter(sink, 65520)
  await writer.progress('x')
  writer.keepAlive()
  sink.drain()
  assert.equal(sink.parts.length, 1)
  writer.keepAlive()
  await writer.fatal('no')
  sink.drain()
  const stream = Buffer.concat(sink.parts)
  assert.ok(stream.includes(Buffer.from('0005\x01', 'latin1')))
  assert.equal(bands(stream).fatal, 'no')
})

test('bytes that are read in place make the same stream as bytes that are copied', async () => {
  const parts = fc.array(fc.record({ size: fc.integer({ min: 0, max: 3_000_000 }), inPlace: fc.boolean() }), { maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(
      parts,
      fc.boolean(),
      fc.constantFrom<0 | 1000 | 65520>(0, 1000, 65520),
      fc.boolean(),
      async (pieces, eager, frameBytes, pooled) => {
        const sink = new SlowSink(eager)
        const buffers = new FrameBuffers()
        const writer = new SidebandWriter(sink, frameBytes, pooled ? buffers : undefined)
        const pack = Buffer.concat(pieces.map(({ size }, i) => Buffer.alloc(size, i + 1)))
        let at = 0
        for (const { size, inPlace } of pieces) {
          const from = at
          const read = async (targets: Uint8Array[], offset: number) => {
            for (let place = from + offset, i = 0; i < targets.length; place += targets[i++]?.length ?? 0) {
              const target = targets[i] as Uint8Array
              target.set(pack.subarray(place, place + target.length))
            }
          }
          const look = (bytes: Uint8Array, offset: number) =>
            assert.ok(pack.subarray(from + offset, from + offset + bytes.length).equals(bytes))
          if (inPlace) await writer.fill(size, read, look)
          else await writer.data(pack.subarray(at, at + size))
          at += size
        }
        await writer.end()
        sink.drain()
        const stream = Buffer.concat(sink.parts)
        assert.ok((frameBytes === 0 ? stream : bands(stream).pack).equals(pack))
      },
    ),
    { numRuns: 25 },
  )
})

test('buffers are given back at the end, but for one that the sink took without a promise', async () => {
  for (const [eager, bytes, isKept] of [
    [true, 1000, true], // a copy goes out
    [false, 200_000, true],
    [true, 200_000, false],
  ] as const) {
    const sink = new SlowSink(eager)
    const buffers = new FrameBuffers()
    const buffer = buffers.take('small')
    buffers.give(buffer)
    const writer = new SidebandWriter(sink, 65520, buffers)
    await writer.data(Buffer.alloc(bytes, 1))
    await writer.end()
    assert.equal(buffers.take('small') === buffer, isKept)
    buffer.fill(0) // what the next answer does with it
    if (isKept) sink.drain()
    assert.ok(!isKept || bands(Buffer.concat(sink.parts)).pack.equals(Buffer.alloc(bytes, 1)))
  }
})

test('what was read last is not sent when it is found wrong', async () => {
  const sink = new SlowSink(true)
  const writer = new SidebandWriter(sink, 65520)
  await writer.data(Buffer.from('good'))
  const wrong = writer.fill(
    100,
    async ([target]) => void target?.fill(7),
    () => {
      throw new Error('wrong')
    },
  )
  await assert.rejects(wrong, /wrong/)
  await writer.fatal('no')
  sink.drain()
  const read = bands(Buffer.concat(sink.parts))
  assert.equal(read.pack.toString(), 'good')
  assert.equal(read.fatal, 'no')
})
