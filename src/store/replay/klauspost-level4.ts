// Level 4 of klauspost's compress/flate (level4.go): the last place of four bytes and of seven.
import { type FastMatches, hash4, hash7, mostDistance } from './fast-matches.ts'

const bits = 15

export function level4(state: FastMatches, start: number): void {
  match(state, start, false)
}

/** As from 1.18.0 on, where what is compared one step on is another place than the one that was found. */
export function level4Astray(state: FastMatches, start: number): void {
  match(state, start, true)
}

function match(state: FastMatches, start: number, isAstray: boolean): void {
  const { view, base } = state
  const { short, long } = state.tables
  let at = start
  while (search(state, at, isAstray)) {
    state.length = state.longMatch(state.at, state.from)
    state.extendBack()
    state.emit()
    at = state.emitted
    if (state.next >= at) at = state.next + 1
    if (at >= state.limit) {
      if (at + 8 < state.size) {
        short[hash4(view, at, bits)] = at + base
        long[hash7(view, at, bits)] = at + base
      }
      return
    }
    for (let i = state.next; i < at - 1; i += 3) {
      long[hash7(view, i, bits)] = i + base
      long[hash7(view, i + 1, bits)] = i + 1 + base
      short[hash4(view, i + 1, bits)] = i + 1 + base
    }
    short[hash4(view, at - 1, bits)] = at - 1 + base
    long[hash7(view, at - 1, bits)] = at - 1 + base
  }
}

function search(state: FastMatches, start: number, isAstray: boolean): boolean {
  const { view, base, emitted, limit } = state
  const { short, long } = state.tables
  for (let at = start; ; ) {
    const next = at + 1 + ((at - emitted) >> 6)
    if (next > limit) return false
    const shortHash = hash4(view, at, bits)
    const longHash = hash7(view, at, bits)
    const four = view.getInt32(at, true)
    const shortFrom = (short[shortHash] ?? 0) - base
    const longFrom = (long[longHash] ?? 0) - base
    short[shortHash] = at + base
    long[longHash] = at + base
    state.next = next
    state.at = at
    if (at - longFrom < mostDistance && view.getInt32(longFrom, true) === four) {
      state.from = longFrom
      return true
    }
    if (at - shortFrom < mostDistance && view.getInt32(shortFrom, true) === four) {
      state.from = shortFrom
      const nextFrom = (long[hash7(view, next, bits)] ?? 0) - base
      if (next - nextFrom < mostDistance && view.getInt32(nextFrom, true) === view.getInt32(next, true)) {
        const compared = isAstray ? next - nextFrom : nextFrom
        const most = state.size - next - 4
        if (state.same(next + 4, compared + 4, most) > state.same(at + 4, shortFrom + 4, state.size - at - 4)) {
          state.at = next
          state.from = nextFrom
        }
      }
      return true
    }
    at = next
  }
}
