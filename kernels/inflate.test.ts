// inflate against its twin and zlib: whole, cut, mutated, and in pieces.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateSync, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { kernelMemory } from '../tests/support/kernel-memory.ts'
import { bytePieces } from '../tests/support/repository-bytes.ts'
import { InflateStatus } from './kernel.ts'
import { adler32 } from './twin/checksums.ts'
import { inflate } from './twin/inflate.ts'

const { kernel, bytes, place } = kernelMemory(32)
const OUT = 8 * 1024 * 1024

const content = bytePieces.map((parts) => Uint8Array.from(parts.flat()))
const encoder = fc.record({
  level: fc.integer({ min: 0, max: 9 }),
  strategy: fc.constantFrom(
    constants.Z_DEFAULT_STRATEGY,
    constants.Z_FIXED,
    constants.Z_HUFFMAN_ONLY,
    constants.Z_RLE,
    constants.Z_FILTERED,
  ),
  windowBits: fc.integer({ min: 9, max: 15 }),
})

function inflateWhole(stream: Uint8Array, size: number): { status: number; used: number; out: Uint8Array } {
  const at = place(stream)[0]!
  const out = kernel.heapBase() + OUT
  // Bytes behind the input are no part of it, whatever they are.
  bytes.fill(0x55, at + stream.length, at + stream.length + 900)
  const status = kernel.inflate(at, at + stream.length, out, size)
  return { status, used: kernel.inflateIn.value - at, out: bytes.slice(out, out + size) }
}

test('inflates whatever zlib deflates', () => {
  fc.assert(
    fc.property(content, encoder, fc.uint8Array({ maxLength: 30 }), (data, options, behind) => {
      const stream = deflateSync(data, options)
      const { status, used, out } = inflateWhole(Buffer.concat([stream, behind]), data.length)
      assert.equal(status, InflateStatus.ok)
      assert.equal(used, stream.length)
      assert.deepEqual(Buffer.from(out), Buffer.from(data))
    }),
    { numRuns: 500 },
  )
})

test('says the same of mutated and cut streams as the twin, and accepts what zlib accepts', () => {
  const mutation = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(content, encoder, mutation, fc.nat(), fc.integer({ min: -3, max: 3 }), (data, options, edits, cut, lie) => {
      const whole = deflateSync(data, options)
      for (const [at, value] of edits) whole[at % Math.min(whole.length, 200)] = value
      const stream = cut % 3 === 0 ? whole.subarray(0, cut % (whole.length + 1)) : whole
      const size = Math.max(0, data.length + (cut % 5 === 0 ? lie : 0))
      const ours = inflateWhole(stream, size)
      const twin = inflate(stream, size)
      // A stream that is too long in several ways may be called by either name: the kernel counts every few bytes, the twin each one.
      const isTooLong = ours.status === InflateStatus.tooLong || twin.status === InflateStatus.tooLong
      if (isTooLong) assert.ok(ours.status !== InflateStatus.ok && twin.status !== InflateStatus.ok)
      else assert.equal(ours.status, twin.status)
      if (ours.status === InflateStatus.ok) {
        assert.equal(ours.used, twin.used)
        assert.deepEqual(Buffer.from(ours.out), Buffer.from(twin.bytes))
      }
      let zlib: Buffer | null = null
      try {
        zlib = inflateSync(stream, { maxOutputLength: size + 1 })
      } catch {}
      assert.equal(ours.status === InflateStatus.ok, zlib !== null && zlib.length === size)
    }),
    { numRuns: 1500 },
  )
})

test('in pieces of any size: the same bytes, the same end', () => {
  fc.assert(
    fc.property(
      content,
      encoder,
      fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 300, max: 5000 }),
      (data, options, pieces, room) => {
        const stream = deflateSync(data, options)
        const { status, out, used } = inflatePieces(Buffer.concat([stream, Buffer.from('behind')]), pieces, room, data.length)
        assert.equal(status, InflateStatus.ok)
        assert.deepEqual(out, Buffer.from(data))
        assert.equal(used, stream.length)
      },
    ),
    { numRuns: 300 },
  )
})

/** As entry-stream.ts does it: input arrives in pieces, output goes to a ring behind 32 KiB of history. */
function inflatePieces(
  stream: Uint8Array,
  pieces: readonly number[],
  room: number,
  size: number,
): { status: number; used: number; out: Buffer } {
  const at = place(stream)[0]!
  const ring = kernel.heapBase() + OUT
  const first = ring + 32768
  const parts: Uint8Array[] = []
  let out = first
  let from = at
  let end = at
  let made = 0
  kernel.inflateBegin()
  for (let i = 0; ; i++) {
    end = Math.min(at + stream.length, end + pieces[i % pieces.length]!)
    const isFinal = end === at + stream.length
    let status: number
    do {
      if (out >= first + room) {
        bytes.copyWithin(ring, out - 32768, out)
        out = first
      }
      status = kernel.inflateMore(from, end, isFinal, out, first + room, out + (size - made))
      from = kernel.inflateIn.value
      const next = kernel.inflateOut.value
      parts.push(bytes.slice(out, next))
      made += next - out
      out = next
    } while (status === InflateStatus.needRoom)
    if (status !== InflateStatus.needInput || isFinal) return { status, used: from - at, out: Buffer.concat(parts) }
  }
}

test("the checksum in pieces is the caller's to compare", () => {
  const data = Buffer.from('some bytes')
  const stream = deflateSync(data)
  const at = place(stream)[0]!
  const out = kernel.heapBase() + OUT
  kernel.inflateBegin()
  assert.equal(kernel.inflateMore(at, at + stream.length, true, out, out + 1000, out + data.length), InflateStatus.ok)
  assert.equal(stream.readUInt32BE(stream.length - 4), adler32(1, bytes.subarray(out, kernel.inflateOut.value)))
})
