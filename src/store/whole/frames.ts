// A stream as frames of 1 MiB in memory that is used again: what is hashed, summed and written at once.
import { InputError } from '../../base/index.ts'
import { sumBytes } from '../format/whole.ts'

/** Frames that wait to be used again. */
const mostFree = 32
/** Behind the MiB there is room for what is written with it. */
const roomBytes = 4096

export class FramePool {
  readonly #free: Uint8Array[] = []

  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(Buffer.allocUnsafeSlow(sumBytes + roomBytes).buffer)
  }

  give(frame: Uint8Array): void {
    if (this.#free.length < mostFree) this.#free.push(frame)
  }
}

export interface Frame {
  /** A MiB; less, also nothing, only where it is the last. */
  readonly bytes: Uint8Array
  /** What they stand at the beginning of. */
  readonly memory: Uint8Array
  readonly isLast: boolean
  /** The source broke off behind these bytes. */
  readonly error: Error | null
  /** Gives the memory back: nobody looks at `bytes` any more. */
  free(): void
}

/** How much may come. */
export interface ArrivalLimit {
  /** May shrink while bytes come. More is InputError 'too-large'. */
  mostBytes: number
  /** Exactly so many, where that is known: else InputError 'size-mismatch'. */
  readonly sizeBytes: number | null
  readonly signal: AbortSignal | undefined
}

/** At least one frame. What the source throws is in the last one, what is refused is thrown. The taker frees each frame. */
export async function* framesOf(source: AsyncIterable<Uint8Array>, pool: FramePool, limit: ArrivalLimit): AsyncGenerator<Frame> {
  let memory = pool.take()
  let filled = 0
  let arrived = 0
  const frame = (isLast: boolean, error: Error | null): Frame => {
    const full = memory
    let isFree = false
    return {
      bytes: full.subarray(0, filled),
      memory: full,
      isLast,
      error,
      free: () => {
        if (!isFree) pool.give(full)
        isFree = true
      },
    }
  }
  const iterator = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      let next: IteratorResult<Uint8Array>
      try {
        limit.signal?.throwIfAborted()
        next = await iterator.next()
      } catch (error) {
        yield frame(true, error instanceof Error ? error : new Error('the source broke off', { cause: error }))
        return
      }
      if (next.done === true) break
      arrived += next.value.length
      assertFits(arrived, limit)
      for (let at = 0; at < next.value.length; ) {
        if (filled === sumBytes) {
          yield frame(false, null)
          memory = pool.take()
          filled = 0
        }
        const part = next.value.subarray(at, at + sumBytes - filled)
        memory.set(part, filled)
        filled += part.length
        at += part.length
      }
    }
    if (limit.sizeBytes !== null && arrived !== limit.sizeBytes) throw sizeMismatch(limit.sizeBytes)
    yield frame(true, null)
  } finally {
    await iterator.return?.()
  }
}

function assertFits(arrived: number, { mostBytes, sizeBytes }: ArrivalLimit): void {
  if (sizeBytes !== null && arrived > sizeBytes) throw sizeMismatch(sizeBytes)
  if (arrived > mostBytes) throw new InputError('too-large', 'the content is larger than what is allowed')
}

function sizeMismatch(sizeBytes: number): InputError {
  return new InputError('size-mismatch', `the content does not have the ${sizeBytes} bytes that were announced`)
}
