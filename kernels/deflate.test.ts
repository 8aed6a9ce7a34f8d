// deflate: what zlib inflates to the same bytes, never longer than its bound, about as short as zlib's level 1, and nothing written elsewhere.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { deflateSync, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { kernelMemory } from '../tests/support/kernel-memory.ts'
import { bytePieces } from '../tests/support/repository-bytes.ts'
import { SLACK_BYTES } from './kernel.ts'

const { kernel, bytes, place } = kernelMemory(32)
const OUT = 8 << 20
const canary = 0xa7

/** The stream, after what it was made with was checked for damage. */
function deflate(data: Uint8Array): Uint8Array {
  const from = place(data)[0]!
  const out = kernel.heapBase() + OUT
  const bound = kernel.deflateBound(data.length)
  // bytes behind the input are no part of it, whatever they are
  bytes.fill(0x55, from + data.length, from + data.length + SLACK_BYTES)
  bytes.fill(canary, out - 4096, out + bound + SLACK_BYTES + 4096)
  const count = kernel.deflate(from, data.length, out)
  assert.ok(count <= bound, `${data.length} bytes became ${count}`)
  assert.ok(bytes.subarray(out - 4096, out).every((byte) => byte === canary))
  assert.ok(bytes.subarray(out + count + 16, out + bound + SLACK_BYTES + 4096).every((byte) => byte === canary))
  assert.deepEqual(Buffer.from(bytes.subarray(from, from + data.length)), Buffer.from(data))
  return bytes.slice(out, out + count)
}

function assertSame(data: Uint8Array, name = ''): Uint8Array {
  const stream = deflate(data)
  assert.ok(inflateSync(stream).equals(data), name)
  return stream
}

/** Bytes that look random, the same each time. */
function noise(size: number, seed: number): Uint8Array {
  const out = new Uint8Array(size)
  for (let i = 0, state = seed; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    out[i] = state >>> 24
  }
  return out
}

function sources(): Buffer[] {
  const folder = new URL('./assembly/', import.meta.url)
  return readdirSync(folder).map((name) => readFileSync(new URL(name, folder)))
}

/** Repeated near and far, and sometimes more than a block of it. */
const content = fc
  .tuple(bytePieces, fc.constantFrom(1, 1, 1, 1, 9, 60))
  .map(([parts, times]) => Uint8Array.from(Array.from({ length: times }, () => parts.flat()).flat()))

test('zlib inflates what is deflated', () => {
  fc.assert(
    fc.property(content, (data) => void assertSame(data)),
    { numRuns: 700 },
  )
})

test('any skewed distribution of bytes: codes of every length, limited ones too', () => {
  const weights = fc.array(fc.integer({ min: 0, max: 16 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(weights, fc.nat(), (powers, seed) => {
      // up to 2^16 of a byte beside one of another, shuffled: long codes, and few matches
      const data = Buffer.concat(powers.map((power, i) => Buffer.alloc(1 << power, i * 5))).subarray(0, 300_000)
      const order = noise(data.length * 2, seed)
      for (let i = data.length - 1; i > 0; i--) {
        const j = ((order[i * 2]! << 8) | order[i * 2 + 1]!) % (i + 1)
        const kept = data[i]!
        data[i] = data[j]!
        data[j] = kept
      }
      assertSame(data)
    }),
    { numRuns: 60 },
  )
})

test('Fibonacci counts: codes that would be longer than allowed', () => {
  const parts: Buffer[] = []
  for (let i = 0, a = 1, b = 1; i < 22; i++) {
    parts.push(Buffer.alloc(a, 7 * i))
    const next = a + b
    a = b
    b = next
  }
  const data = Buffer.concat(parts)
  const shuffled = Buffer.from(data)
  for (let i = 0; i < data.length; i++) shuffled[(i * 40_503) % data.length] = data[i]!
  assertSame(data)
  assertSame(shuffled)
})

test('every small size, sizes around blocks, and the largest', () => {
  const text = Buffer.concat([...sources(), ...sources(), ...sources(), ...sources(), ...sources(), ...sources()])
  for (let size = 0; size < 300; size++) {
    assertSame(text.subarray(0, size), `${size} of text`)
    assertSame(noise(size, size), `${size} of noise`)
    assertSame(Buffer.alloc(size, 'a'), `${size} the same`)
  }
  for (let size = 64_990; size < 65_010; size++) {
    assertSame(text.subarray(0, size), `${size} of text`)
    assertSame(noise(size, size), `${size} of noise`)
    assertSame(Buffer.alloc(size, 'a'), `${size} the same`)
  }
  for (const size of [65_258, 65_259, 129_999, 130_000, 130_001, (1 << 20) - 1, 1 << 20]) {
    assertSame(Buffer.alloc(size, text), `${size} of text`)
    assertSame(noise(size, size), `${size} of noise`)
    assertSame(Buffer.alloc(size), `${size} zeros`)
  }
})

test('matches at the longest distance, and none behind it', () => {
  const head = noise(64, 1)
  for (let gap = 32_690; gap < 32_720; gap++) assertSame(Buffer.concat([head, Buffer.alloc(gap), head, noise(20, 3)]), `${gap}`)
})

test('noise grows by no more than the bound; a tiny text takes a fixed block', () => {
  const stream = assertSame(noise(200_000, 5))
  assert.ok(stream.length <= 200_000 + 4 * 6 + 6)
  assert.equal(assertSame(Buffer.from('hello')).length, deflateSync('hello').length)
  assert.equal(assertSame(new Uint8Array(0)).length, deflateSync('').length)
})

test('bytes that only look like a match together with what lies behind the input are none', () => {
  for (let tail = 0; tail < 8; tail++) assertSame(Buffer.concat([Buffer.alloc(9, 0x55), noise(20, 9), Buffer.alloc(tail, 0x55)]), `${tail}`)
})

test('the same bytes become the same stream, whatever was deflated before: a pack that is made again must be the same', () => {
  for (let i = 0; i < 50; i++) {
    // of noise only some places are noted, and which ones depends on what stands before
    const some = noise(6000, i)
    const data = Buffer.concat([some, some.subarray(3000, 5000)])
    deflate(Buffer.concat([Buffer.alloc(1000 + i * 40), data.subarray(1000 + i * 40)]))
    const fresh = kernelMemory(4)
    const [from] = fresh.place(data) as [number]
    const out = fresh.kernel.heapBase() + (2 << 20)
    const count = fresh.kernel.deflate(from, data.length, out)
    assert.deepEqual(Buffer.from(assertSame(data)), Buffer.from(fresh.bytes.subarray(out, out + count)))
  }
})

test('places are counted anew after 2 GiB of streams', () => {
  const text = Buffer.concat(sources())
  const from = place(Buffer.alloc(1 << 20))[0]!
  for (let i = 0; i < 2100; i++) {
    kernel.deflate(from, 1 << 20, kernel.heapBase() + OUT)
    if (i > 2030 && i < 2060) assertSame(text.subarray(i))
    bytes.fill(0, from, from + (1 << 20))
  }
  assertSame(text)
})

test("what is deflated to is about zlib's level 1", () => {
  const corpus = sources()
  let ours = 0
  let zlib = 0
  for (const data of corpus) {
    ours += assertSame(data).length
    zlib += deflateSync(data, { level: 1 }).length
  }
  assert.ok(ours <= zlib * 1.02, `${ours} against ${zlib}`)
  const whole = Buffer.concat(corpus)
  assert.ok(deflate(whole).length <= deflateSync(whole, { level: 1 }).length * 1.02)
})
