// Where an encoder's bits go: the low bits of a byte first, as deflate has them (RFC 1951, 3.1.1).

/** Grows as needed; `take` hands over the whole bytes so far. */
export class BitSink {
  #bytes = new Uint8Array(256 * 1024)
  #size = 0
  /** Fewer than 16 bits wait here between two calls. */
  #bits = 0
  #count = 0

  /** At most 16 bits. */
  put(bits: number, count: number): void {
    this.#bits |= bits << this.#count
    this.#count += count
    if (this.#count >= 16) {
      if (this.#size + 2 > this.#bytes.length) this.#grow(2)
      this.#bytes[this.#size++] = this.#bits
      this.#bytes[this.#size++] = this.#bits >>> 8
      this.#bits >>>= 16
      this.#count -= 16
    }
  }

  /** Zero bits up to the next whole byte. */
  align(): void {
    this.#grow(2)
    for (; this.#count > 0; this.#count -= 8, this.#bits >>>= 8) this.#bytes[this.#size++] = this.#bits
    this.#count = 0
    this.#bits = 0
  }

  /** How many bits the byte has room for that was begun. */
  untilWhole(): number {
    return (8 - (this.#count & 7)) & 7
  }

  /** Bytes as they are; only where the sink is aligned. */
  putBytes(bytes: Uint8Array): void {
    this.align()
    this.#grow(bytes.length)
    this.#bytes.set(bytes, this.#size)
    this.#size += bytes.length
  }

  /**
   * A block's tokens in one loop, which is where an encoder spends its output. A token is a literal (0 to 255) or
   * `1 << 30 | (length − 3) << 22 | (distance − 1)`.
   * @param hasEnd whether the end of the block comes behind them
   */
  putTokens(tokens: Int32Array, count: number, codes: TokenCodes, hasEnd = true): void {
    // Two codes with their extra bits have at most 48 bits.
    this.#grow(count * 6 + 8)
    const { literalCodes, literalSizes, distanceCodes, distanceSizes } = codes
    const bytes = this.#bytes
    let size = this.#size
    let bits = this.#bits
    let held = this.#count
    const put = (value: number, valueSize: number) => {
      bits |= value << held
      held += valueSize
      if (held >= 16) {
        bytes[size] = bits
        bytes[size + 1] = bits >>> 8
        size += 2
        bits >>>= 16
        held -= 16
      }
    }
    for (let i = 0; i < count; i++) {
      const token = tokens[i] ?? 0
      if (token < matchToken) {
        put(literalCodes[token] ?? 0, literalSizes[token] ?? 0)
        continue
      }
      const length = (token >>> 22) & 255
      const lengthCode = lengthCodes[length] ?? 0
      put(literalCodes[257 + lengthCode] ?? 0, literalSizes[257 + lengthCode] ?? 0)
      const lengthExtra = lengthExtraBits[lengthCode] ?? 0
      if (lengthExtra > 0) put(length - (lengthBase[lengthCode] ?? 0), lengthExtra)
      const distance = token & 0x3fffff
      const distanceCode = distanceCodeOf(distance)
      put(distanceCodes[distanceCode] ?? 0, distanceSizes[distanceCode] ?? 0)
      const distanceExtra = distanceExtraBits[distanceCode] ?? 0
      if (distanceExtra > 0) put(distance - (distanceBase[distanceCode] ?? 0), distanceExtra)
    }
    if (hasEnd) put(literalCodes[256] ?? 0, literalSizes[256] ?? 0)
    this.#size = size
    this.#bits = bits
    this.#count = held
  }

  /** The whole bytes since the last call. */
  take(): Uint8Array[] {
    if (this.#size === 0) return []
    const piece = this.#bytes.slice(0, this.#size)
    this.#size = 0
    return [piece]
  }

  #grow(moreBytes: number): void {
    if (this.#size + moreBytes <= this.#bytes.length) return
    const grown = new Uint8Array((this.#size + moreBytes) * 2)
    grown.set(this.#bytes.subarray(0, this.#size))
    this.#bytes = grown
  }
}

/** The codes of a block as they are put: bits reversed. */
export interface TokenCodes {
  readonly literalCodes: Uint16Array
  readonly literalSizes: Uint8Array
  readonly distanceCodes: Uint16Array
  readonly distanceSizes: Uint8Array
}

/** What a token of a match has more than a literal's. */
export const matchToken = 1 << 30

/** RFC 1951, 3.2.5, of length − 3 and distance − 1. */
export const lengthExtraBits = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0)
export const lengthBase = Uint8Array.of(
  0,
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  10,
  12,
  14,
  16,
  20,
  24,
  28,
  32,
  40,
  48,
  56,
  64,
  80,
  96,
  112,
  128,
  160,
  192,
  224,
  255,
)
export const distanceExtraBits = Uint8Array.from({ length: 30 }, (_, code) => (code < 4 ? 0 : (code >> 1) - 1))
export const distanceBase = Uint16Array.from({ length: 30 }, (_, code) => (code < 4 ? code : (2 + (code & 1)) << ((code >> 1) - 1)))
const lengthCodes = new Uint8Array(256)
for (let code = 0; code < 29; code++) lengthCodes.fill(code, lengthBase[code])
const nearCodes = Uint8Array.from({ length: 256 }, (_, distance) => distanceBase.findLastIndex((base) => base <= distance))

export function lengthCodeOf(length: number): number {
  return lengthCodes[length] ?? 0
}

export function distanceCodeOf(distance: number): number {
  return (distance < 256 ? nearCodes[distance] : (nearCodes[distance >> 7] ?? 0) + 14) ?? 0
}
