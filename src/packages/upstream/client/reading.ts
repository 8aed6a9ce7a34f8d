// Answers of upstreams, read with bounds: of bytes, of time for a short answer, and of pace for a long one.
import { type Clock, LeastPace, type PaceLimits, UnavailableError } from '../../../base/index.ts'
import type { OutboundAnswer } from '../../../http/index.ts'

/** The whole body, or null where it has more than that. */
export async function limitedBody({ body }: OutboundAnswer, limitBytes: number): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  for await (const piece of body) {
    sizeBytes += piece.length
    if (sizeBytes > limitBytes) return null
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** Does the work, which is given a signal that fires at the deadline too. UnavailableError `upstream-slow` then; else what the work throws. */
export async function withDeadline<T>(signal: AbortSignal, timeoutMs: number, work: (within: AbortSignal) => Promise<T>): Promise<T> {
  const deadline = AbortSignal.timeout(timeoutMs)
  try {
    return await work(AbortSignal.any([signal, deadline]))
  } catch (error) {
    if (!signal.aborted && deadline.aborted) throw slow(`there was no answer in ${timeoutMs / 1000} s`, error)
    throw error
  }
}

/** The pieces as they come. UnavailableError `upstream-slow` when less comes than the limits want; `stop` ends the connection then. */
export async function* paced(
  body: AsyncIterable<Uint8Array>,
  limits: PaceLimits,
  clock: Clock,
  stop: (error: Error) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pace = new LeastPace(limits)
  const pieces = body[Symbol.asyncIterator]()
  let late: Error | null = null
  try {
    for (;;) {
      const waitedSince = clock.monotonic()
      const timer = setTimeout(() => {
        late = slow(`it sends less than ${limits.slowestBytesPerSecond} bytes a second`)
        stop(late)
      }, pace.leftMs)
      const next = await pieces.next().finally(() => clearTimeout(timer))
      pace.waited(clock.monotonic() - waitedSince)
      if (next.done === true) return
      pace.arrived(next.value.length)
      yield next.value
    }
  } catch (error) {
    throw late ?? error
  } finally {
    await pieces.return?.()
  }
}

function slow(what: string, cause?: unknown): UnavailableError {
  return new UnavailableError('upstream-slow', what, { cause })
}
