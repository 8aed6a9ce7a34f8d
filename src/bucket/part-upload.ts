// An upload of a growing file in parts: which part is sent when, how many at a time, and how it ends.
// Invariants: at most `concurrency` requests at a time; part 1 is sent last, since the head of the file may change until `complete`;
// no other part is sent before all of its bytes were announced; when complete or abort has ended, no request is under way and the
// file is gone. Back-pressure: bytes that were announced and not yet sent wait in the file, not in memory.
import { rm } from 'node:fs/promises'
import type { ByteRange, FileUpload } from './bucket.ts'
import { throwIfAborted, unavailable } from './errors.ts'

/** Where the parts go: one target for each upload. Part numbers start at 1. Every method may be called again after a failure. */
export interface PartTarget {
  readonly partSizeBytes: number
  readonly concurrency: number
  /** The whole file in one request. */
  putWhole(sizeBytes: number, signal: AbortSignal): Promise<void>
  /** Comes before the first part; once. */
  begin(signal: AbortSignal): Promise<void>
  sendPart(number: number, range: ByteRange, signal: AbortSignal): Promise<void>
  /** After the last part: durable and visible when it resolves. */
  finish(partCount: number, sizeBytes: number, signal: AbortSignal): Promise<void>
  /** Removes what begin and sendPart left; never throws. */
  cancel(): Promise<void>
}

const mostParts = 10_000

export class PartUpload implements FileUpload {
  readonly #target: PartTarget
  readonly #path: string
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #begun: Promise<void> | null = null
  #announcedBytes = 0
  #nextPart = 2
  #failure: { readonly error: unknown } | null = null
  #ended = false

  constructor(target: PartTarget, path: string) {
    this.#target = target
    this.#path = path
  }

  advance(sizeBytes: number): void {
    if (this.#ended || sizeBytes <= this.#announcedBytes) return
    this.#announcedBytes = sizeBytes
    this.#sendAhead()
  }

  async complete(sizeBytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#ended) throw unavailable('aborted', 'the upload has ended')
    this.#ended = true
    const stop = (): void => this.#stop.abort(signal?.reason)
    signal?.addEventListener('abort', stop, { once: true })
    try {
      throwIfAborted(signal)
      if (sizeBytes > this.#target.partSizeBytes * mostParts) {
        throw unavailable('bucket-refused', `a value of ${sizeBytes} bytes needs more than ${mostParts} parts`)
      }
      if (this.#begun === null && sizeBytes <= this.#target.partSizeBytes) await this.#target.putWhole(sizeBytes, this.#stop.signal)
      else await this.#completeParts(sizeBytes)
    } catch (error) {
      await this.#cancel()
      throw error
    } finally {
      signal?.removeEventListener('abort', stop)
      await rm(this.#path, { force: true }).catch(() => {})
    }
  }

  async abort(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#cancel()
    await rm(this.#path, { force: true }).catch(() => {})
  }

  async #completeParts(sizeBytes: number): Promise<void> {
    const partSizeBytes = this.#target.partSizeBytes
    const partCount = Math.ceil(sizeBytes / partSizeBytes)
    while (this.#failure === null && (this.#nextPart <= partCount || this.#running.size > 0)) {
      while (this.#nextPart <= partCount && this.#running.size < this.#target.concurrency) {
        const offset = (this.#nextPart - 1) * partSizeBytes
        this.#send(this.#nextPart++, { offset, sizeBytes: Math.min(partSizeBytes, sizeBytes - offset) })
      }
      await Promise.race(this.#running)
    }
    if (this.#failure === null) {
      this.#send(1, { offset: 0, sizeBytes: Math.min(partSizeBytes, sizeBytes) })
      await Promise.all(this.#running)
    }
    if (this.#failure !== null) throw this.#failure.error
    await this.#target.finish(partCount, sizeBytes, this.#stop.signal)
  }

  #sendAhead(): void {
    const partSizeBytes = this.#target.partSizeBytes
    while (!this.#ended && this.#failure === null && this.#running.size < this.#target.concurrency) {
      if (this.#announcedBytes < this.#nextPart * partSizeBytes) return
      this.#send(this.#nextPart, { offset: (this.#nextPart - 1) * partSizeBytes, sizeBytes: partSizeBytes })
      this.#nextPart++
    }
  }

  /** Starts one part. Its promise never rejects: the first failure is kept for `complete`. */
  #send(number: number, range: ByteRange): void {
    const work = async (): Promise<void> => {
      try {
        this.#begun ??= this.#target.begin(this.#stop.signal)
        await this.#begun
        await this.#target.sendPart(number, range, this.#stop.signal)
      } catch (error) {
        this.#failure ??= { error }
      }
    }
    const running = work().finally(() => {
      this.#running.delete(running)
      this.#sendAhead()
    })
    this.#running.add(running)
  }

  async #cancel(): Promise<void> {
    this.#stop.abort()
    // A part that arrives after the upload was removed would be left behind: wait for them first.
    await Promise.all(this.#running)
    if (this.#begun !== null) await this.#target.cancel()
  }
}
