// What is written is read back; what was changed is noticed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CorruptError } from '../../base/index.ts'
import { assertHistoryHash, decodeHistory, encodeHistory, type HistoryParts } from './history-table.ts'

const words = (maxLength: number) => fc.uint32Array({ maxLength })
const shapes = fc.integer({ min: 0, max: 30 }).chain((count) => {
  const exactly = (length: number) => fc.uint32Array({ minLength: length, maxLength: length })
  const packs = fc.array(fc.record({ id: fc.maxSafeNat(), count: fc.nat() }, { noNullPrototype: true }), { maxLength: 5 })
  const lists = fc.nat(40).chain((length) => fc.record({ added: exactly(length), older: exactly(length) }))
  return fc.record({
    format: fc.constantFrom('sha1' as const, 'sha256' as const),
    packs,
    commits: exactly(count),
    trees: exactly(count),
    times: fc.float64Array({ minLength: count, maxLength: count, noNaN: true }),
    firstParents: exactly(count + 1),
    parents: words(50),
    firstAdded: exactly(count + 1),
    lists,
    tags: words(20),
  })
})

test('a table is read back as it was written, by views of its bytes', () => {
  fc.assert(
    fc.property(shapes, ({ lists, ...rest }) => {
      const parts: HistoryParts = { ...rest, ...lists }
      const bytes = encodeHistory(parts)
      assertHistoryHash(bytes)
      const read = decodeHistory(bytes)
      assert.equal(read.format, parts.format)
      assert.deepEqual(read.packs, parts.packs)
      for (const name of ['commits', 'trees', 'times', 'firstParents', 'parents', 'firstAdded', 'added', 'older', 'tags'] as const) {
        assert.deepEqual(Array.from(read[name]), Array.from(parts[name]), name)
        assert.equal(read[name].buffer, bytes.buffer, name)
      }
    }),
  )
})

test('a changed byte is noticed by the hash, and noise is never taken for a table', () => {
  const none = new Uint32Array(0)
  const lists = { commits: none, trees: none, times: new Float64Array(0), parents: none, added: none, older: none, tags: none }
  const first = new Uint32Array(1)
  const bytes = encodeHistory({ ...lists, format: 'sha1', packs: [{ id: 7, count: 9 }], firstParents: first, firstAdded: first })
  for (let at = 0; at < bytes.length; at += 3) {
    const changed = bytes.slice()
    changed[at] = (changed[at] as number) ^ 0x20
    assert.throws(() => assertHistoryHash(changed), CorruptError)
  }
  assert.throws(() => decodeHistory(bytes.slice(0, -1)), CorruptError)
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => assert.throws(() => decodeHistory(noise.slice()), CorruptError)))
})
