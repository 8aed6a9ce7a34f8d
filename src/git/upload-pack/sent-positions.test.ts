// Which objects are sent, of few and of many, whatever other marks stand beside.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Seeded } from '../../../tests/support/seeded.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { Mark, markValues } from './commit-walk.ts'
import { Pace } from './pace.ts'
import { sentPositions } from './sent-positions.ts'

test('every sent position is found, ascending, and none beyond the pack', async () => {
  const random = new Seeded(5)
  const count = 10_000
  const first = 3
  for (const [most, shared] of [
    [0, false],
    [1, true],
    [200, true],
    [400, false],
    [9000, true],
  ] as const) {
    const buffer = shared ? new SharedArrayBuffer(count + 10) : new ArrayBuffer(count + 10)
    const marks = new Uint8Array(buffer).map(() => random.below(markValues) & ~Mark.send)
    marks[0] = Mark.send
    marks[first + count] = Mark.send
    for (let i = 0; i < most; i++) {
      const at = first + random.below(count)
      marks[at] = (marks[at] as number) | Mark.send
    }
    const wanted: number[] = []
    for (let position = 0; position < count; position++) if ((marks[first + position] as number) & Mark.send) wanted.push(position)
    const pack = { first, index: { count } } as unknown as StoredPack
    assert.deepEqual([...(await sentPositions(pack, marks, new Pace()))], wanted)
  }
})

test('every mark is below the values that are searched for', () => {
  for (const mark of Object.values(Mark)) assert.ok(mark < markValues)
})
