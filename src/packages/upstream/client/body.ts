// Long answers of upstreams: asked for within the time of a short one, then read as they come, at least at the pace that is wanted.
import type { Clock, PaceLimits } from '../../../base/index.ts'
import type { OutboundAnswer } from '../../../http/index.ts'
import { ask, type AskingParts, type Question } from './asking.ts'
import { failed, type OpenBody, type Outcome } from './connection.ts'
import { paced } from './reading.ts'

const timeoutMs = 30_000

export interface BodyParts extends AskingParts {
  readonly clock: Clock
  readonly pace: PaceLimits
}

/** The answer, with its body at that pace: it is for reading, or to be dropped. The signal's reason is thrown. */
export async function openAnswer(
  parts: BodyParts,
  question: Omit<Question, 'signal' | 'hearing'>,
  signal: AbortSignal,
): Promise<Outcome<OutboundAnswer>> {
  const ending = new AbortController()
  const both = AbortSignal.any([signal, ending.signal])
  const timer = setTimeout(() => ending.abort(new Error(`there was no answer in ${timeoutMs / 1000} s`)), timeoutMs)
  const hearing = { isHeard: false }
  try {
    const asked = await ask(parts, { ...question, signal: both, hearing })
    if (asked.kind !== 'found') return asked
    const body = paced(asked.value.body, parts.pace, parts.clock, (error) => ending.abort(error))
    return { kind: 'found', value: { ...asked.value, body, drop: () => asked.value.drop() } }
  } catch (error) {
    signal.throwIfAborted()
    if (ending.signal.aborted) return failed('unreachable', String((ending.signal.reason as Error).message), null, !hearing.isHeard)
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** A file's bytes from there on, or from its beginning where the upstream gives no ranges. */
export async function openBody(
  parts: BodyParts,
  question: Omit<Question, 'signal' | 'hearing'>,
  from: number,
  signal: AbortSignal,
): Promise<Outcome<OpenBody>> {
  const range: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {}
  const opened = await openAnswer(parts, { ...question, headers: { ...question.headers, ...range } }, signal)
  if (opened.kind !== 'found') return opened
  const place = placeOf(opened.value, from)
  if (place !== null) return { kind: 'found', value: { ...place, body: opened.value.body } }
  opened.value.drop()
  return failed('wrong', `it answers a file's request with status ${opened.value.status} and another range`)
}

export function sizeIn(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null
}

/** Which bytes an answer has; null: others than were asked for. */
function placeOf({ status, headers }: OutboundAnswer, from: number): { readonly sizeBytes: number | null; readonly from: number } | null {
  if (status === 200) return { sizeBytes: sizeIn(headers['content-length']), from: 0 }
  const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(headers['content-range'] ?? '')
  if (status !== 206 || range === null || from === 0) return null
  const [first, last, size] = range.slice(1).map(Number) as [number, number, number]
  return first === from && last === size - 1 ? { sizeBytes: size, from } : null
}
