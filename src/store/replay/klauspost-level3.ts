// Level 3 of klauspost's compress/flate (level3.go): the last two places of five bytes.
import { type FastMatches, hash5, mostDistance } from './fast-matches.ts'

const bits = 16

export function level3(state: FastMatches, start: number): void {
  const { view } = state
  let at = start
  while (search(state, at)) {
    for (;;) {
      state.length = state.longMatch(state.at, state.from)
      state.extendBack()
      state.emit()
      at = state.emitted
      if (state.next >= at) at = state.next + 1
      if (at >= state.limit) {
        const from = state.from + state.length
        if (from + 8 < state.size && from > 0) note(state, from)
        return
      }
      for (let i = at - state.length + 2; i < at - 5; i += 6) note(state, i)
      note(state, at - 2)
      note(state, at - 1)
      const hash = hash5(view, at, bits)
      const last = state.tables.short[hash] ?? 0
      const before = state.tables.shortBefore[hash] ?? 0
      note(state, at)
      const least = state.base + at - (mostDistance - 4)
      const four = view.getInt32(at, true)
      if (last > least && view.getInt32(last - state.base, true) === four) state.from = last - state.base
      else if (last > least && before > least && view.getInt32(before - state.base, true) === four) state.from = before - state.base
      else break
      state.at = at
    }
    at++
  }
}

function search(state: FastMatches, start: number): boolean {
  const { view, base, emitted, limit } = state
  const { short, shortBefore } = state.tables
  for (let at = start; ; ) {
    const next = at + 1 + ((at - emitted) >> 7)
    if (next > limit) return false
    const hash = hash5(view, at, bits)
    const last = short[hash] ?? 0
    const before = shortBefore[hash] ?? 0
    shortBefore[hash] = last
    short[hash] = at + base
    const least = base + at - (mostDistance - 4)
    if (last >= least) {
      const four = view.getInt32(at, true)
      const isLast = view.getInt32(last - base, true) === four
      const isBefore = (isLast ? before >= least : before > least) && view.getInt32(before - base, true) === four
      if (isLast || isBefore) {
        state.next = next
        state.at = at
        state.from = isLast ? last - base : before - base
        const most = state.size - at - 4
        if (isLast && isBefore && state.same(at + 4, before - base + 4, most) > state.same(at + 4, last - base + 4, most))
          state.from = before - base
        return true
      }
    }
    at = next
  }
}

function note(state: FastMatches, at: number): void {
  const { short, shortBefore } = state.tables
  const hash = hash5(state.view, at, bits)
  shortBefore[hash] = short[hash] ?? 0
  short[hash] = at + state.base
}
