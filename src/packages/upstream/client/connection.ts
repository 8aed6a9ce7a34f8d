// One upstream, as a client sees it: where it is, and what it is signed in with.

export interface Credentials {
  readonly username: string
  readonly password: string
}

export interface UpstreamAddress {
  /** Scheme, host and port. */
  readonly origin: string
  /** Where credentials may go beside the upstream itself: the origin of its token endpoint. */
  readonly authOrigin: string | null
  readonly credentials: Credentials | null
}

/** Bytes on their way from an upstream. */
export interface OpenBody {
  /** Of all of it; null: the upstream doesn't say. */
  readonly sizeBytes: number | null
  /** Where the body begins: as asked, or 0 where the upstream gives no ranges. */
  readonly from: number
  /** UnavailableError where it breaks off or is too slow. */
  readonly body: AsyncIterable<Uint8Array>
}

/** What came of a question. Failures are data: whoever asks may have an older answer. */
export type Outcome<T> =
  | { readonly kind: 'found'; readonly value: T }
  /** The upstream says that there is no such thing. */
  | { readonly kind: 'missing' }
  | Failure

export interface Failure {
  readonly kind: 'failed'
  /**
   * `unreachable`: no answer, or one of a server in trouble. `busy`: 429. `refused`: 401 or 403, with all that may be sent. `wrong`: an answer that no registry
   * gives, or that isn't what was asked for. `barred`: this server may not connect to where it is, or redirects to (outbound.allowPrivate).
   */
  readonly reason: 'unreachable' | 'busy' | 'refused' | 'wrong' | 'barred'
  /** For the operator. */
  readonly message: string
  /** When it may be asked again, as it says. */
  readonly retryAfterS: number | null
  /** Whatever the name: the upstream's own origin gave no answer at all, or says that it is asked too much. */
  readonly isGeneral: boolean
}

export function failed(reason: Failure['reason'], message: string, retryAfterS: number | null = null, isGeneral = false): Failure {
  return { kind: 'failed', reason, message, retryAfterS, isGeneral }
}
