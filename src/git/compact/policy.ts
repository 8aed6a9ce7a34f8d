// Which packs of a network are to become one, by their sizes alone. docs/design/compaction.md gives the arithmetic.

export interface PackSize {
  /** Stored in PostgreSQL. */
  readonly isTail: boolean
  /** Made by a full repack. */
  readonly isFull: boolean
  /** Of the whole value. */
  readonly sizeBytes: number
  /** Without the index: what a repack could make less. */
  readonly packBytes: number
}

export const policy = {
  /** A network with so many packs beside a full one has some merged; or with so many bytes of tails. */
  packs: 100,
  tailsBytes: 8 << 20,
  /** Packs whose sizes differ by less than this factor are of one tier; so many of one tier become one of the next. */
  factor: 32,
  /** When a full repack is more than half due, only twice as many are merged: what is repacked soon would be written for nothing. */
  nearFactor: 2,
  /** A full repack is due when what lies outside of the full pack comes to so many times its bytes, and to so much at all… */
  fullTimes: 3,
  fullLeastBytes: 1 << 20,
  /** …or to this, and nothing came for so long. */
  quietTimes: 1,
  quietLeastBytes: 256 << 10,
  quietMs: 3600_000,
  /** All deltas are searched anew where packs come to no more than this: in seconds of a processor… */
  searchedBytes: 8 << 20,
  /** …or where there are so many times the objects that there were when they last were. Else the full pack's are taken over. */
  searchedGrowth: 2,
  /** A merge searches deltas, too, where its packs are so large a part of the network: whoever searches has all packs' indexes and paths before them. */
  mergeSearchedPart: 1 / 256,
  /** The same where packs lie far away, and are all fetched before. */
  farSearchedPart: 1 / 32,
} as const

export type Step = { readonly kind: 'none' } | { readonly kind: 'full' } | { readonly kind: 'merge'; readonly from: number }

/**
 * What is to be done next with these packs, oldest first. A merge takes all packs from `from` on: what is newer is smaller, or it would have
 * been merged.
 * @param quietMs since the newest pack came
 */
export function nextStep(packs: readonly PackSize[], quietMs: number): Step {
  const fullAt = packs.findLastIndex(({ isFull }) => isFull)
  // where there is none yet, the first pack counts as one: most often it was imported, well packed
  const fullBytes = packs[Math.max(0, fullAt)]?.packBytes ?? 0
  const since = packs.reduce((sum, { packBytes }) => sum + packBytes, -fullBytes)
  const isQuiet = quietMs >= policy.quietMs
  const due = isQuiet
    ? Math.max(policy.quietLeastBytes, policy.quietTimes * fullBytes)
    : Math.max(policy.fullLeastBytes, policy.fullTimes * fullBytes)
  if (since >= due && packs.length > 1) return { kind: 'full' }
  const tailBytes = sizeOf(packs.filter(({ isTail }) => isTail))
  const times = since > due / 2 ? policy.nearFactor : 1
  if (packs.length - fullAt - 1 < policy.packs * times && tailBytes < policy.tailsBytes) return { kind: 'none' }
  const from = mergedFrom(packs, fullAt + 1, policy.factor * times)
  return packs.length - from > 1 ? { kind: 'merge', from } : { kind: 'none' }
}

/** Whether a full repack searches all deltas anew: each that doesn't leaves the pack a little larger than it might be (decision 0017). */
export function isSearchDue(packBytes: number, objects: number, searchedObjects: number): boolean {
  return packBytes <= policy.searchedBytes || objects >= policy.searchedGrowth * searchedObjects
}

/** Whether a merge of so many bytes searches deltas. */
export function isMergeSearched(mergedBytes: number, allBytes: number, isNear: boolean): boolean {
  return mergedBytes >= allBytes * (isNear ? policy.mergeSearchedPart : policy.farSearchedPart)
}

/**
 * The oldest tail (or the newest pack) and all behind it; and before it, tier by tier, the packs that with what comes to them are `many`, all of one tier, or
 * smaller.
 */
function mergedFrom(packs: readonly PackSize[], least: number, many: number): number {
  const tail = packs.findIndex(({ isTail }, i) => i >= least && isTail)
  let from = tail < 0 ? packs.length - 1 : tail
  let bytes = sizeOf(packs.slice(from))
  for (;;) {
    let at = from
    let more = 0
    let alike = 1
    while (at > least && (packs[at - 1] as PackSize).sizeBytes < policy.factor * bytes) {
      more += (packs[--at] as PackSize).sizeBytes
      if ((packs[at] as PackSize).sizeBytes * policy.factor > bytes) alike++
    }
    // what is smaller than what comes to it costs little, and stands in the way of the order
    const small = at < from && more < bytes / policy.factor
    if (at === from || (alike < many && !small)) return from
    from = at
    bytes += more
  }
}

function sizeOf(packs: readonly PackSize[]): number {
  return packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
