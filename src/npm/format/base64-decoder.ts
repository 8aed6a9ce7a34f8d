// Base64 as it comes (RFC 4648 §4), strictly: the standard alphabet, padded, no other bytes, no bits that say nothing. Pure.
import { asBuffer, InputError } from '../../base/index.ts'

export class Base64Decoder {
  /** Characters of a group that isn't whole yet. */
  #rest: Uint8Array = new Uint8Array()
  /** A padded group has come: nothing comes behind it. */
  #hasEnded = false
  #memory = Buffer.alloc(0)

  /** The bytes that these characters end; good until the next call. InputError 'bad-base64'. */
  push(text: Uint8Array): Uint8Array {
    const all = this.#rest.length === 0 ? text : Buffer.concat([this.#rest, text])
    const whole = all.length - (all.length % 4)
    this.#rest = new Uint8Array(all.subarray(whole))
    if (whole === 0) return new Uint8Array()
    if (this.#hasEnded) throw badBase64()
    return this.#decode(asBuffer(all.subarray(0, whole)))
  }

  /** Nothing more comes. InputError 'bad-base64'. */
  end(): void {
    if (this.#rest.length > 0) throw badBase64()
  }

  /** Node's decoder passes over what it doesn't know, and takes the URL's alphabet, too: what is short by that was none. */
  #decode(text: Buffer): Uint8Array {
    const padding = text[text.length - 2] === equals ? 2 : text[text.length - 1] === equals ? 1 : 0
    const most = (text.length / 4) * 3
    if (this.#memory.length < most) this.#memory = Buffer.allocUnsafeSlow(most)
    const bytes = this.#memory.subarray(0, this.#memory.write(text.toString('latin1'), 'base64'))
    if (bytes.length !== most - padding || text.includes(dash) || text.includes(underscore)) throw badBase64()
    if (padding > 0) {
      this.#hasEnded = true
      if (bytes.subarray(padding - 3).toString('base64') !== text.toString('latin1', text.length - 4)) throw badBase64()
    }
    return bytes
  }
}

const [equals, dash, underscore] = [0x3d, 0x2d, 0x5f]

function badBase64(): InputError {
  return new InputError('bad-base64', 'The attachment is not base64')
}
