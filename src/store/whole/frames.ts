// A stream as frames of 1 MiB in memory that is used again: what is hashed, summed and written at once.
import { type ByteSource, Filler, InputError } from '../../base/index.ts'
import { sumBytes } from '../format/whole.ts'

/** Frames that wait to be used again. */
const mostFree = 32
/** Behind the MiB there is room for what is written with it. */
const roomBytes = 4096

export class FramePool {
  readonly #isShared: boolean
  readonly #free: Uint8Array[] = []

  /** @param isShared other threads may look at it where it is; not everything that writes takes such memory */
  constructor({ isShared }: { readonly isShared: boolean }) {
    this.#isShared = isShared
  }

  take(): Uint8Array {
    const sizeBytes = sumBytes + roomBytes
    return this.#free.pop() ?? new Uint8Array(this.#isShared ? new SharedArrayBuffer(sizeBytes) : Buffer.allocUnsafeSlow(sizeBytes).buffer)
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
export async function* framesOf(source: ByteSource, pool: FramePool, limit: ArrivalLimit): AsyncGenerator<Frame> {
  const filler = source.fill === undefined ? new Filler(source, limit.signal) : null
  const fill = source.fill ?? ((target: Uint8Array) => (filler as Filler).fill(target))
  // whether a full frame is the last is known when there is something behind it
  const behind = new Uint8Array(64)
  let memory = pool.take()
  let filled = 0
  let arrived = 0
  try {
    for (;;) {
      const isFull = filled === sumBytes
      const target = isFull ? behind : memory.subarray(filled, sumBytes)
      let got: number
      try {
        limit.signal?.throwIfAborted()
        got = await fill(target.subarray(0, mostOf(limit, arrived)))
      } catch (error) {
        const failure = error instanceof Error ? error : new Error('the source broke off', { cause: error })
        yield frameOf(pool, memory, filled, { isLast: true, error: failure })
        return
      }
      arrived += got
      assertFits(arrived, limit)
      if (got === 0) break
      if (isFull) {
        yield frameOf(pool, memory, filled, { isLast: false, error: null })
        memory = pool.take()
        memory.set(behind.subarray(0, got))
        filled = 0
      }
      filled += got
    }
    if (limit.sizeBytes !== null && arrived !== limit.sizeBytes) throw sizeMismatch(limit.sizeBytes)
    yield frameOf(pool, memory, filled, { isLast: true, error: null })
  } finally {
    await filler?.end()
  }
}

function frameOf(pool: FramePool, memory: Uint8Array, sizeBytes: number, { isLast, error }: Pick<Frame, 'isLast' | 'error'>): Frame {
  let isFree = false
  return {
    bytes: memory.subarray(0, sizeBytes),
    memory,
    isLast,
    error,
    free: () => {
      if (!isFree) pool.give(memory)
      isFree = true
    },
  }
}

/** What may still come, and a byte more, which is one too many. */
function mostOf({ mostBytes, sizeBytes }: ArrivalLimit, arrived: number): number {
  return Math.max(0, Math.min(mostBytes, sizeBytes ?? mostBytes) - arrived) + 1
}

function assertFits(arrived: number, { mostBytes, sizeBytes }: ArrivalLimit): void {
  if (sizeBytes !== null && arrived > sizeBytes) throw sizeMismatch(sizeBytes)
  if (arrived > mostBytes) throw new InputError('too-large', 'the content is larger than what is allowed')
}

function sizeMismatch(sizeBytes: number): InputError {
  return new InputError('size-mismatch', `the content does not have the ${sizeBytes} bytes that were announced`)
}
