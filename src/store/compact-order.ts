// In which order compaction moves chunks: content by content, contents that have chunks in common one behind the other. Versions of the same thing come to lie side by side
// so, in whatever order they came, and what is new in one is like what is new in the next: compressed in one block, it costs a fraction. Pure.
import type { Run } from './format/recipe.ts'

/** Of runs in segments that are emptied: which of the segments, first ordinal, count; three numbers each. A chunk may be named more than once: it is moved the first time. */
export function moveOrder(sources: readonly number[], contents: readonly (readonly Run[])[]): Uint32Array {
  const places = new Map(sources.map((id, at) => [id, at]))
  const ordered = contents.map((runs) => ({ runs, key: runs.toSorted(compareRuns) })).toSorted((a, b) => compareKeys(a.key, b.key))
  const moves = ordered.flatMap(({ runs }) =>
    runs.flatMap(({ segment, first, count }) => {
      const at = places.get(segment)
      return at === undefined ? [] : [at, first, count]
    }),
  )
  return Uint32Array.from(moves)
}

function compareRuns(a: Run, b: Run): number {
  return a.segment - b.segment || a.first - b.first
}

/** By the oldest chunk that they name, then by the next one: what versions have in common is mostly what all of them have had. */
function compareKeys(a: readonly Run[], b: readonly Run[]): number {
  for (let at = 0; at < a.length && at < b.length; at++) {
    const order = compareRuns(a[at] as Run, b[at] as Run)
    if (order !== 0) return order
  }
  return a.length - b.length
}
