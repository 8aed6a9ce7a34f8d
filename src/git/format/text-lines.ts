// Texts taken apart into lines, with a number for each line's content: equal lines, equal numbers. A line is what ends in LF, with it; the last
// one may lack it, and is another line then. Pure.

/** A text taken apart by a `LineReader`. */
export interface TextLines {
  readonly bytes: Uint8Array
  /** Where lines begin, and behind the last one the end. */
  readonly starts: Uint32Array
  /** Equal numbers for equal lines, among all texts of one reader; small numbers. */
  readonly kinds: Int32Array
  readonly count: number
}

const LF = 0x0a
/** Lines whose place is taken by so many others are found by another way: whoever grinds lines for that gains nothing. */
const mostProbes = 24

/** Takes texts apart that are to be compared with each other. Keeps a copy of every distinct line. */
export class LineReader {
  /** Kind + 1 by hash; 0: free. */
  #slots = new Int32Array(1024)
  #hashes = new Int32Array(512)
  /** Where each kind's line stands in `#text`; behind the last one the end. */
  #starts = new Uint32Array(513)
  #text = new Uint8Array(16 << 10)
  #count = 0
  readonly #crowded = new Map<string, number>()

  /** @param like a text of this reader that is much the same: lines that both begin and end with aren't looked at again */
  read(bytes: Uint8Array, like: TextLines | null = null): TextLines {
    if (like === null) return this.#read(bytes, 0, bytes.length)
    const shift = bytes.length - like.bytes.length
    let head = lastUpTo(like, equalHead(bytes, like.bytes))
    // the end of a text may lack its LF, and the line go on in the other one
    if (head > 0 && bytes[(like.starts[head] as number) - 1] !== LF) head--
    const headBytes = like.starts[head] as number
    const most = Math.min(bytes.length, like.bytes.length) - headBytes
    const same = like.bytes.length - equalTail(bytes, like.bytes, most)
    let tail = lastUpTo(like, same)
    if ((like.starts[tail] as number) < same) tail++
    // what begins there must begin a line of this text, too
    const at = (like.starts[tail] as number) + shift
    if (tail < like.count && at > 0 && bytes[at - 1] !== LF) tail++
    const tailBytes = like.bytes.length - (like.starts[tail] as number)
    const middle = this.#read(bytes, headBytes, bytes.length - tailBytes)
    const count = head + middle.count + like.count - tail
    const starts = new Uint32Array(count + 1)
    const kinds = new Int32Array(count)
    starts.set(like.starts.subarray(0, head))
    starts.set(middle.starts.subarray(0, middle.count), head)
    for (let i = tail, to = head + middle.count; i <= like.count; i++, to++) starts[to] = (like.starts[i] as number) + shift
    kinds.set(like.kinds.subarray(0, head))
    kinds.set(middle.kinds, head)
    kinds.set(like.kinds.subarray(tail), head + middle.count)
    return { bytes, starts, kinds, count }
  }

  #read(bytes: Uint8Array, from: number, to: number): TextLines {
    let starts = new Uint32Array(64 + ((to - from) >>> 5))
    let kinds = new Int32Array(starts.length)
    let count = 0
    starts[0] = from
    for (let at = from; at < to; count++) {
      if (count + 1 >= starts.length) {
        starts = grown(starts, Uint32Array)
        kinds = grown(kinds, Int32Array)
      }
      let hash = 0x811c9dc5 | 0
      let end = at
      for (let byte = -1; byte !== LF && end < to; end++) {
        byte = bytes[end] as number
        hash = Math.imul(hash ^ byte, 0x01000193)
      }
      kinds[count] = this.#kind(bytes, at, end, hash ^ (hash >>> 15))
      at = end
      starts[count + 1] = end
    }
    return { bytes, starts: starts.subarray(0, count + 1), kinds: kinds.subarray(0, count), count }
  }

  #kind(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hash & mask, probes = 0; probes < mostProbes; slot = (slot + 1) & mask, probes++) {
      const kind = (this.#slots[slot] as number) - 1
      if (kind < 0) {
        this.#slots[slot] = this.#count + 1
        return this.#add(bytes, start, end, hash)
      }
      if (this.#hashes[kind] === hash && this.#isKind(kind, bytes, start, end)) return kind
    }
    const line = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
    const known = this.#crowded.get(line)
    if (known !== undefined) return known
    this.#crowded.set(line, this.#count)
    return this.#add(bytes, start, end, hash)
  }

  #isKind(kind: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#starts[kind] as number
    if ((this.#starts[kind + 1] as number) - from !== end - start) return false
    const text = this.#text
    for (let at = start, i = from; at < end; at++, i++) if (bytes[at] !== text[i]) return false
    return true
  }

  #add(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const kind = this.#count++
    const from = this.#starts[kind] as number
    while (from + end - start > this.#text.length) this.#text = grown(this.#text, Uint8Array)
    this.#text.set(bytes.subarray(start, end), from)
    this.#hashes[kind] = hash
    this.#starts[kind + 1] = from + end - start
    if (this.#count === this.#hashes.length) this.#grow()
    return kind
  }

  #grow(): void {
    this.#hashes = grown(this.#hashes, Int32Array)
    this.#starts = grown(this.#starts, Uint32Array)
    this.#crowded.clear()
    this.#slots = new Int32Array(this.#slots.length * 2)
    const mask = this.#slots.length - 1
    for (let kind = 0; kind < this.#count; kind++) {
      let slot = (this.#hashes[kind] as number) & mask
      let probes = 1
      for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) probes++
      if (probes <= mostProbes) this.#slots[slot] = kind + 1
      else this.#crowded.set(Buffer.from(this.#text.subarray(this.#starts[kind], this.#starts[kind + 1])).toString('latin1'), kind)
    }
  }
}

/** The last line that begins no later than that: so many lines end no later. */
function lastUpTo({ starts, count }: TextLines, end: number): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((starts[middle] as number) <= end) low = middle
    else high = middle - 1
  }
  return low
}

const stretch = 4096

/** How many bytes both begin with. */
function equalHead(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length)
  const [left, right] = [Buffer.from(a.buffer, a.byteOffset, a.length), Buffer.from(b.buffer, b.byteOffset, b.length)]
  let same = 0
  while (same + stretch <= most && left.compare(right, same, same + stretch, same, same + stretch) === 0) same += stretch
  while (same < most && a[same] === b[same]) same++
  return same
}

/** How many bytes both end with, `most` at most. */
function equalTail(a: Uint8Array, b: Uint8Array, most: number): number {
  const [left, right] = [Buffer.from(a.buffer, a.byteOffset, a.length), Buffer.from(b.buffer, b.byteOffset, b.length)]
  let same = 0
  for (; same + stretch <= most; same += stretch) {
    const [aEnd, bEnd] = [a.length - same, b.length - same]
    if (left.compare(right, bEnd - stretch, bEnd, aEnd - stretch, aEnd) !== 0) break
  }
  while (same < most && a[a.length - 1 - same] === b[b.length - 1 - same]) same++
  return same
}

function grown<T extends Uint8Array | Int32Array | Uint32Array>(array: T, make: new (length: number) => T): T {
  const larger = new make(array.length * 2)
  larger.set(array)
  return larger
}
