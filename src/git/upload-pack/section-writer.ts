// Lines of an answer ahead of its pack: bare, or with `sideband-all` each in a frame of band 1 (gitprotocol-v2(5)).
import { utf8 } from '../../base/index.ts'
import { Band, encodeBand, encodePkt, MAX_PKT_DATA_BYTES, PktLineWriter } from '../format/pkt-line.ts'

export class SectionWriter {
  readonly #out = new PktLineWriter()
  readonly #band: string

  constructor(sidebandAll: boolean) {
    this.#band = sidebandAll ? String.fromCharCode(Band.data) : ''
  }

  /** A line of text; no newline is added. */
  text(text: string): this {
    this.#out.text(this.#band + text)
    return this
  }

  flush(): this {
    this.#out.flush()
    return this
  }

  delim(): this {
    this.#out.delim()
    return this
  }

  /** What was written since the last take. */
  take(): Uint8Array {
    return this.#out.take()
  }
}

/** The pkt-line that ends a conversation with a message to the user; what is too long for one line is cut off. */
export function errorPacket(message: string, sidebandAll = false): Uint8Array {
  if (sidebandAll) return encodeBand(Band.error, utf8(message).subarray(0, MAX_PKT_DATA_BYTES - 1))
  return encodePkt(utf8(`ERR ${message}`).subarray(0, MAX_PKT_DATA_BYTES))
}
