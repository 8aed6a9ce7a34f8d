// Which segments one compaction empties.
import { segmentBytes } from './sizes.ts'

export interface Candidate {
  readonly size_bytes: number
  readonly chunk_count: number
  /** Null: not known. */
  readonly live_chunks: number | null
  readonly is_tail: boolean
}

/** It is worth it for one that is sparse, for so many bytes of tails or so many tails, or to make a nearly full segment. */
const worthTailBytes = 8 << 20
const worthTails = 512
const worthBytes = (segmentBytes / 4) * 3
/** Tails are held in memory as they are, however little of them is live; what is left is the next batch's. */
export const mostTailBytes = segmentBytes

/** Of these, in their order: as many as fill one segment with what is live of them. None when that isn't worth it. */
export function chooseBatch<T extends Candidate>(rows: readonly T[]): T[] {
  let liveBytes = 0
  let tailBytes = 0
  const chosen = rows.filter((row) => {
    const live = row.size_bytes * liveShare(row)
    const held = row.is_tail ? row.size_bytes : 0
    if (liveBytes + live > segmentBytes || tailBytes + held > mostTailBytes) return false
    liveBytes += live
    tailBytes += held
    return true
  })
  const tails = chosen.filter((row) => row.is_tail)
  const isAnySparse = chosen.some((row) => !row.is_tail && liveShare(row) < 1 / 2)
  const isWorthIt = isAnySparse || tailBytes >= worthTailBytes || tails.length >= worthTails || liveBytes >= worthBytes
  return isWorthIt ? chosen : []
}

function liveShare({ live_chunks: live, chunk_count: count }: Candidate): number {
  return live === null || count === 0 ? 1 : live / count
}
