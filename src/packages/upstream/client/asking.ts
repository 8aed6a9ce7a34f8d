// One question to an upstream: signed in as far as it asks, redirects followed, failures as data. The answer's body is the caller's to read.
import { InputError, UnavailableError } from '../../../base/index.ts'
import type { Outbound, OutboundAnswer } from '../../../http/index.ts'
import { failed, type Failure, type Outcome, type UpstreamAddress } from './connection.ts'

export interface Question {
  readonly method: 'GET' | 'HEAD' | 'POST'
  /** Below the origin; or a whole URL, also of another origin, which is asked without authorization. */
  readonly path: string
  /** Of a POST, which is never sent on to where it is redirected. */
  readonly body?: Uint8Array
  /** What an `Authorizing` that asks for tokens asks them for. */
  readonly scope: string
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Noted here, also for whoever ends the question by its signal: the upstream's own origin has answered something. */
  readonly hearing: { isHeard: boolean }
}

export interface AskingParts {
  readonly outbound: Outbound
  readonly agent: string
  readonly address: UpstreamAddress
  readonly authorization: Authorizing
}

/** How an upstream is signed in to. It is given nothing but the upstream's own answers, and what it gives is sent to the upstream's own origin alone. */
export interface Authorizing {
  /** What to send for that scope, as far as is known; null: nothing. */
  readonly header: (scope: string) => string | null
  /** Answers the upstream's own 401. Null: `header` has something new to send. */
  readonly answer: (challenge: string | undefined, scope: string, sent: string | null) => Promise<Failure | null>
}

const mostRedirects = 5
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const longestWaitS = 24 * 3600

/** `found`: an answer with a status below 400. The signal's reason is thrown. */
export async function ask(parts: AskingParts, question: Question): Promise<Outcome<OutboundAnswer>> {
  try {
    const { scope } = question
    let sent = parts.authorization.header(scope)
    let answered = await follow(parts, question, sent)
    // a token that has just ended, and then one that was not enough
    for (let tries = 0; answered.answer?.status === 401 && answered.isOwn && tries < 2; tries++) {
      const failure = await parts.authorization.answer(answered.answer.headers['www-authenticate'], scope, sent)
      if (failure !== null) return failure
      sent = parts.authorization.header(scope)
      answered = await follow(parts, question, sent)
    }
    return answered.answer === null ? answered.failure : outcomeOf(answered.answer, answered.isOwn)
  } catch (error) {
    question.signal.throwIfAborted()
    return failureOf(error, question.hearing.isHeard)
  }
}

type Followed =
  | { readonly answer: OutboundAnswer; readonly isOwn: boolean }
  | { readonly answer: null; readonly failure: Failure; readonly isOwn: boolean }

/** `isOwn`: the upstream's own origin answered. Authorization goes to no other, also not back from one. */
async function follow(parts: AskingParts, question: Question, authorization: string | null): Promise<Followed> {
  const { outbound, agent, address } = parts
  const plain = { 'user-agent': agent, 'accept-encoding': 'identity', ...question.headers }
  let url = new URL(question.path, address.origin)
  let isOwn = true
  if (url.origin !== address.origin) question.hearing.isHeard = true // whatever comes of it is of this name alone
  for (let count = 0; count <= mostRedirects; count++) {
    isOwn &&= url.origin === address.origin
    const answer = await outbound.request({
      method: question.method,
      url: url.href,
      headers: isOwn && authorization !== null ? { ...plain, authorization } : plain,
      ...(question.body === undefined ? {} : { body: question.body }),
      signal: question.signal,
      isKept: true,
    })
    question.hearing.isHeard = true // the first one is its own
    if (!redirects.has(answer.status)) {
      if (answer.status >= 400) answer.drop()
      return { answer, isOwn }
    }
    answer.drop()
    if (question.method === 'POST') return { answer: null, failure: failed('wrong', 'it redirects what is posted'), isOwn }
    const { location = '' } = answer.headers
    if (!URL.canParse(location, url.href)) return { answer: null, failure: failed('wrong', 'it redirects to nowhere'), isOwn }
    const next = new URL(location, url)
    if (url.protocol === 'https:' && next.protocol !== 'https:') {
      return { answer: null, failure: failed('wrong', `it redirects from https to ${next.origin}`), isOwn }
    }
    url = next
  }
  return { answer: null, failure: failed('wrong', `it redirects more than ${mostRedirects} times`), isOwn }
}

function outcomeOf(answer: OutboundAnswer, isOwn: boolean): Outcome<OutboundAnswer> {
  const { status, headers } = answer
  if (status < 400) return { kind: 'found', value: answer }
  if (status === 404 || status === 410) return { kind: 'missing' }
  const message = `it answers ${status}`
  if (status === 429) return failed('busy', message, retryAfterS(headers), isOwn)
  if (status === 401 || status === 403) return failed('refused', message)
  return status >= 500 || status === 408 ? failed('unreachable', message, retryAfterS(headers)) : failed('wrong', message)
}

function retryAfterS(headers: Readonly<Record<string, string>>): number | null {
  const said = headers['retry-after'] ?? ''
  return /^\d{1,6}$/.test(said) ? Math.min(Number(said), longestWaitS) : null
}

/** What a request that could not be made, or broke off, says of the upstream. Faults of ours are thrown on. @param isHeard whether its own origin answered before */
export function failureOf(error: unknown, isHeard = true): Failure {
  if (error instanceof UnavailableError && /^(outbound|upstream)-/.test(error.code))
    return failed('unreachable', error.message, null, !isHeard)
  if (error instanceof InputError && error.code.startsWith('outbound-')) return failed('barred', error.message)
  throw error
}
