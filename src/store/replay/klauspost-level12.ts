// Levels 1 and 2 of klauspost's compress/flate (level1.go, level2.go): the last place of five bytes, in a small table or a large one.
import { type FastMatches, hash5, hash5Cut, mostDistance } from './fast-matches.ts'

export function level1(state: FastMatches, start: number): void {
  match(state, start, 15, noteNothing)
}

export function level2(state: FastMatches, start: number): void {
  match(state, start, 17, noteSome)
}

function match(state: FastMatches, start: number, bits: number, noteWithin: (state: FastMatches, at: number) => void): void {
  const { view } = state
  const { short } = state.tables
  let at = start
  while (search(state, at, bits)) {
    for (;;) {
      state.length = state.longMatch(state.at, state.from)
      state.extendBack()
      state.emit()
      at = state.emitted
      if (state.next >= at) at = state.next + 1
      if (at >= state.limit) {
        if (at + state.length + 8 < state.size) short[hash5(view, at, bits)] = at + state.base
        return
      }
      noteWithin(state, at)
      short[hash5(view, at - 2, bits)] = at - 2 + state.base
      if (bits === 17) short[hash5(view, at - 1, bits)] = at - 1 + state.base
      const hash = hash5(view, at, bits)
      const from = (short[hash] ?? 0) - state.base
      short[hash] = at + state.base
      if (at - from > mostDistance || view.getInt32(from, true) !== view.getInt32(at, true)) break
      state.at = at
      state.from = from
    }
    at++
  }
}

/** Two steps at a time: the second is one byte on. */
function search(state: FastMatches, start: number, bits: number): boolean {
  const { view, base, emitted, limit } = state
  const { short } = state.tables
  for (let at = start; ; ) {
    let next = at + 2 + ((at - emitted) >> 5)
    if (next > limit) return false
    let hash = hash5(view, at, bits)
    let from = (short[hash] ?? 0) - base
    short[hash] = at + base
    const nextHash = hash5(view, next, bits)
    if (at - from < mostDistance && view.getInt32(from, true) === view.getInt32(at, true)) {
      short[nextHash] = next + base
      state.at = at
      state.from = from
      state.next = next
      return true
    }
    hash = nextHash
    at = next++
    from = (short[hash] ?? 0) - base
    short[hash] = at + base
    if (at - from < mostDistance && view.getInt32(from, true) === view.getInt32(at, true)) {
      // Upstream's level 1 notes the place that follows under the hash of this one.
      if (bits === 15) short[hash] = next + base
      state.at = at
      state.from = from
      state.next = next
      return true
    }
    at = next
  }
}

function noteNothing(): void {
  // Level 1 notes no place within a match.
}

function noteSome(state: FastMatches, at: number): void {
  const { view, base } = state
  const { short } = state.tables
  for (let i = at - state.length + 2; i < at - 5; i += 7) {
    short[hash5(view, i, 17)] = i + base
    short[hash5(view, i + 2, 17)] = i + 2 + base
    short[hash5Cut(view, i + 4, 17)] = i + 4 + base
  }
}
