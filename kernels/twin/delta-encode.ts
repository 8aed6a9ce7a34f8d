// The twin of delta-encode.ts.

const block = 16
const mostAlike = 64
const longEnough = 4096

/** The delta that makes the target of the base. */
export function deltaEncode(base: Uint8Array, target: Uint8Array): Uint8Array {
  const blocks = listBlocks(base)
  const out = [...size(base.length), ...size(target.length)]
  let pending = 0
  for (let at = 0; at + block <= target.length; ) {
    let best = 0
    let from = 0
    for (const start of (blocks.get(key(target, at)) ?? []).slice(0, mostAlike)) {
      const length = same(base, start, target, at)
      if (length > best) [best, from] = [length, start]
      if (best >= longEnough) break
    }
    if (best === 0) {
      at++
      continue
    }
    const end = at + best
    while (at > pending && from > 0 && target[at - 1] === base[from - 1]) [at, from, best] = [at - 1, from - 1, best + 1]
    out.push(...inserts(target.subarray(pending, at)))
    for (let done = 0; done < best; done += 0x10000) out.push(...copy(from + done, Math.min(0x10000, best - done)))
    at = end
    pending = end
  }
  return Uint8Array.from([...out, ...inserts(target.subarray(pending))])
}

/** Where each block's content stands in the base, ascending; of equal neighbours only the first. */
function listBlocks(base: Uint8Array): Map<string, number[]> {
  const blocks = new Map<string, number[]>()
  for (let at = 0; at + block <= base.length; at += block) {
    const content = key(base, at)
    if (at > 0 && content === key(base, at - block)) continue
    const places = blocks.get(content)
    if (places) places.push(at)
    else blocks.set(content, [at])
  }
  return blocks
}

function key(bytes: Uint8Array, at: number): string {
  return Buffer.from(bytes.subarray(at, at + block)).toString('latin1')
}

function same(a: Uint8Array, i: number, b: Uint8Array, j: number): number {
  let length = 0
  while (i + length < a.length && j + length < b.length && a[i + length] === b[j + length]) length++
  return length
}

function size(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...size(Math.floor(value / 128))]
}

function inserts(bytes: Uint8Array): number[] {
  const out: number[] = []
  for (let at = 0; at < bytes.length; at += 127) out.push(Math.min(127, bytes.length - at), ...bytes.subarray(at, at + 127))
  return out
}

function copy(offset: number, count: number): number[] {
  const operands = [offset, offset >>> 8, offset >>> 16, offset >>> 24, count, count >>> 8].map((value) => value & 255)
  return [operands.reduce((op, value, i) => op | (value === 0 ? 0 : 1 << i), 128), ...operands.filter((value) => value !== 0)]
}
