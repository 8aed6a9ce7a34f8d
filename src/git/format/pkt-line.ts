// pkt-lines (gitprotocol-common(5)): four hex digits of length, themselves counted, then that many bytes less four.
//   0000 flush · 0001 delimiter · 0002 response end · 0003 never · 0004 an empty line · at most fff0 (65520)
// Sidebands (gitprotocol-pack(5)): the first byte of a line is 1 pack data, 2 progress, 3 fatal error.
// Invariants: lines are handed out as views into the stream's chunks, copied only where a line spans two; nothing is held beyond one line.
import { asBuffer, concatBytes, InputError, latin1 } from '../../base/index.ts'

/** Longest pkt-line with its length, and the most data in one. */
export const MAX_PKT_BYTES = 65520
export const MAX_PKT_DATA_BYTES = MAX_PKT_BYTES - 4

const ascii = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0))
const hexDigits = ascii('0123456789abcdef')
export const flushPkt = ascii('0000')
export const delimPkt = ascii('0001')
export const responseEndPkt = ascii('0002')

export const Band = { data: 1, progress: 2, error: 3 } as const
export type Band = (typeof Band)[keyof typeof Band]

/** Longest line with side-band-64k and with side-band, length and band included. */
export const sidebandLimits = { 'side-band-64k': MAX_PKT_BYTES, 'side-band': 1000 } as const

/** Writes the length that begins a line of that much data. RangeError when it doesn't fit: a fault of ours, not of a client. */
function writeLength(out: Uint8Array, at: number, dataBytes: number): void {
  if (dataBytes > MAX_PKT_DATA_BYTES) throw new RangeError(`a pkt-line can't hold ${dataBytes} bytes`)
  for (let i = 0; i < 4; i++) out[at + i] = hexDigits[((dataBytes + 4) >> (12 - 4 * i)) & 15] as number
}

/** One line. Text is written as UTF-8, with no newline added. */
export function encodePkt(data: Uint8Array | string): Uint8Array {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data
  const out = new Uint8Array(4 + bytes.length)
  writeLength(out, 0, bytes.length)
  out.set(bytes, 4)
  return out
}

/** The five bytes that go before that much data of a band: for sending the data itself uncopied. */
export function encodeBandHeader(band: Band, dataBytes: number): Uint8Array {
  const out = new Uint8Array(5)
  writeLength(out, 0, dataBytes + 1)
  out[4] = band
  return out
}

/** Data as lines of one band, each no longer than the limit; all in one array. Empty data makes no line. */
export function encodeBand(band: Band, data: Uint8Array | string, limitBytes: number = MAX_PKT_BYTES): Uint8Array {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data
  const most = Math.min(limitBytes, MAX_PKT_BYTES) - 5
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += most) {
    const part = bytes.subarray(at, at + most)
    parts.push(encodeBandHeader(band, part.length), part)
  }
  return concatBytes(parts)
}

/** Splits a line of a multiplexed stream. InputError `pkt-band`. */
export function decodeBand(line: Uint8Array): { readonly band: Band; readonly data: Uint8Array } {
  const band = line[0]
  if (band !== 1 && band !== 2 && band !== 3) throw new InputError('pkt-band', `protocol error: bad band #${band ?? 0}`)
  return { band, data: line.subarray(1) }
}

/** Writes many short lines into one growing array: ref advertisements of any size, without an array for each line. */
export class PktLineWriter {
  #bytes: Buffer
  #size = 0

  constructor(initialBytes = 4096) {
    this.#bytes = Buffer.allocUnsafe(initialBytes)
  }

  /** Bytes written and not yet taken. */
  get sizeBytes(): number {
    return this.#size
  }

  /** A line of text, as UTF-8; no newline is added. */
  text(text: string): this {
    this.#reserve(4 + text.length * 3)
    const writtenBytes = this.#bytes.write(text, this.#size + 4)
    writeLength(this.#bytes, this.#size, writtenBytes)
    this.#size += 4 + writtenBytes
    return this
  }

  data(bytes: Uint8Array): this {
    this.#reserve(4 + bytes.length)
    writeLength(this.#bytes, this.#size, bytes.length)
    this.#bytes.set(bytes, this.#size + 4)
    this.#size += 4 + bytes.length
    return this
  }

  flush(): this {
    return this.#special(flushPkt)
  }

  delim(): this {
    return this.#special(delimPkt)
  }

  responseEnd(): this {
    return this.#special(responseEndPkt)
  }

  #special(pkt: Uint8Array): this {
    this.#reserve(4)
    this.#bytes.set(pkt, this.#size)
    this.#size += 4
    return this
  }

  #reserve(more: number): void {
    if (this.#size + more <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#size + more))
    this.#bytes.copy(larger, 0, 0, this.#size)
    this.#bytes = larger
  }

  /** What was written since the last take. The bytes are the caller's: the writer goes on with an array of its own. */
  take(): Uint8Array {
    const taken = new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset, this.#size)
    this.#bytes = Buffer.allocUnsafe(Math.min(Math.max(this.#size, 64), 65536))
    this.#size = 0
    return taken
  }
}

/** One line as read; `data` is a view, good until its owner reuses the chunk (Node's streams don't). */
export type Pkt = { readonly type: 'data'; readonly data: Uint8Array } | { readonly type: 'flush' | 'delim' | 'response-end' }

const specials = [{ type: 'flush' }, { type: 'delim' }, { type: 'response-end' }] as const satisfies readonly Pkt[]

/**
 * Length of the line at `at` with its four digits, or 0, 1, 2 for the special ones. InputError `pkt-length`. At least 4 bytes are
 * there.
 */
function decodeLength(bytes: Uint8Array, at: number, limitBytes: number): number {
  let length = 0
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i] as number
    const letter = byte | 32
    if (byte >= 0x30 && byte <= 0x39) length = length * 16 + byte - 0x30
    else if (letter >= 0x61 && letter <= 0x66) length = length * 16 + letter - 0x57
    else throw badLengthDigits(bytes.subarray(at, at + 4))
  }
  if (length === 3) throw new InputError('pkt-length', 'protocol error: bad line length 3')
  if (length > limitBytes) throw new InputError('pkt-length', `protocol error: bad line length ${length - 4}`)
  return length
}

function badLengthDigits(digits: Uint8Array): InputError {
  const shown = latin1(digits).replaceAll(/[^\x21-\x7e]/g, '?')
  return new InputError('pkt-length', `protocol error: bad line length character: ${shown}`)
}

/** The line at `at` and where it ends; null when more bytes are needed. InputError `pkt-length`. */
export function decodePkt(
  bytes: Uint8Array,
  at = 0,
  limitBytes: number = MAX_PKT_BYTES,
): { readonly pkt: Pkt; readonly end: number } | null {
  if (bytes.length - at < 4) return null
  const length = decodeLength(bytes, at, limitBytes)
  if (length < 4) return { pkt: specials[length] as Pkt, end: at + 4 }
  if (bytes.length - at < length) return null
  return { pkt: { type: 'data', data: bytes.subarray(at + 4, at + length) }, end: at + length }
}

export interface PktLimits {
  /** Longest line, with its length. Default and most 65520. */
  readonly lineBytes?: number
  /** Lines in all. Default a million. */
  readonly lines?: number
}

/** Reads lines out of a stream, then hands over what follows them. One reader for a stream; `close` ends the stream early. */
export class PktLineReader {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #lineBytes: number
  #linesLeft: number
  #chunk: Uint8Array = new Uint8Array(0)
  #at = 0
  #peeked: Pkt | null = null

  constructor(source: AsyncIterable<Uint8Array>, limits: PktLimits = {}) {
    this.#source = source[Symbol.asyncIterator]()
    this.#lineBytes = Math.min(limits.lineBytes ?? MAX_PKT_BYTES, MAX_PKT_BYTES)
    this.#linesLeft = limits.lines ?? 1_000_000
  }

  /**
   * The next line; null when the stream ends between lines.
   * InputError: `pkt-length`, `pkt-truncated` (the stream ends within a line), `pkt-lines` (too many). The stream's own errors pass.
   */
  async read(): Promise<Pkt | null> {
    const peeked = this.#peeked
    if (peeked !== null) {
      this.#peeked = null
      return peeked
    }
    for (;;) {
      const line = this.tryRead()
      if (line !== undefined) return line
      if (await this.#more()) continue
      if (this.#at === this.#chunk.length) return null
      throw new InputError('pkt-truncated', 'the remote end hung up unexpectedly')
    }
  }

  /** The next line if all of it has arrived, else undefined. */
  tryRead(): Pkt | undefined {
    if (this.#peeked !== null) {
      const peeked = this.#peeked
      this.#peeked = null
      return peeked
    }
    const decoded = decodePkt(this.#chunk, this.#at, this.#lineBytes)
    if (decoded === null) return undefined
    if (this.#linesLeft-- <= 0) throw new InputError('pkt-lines', 'protocol error: too many lines')
    this.#at = decoded.end
    return decoded.pkt
  }

  /** The next line, which stays the next one. */
  async peek(): Promise<Pkt | null> {
    this.#peeked ??= await this.read()
    return this.#peeked
  }

  /** Takes chunks until the line at the cursor is complete or its length is known to be more; false at the stream's end. */
  async #more(): Promise<boolean> {
    const parts = [this.#chunk.subarray(this.#at)]
    let size = this.#chunk.length - this.#at
    let needed = size >= 4 ? decodeLength(this.#chunk, this.#at, this.#lineBytes) : 4
    let isOpen = true
    while (isOpen && size < needed) {
      const next = await this.#source.next()
      if (next.done === true) {
        isOpen = false
      } else {
        const isKnown = size >= 4
        parts.push(next.value)
        size += next.value.length
        if (!isKnown && size >= 4)
          needed = Math.max(4, decodeLength(concatBytes(parts.map((part) => part.subarray(0, 4))), 0, this.#lineBytes))
      }
    }
    // A line that spans chunks costs one copy of them; the lines after it in the last chunk are views of that copy.
    const filled = parts.filter((part) => part.length > 0)
    this.#chunk = filled.length === 1 ? (filled[0] as Uint8Array) : concatBytes(filled)
    this.#at = 0
    return isOpen
  }

  /** What follows the lines read so far, uncopied. The reader reads nothing more after this. */
  async *rest(): AsyncGenerator<Uint8Array, void, void> {
    if (this.#peeked !== null) throw new Error('a peeked line was not read')
    const chunk = this.#chunk.subarray(this.#at)
    this.#at = this.#chunk.length
    try {
      if (chunk.length > 0) yield chunk
      for (;;) {
        const next = await this.#source.next()
        if (next.done === true) return
        yield next.value
      }
    } finally {
      await this.close()
    }
  }

  /** Tells the stream that nothing more is wanted of it. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }
}

/** A line without its newline, which senders may leave out (gitprotocol-common(5)). */
export function withoutNewline(line: Uint8Array): Uint8Array {
  return line[line.length - 1] === 0x0a ? line.subarray(0, -1) : line
}

/** A line as text (UTF-8), without its newline. */
export function pktText(line: Uint8Array): string {
  return asBuffer(withoutNewline(line)).toString('utf8')
}
