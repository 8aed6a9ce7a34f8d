// The twin for tests: a bucket in memory that sends files in parts as S3 does, so that who changes announced bytes is found out.
import { open } from 'node:fs/promises'
import { concatBytes } from '../base/index.ts'
import type { Bucket, BucketRequests, ByteRange, FileUpload, Key } from './bucket.ts'
import { assertRange, missingKey, shortValue, throwIfAborted } from './errors.ts'
import { PartUpload } from './part-upload.ts'
import { parseKey } from './paths.ts'
import { noRequests } from './requests.ts'

export interface MemoryBucketOptions {
  readonly partSizeBytes?: number
  readonly streamChunkBytes?: number
}

export class MemoryBucket implements Bucket {
  readonly kind = 'memory'
  readonly spoolFolder: string
  readonly partSizeBytes: number
  readonly requests: BucketRequests = noRequests()
  readonly #streamChunkBytes: number
  readonly #values = new Map<Key, Uint8Array>()
  /** Uploads that were begun and neither finished nor removed: for tests. */
  readonly unfinished = new Set<Key>()

  /** `spoolFolder` must exist. */
  constructor(spoolFolder: string, options: MemoryBucketOptions = {}) {
    this.spoolFolder = spoolFolder
    this.partSizeBytes = options.partSizeBytes ?? 16 << 20
    this.#streamChunkBytes = options.streamChunkBytes ?? 1 << 20
  }

  async put(key: Key, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    this.requests.puts++
    this.requests.bytesIn += bytes.length
    // Not bytes.slice(), which gives a view of a Buffer.
    this.#values.set(parseKey(key), new Uint8Array(bytes))
  }

  uploadFile(key: Key, path: string): FileUpload {
    parseKey(key)
    const parts = new Map<number, Uint8Array>()
    const send = async (number: number, range: ByteRange, signal: AbortSignal): Promise<void> => {
      const bytes = await readPart(key, path, range)
      throwIfAborted(signal)
      this.requests.puts++
      this.requests.bytesIn += bytes.length
      parts.set(number, bytes)
    }
    const finish = (count: number): void => {
      const ordered = Array.from({ length: count }, (_, at) => parts.get(at + 1) ?? new Uint8Array())
      this.#values.set(key, concatBytes(ordered))
      this.unfinished.delete(key)
    }
    const target = {
      partSizeBytes: this.partSizeBytes,
      concurrency: 4,
      putWhole: async (sizeBytes: number, signal: AbortSignal): Promise<void> => {
        await send(1, { offset: 0, sizeBytes }, signal)
        finish(1)
      },
      begin: async (): Promise<void> => {
        this.requests.puts++
        this.unfinished.add(key)
      },
      sendPart: send,
      finish: async (count: number, _sizeBytes: number, signal: AbortSignal): Promise<void> => {
        throwIfAborted(signal)
        this.requests.puts++
        finish(count)
      },
      cancel: async (): Promise<void> => void this.unfinished.delete(key),
    }
    return new PartUpload(target, path)
  }

  async get(key: Key, range: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
    throwIfAborted(signal)
    assertRange(key, range)
    this.requests.gets++
    const value = this.#values.get(parseKey(key))
    if (value === undefined) throw missingKey(key)
    if (value.length < range.offset + range.sizeBytes) throw shortValue(key, range, value.length)
    this.requests.bytesOut += range.sizeBytes
    return value.slice(range.offset, range.offset + range.sizeBytes)
  }

  async *stream(key: Key, range: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const bytes = await this.get(key, range, signal)
    for (let at = 0; at < bytes.length; at += this.#streamChunkBytes) {
      throwIfAborted(signal)
      yield bytes.slice(at, at + this.#streamChunkBytes)
    }
  }

  async head(key: Key, signal?: AbortSignal): Promise<{ readonly sizeBytes: number } | null> {
    throwIfAborted(signal)
    this.requests.heads++
    const value = this.#values.get(key)
    return value === undefined ? null : { sizeBytes: value.length }
  }

  async delete(key: Key, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    this.requests.deletes++
    this.#values.delete(parseKey(key))
    this.unfinished.delete(key)
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<{ readonly key: Key; readonly sizeBytes: number }> {
    this.requests.lists++
    for (const [key, value] of this.#values) {
      throwIfAborted(signal)
      if (key.startsWith(prefix)) yield { key, sizeBytes: value.length }
    }
  }

  async probe(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
  }

  async close(): Promise<void> {}

  /** For tests: the stored value loses its end, as on a broken disk. */
  cut(key: Key, sizeBytes: number): void {
    const value = this.#values.get(key)
    if (value !== undefined) this.#values.set(key, value.slice(0, sizeBytes))
  }
}

async function readPart(key: Key, path: string, range: ByteRange): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const bytes = new Uint8Array(range.sizeBytes)
    let done = 0
    while (done < bytes.length) {
      const { bytesRead } = await file.read(bytes, done, bytes.length - done, range.offset + done)
      if (bytesRead === 0) throw shortValue(key, range, range.offset + done)
      done += bytesRead
    }
    return bytes
  } finally {
    await file.close()
  }
}
