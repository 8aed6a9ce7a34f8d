// One try of a delivery: the request, what came of it, and whether and when it is tried again. What is waited for and read has bounds: a receiver
// that never answers, or never ends, costs a connection for a while.
import { InputError, type Span, UnavailableError } from '../base/index.ts'
import { type DueDelivery, endDelivery, type Outcome, readDue } from './deliveries.ts'
import { type Sending, sendingOf } from './format/sending.ts'
import type { HookLimits, HookRoom } from './hook-room.ts'
import { hostOf, openHookSecret } from './hooks.ts'

/** Of an answer's body so much is read and kept. */
const keptBytes = 64 << 10
const longestPauseMs = 6 * 3600_000

/** Makes the try and notes how it ended; null: there was none to make. @throws the signal's reason, and then it is still to be made */
export async function attempt(room: HookRoom, id: number, signal: AbortSignal): Promise<Outcome | null> {
  const { db, clock, log } = room
  const due = await readDue(db.queries, id)
  if (due === null) return null
  const started = clock.monotonic()
  const { tracer } = room
  const result = await (tracer === undefined
    ? send(room, due, signal)
    : tracer.run(`webhook ${due.event}`, 'client', (span) => traced(span, room, due, signal)))
  const durationMs = clock.monotonic() - started
  const isAgain = result.mayPass && due.tries < room.limits.tries
  const { mayPass: _, ...facts } = result
  const outcome = { ...facts, durationMs, againMs: isAgain ? pauseMs(room.limits, due.tries, room.randomness.bytes(1)[0] ?? 0) : null }
  log.debug({ hook: due.hookId, delivery: id, event: due.event, status: outcome.status }, 'a webhook was called')
  await endDelivery(db.queries, id, outcome)
  room.observe?.(outcome.status === 'OK' ? 'delivered' : isAgain ? 'retried' : 'failed', durationMs / 1000)
  return outcome
}

async function traced(span: Span, room: HookRoom, due: DueDelivery, signal: AbortSignal): Promise<Result> {
  const result = await send(room, due, signal, { traceparent: span.traceparent })
  span.set({ 'server.address': hostOf(due.url), 'stemma.hook': due.hookId, 'stemma.delivery': due.guid, 'stemma.status': result.status })
  if (result.statusCode !== null) span.set({ 'http.response.status_code': result.statusCode })
  return result
}

type Result = Omit<Outcome, 'durationMs' | 'againMs'> & {
  /** It failed, and may succeed another time. */
  readonly mayPass: boolean
}

const noAnswer = { statusCode: null, responseHeaders: null, responseBody: null }

async function send(room: HookRoom, due: DueDelivery, signal: AbortSignal, more: Readonly<Record<string, string>> = {}): Promise<Result> {
  // who switched it off wants no more of what it failed at; what he asks for by himself is tried once
  if (!due.isActive && due.tries > 1) return { ...noAnswer, request: null, status: 'the hook was switched off', mayPass: false }
  let sending: Sending
  try {
    sending = sendingOf({ ...due, secret: openHookSecret(room.sealer, due.sealedSecret) }, room.agent)
  } catch (error) {
    room.log.error({ err: error, hook: due.hookId }, "a webhook's secret could not be opened")
    return { ...noAnswer, request: null, status: 'the secret could not be opened: see the server’s log', mayPass: true }
  }
  const headers = { ...sending.headers, ...more }
  const limit = AbortSignal.timeout(room.limits.timeoutMs)
  try {
    const answer = await room.outbound.request({
      method: 'POST',
      url: due.url,
      headers,
      body: sending.body,
      signal: AbortSignal.any([signal, limit]),
      insecureTls: due.insecureSsl,
    })
    const responseBody = await beginningOf(answer.body)
    signal.throwIfAborted()
    const isTaken = answer.status >= 200 && answer.status < 300
    return {
      statusCode: answer.status,
      status: isTaken ? 'OK' : `Invalid HTTP Response: ${answer.status}`,
      request: headers,
      responseHeaders: answer.headers,
      responseBody,
      mayPass: !isTaken && isPassing(answer.status),
    }
  } catch (error) {
    signal.throwIfAborted()
    if (limit.aborted) return { ...noAnswer, request: headers, status: 'timed out', mayPass: true }
    if (error instanceof InputError) return { ...noAnswer, request: headers, status: error.message, mayPass: false }
    if (error instanceof UnavailableError) {
      return { ...noAnswer, request: headers, status: `failed to connect: ${error.message}`.slice(0, 500), mayPass: true }
    }
    // a fault of ours must not keep the others from being called
    room.log.error({ err: error, hook: due.hookId }, 'a webhook could not be called')
    return { ...noAnswer, request: headers, status: 'internal error', mayPass: true }
  }
}

/** Statuses that may be others the next time: the receiver is ill, or busy. All others say no for good. */
function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429
}

/** What came of a body until its end, its bound or the end of the time for it: the status has come, and that is what counts. */
async function beginningOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  try {
    for await (const part of body) {
      parts.push(part.subarray(0, keptBytes - sizeBytes))
      sizeBytes += part.length
      if (sizeBytes >= keptBytes) break
    }
  } catch {
    // what came is all there is to keep
  }
  return Buffer.concat(parts).toString('utf8').replaceAll('\0', '\uFFFD') // PostgreSQL's text holds no NUL
}

/** @param random a byte: receivers that failed together are not asked together */
export function pauseMs({ firstRetryMs }: Pick<HookLimits, 'firstRetryMs'>, tries: number, random: number): number {
  const pause = Math.min(firstRetryMs * 4 ** (tries - 1), Math.max(longestPauseMs, firstRetryMs))
  return Math.round(pause * (1 + random / 2560))
}
