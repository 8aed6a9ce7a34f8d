// Which of a pack's objects are sent. Of few among many they are found by native searches for the values that a mark may have: a loop over all
// numbers takes milliseconds before it is compiled, and a first fetch pays for that.
import { asBuffer } from '../../base/index.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { Mark, markValues } from './commit-walk.ts'
import { type Pace, stretch, stretchSteps } from './pace.ts'

/** Of more than one in so many, a loop is faster. */
const few = 32

/** Positions of the pack whose numbers have `Mark.send`, ascending. */
export async function sentPositions({ first, index }: StoredPack, marks: Uint8Array, pace: Pace): Promise<Uint32Array> {
  const own = marks.subarray(first, first + index.count)
  return fewPositions(own) ?? (await manyPositions(own, pace))
}

/** Null: they are many. */
function fewPositions(marks: Uint8Array): Uint32Array | null {
  const bytes = asBuffer(marks)
  const most = marks.length / few
  const found: number[] = []
  for (let value = 0; value < markValues; value++) {
    if (!(value & Mark.send)) continue
    for (let at = bytes.indexOf(value); at >= 0; at = bytes.indexOf(value, at + 1)) if (found.push(at) > most) return null
  }
  return Uint32Array.from(found).sort()
}

async function manyPositions(marks: Uint8Array, pace: Pace): Promise<Uint32Array> {
  const found = new Uint32Array(marks.length)
  let count = 0
  for (let position = 0; position < marks.length; position++) {
    const turn = position % stretch === 0 ? pace.turn(stretchSteps) : undefined
    if (turn) await turn
    if ((marks[position] as number) & Mark.send) found[count++] = position
  }
  return found.subarray(0, count)
}
