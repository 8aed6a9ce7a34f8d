// The line between a client and a git service that talk (SSH): what comes in, request by request, and what goes out.
import { concatBytes, InputError } from '../base/index.ts'
import type { GitAnswer, GitCall } from './git-call.ts'
import { decodePkt, flushPkt, pktText } from './format/pkt-line.ts'

/** What a transport brings for a conversation. */
export interface GitLine {
  /**
   * The next bytes, which are the receiver's; null: the client sends no more. `patient`: nothing is held while it is waited for, and the client may
   * take its time (it runs hooks, and looks for deltas); else it has to keep a pace. InputError `slow-body`, `client-gone`.
   */
  read(pace: 'patient' | 'paced'): Promise<Uint8Array | null>
  /** For one answer: its end doesn't end the line. */
  answer(): GitAnswer
  /** An answer failed: nothing more is said. */
  readonly isOver: boolean
  /** Resolves when what was written has been taken, or nobody is left to take it. */
  flush(): Promise<void>
  /** The call as it is now: rights, refs and settings may have changed while the client was waited for. Throws when it isn't allowed any more. */
  renew(): Promise<GitCall>
}

/** Sends what a GET of info/refs has, without what is said over HTTP alone: the service's name, in a section of its own. */
export async function sendAdvertisement(line: GitLine, bytes: Uint8Array): Promise<void> {
  const first = decodePkt(bytes)
  const isNamed = first?.pkt.type === 'data' && pktText(first.pkt.data).startsWith('# service=')
  line.answer().end(isNamed ? bytes.subarray(first.end + flushPkt.length) : bytes)
  await line.flush()
}

/** What a client sends, cut where it says that a request ends. */
export class Requests {
  readonly #line: GitLine
  readonly #limitBytes: number
  #chunk: Uint8Array = new Uint8Array(0)

  /** @param limitBytes of one request */
  constructor(line: GitLine, limitBytes: number) {
    this.#line = line
    this.#limitBytes = limitBytes
  }

  /** Waits for the beginning of a request; false: there is none any more. */
  async hasNext(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const bytes = await this.#line.read('patient')
      if (bytes === null) return false
      this.#chunk = bytes
    }
    return true
  }

  /**
   * The bytes of one request, to its flush packet or a line that says `last`. InputError `too-large`; `pkt-truncated` when the client hangs up
   * before; `pkt-length`; what reading throws.
   */
  async *next(last: string | null = null): AsyncGenerator<Uint8Array, void, undefined> {
    let sizeBytes = 0
    let isPatient = true
    for (;;) {
      const { at, isWhole } = this.#whole(last)
      const piece = this.#chunk.subarray(0, at)
      this.#chunk = this.#chunk.subarray(at)
      sizeBytes += piece.length
      if (sizeBytes > this.#limitBytes) throw new InputError('too-large', `The request is larger than ${this.#limitBytes} bytes`)
      if (piece.length > 0) yield piece
      if (isWhole) return
      isPatient &&= sizeBytes + this.#chunk.length === 0
      const bytes = await this.#line.read(isPatient ? 'patient' : 'paced')
      if (bytes === null) throw new InputError('pkt-truncated', 'the remote end hung up unexpectedly')
      this.#chunk = this.#chunk.length === 0 ? bytes : concatBytes([this.#chunk, bytes])
    }
  }

  /** All that follows, uncut. */
  async *rest(pace: () => 'patient' | 'paced'): AsyncGenerator<Uint8Array, void, undefined> {
    for (let bytes: Uint8Array | null = this.#chunk; bytes !== null; bytes = await this.#line.read(pace())) {
      if (bytes.length > 0) yield bytes
    }
  }

  /** Where the packets end that are there as a whole, or the request does. */
  #whole(last: string | null): { readonly at: number; readonly isWhole: boolean } {
    let at = 0
    for (let decoded = decodePkt(this.#chunk, at); decoded !== null; decoded = decodePkt(this.#chunk, at)) {
      at = decoded.end
      const { pkt } = decoded
      if (
        pkt.type === 'flush' ||
        (pkt.type === 'data' && last !== null && pkt.data.length <= last.length + 1 && pktText(pkt.data) === last)
      )
        return { at, isWhole: true }
    }
    return { at, isWhole: false }
  }
}
