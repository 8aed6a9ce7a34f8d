// Level 6 of klauspost's compress/flate (level6.go): level 5 that also tries the last distance again, and looks at both places at a match's end.
import { type FastMatches, hash4, hash7, mostDistance } from './fast-matches.ts'
import { bits, noteLong, noteOne, preferAt, preferEnd, wholeLength } from './klauspost-long.ts'

export function level6(state: FastMatches, start: number): void {
  let at = start
  let lastDistance = 1
  while (search(state, at, lastDistance)) {
    improve(state)
    state.extendBack()
    state.emit()
    lastDistance = state.at - state.from
    at = state.emitted
    if (state.next >= at) at = state.next + 1
    if (at >= state.limit) {
      for (let i = state.next + 1; i < state.size - 8; i += 2) noteOne(state, i)
      return
    }
    for (let i = state.next + 1; i < at - 1; i += 2) {
      noteOne(state, i)
      noteLong(state, i + 1)
    }
  }
}

/** Finds a match from `start` on, into the state. False where the block has none any more. */
function search(state: FastMatches, start: number, lastDistance: number): boolean {
  const { view, base, emitted, limit } = state
  const { short, long, longBefore } = state.tables
  for (let at = start; ; ) {
    const next = at + 1 + ((at - emitted) >> 7)
    if (next > limit) return false
    const shortHash = hash4(view, at, bits)
    const longHash = hash7(view, at, bits)
    const four = view.getInt32(at, true)
    const shortFrom = (short[shortHash] ?? 0) - base
    const longPlace = long[longHash] ?? 0
    const longFrom = longPlace - base
    const beforeFrom = (longBefore[longHash] ?? 0) - base
    short[shortHash] = at + base
    long[longHash] = at + base
    longBefore[longHash] = longPlace
    state.next = next
    state.at = at
    state.length = 0
    if (at - longFrom < mostDistance) {
      const isLast = view.getInt32(longFrom, true) === four
      const isBefore = at - beforeFrom < mostDistance && view.getInt32(beforeFrom, true) === four
      if (isLast || isBefore) {
        noteOne(state, next)
        state.from = isLast ? longFrom : beforeFrom
        if (isLast && isBefore) {
          state.length = state.shortMatch(at, longFrom)
          const length = state.shortMatch(at, beforeFrom)
          if (length > state.length) {
            state.from = beforeFrom
            state.length = length
          }
        }
        return true
      }
    }
    if (at - shortFrom < mostDistance && view.getInt32(shortFrom, true) === four) {
      state.from = shortFrom
      state.length = state.shortMatch(at, shortFrom)
      const nextHash = hash7(view, next, bits)
      const nextFrom = (long[nextHash] ?? 0) - base
      const nextBeforeFrom = (longBefore[nextHash] ?? 0) - base
      noteOne(state, next)
      // the last distance once more, one byte on
      if (!preferAt(state, at + 1, at + 1 - lastDistance) && next - nextFrom < mostDistance) {
        preferAt(state, next, nextFrom)
        if (next - nextBeforeFrom < mostDistance) preferAt(state, next, nextBeforeFrom)
      }
      return true
    }
    at = next
  }
}

/** The whole length; and a match that ends further on is looked for by its end. */
function improve(state: FastMatches): void {
  const end = wholeLength(state)
  if (end >= state.limit) return
  const hash = hash7(state.view, end, bits)
  const at = state.at + 2
  // the second by the length that the first may have made longer
  const from = (state.tables.long[hash] ?? 0) - state.base - state.length + 2
  if (at - from >= mostDistance) return
  preferEnd(state, at, from)
  preferEnd(state, at, (state.tables.longBefore[hash] ?? 0) - state.base - state.length + 2)
}
