// Bytes and varints (seven bits a byte, the low ones first), written to a bounded buffer and read from one.
import { CorruptError, InputError } from '../../base/index.ts'

export class VarintWriter {
  readonly #most: number
  #bytes = new Uint8Array(4096)
  size = 0

  constructor(most: number) {
    this.#most = most
  }

  /** InputError 'difference-size' past the bound. */
  byte(value: number): void {
    if (this.size === this.#bytes.length) {
      if (this.size >= this.#most) throw new InputError('difference-size', 'the stream differs too much from all that is known')
      const grown = new Uint8Array(this.size * 2)
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#bytes[this.size++] = value
  }

  varint(value: number): void {
    let left = value
    for (; left > 127; left >>>= 7) this.byte((left & 127) | 128)
    this.byte(left)
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.size)
  }
}

/** CorruptError 'replay-corrections' past the end. */
export class VarintReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new CorruptError('replay-corrections', 'the corrections of a deflate stream end too early')
    return byte
  }

  varint(): number {
    let value = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte()
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
    throw new CorruptError('replay-corrections', 'a number among the corrections is too large')
  }

  bytes(size: number): Uint8Array {
    if (this.#at + size > this.#bytes.length)
      throw new CorruptError('replay-corrections', 'the corrections of a deflate stream end too early')
    this.#at += size
    return this.#bytes.subarray(this.#at - size, this.#at)
  }
}
