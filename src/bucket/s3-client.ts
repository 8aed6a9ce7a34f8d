// One S3 client and the one way in which requests are made with it: with a time limit, counted, made again where that helps,
// and with answers translated to this room's errors. S3 servers differ in their messages (radosgw sends none), so only names and
// status codes are looked at.
import { S3Client } from '@aws-sdk/client-s3'
import { childSpan, CorruptError, type Randomness, UnavailableError } from '../base/index.ts'
import type { BucketRequests } from './bucket.ts'
import { unavailable } from './errors.ts'
import type { Signer } from './presign.ts'
import { type RetryPolicy, retrying } from './retry.ts'

export interface S3Settings {
  /** `http://127.0.0.1:8000`; null: AWS's own for the region. */
  readonly endpoint: string | null
  readonly region: string
  readonly bucket: string
  /** Both, or neither: then they come from where AWS's clients look for them (environment, profile, instance role). */
  readonly accessKeyId: string | null
  readonly secretAccessKey: string | null
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`: true for Ceph RGW unless it was given a DNS name. */
  readonly pathStyle: boolean
  /** As `endpoint`, where clients reach it: what URLs are signed for. Without it none are. */
  readonly publicEndpoint?: string | null
}

/** A request may take so long, and longer by its bytes at the slowest rate that still counts as alive. */
export interface TimeLimits {
  readonly connectMs: number
  readonly requestMs: number
  readonly slowestBytesPerMs: number
}

export const defaultTimeLimits: TimeLimits = { connectMs: 3000, requestMs: 20_000, slowestBytesPerMs: 256 }

// Above this many, requests wait in the client: with one worker's reads, uploads and streams that isn't reached.
const mostSockets = 128

export type RequestKind = 'puts' | 'gets' | 'heads' | 'deletes' | 'lists'

export class S3Requests {
  readonly client: S3Client
  readonly #settings: S3Settings
  readonly #counts: BucketRequests
  readonly #randomness: Randomness
  readonly #retry: RetryPolicy
  readonly #limits: TimeLimits

  constructor(settings: S3Settings, counts: BucketRequests, randomness: Randomness, retry: RetryPolicy, limits: TimeLimits) {
    this.#settings = settings
    this.#counts = counts
    this.#randomness = randomness
    this.#retry = retry
    this.#limits = limits
    const agent = { keepAlive: true, maxSockets: mostSockets, maxFreeSockets: 32 }
    const { endpoint, accessKeyId, secretAccessKey } = settings
    this.client = new S3Client({
      ...(endpoint === null ? {} : { endpoint }),
      ...(accessKeyId === null || secretAccessKey === null ? {} : { credentials: { accessKeyId, secretAccessKey } }),
      region: settings.region,
      forcePathStyle: settings.pathStyle,
      // The checksums that the client adds by itself need aws-chunked bodies, which radosgw answers with 411. Content-MD5 is sent instead.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // With this header the client opens a new connection for each large body.
      expectContinueHeader: false,
      // Retries are made here: the client can't repeat a body that it has streamed.
      maxAttempts: 1,
      requestHandler: { connectionTimeout: limits.connectMs, httpAgent: agent, httpsAgent: agent },
      logger: { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore },
    })
  }

  /** One request, made again while that can help. */
  async send<T>(
    kind: RequestKind,
    sizeBytes: number,
    signal: AbortSignal | undefined,
    attempt: (limit: AbortSignal, number: number) => Promise<T>,
  ): Promise<T> {
    const span = childSpan(`bucket ${kind}`, 'client')
    try {
      const result = await retrying(this.#retry, this.#randomness, signal, mayRetry, (number) => {
        if (number > 1) this.#counts.retries++
        return this.once(kind, sizeBytes, signal, (limit) => attempt(limit, number))
      })
      span?.end()
      return result
    } catch (error) {
      const translated = this.translate(error)
      span?.end(translated)
      if (translated.code !== 'aborted') this.#counts.failures++
      throw translated
    }
  }

  /** One request within its time limit; the error is the client's own. */
  async once<T>(
    kind: RequestKind,
    sizeBytes: number,
    signal: AbortSignal | undefined,
    attempt: (limit: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.#counts[kind]++
    const limitMs = this.#limits.requestMs + sizeBytes / this.#limits.slowestBytesPerMs
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(new Error(`no answer within ${Math.round(limitMs)} ms`)), limitMs)
    const giveUp = (): void => limit.abort(signal?.reason)
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      return await attempt(limit.signal)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
    }
  }

  /** What URLs are signed with. */
  async signer(): Promise<Signer> {
    const { accessKeyId, secretAccessKey, sessionToken } = await this.client.config.credentials()
    return { accessKeyId, secretAccessKey, sessionToken, region: this.#settings.region }
  }

  /** The client's error as one of ours. */
  translate(error: unknown, isAboutBucket = false): CorruptError | UnavailableError {
    if (error instanceof CorruptError || error instanceof UnavailableError) return error
    const { bucket } = this.#settings
    const endpoint = this.#settings.endpoint ?? 'AWS'
    const { name, status } = answerOf(error)
    // HeadBucket's answer has no body and so no name of its own.
    if (name === 'NoSuchBucket' || (isAboutBucket && status === 404)) {
      const how = 'make it with your S3 tools, or set bucket.s3.createBucket'
      return unavailable('bucket-missing', `there is no bucket ${bucket} at ${endpoint}: ${how}`, error)
    }
    if (status === 401 || status === 403) {
      const what = 'check bucket.s3.accessKeyId, secretAccessKey and region, and the clock of this machine'
      return unavailable('bucket-denied', `${endpoint} refuses access to bucket ${bucket} (${name}): ${what}`, error)
    }
    if (mayRetry(error)) return unavailable('bucket-unavailable', `${endpoint} does not answer as it should (${name})`, error)
    return unavailable('bucket-refused', `${endpoint} refuses the request (${status ?? 'no status'} ${name})`, error)
  }
}

function ignore(): void {}

/** The name and status of an answer that the client turned into an error; no status when there was no answer. */
export function answerOf(error: unknown): { readonly name: string; readonly status: number | null } {
  if (!(error instanceof Error)) return { name: 'unknown', status: null }
  const metadata: unknown = '$metadata' in error ? error.$metadata : null
  const status = typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata ? metadata.httpStatusCode : null
  const name = 'code' in error && typeof error.code === 'string' && typeof status !== 'number' ? error.code : error.name
  return { name, status: typeof status === 'number' ? status : null }
}

// Names that come with a 4xx status and yet are the connection's fault, not the request's.
const passing = new Set(['RequestTimeout', 'BadDigest', 'XAmzContentSHA256Mismatch', 'IncompleteBody', 'SlowDown', 'OperationAborted'])

function mayRetry(error: unknown): boolean {
  if (error instanceof CorruptError || error instanceof UnavailableError) return false
  const { name, status } = answerOf(error)
  // An answer with no status: cut off, timed out, or refused at the door.
  return status === null || status >= 500 || status === 408 || status === 429 || status < 300 || passing.has(name)
}
