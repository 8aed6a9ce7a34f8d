// Level 6 of klauspost's compress/flate (level6.go): level 5 that also tries the last distance again, and looks at both places at a match's end.
import { type FastMatches, hash4, hash7, mostDistance } from './fast-matches.ts'

const bits = 15

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
      if (!preferAgain(state, lastDistance) && next - nextFrom < mostDistance) {
        preferNext(state, nextFrom)
        preferNext(state, nextBeforeFrom)
      }
      return true
    }
    at = next
  }
}

/** The last distance once more, one byte on. */
function preferAgain(state: FastMatches, lastDistance: number): boolean {
  const { view } = state
  const at = state.at + 1
  const from = at - lastDistance
  if (view.getInt32(from, true) !== view.getInt32(at, true)) return false
  const length = state.shortMatch(at, from)
  if (length <= state.length) return false
  state.from = from
  state.length = length
  state.at = at
  return true
}

function preferNext(state: FastMatches, from: number): void {
  const { view, next } = state
  if (next - from >= mostDistance || view.getInt32(from, true) !== view.getInt32(next, true)) return
  const length = state.shortMatch(next, from)
  if (length <= state.length) return
  state.from = from
  state.at = next
  state.length = length
}

/** The whole length; and a match that ends further on is looked for by its end. */
function improve(state: FastMatches): void {
  if (state.length === 0) state.length = state.longMatch(state.at, state.from)
  else if (state.length === 258) state.length += state.same(state.at + 258, state.from + 258, state.size - state.at - 258)
  const end = state.at + state.length
  if (end >= state.limit) return
  const hash = hash7(state.view, end, bits)
  const at = state.at + 2
  // Both by the length that the match has now, though the first may make it longer.
  const from = (state.tables.long[hash] ?? 0) - state.base - state.length + 2
  if (at - from >= mostDistance) return
  preferEnd(state, at, from)
  preferEnd(state, at, (state.tables.longBefore[hash] ?? 0) - state.base - state.length + 2)
}

function preferEnd(state: FastMatches, at: number, from: number): void {
  if (from < 0 || at <= from || at - from >= mostDistance) return
  const length = state.same(at, from, state.size - at)
  if (length <= state.length) return
  state.from = from
  state.length = length
  state.at = at
}

function noteOne(state: FastMatches, at: number): void {
  state.tables.short[hash4(state.view, at, bits)] = at + state.base
  noteLong(state, at)
}

function noteLong(state: FastMatches, at: number): void {
  const { long, longBefore } = state.tables
  const hash = hash7(state.view, at, bits)
  longBefore[hash] = long[hash] ?? 0
  long[hash] = at + state.base
}
