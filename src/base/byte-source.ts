// A stream of bytes that can also be read into the taker's own memory: what becomes large pieces anyway then needs no memory for each small one.

export interface ByteSource extends AsyncIterable<Uint8Array> {
  /**
   * Reads on into the memory, and resolves when it is full; with less where the stream ends or breaks off: the next call then resolves with 0, or throws what broke
   * it off. One call at a time, and never beside the iterator.
   */
  readonly fill?: (memory: Uint8Array) => Promise<number>
}

/** `fill` of a stream that hasn't got it. */
export class Filler {
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #signal: AbortSignal | undefined
  #rest: Uint8Array = new Uint8Array()
  #failure: { readonly error: unknown } | null = null

  /** @param signal looked at before each piece */
  constructor(source: AsyncIterable<Uint8Array>, signal?: AbortSignal) {
    this.#iterator = source[Symbol.asyncIterator]()
    this.#signal = signal
  }

  async fill(memory: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < memory.length && (this.#rest.length > 0 || (await this.#next()))) {
      const part = this.#rest.subarray(0, memory.length - filled)
      memory.set(part, filled)
      filled += part.length
      this.#rest = this.#rest.subarray(part.length)
    }
    if (filled === 0 && this.#failure !== null) throw this.#failure.error
    return filled
  }

  /** Nothing more is wanted. */
  async end(): Promise<void> {
    await this.#iterator.return?.()
  }

  /** Whether there is something, perhaps of no bytes. */
  async #next(): Promise<boolean> {
    if (this.#failure !== null) return false
    try {
      this.#signal?.throwIfAborted()
      const next = await this.#iterator.next()
      if (next.done !== true) this.#rest = next.value
      return next.done !== true
    } catch (error) {
      this.#failure = { error }
      return false
    }
  }
}

/** Gives a piece's memory back at once, where it is all the piece's own: nobody may look at it any more. A collector that has to count it runs far more often. */
export function freePiece({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) buffer.transfer(0)
}
