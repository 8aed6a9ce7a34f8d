// What is written is read back; what was changed is noticed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CorruptError } from '../../base/index.ts'
import {
  assertHistoryHash,
  decodeHistory,
  encodeHistory,
  endOf,
  type HistoryEnd,
  type HistoryParts,
  joinHistories,
  noHistory,
} from './history-table.ts'

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

const lists = ['commits', 'trees', 'times', 'firstParents', 'parents', 'firstAdded', 'added', 'older', 'tags'] as const

/** A table whose rows have parents and adds of any number. */
const wholes = fc.array(fc.record({ parents: fc.nat(3), added: fc.nat(5) }), { maxLength: 30 }).chain((rows) => {
  const starts = (pick: (row: (typeof rows)[number]) => number) => {
    let sum = 0
    return Uint32Array.from([0, ...rows.map((row) => (sum += pick(row)))])
  }
  const [firstParents, firstAdded] = [starts((row) => row.parents), starts((row) => row.added)]
  const exactly = (length: number) => fc.uint32Array({ minLength: length, maxLength: length })
  return fc.record({
    format: fc.constant('sha1' as const),
    packs: fc.array(fc.record({ id: fc.nat(), count: fc.nat() }, { noNullPrototype: true }), { minLength: 3, maxLength: 9 }),
    commits: exactly(rows.length),
    trees: exactly(rows.length),
    times: fc.float64Array({ minLength: rows.length, maxLength: rows.length, noNaN: true }),
    firstParents: fc.constant(firstParents),
    parents: exactly(firstParents.at(-1) as number),
    firstAdded: fc.constant(firstAdded),
    added: exactly(firstAdded.at(-1) as number),
    older: exactly(firstAdded.at(-1) as number),
    tags: fc.nat(6).chain((count) => exactly(count * 2)),
  })
})

test('a table in parts, joined, is the table', () => {
  fc.assert(
    fc.property(wholes, fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat()), { maxLength: 4 }), (whole, places) => {
      const sorted = (pick: 0 | 1 | 2, most: number) => places.map((place) => place[pick] % (most + 1)).sort((a, b) => a - b)
      const [packs, rows, tags] = [sorted(0, whole.packs.length - 1), sorted(1, whole.commits.length), sorted(2, whole.tags.length / 2)]
      const ends: HistoryEnd[] = places.map((_, i) => ({
        packs: (packs[i] as number) + 1,
        rows: rows[i] as number,
        tags: tags[i] as number,
      }))
      const parts = [noHistory, ...ends].map((from, i) => {
        const until = ends[i]
        const upTo = until ? decodeHistory(encodeHistory(cutAt(whole, until))) : whole
        const bytes = encodeHistory(upTo, from)
        assertHistoryHash(bytes)
        return decodeHistory(bytes)
      })
      const joined = joinHistories(parts)
      assert.deepEqual(joined.packs, whole.packs)
      for (const name of lists) assert.deepEqual(Array.from(joined[name]), Array.from(whole[name]), name)
      for (const [i, end] of ends.entries()) assert.deepEqual(endOf(parts[i] as (typeof parts)[number]), end)
      if (parts.length > 2 && whole.commits.length > 0 && rows[0] !== rows[1]) {
        const [first, , ...rest] = parts
        assert.throws(() => joinHistories([first as (typeof parts)[number], ...rest]), CorruptError)
      }
    }),
  )
})

/** As the table was when it held no more. */
function cutAt(whole: HistoryParts, { packs, rows, tags }: HistoryEnd): HistoryParts {
  const [parents, added] = [whole.firstParents[rows] as number, whole.firstAdded[rows] as number]
  return {
    format: whole.format,
    packs: whole.packs.slice(0, packs),
    commits: whole.commits.slice(0, rows),
    trees: whole.trees.slice(0, rows),
    times: whole.times.slice(0, rows),
    firstParents: whole.firstParents.slice(0, rows + 1),
    parents: whole.parents.slice(0, parents),
    firstAdded: whole.firstAdded.slice(0, rows + 1),
    added: whole.added.slice(0, added),
    older: whole.older.slice(0, added),
    tags: whole.tags.slice(0, tags * 2),
  }
}
