// The three families of errors. Which one is thrown decides how it is handled, wherever it is caught:
// InputError: the caller's bytes are wrong (4xx; told to the caller). CorruptError: our stored bytes are wrong (500; alarm; no retry).
// UnavailableError: something we stand on does not answer now (503; may be retried).
// `code` is a kebab-case word from the throwing room's own union; `cause` carries what was caught.

/** The client's bytes or request are wrong. `message` is shown to the client: it says what to do. */
export class InputError extends Error {
  override readonly name = 'InputError'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Bytes that we stored are not what we wrote. Never retried; always logged as an alarm. */
export class CorruptError extends Error {
  override readonly name = 'CorruptError'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A part that we stand on (database, bucket, worker) does not answer now. The caller may try again. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** True for Node's system errors (`ENOENT`, `EEXIST`, …) with that code. */
export function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
