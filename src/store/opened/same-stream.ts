// What makes a member's deflate stream again, seen while the stream is inflated: an engine, whose stream is held against what came, or a difference, which is told
// of what came.
import type { CorrectionMaker, DeflateEncoder } from '../replay/index.ts'

export interface StreamProof {
  /** What comes next of the stream; before what it holds. */
  deflated(bytes: Uint8Array): void
  /** What it holds. False: the stream isn't made again. */
  plain(bytes: Uint8Array): boolean
  /** The stream's end: what belongs to the recipe; null: the stream isn't made again. */
  end(): Uint8Array | null
}

/** An engine is ahead of the stream by the end of a block: all that it holds has come, but its last bits or a flush not yet. */
const mostAheadBytes = 4096

export class SameStream implements StreamProof {
  readonly #encoder: DeflateEncoder
  /** Bytes of the stream that the encoder has not made yet: about what it holds back. */
  readonly #came = new Queued()
  /** Bytes that it has made, and that have not come yet. One of the two is empty. */
  readonly #made = new Queued()
  #isSame = true

  constructor(encoder: DeflateEncoder) {
    this.#encoder = encoder
  }

  /** Copies the bytes. */
  deflated(bytes: Uint8Array): void {
    const left = this.#match(this.#made, bytes)
    if (left.length > 0) this.#came.add(new Uint8Array(left))
  }

  plain(bytes: Uint8Array): boolean {
    return this.#compare(this.#encoder.push(bytes))
  }

  end(): Uint8Array | null {
    const isSame = this.#compare(this.#encoder.end())
    return isSame && this.#came.sizeBytes === 0 && this.#made.sizeBytes === 0 ? new Uint8Array() : null
  }

  #compare(pieces: readonly Uint8Array[]): boolean {
    for (const made of pieces) {
      const left = this.#match(this.#came, made)
      if (left.length > 0) this.#made.add(left)
      if (!this.#isSame || this.#made.sizeBytes > mostAheadBytes) return false
    }
    return this.#isSame
  }

  /** What is left of the bytes where the others end. */
  #match(others: Queued, bytes: Uint8Array): Uint8Array {
    let left = bytes
    for (let other = others.first; other !== null && left.length > 0; other = others.first) {
      const count = Math.min(left.length, other.length)
      if (Buffer.compare(left.subarray(0, count), other.subarray(0, count)) !== 0) this.#isSame = false
      left = left.subarray(count)
      others.drop(count)
    }
    return left
  }
}

/** Pieces of a stream, taken from their beginning. */
class Queued {
  readonly #pieces: Uint8Array[] = []
  sizeBytes = 0

  get first(): Uint8Array | null {
    return this.#pieces[0] ?? null
  }

  add(bytes: Uint8Array): void {
    this.#pieces.push(bytes)
    this.sizeBytes += bytes.length
  }

  /** At most all of the first one. */
  drop(count: number): void {
    const first = this.#pieces[0] as Uint8Array
    this.sizeBytes -= count
    if (count === first.length) this.#pieces.shift()
    else this.#pieces[0] = first.subarray(count)
  }
}

/** That its corrections make the stream again is seen only when they have been stored: by the check of every opened content. */
export class DifferentStream implements StreamProof {
  readonly #maker: CorrectionMaker

  constructor(maker: CorrectionMaker) {
    this.#maker = maker
  }

  deflated(bytes: Uint8Array): void {
    this.#maker.push(bytes)
  }

  plain(): boolean {
    return true
  }

  end(): Uint8Array {
    return this.#maker.end()
  }
}
