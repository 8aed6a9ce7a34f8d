// Where the chunks of a recipe are now, while rows are made again: segments that compaction emptied say where their chunks went.
import { decodeMoves } from './format/segment.ts'
import type { PortableRecipe } from './format/recipe.ts'
import type { PlacedRun } from './placed-runs.ts'
import { uuidText } from './segment-writer.ts'

/** One that is in the bucket, and has a row. */
export interface Segment {
  readonly uuid: string
  readonly id: number
  readonly sizes: Uint32Array
}

export interface Moved {
  readonly first: number
  readonly count: number
  readonly to: string
  readonly here: number
}

export function noteMoves(moves: Map<string, Moved[]>, to: string, section: Uint8Array): void {
  for (const { uuid, ...moved } of decodeMoves(section)) {
    const from = uuidText(uuid)
    const known = moves.get(from)
    if (known === undefined) moves.set(from, [{ ...moved, to }])
    else known.push({ ...moved, to })
  }
}

/** The recipe's chunks where they are now; null when one of them is nowhere. */
export function resolve(
  recipe: PortableRecipe,
  segments: ReadonlyMap<string, Segment>,
  moves: ReadonlyMap<string, readonly Moved[]>,
): PlacedRun[] | null {
  const runs: PlacedRun[] = []
  const uuids = recipe.uuids.map(uuidText)
  for (const { segment, ...run } of recipe.runs) {
    const uuid = uuids[segment] as string
    if (segments.has(uuid)) {
      runs.push({ uuid, ...run })
      continue
    }
    for (let ordinal = run.first; ordinal < run.first + run.count; ordinal++) {
      const place = follow(uuid, ordinal, segments, moves)
      if (place === null) return null
      runs.push(place)
    }
  }
  const sizeBytes = runs.reduce((sum, run) => sum + run.sizeBytes, 0)
  return sizeBytes === recipe.sizeBytes ? runs : null
}

/** Where a chunk went: compaction carries on what the segments that it empties say of others, so that one step is enough. */
function follow(
  uuid: string,
  ordinal: number,
  segments: ReadonlyMap<string, Segment>,
  moves: ReadonlyMap<string, readonly Moved[]>,
): PlacedRun | null {
  for (const { first, count, to, here } of moves.get(uuid) ?? []) {
    if (ordinal < first || ordinal >= first + count) continue
    const place = here + ordinal - first
    const sizeBytes = segments.get(to)?.sizes[place]
    if (sizeBytes !== undefined) return { uuid: to, first: place, count: 1, sizeBytes }
  }
  return null
}
