// The index of a stored pack: what is encoded is read back, and nothing else is taken for one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CorruptError } from '../../base/index.ts'
import { hashBytes, type ObjectFormat } from './object-id.ts'
import { assertIndexHash, deltaBit, encodePackIndex, indexStart, PackIndex, type PackIndexParts } from './stored-pack.ts'

const none = 0xffffffff

/** Parts of an index with `n` objects in a made-up pack. */
function parts(format: ObjectFormat, seed: number, n: number, large: boolean): PackIndexParts {
  const h = hashBytes(format)
  let state = seed >>> 0 || 1
  const random = () => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state
  }
  const ids = new Set<string>()
  while (ids.size < n) ids.add(Array.from({ length: h }, () => (random() & 255).toString(16).padStart(2, '0')).join(''))
  const offsets = Float64Array.from({ length: n }, (_, i) => 12 + i * 50 + (large && i > n / 2 ? 2 ** 31 + 5 : 0))
  for (let i = n - 1; i > 0; i--) {
    const j = random() % (i + 1)
    const kept = offsets[i] as number
    offsets[i] = offsets[j] as number
    offsets[j] = kept
  }
  const bases = Uint32Array.from({ length: n }, (_, i) => (i > 0 && random() % 3 === 0 ? random() % i : none))
  return {
    format,
    packBytes: 12 + n * 50 + (large ? 2 ** 31 + 5 : 0) + h,
    oids: new Uint8Array(Buffer.from([...ids].sort().join(''), 'hex')),
    offsets,
    crcs: Uint32Array.from({ length: n }, random),
    kinds: Uint8Array.from({ length: n }, (_, i) => 1 + (random() % 4) + ((bases[i] as number) === none ? 0 : deltaBit)),
    sizes: Float64Array.from({ length: n }, () => (large && random() % 5 === 0 ? 2 ** 32 + random() : random() % 100_000)),
    bases,
    sources: new Uint8Array(h * 2).fill(7),
    externals: new Uint8Array(h).fill(9),
  }
}

const shapes = fc.record({
  format: fc.constantFrom<ObjectFormat>('sha1', 'sha256'),
  seed: fc.integer({ min: 1 }),
  n: fc.integer({ min: 0, max: 60 }),
  large: fc.boolean(),
})

function load(p: PackIndexParts): { index: PackIndex; bytes: Uint8Array; from: number } {
  const encoded = encodePackIndex(p)
  const from = indexStart(p.packBytes)
  const bytes = new Uint8Array(encoded.length - (from - p.packBytes))
  bytes.set(encoded.subarray(from - p.packBytes))
  return { index: new PackIndex(bytes, from), bytes, from }
}

test('what is encoded is read back', () => {
  fc.assert(
    fc.property(shapes, ({ format, seed, n, large }) => {
      const p = parts(format, seed, n, large)
      const { index, bytes, from } = load(p)
      const h = hashBytes(format)
      assertIndexHash(bytes, p.packBytes, from)
      assert.equal(index.count, n)
      assert.equal(index.packBytes, p.packBytes)
      const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => (p.offsets[a] as number) - (p.offsets[b] as number))
      for (let i = 0; i < n; i++) {
        assert.equal(index.find(p.oids, i * h), i)
        assert.deepEqual(index.oid(i), p.oids.subarray(i * h, (i + 1) * h))
        assert.equal(index.offset(i), p.offsets[i])
        assert.equal(index.crc(i), p.crcs[i])
        assert.equal(index.kind(i), (p.kinds[i] as number) & 7)
        assert.equal(index.sizeBytes(i), p.sizes[i])
        assert.equal(index.base(i), p.bases[i] === none ? -1 : p.bases[i])
        const next = order[order.indexOf(i) + 1]
        assert.equal(index.end(i), next === undefined ? p.packBytes - h : p.offsets[next])
      }
      assert.equal(index.find(new Uint8Array(h).fill(0xee), 0), -1)
      assert.deepEqual(index.sources, p.sources)
      assert.deepEqual(index.externals, p.externals)
      assert.equal(index.leavesOut, false)
      const { index: some, bytes: someBytes } = load({ ...p, leavesOut: true })
      assert.deepEqual([some.leavesOut, some.externals, someBytes[someBytes.length - 64]], [true, p.externals, 3])
    }),
    { numRuns: 200 },
  )
})

test('the order of a large pack is stored, and a place in it found with or without a table', () => {
  for (const large of [false, true]) {
    const n = 3000
    const p = parts('sha1', 7, n, large)
    const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => (p.offsets[a] as number) - (p.offsets[b] as number))
    const ranks = new Map(order.map((position, rank) => [position, rank]))
    const { index, bytes } = load(p)
    assert.ok(Buffer.from(bytes).includes('ORDR'))
    // more look-ups than are answered by searching
    for (let i = 0; i < n; i++) assert.equal(index.rank(i), ranks.get(i))
    assert.deepEqual([...index.order()], order)
  }
  assert.ok(!Buffer.from(load(parts('sha1', 7, 100, false)).bytes).includes('ORDR'))
})

test('whose the pack is stands in the value, and in values of before nothing does', () => {
  const network = { id: '0f0e0d0c-0b0a-4900-8807-060504030201', storedAtMs: 1_764_201_600_123 }
  for (const format of ['sha1', 'sha256'] as const) {
    const { index, bytes, from } = load({ ...parts(format, 7, 10, false), network })
    assert.deepEqual(index.network(), network)
    assertIndexHash(bytes, index.packBytes, from)
    assert.equal(load(parts(format, 7, 10, false)).index.network(), null)
  }
})

test('bases outside of the pack are named by id; a reader that does not know of them is told by the version', () => {
  for (const format of ['sha1', 'sha256'] as const) {
    const h = hashBytes(format)
    const own = parts(format, 7, 10, false)
    const outsideBases = new Uint8Array(h * 2).fill(3, 0, h).fill(5, h)
    const bases = Uint32Array.from(own.bases, (base, i) => (i === 4 ? 10 : i === 5 ? 11 : base))
    const { index, bytes, from } = load({ ...own, bases, outsideBases })
    assertIndexHash(bytes, own.packBytes, from)
    assert.equal(index.outsideCount, 2)
    assert.deepEqual([index.base(4), index.base(5)], [10, 11])
    assert.deepEqual(index.baseId(10), outsideBases.subarray(0, h))
    assert.deepEqual(index.baseId(11), outsideBases.subarray(h))
    assert.deepEqual(index.baseId(3), index.oid(3))
    assert.throws(() => index.baseId(12), CorruptError)
    const version = (value: Uint8Array) => new DataView(value.buffer, value.byteOffset).getUint32(value.length - 64, true)
    assert.equal(version(bytes), 2)
    // what was written before there were any is read and written as ever
    const before = load(own)
    assert.equal(version(before.bytes), 1)
    assert.equal(before.index.outsideCount, 0)
    assert.deepEqual(load({ ...own, outsideBases: new Uint8Array(0) }).bytes, before.bytes)
    const unknown = bytes.slice()
    new DataView(unknown.buffer).setUint32(unknown.length - 64, 4, true)
    assert.throws(() => new PackIndex(unknown, from), /version 4 is not known/)
  }
})

test('a changed byte is noticed by the hash, and noise is never taken for an index', () => {
  const p = parts('sha1', 42, 20, false)
  const { bytes, from } = load(p)
  for (let at = 0; at < bytes.length; at += 7) {
    const changed = bytes.slice()
    changed[at] = (changed[at] as number) ^ 0x10
    assert.throws(() => assertIndexHash(changed, p.packBytes, from), CorruptError)
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => assert.throws(() => new PackIndex(noise.slice(), 0), CorruptError)))
})
