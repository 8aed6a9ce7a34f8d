// A bucket that fails as real ones do, by a seed: refuses, stalls, does half, does all and loses the answer, delays. It keeps to what
// src/bucket/bucket.ts allows, so what breaks above it is a fault of what is above it.
import { truncate } from 'node:fs/promises'
import { UnavailableError } from '../../src/base/index.ts'
import type { Bucket, ByteRange, FileUpload, Key } from '../../src/bucket/index.ts'
import { Seeded } from './seeded.ts'

/**
 * `refuse`: nothing is done. `truncate`: a value is stored half and the call fails; a read fails in its middle. `lose`: it is done and
 * the call fails. `stall`: nothing happens until the signal fires or `stallMs` are over, then it fails. `delay`: done, but late.
 */
export type BucketFault = 'refuse' | 'truncate' | 'lose' | 'stall' | 'delay'

export interface FailingBucketOptions {
  readonly seed: number
  /** 0 … 1: how many calls fail. May be changed while running through `failingBucket.probability`. */
  readonly probability: number
  readonly faults?: readonly BucketFault[]
  readonly stallMs?: number
  readonly mostDelayMs?: number
}

const everyFault: readonly BucketFault[] = ['refuse', 'truncate', 'lose', 'stall', 'delay']

export class FailingBucket implements Bucket {
  readonly kind
  readonly spoolFolder: string
  readonly partSizeBytes: number
  /** Set to 0 to let the bucket work, as after an outage. */
  probability: number
  /** Faults so far, in order, as `put refuse`. */
  readonly history: string[] = []
  readonly #inner: Bucket
  readonly #random: Seeded
  readonly #faults: readonly BucketFault[]
  readonly #stallMs: number
  readonly #mostDelayMs: number

  constructor(inner: Bucket, options: FailingBucketOptions) {
    this.#inner = inner
    this.kind = inner.kind
    this.spoolFolder = inner.spoolFolder
    this.partSizeBytes = inner.partSizeBytes
    this.probability = options.probability
    this.#random = new Seeded(options.seed)
    this.#faults = options.faults ?? everyFault
    this.#stallMs = options.stallMs ?? 200
    this.#mostDelayMs = options.mostDelayMs ?? 50
    console.log(`failing bucket: seed ${options.seed}`)
  }

  get requests(): Bucket['requests'] {
    return this.#inner.requests
  }

  put(key: Key, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const half = (): Promise<void> => this.#inner.put(key, bytes.subarray(0, bytes.length >> 1), signal)
    return this.#run('put', signal, () => this.#inner.put(key, bytes, signal), half)
  }

  uploadFile(key: Key, path: string): FileUpload {
    const upload = this.#inner.uploadFile(key, path)
    let isEnded = false
    return {
      advance: (sizeBytes) => upload.advance(sizeBytes),
      complete: async (sizeBytes, signal) => {
        isEnded = true
        // The whole file fits one part: stored half, as by a server that died while writing it.
        const half = async (): Promise<void> => {
          if (sizeBytes > this.partSizeBytes) return
          await truncate(path, sizeBytes >> 1)
          await upload.complete(sizeBytes >> 1, signal)
        }
        try {
          await this.#run('complete', signal, () => upload.complete(sizeBytes, signal), half)
        } finally {
          await upload.abort() // a failed complete removes the file; no effect where it went through
        }
      },
      abort: async () => {
        if (!isEnded) await upload.abort()
      },
    }
  }

  get(key: Key, range: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#run('get', signal, () => this.#inner.get(key, range, signal), null)
  }

  async *stream(key: Key, range: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const fault = this.#choose('stream')
    const breakAt = fault === null || fault === 'delay' ? Number.POSITIVE_INFINITY : this.#random.below(range.sizeBytes + 1)
    if (fault === 'delay') await this.#wait(this.#random.below(this.#mostDelayMs), signal)
    let doneBytes = 0
    for await (const chunk of this.#inner.stream(key, range, signal)) {
      if (doneBytes + chunk.length > breakAt) {
        if (fault === 'stall') await this.#wait(this.#stallMs, signal)
        if (fault === 'truncate' && breakAt > doneBytes) yield chunk.subarray(0, breakAt - doneBytes)
        throw failure('stream', fault)
      }
      doneBytes += chunk.length
      yield chunk
    }
    if (breakAt !== Number.POSITIVE_INFINITY) throw failure('stream', fault)
  }

  head(key: Key, signal?: AbortSignal): Promise<{ readonly sizeBytes: number } | null> {
    return this.#run('head', signal, () => this.#inner.head(key, signal), null)
  }

  delete(key: Key, signal?: AbortSignal): Promise<void> {
    return this.#run('delete', signal, () => this.#inner.delete(key, signal), null)
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<{ readonly key: Key; readonly sizeBytes: number }> {
    await this.#run('list', signal, async () => {}, null)
    yield* this.#inner.list(prefix, signal)
  }

  probe(signal?: AbortSignal): Promise<void> {
    return this.#run('probe', signal, () => this.#inner.probe(signal), null)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async #run<T>(what: string, signal: AbortSignal | undefined, act: () => Promise<T>, half: (() => Promise<void>) | null): Promise<T> {
    const fault = this.#choose(what)
    switch (fault) {
      case null:
        return act()
      case 'delay':
        await this.#wait(this.#random.below(this.#mostDelayMs), signal)
        return act()
      case 'stall':
        await this.#wait(this.#stallMs, signal)
        break
      case 'lose':
        await act()
        break
      case 'truncate':
        await half?.()
        break
      case 'refuse':
        break
    }
    throw failure(what, fault)
  }

  #choose(what: string): BucketFault | null {
    if (this.#random.fraction() >= this.probability) return null
    const fault = this.#random.pick(this.#faults)
    this.history.push(`${what} ${fault}`)
    return fault
  }

  async #wait(timeMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted !== true) {
      await new Promise<void>((done) => {
        const timer = setTimeout(done, timeMs)
        signal?.addEventListener('abort', () => (clearTimeout(timer), done()), { once: true })
      })
    }
    if (signal?.aborted === true) throw new UnavailableError('aborted', 'the caller gave up', { cause: signal.reason })
  }
}

function failure(what: string, fault: BucketFault | null): UnavailableError {
  return new UnavailableError('bucket-unavailable', `told to fail: ${what} ${fault}`)
}
