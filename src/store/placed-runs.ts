// Runs over segments by UUID: what a put's recipe is until its segments have rows, and as it stands in a segment.
import { type Digest, digestBytes } from './digest.ts'
import type { PortableRecipe, Run } from './format/recipe.ts'
import { type StagedSegment, uuidBytes } from './segment-writer.ts'

/** A run over segments by UUID. */
export interface PlacedRun {
  readonly uuid: string
  readonly first: number
  readonly count: number
  readonly sizeBytes: number
}

/** Where a put's own chunks stand: so many from its first one on, in that segment from that ordinal on. */
interface OwnPlace {
  readonly uuid: string
  readonly first: number
  readonly sizes: Uint32Array
}

/** A put's runs over segments by UUID; null when one of the old segments is gone. */
export function placed(runs: readonly Run[], own: readonly OwnPlace[], uuids: ReadonlyMap<number, string>): PlacedRun[] | null {
  if (runs.some((run) => run.segment >= 0 && !uuids.has(run.segment))) return null
  return placeRuns(runs, own, (segment) => uuids.get(segment) as string)
}

export function ownPlaces(staged: readonly Pick<StagedSegment, 'uuid' | 'sizes'>[]): OwnPlace[] {
  return staged.map(({ uuid, sizes }) => ({ uuid, first: 0, sizes }))
}

/** A recipe as it stands in a segment. */
export function portable(digest: Digest, sizeBytes: number, runs: readonly PlacedRun[]): PortableRecipe {
  const places = new Map<string, number>()
  const numbered = runs.map(({ uuid, ...run }) => {
    const segment = places.get(uuid) ?? places.size
    places.set(uuid, segment)
    return { ...run, segment }
  })
  return { digest: digestBytes(digest), sizeBytes, uuids: [...places.keys()].map(uuidBytes), runs: numbered }
}

/** Runs over old segments (by id) and own chunks (segment −1), as runs over segments by UUID; an own run over several segments is divided. */
function placeRuns(runs: readonly Run[], own: readonly OwnPlace[], uuidOf: (segment: number) => string): PlacedRun[] {
  const starts: number[] = []
  let total = 0
  for (const place of own) {
    starts.push(total)
    total += place.sizes.length
  }
  const divided: PlacedRun[] = []
  for (const run of runs) {
    if (run.segment >= 0) {
      divided.push({ uuid: uuidOf(run.segment), first: run.first, count: run.count, sizeBytes: run.sizeBytes })
      continue
    }
    for (let at = run.first, n = lastAtMost(starts, run.first); at < run.first + run.count; n++) {
      const place = own[n]
      const start = starts[n]
      if (place === undefined || start === undefined) throw new RangeError('a run of chunks that were not stored')
      const sizes = place.sizes.subarray(at - start, run.first + run.count - start)
      if (sizes.length === 0) continue
      divided.push({
        uuid: place.uuid,
        first: place.first + at - start,
        count: sizes.length,
        sizeBytes: sizes.reduce((sum, size) => sum + size, 0),
      })
      at += sizes.length
    }
  }
  return divided
}

/** The last place in an ascending list whose number is not more than `value`. */
function lastAtMost(ascending: readonly number[], value: number): number {
  let low = 0
  let high = ascending.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((ascending[middle] as number) <= value) low = middle
    else high = middle - 1
  }
  return low
}
