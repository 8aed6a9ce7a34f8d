// What levels 5 and 6 of klauspost's compress/flate have in common (level5.go, level6.go), but for the search itself: one loop for both, told how fast to skip and what to
// prefer, was 10 % slower.
import { type FastMatches, hash4, hash7, mostDistance } from './fast-matches.ts'

export const bits = 15

/** Takes a match at another place instead, where it is longer. */
export function preferAt(state: FastMatches, at: number, from: number): boolean {
  const { view } = state
  if (view.getInt32(from, true) !== view.getInt32(at, true)) return false
  const length = state.shortMatch(at, from)
  if (length <= state.length) return false
  state.from = from
  state.length = length
  state.at = at
  return true
}

/** The whole length of what was found; the place behind it. */
export function wholeLength(state: FastMatches): number {
  if (state.length === 0) state.length = state.longMatch(state.at, state.from)
  else if (state.length === 258) state.length += state.same(state.at + 258, state.from + 258, state.size - state.at - 258)
  return state.at + state.length
}

/** A match that was found by its end. */
export function preferEnd(state: FastMatches, at: number, from: number): void {
  if (from < 0 || at <= from || at - from >= mostDistance) return
  const length = state.same(at, from, state.size - at)
  if (length <= state.length) return
  state.from = from
  state.length = length
  state.at = at
}

export function noteShort(state: FastMatches, at: number): void {
  state.tables.short[hash4(state.view, at, bits)] = at + state.base
}

export function noteLong(state: FastMatches, at: number): void {
  const { long, longBefore } = state.tables
  const hash = hash7(state.view, at, bits)
  longBefore[hash] = long[hash] ?? 0
  long[hash] = at + state.base
}

export function noteOne(state: FastMatches, at: number): void {
  noteShort(state, at)
  noteLong(state, at)
}
