// How much of one file stands in another one, by git's measure (its diffcore-delta.c): bytes of lines, or of every 64 bytes of long ones, that both
// have. Pure.

/** Scores are of so many. */
export const wholeScore = 60_000
/** What has at least this in common is the same file under another name. */
export const renameScore = wholeScore / 2

/** How many bytes stand in lines of each hash. */
export type Spans = ReadonlyMap<number, number>

const spanBytes = 64
const spanHashes = 107_927
const lookedAtForText = 8000

export function spansOf(bytes: Uint8Array): Spans {
  const spans = new Map<number, number>()
  const isText = bytes.subarray(0, lookedAtForText).indexOf(0) < 0
  let [first, second, length] = [0, 0, 0]
  const end = () => {
    const hash = ((first + Math.imul(second, 0x61)) >>> 0) % spanHashes
    spans.set(hash, (spans.get(hash) ?? 0) + length)
    first = second = length = 0
  }
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (isText && byte === 0x0d && bytes[at + 1] === 0x0a) continue
    const before = first
    first = (((first << 7) ^ (second >>> 25)) + byte) >>> 0
    second = ((second << 7) ^ (before >>> 25)) >>> 0
    if (++length === spanBytes || byte === 0x0a) end()
  }
  if (length > 0) end()
  return spans
}

/** Can files of these sizes have enough in common? */
export function mayBeSimilar(aBytes: number, bBytes: number): boolean {
  const larger = Math.max(aBytes, bBytes)
  return bBytes > 0 && (larger - Math.min(aBytes, bBytes)) * wholeScore <= larger * (wholeScore - renameScore)
}

/** Of `wholeScore`; the sizes are those of the files. */
export function similarity(a: Spans, aBytes: number, b: Spans, bBytes: number): number {
  let common = 0
  for (const [hash, count] of a) common += Math.min(count, b.get(hash) ?? 0)
  return Math.floor((common * wholeScore) / Math.max(aBytes, bBytes, 1))
}
