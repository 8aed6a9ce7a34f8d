// Side-band frames (gitprotocol-pack(5)): band 1 the pack, band 2 progress, band 3 a fatal error. Pack bytes are laid out in place, frame
// behind frame, in two buffers that take turns: no frame is a write of its own.
import { FrameBuffers, frameCapacity, type FrameBufferSize } from './frame-buffers.ts'
import { Band, encodeBand, encodeBandHeader, flushPkt } from '../format/pkt-line.ts'

/** Where frames go. */
export interface FrameSink {
  /**
   * Takes bytes. Undefined: more may come at once, and the bytes may still be in use. A promise: more may come when it resolves, and none
   * of the bytes written so far are in use any longer (Node's `drain` says that).
   */
  write(bytes: Uint8Array): Promise<void> | undefined
}

const headerBytes = 5
/** Less than this is copied at the end: a sink that takes it without a promise would keep the whole buffer with it. */
const copiedBytes = 64 << 10
const keepAlive = encodeBandHeader(Band.data, 0)

export class SidebandWriter {
  readonly #sink: FrameSink
  readonly #frameBytes: number // with its header; 0 = no frames
  readonly #buffers: FrameBuffers
  #size: FrameBufferSize = 'small'
  #capacity: number
  #own: Buffer | undefined // made when it is needed
  #spare: Buffer | undefined
  #used = 0 // bytes in #buffer, the open frame's header and bytes included
  #open = 0 // bytes in the open frame, header included; 0 = none is open
  #pending: Promise<void> | undefined
  #quiet = true

  /**
   * @param frameBytes 65520 (side-band-64k), 1000 (side-band) or 0: the pack goes out bare, messages nowhere
   * @param buffers shared with others, for as long as each needs one
   */
  constructor(sink: FrameSink, frameBytes: 0 | 1000 | 65520, buffers = new FrameBuffers()) {
    this.#sink = sink
    this.#frameBytes = frameBytes
    this.#buffers = buffers
    this.#capacity = frameCapacity(this.#size, frameBytes)
  }

  get #buffer(): Buffer {
    return (this.#own ??= this.#buffers.take(this.#size))
  }

  /** Pack bytes; they are copied before the promise resolves. */
  async data(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      if (this.#used === this.#capacity) await this.#send()
      if (this.#frameBytes > 0 && this.#open === 0) this.#openFrame()
      const room = this.#frameBytes === 0 ? this.#capacity - this.#used : this.#frameBytes - this.#open
      const part = Math.min(room, bytes.length - from)
      this.#buffer.set(part === bytes.length ? bytes : bytes.subarray(from, from + part), this.#used)
      this.#used += part
      this.#open += part
      from += part
      if (this.#open === this.#frameBytes) this.#closeFrame()
    }
  }

  /**
   * Pack bytes that are read right to where they are sent from. `read` fills its targets, one behind the other, with the bytes from `at` on; `look`
   * sees them before they go. When one of them throws, nothing of what was read last is sent.
   */
  async fill(
    sizeBytes: number,
    read: (targets: Uint8Array[], at: number) => Promise<void>,
    look: (bytes: Uint8Array, at: number) => void,
  ): Promise<void> {
    if (sizeBytes > this.#capacity) await this.#enlarge()
    for (let at = 0; at < sizeBytes; ) {
      if (this.#used === this.#capacity) await this.#send()
      const { targets, used, open } = this.#layOut(sizeBytes - at)
      await read(targets, at)
      for (const target of targets) {
        look(target, at)
        at += target.length
      }
      this.#used = used
      this.#open = open
    }
  }

  /** A message for the user; dropped where there are no frames. */
  async progress(text: string): Promise<void> {
    if (this.#frameBytes > 0 && text !== '') await this.#message(Band.progress, text)
  }

  /** The last message; nothing may follow it. */
  async fatal(text: string): Promise<void> {
    if (this.#frameBytes > 0) await this.#message(Band.error, text)
  }

  /**
   * An empty frame, unless something was sent since the last call. Called every few seconds while nothing else is. Outside of the pack it has to
   * be one of progress: readers of sections take an empty frame of band 1 for an empty line.
   */
  keepAlive(band: Band = Band.data): void {
    if (this.#quiet && this.#frameBytes > 0) void this.#sink.write(band === Band.data ? keepAlive : encodeBandHeader(band, 0))
    this.#quiet = true
  }

  /** Sends what is left, and a flush packet where there are frames. */
  async end(): Promise<void> {
    this.#closeFrame()
    if (this.#frameBytes > 0) {
      this.#buffer.set(flushPkt, this.#used) // there is room behind the last frame
      this.#used += flushPkt.length
    }
    if (this.#used >= copiedBytes) await this.#send()
    else if (this.#used > 0) await this.#sink.write(Buffer.from(this.#buffer.subarray(0, this.#used)))
    this.#used = 0
    await this.#giveBack()
  }

  /** Last, whether it came to its end or broke off: buffers that the sink may still use are left to it. */
  close(): void {
    if (this.#size === 'large') this.#buffers.leave()
    this.#size = 'small'
    this.#own = undefined
    this.#spare = undefined
  }

  async #enlarge(): Promise<void> {
    if (this.#size === 'large' || !this.#buffers.enter()) return
    await this.#send()
    await this.#giveBack()
    this.#size = 'large'
    this.#capacity = frameCapacity(this.#size, this.#frameBytes)
  }

  async #giveBack(): Promise<void> {
    await this.#pending
    for (const buffer of [this.#own, this.#spare]) if (buffer) this.#buffers.give(buffer)
    this.#own = undefined
    this.#spare = undefined
  }

  /** Where the next bytes go, and what is used when they are there; headers of frames that become full are written already. */
  #layOut(sizeBytes: number): { targets: Uint8Array[]; used: number; open: number } {
    const targets: Uint8Array[] = []
    let used = this.#used
    let open = this.#open
    for (let left = sizeBytes; left > 0 && used < this.#capacity; ) {
      if (this.#frameBytes > 0 && open === 0) {
        used += headerBytes
        open = headerBytes
      }
      const room = this.#frameBytes === 0 ? this.#capacity - used : this.#frameBytes - open
      const part = Math.min(room, left)
      targets.push(this.#buffer.subarray(used, used + part))
      used += part
      open += part
      left -= part
      if (open !== this.#frameBytes) continue
      this.#buffer.set(encodeBandHeader(Band.data, open - headerBytes), used - open)
      open = 0
    }
    return { targets, used, open }
  }

  #openFrame(): void {
    this.#used += headerBytes
    this.#open = headerBytes
  }

  #closeFrame(): void {
    if (this.#frameBytes === 0 || this.#open === 0) return
    this.#buffer.set(encodeBandHeader(Band.data, this.#open - headerBytes), this.#used - this.#open)
    this.#open = 0
  }

  async #send(): Promise<void> {
    if (this.#used === 0) return
    this.#closeFrame()
    await this.#pending // the spare buffer is free then
    this.#quiet = false
    const written = this.#buffer
    this.#pending = this.#sink.write(written.subarray(0, this.#used))
    // what was taken without a promise stays the sink's
    this.#own = this.#spare
    this.#spare = this.#pending ? written : undefined
    this.#used = 0
    this.#open = 0
  }

  async #message(band: Band, text: string): Promise<void> {
    await this.#send()
    this.#quiet = false
    await this.#sink.write(encodeBand(band, text, this.#frameBytes))
  }
}
