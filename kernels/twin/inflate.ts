// The twin of inflate.ts: RFC 1950 and 1951 read bit by bit, codes found by counting (as in zlib's "puff" description of the format).
import { InflateStatus } from '../kernel.ts'
import { adler32 } from './checksums.ts'

const lengthBase = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258]
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385,
  24577,
]
const distanceExtra = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13]
const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

export interface Inflated {
  readonly status: number
  /** Bytes of the stream. */
  readonly used: number
  readonly bytes: Uint8Array
}

class Stop extends Error {
  readonly status: number
  constructor(status: number) {
    super()
    this.status = status
  }
}

const bad = () => new Stop(InflateStatus.badData)

/** The stream at the front of `input`, which should make `size` bytes. */
export function inflate(input: Uint8Array, size: number): Inflated {
  const reader = new Bits(input)
  const out: number[] = []
  try {
    const head = reader.byte() * 256 + reader.byte()
    if (((head >> 8) & 15) !== 8 || head >> 12 > 7 || head % 31 !== 0 || (head & 32) !== 0) throw bad()
    let isLast = false
    while (!isLast) {
      isLast = reader.take(1) === 1
      block(reader, reader.take(2), out, size)
    }
    reader.align()
    let sum = 0
    for (let i = 0; i < 4; i++) sum = sum * 256 + reader.byte()
    if (out.length < size) throw new Stop(InflateStatus.tooShort)
    if (sum !== adler32(1, Uint8Array.from(out))) throw new Stop(InflateStatus.badChecksum)
    return { status: InflateStatus.ok, used: reader.at, bytes: Uint8Array.from(out) }
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    return { status: error.status, used: reader.at, bytes: Uint8Array.from(out) }
  }
}

function block(reader: Bits, type: number, out: number[], size: number): void {
  const put = (byte: number) => {
    if (out.length === size) throw new Stop(InflateStatus.tooLong)
    out.push(byte)
  }
  if (type === 3) throw bad()
  if (type === 0) {
    reader.align()
    const length = reader.byte() + reader.byte() * 256
    const check = reader.byte() + reader.byte() * 256
    if ((length ^ check) !== 0xffff) throw bad()
    for (let i = 0; i < length; i++) put(reader.byte())
    return
  }
  const [literals, distances] = type === 1 ? fixedCodes() : dynamicCodes(reader)
  for (;;) {
    const symbol = literals.read(reader)
    if (symbol < 256) put(symbol)
    else if (symbol === 256) return
    else {
      if (symbol > 285) throw bad()
      const length = lengthBase[symbol - 257]! + reader.take(lengthExtra[symbol - 257]!)
      const code = distances.read(reader)
      if (code > 29) throw bad()
      const distance = distanceBase[code]! + reader.take(distanceExtra[code]!)
      if (distance > out.length) throw bad()
      for (let i = 0; i < length; i++) put(out[out.length - distance]!)
    }
  }
}

function fixedCodes(): [Code, Code] {
  const lengths = Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))
  return [
    new Code(lengths, 'complete'),
    new Code(
      Array.from({ length: 32 }, () => 5),
      'complete',
    ),
  ]
}

function dynamicCodes(reader: Bits): [Code, Code] {
  const literalCount = 257 + reader.take(5)
  const distanceCount = 1 + reader.take(5)
  const lengthCount = 4 + reader.take(4)
  if (literalCount > 286 || distanceCount > 30) throw bad()
  const codeLengths = Array.from({ length: 19 }, () => 0)
  for (let i = 0; i < lengthCount; i++) codeLengths[order[i]!] = reader.take(3)
  const code = new Code(codeLengths, 'complete')
  const lengths: number[] = []
  while (lengths.length < literalCount + distanceCount) {
    const symbol = code.read(reader)
    if (symbol < 16) lengths.push(symbol)
    else {
      if (symbol === 16 && lengths.length === 0) throw bad()
      const repeat = symbol === 16 ? 3 + reader.take(2) : symbol === 17 ? 3 + reader.take(3) : 11 + reader.take(7)
      const value = symbol === 16 ? lengths.at(-1)! : 0
      for (let i = 0; i < repeat; i++) lengths.push(value)
    }
  }
  if (lengths.length > literalCount + distanceCount || lengths[256] === 0) throw bad()
  return [new Code(lengths.slice(0, literalCount), 'single'), new Code(lengths.slice(literalCount), 'none')]
}

/** A canonical code: symbols by length, then by number. */
class Code {
  readonly #counts = Array.from({ length: 16 }, () => 0)
  readonly #symbols: number[]

  constructor(lengths: readonly number[], form: 'complete' | 'single' | 'none') {
    for (const length of lengths) this.#counts[length]!++
    const used = lengths.length - this.#counts[0]!
    this.#counts[0] = 0
    let free = 1
    for (let length = 1; length < 16; length++) free = free * 2 - this.#counts[length]!
    const over = this.#counts.reduce((left, count, i) => (left < 0 || i === 0 ? left : left * 2 - count), 1) < 0
    const isAllowed = (form !== 'complete' && used === 1 && this.#counts[1] === 1) || (form === 'none' && used === 0)
    if (over || (free > 0 && !isAllowed)) throw bad()
    this.#symbols = lengths
      .map((_, i) => i)
      .filter((i) => lengths[i]! > 0)
      .sort((a, b) => lengths[a]! - lengths[b]! || a - b)
  }

  read(reader: Bits): number {
    let code = 0
    let first = 0
    let index = 0
    for (let length = 1; length < 16; length++) {
      code |= reader.take(1)
      const count = this.#counts[length]!
      if (code - first < count) return this.#symbols[index + code - first]!
      index += count
      first = (first + count) * 2
      code *= 2
      // A code of one symbol: its other bit is an error at once.
      if (this.#symbols.length <= 1) break
    }
    throw bad()
  }
}

class Bits {
  readonly #input: Uint8Array
  at = 0
  #bits = 0
  #count = 0

  constructor(input: Uint8Array) {
    this.#input = input
  }

  byte(): number {
    const byte = this.#input[this.at]
    if (byte === undefined) throw new Stop(InflateStatus.needInput)
    this.at++
    return byte
  }

  take(count: number): number {
    while (this.#count < count) {
      this.#bits += this.byte() * 2 ** this.#count
      this.#count += 8
    }
    const value = this.#bits % 2 ** count
    this.#bits = Math.floor(this.#bits / 2 ** count)
    this.#count -= count
    return value
  }

  align(): void {
    this.#bits = 0
    this.#count = 0
  }
}
