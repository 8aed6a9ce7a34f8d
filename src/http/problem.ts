// Errors become answers here and nowhere else: which status, what the client is told, what is logged.
// How an answer looks (GitHub's JSON, git's text) is the room's own form.
import type { FastifyRequest } from 'fastify'
import { CorruptError, InputError, UnavailableError } from '../base/index.ts'

/** An answer that a handler or the gate gives instead of the normal one: not a fault, and never logged as one. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly code: string
  readonly details: readonly unknown[] | undefined
  readonly headers: Readonly<Record<string, string>>
  constructor(
    status: number,
    code: string,
    message: string,
    more: { details?: readonly unknown[]; headers?: Record<string, string> } = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.details = more.details
    this.headers = more.headers ?? {}
  }
}

/** What any room's form renders. `code` is a kebab-case word, `message` is for the client's eyes. */
export interface Problem {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly details?: readonly unknown[] | undefined
  readonly headers: Readonly<Record<string, string>>
  /** True where the operator must look: stored bytes are wrong. */
  readonly alarm: boolean
}

/** A problem in a room's own words; `headers` come on top of the problem's own. */
export type ProblemForm = (problem: Problem, request: FastifyRequest) => ProblemAnswer
export interface ProblemAnswer {
  readonly type: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** InputError codes that any room may throw and that are not 400. A room adds its own with `statusOf`. */
const inputStatus: Readonly<Record<string, number>> = {
  'quota-exceeded': 403,
  'slow-body': 408,
  conflict: 409,
  'too-large': 413,
  'unsupported-encoding': 415,
  'unsupported-type': 415,
  invalid: 422,
}

/** Fastify's own errors that tell the client something; all its other ones below 500 are 400. */
const frameworkCodes: Readonly<Record<string, { status: number; code: string; message: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { status: 413, code: 'too-large', message: 'The request body is too large' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { status: 415, code: 'unsupported-type', message: 'This content type is not taken here' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    status: 400,
    code: 'bad-length',
    message: 'The request body is not as long as Content-Length says',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { status: 400, code: 'bad-json', message: 'Problems parsing JSON' },
  FST_ERR_CTP_INVALID_JSON_BODY: { status: 400, code: 'bad-json', message: 'Problems parsing JSON' },
  FST_ERR_BAD_URL: { status: 400, code: 'bad-path', message: 'The path is malformed' },
}

/** The problem that an error stands for. Nothing of an unexpected error's text reaches the client. */
export function problemOf(error: unknown, statusOf: Readonly<Record<string, number>> = {}): Problem {
  if (error instanceof Refusal) {
    const { status, code, message, details, headers } = error
    return { status, code, message, details, headers, alarm: false }
  }
  if (error instanceof InputError) {
    const status = statusOf[error.code] ?? inputStatus[error.code] ?? 400
    return { status, code: error.code, message: error.message, headers: {}, alarm: false }
  }
  if (error instanceof UnavailableError) {
    const message = 'The server can’t answer now; try again in a few seconds'
    return { status: 503, code: 'unavailable', message, headers: { 'retry-after': '5' }, alarm: false }
  }
  if (error instanceof CorruptError) {
    return { status: 500, code: 'corrupt', message: 'Stored data failed its check; the operator has been told', headers: {}, alarm: true }
  }
  return frameworkProblem(error) ?? { status: 500, code: 'internal', message: 'Internal server error', headers: {}, alarm: false }
}

function frameworkProblem(error: unknown): Problem | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null
  const known = frameworkCodes[error.code]
  if (known) return { ...known, headers: {}, alarm: false }
  const status = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  if (!error.code.startsWith('FST_') || status >= 500) return null
  return { status, code: 'bad-request', message: 'The request is malformed', headers: {}, alarm: false }
}

/** The form for what belongs to no room: JSON unless the client asks for text. */
export const plainForm: ProblemForm = (problem, request) => {
  const accept = request.headers.accept ?? ''
  if (/text\/(plain|html|\*)/.test(accept) && !/json/.test(accept)) {
    return { type: 'text/plain; charset=utf-8', body: `${problem.message}\n` }
  }
  return {
    type: 'application/json; charset=utf-8',
    body: JSON.stringify({ message: problem.message, code: problem.code, status: String(problem.status) }),
  }
}

/** Text, and on 401 the question for user name and password: for rooms whose clients show the text to their user (git). */
export const textForm: ProblemForm = (problem) => ({
  type: 'text/plain; charset=utf-8',
  body: `${problem.message}\n`,
  headers: problem.status === 401 ? { 'www-authenticate': 'Basic realm="Stemma", charset="UTF-8"' } : {},
})
