// Level 5 of klauspost's compress/flate (level5.go), its default: the last place of four bytes, and the last two of seven.
import { type FastMatches, hash4, hash7, mostDistance } from './fast-matches.ts'

const bits = 15

export function level5(state: FastMatches, start: number): void {
  let at = start
  while (search(state, at)) {
    improve(state)
    state.extendBack()
    state.emit()
    at = state.emitted
    if (state.next >= at) at = state.next + 1
    if (at >= state.limit) return
    note(state, at)
  }
}

/** Finds a match from `start` on, into the state. False where the block has none any more. */
function search(state: FastMatches, start: number): boolean {
  const { view, base, emitted, limit } = state
  const { short, long, longBefore } = state.tables
  for (let at = start; ; ) {
    const next = at + 1 + ((at - emitted) >> 6)
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
      if (!preferNext(state, nextFrom)) preferNext(state, nextBeforeFrom)
      return true
    }
    at = next
  }
}

/** A longer match one step on, where seven bytes last stood, is taken instead. False: the place before may be asked. */
function preferNext(state: FastMatches, from: number): boolean {
  const { view, next } = state
  if (next - from >= mostDistance) return true
  if (view.getInt32(from, true) !== view.getInt32(next, true)) return false
  const length = state.shortMatch(next, from)
  if (length <= state.length) return false
  state.from = from
  state.at = next
  state.length = length
  return true
}

/** The whole length; and where it is short, a match that ends further on is looked for by its end. */
function improve(state: FastMatches): void {
  if (state.length === 0) state.length = state.longMatch(state.at, state.from)
  else if (state.length === 258) state.length += state.same(state.at + 258, state.from + 258, state.size - state.at - 258)
  const end = state.at + state.length
  if (state.length >= 30 || end >= state.limit) return
  const from = (state.tables.long[hash7(state.view, end, bits)] ?? 0) - state.base - state.length + 2
  const at = state.at + 2
  if (from < 0 || at - from >= mostDistance || at <= from) return
  const length = state.same(at, from, state.size - at)
  if (length > state.length) {
    state.from = from
    state.length = length
    state.at = at
  }
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

/** Some of the places within the match, and the one before `at`. */
function note(state: FastMatches, at: number): void {
  const { view, base } = state
  const { short } = state.tables
  let i = at - state.length + 1
  if (i < at - 1) {
    noteOne(state, i)
    noteLong(state, i + 1)
    short[hash4(view, i + 2, bits)] = i + 2 + base
    for (i += 4; i < at - 1; i += 3) {
      noteLong(state, i)
      short[hash4(view, i + 1, bits)] = i + 1 + base
    }
  }
  noteOne(state, at - 1)
}
