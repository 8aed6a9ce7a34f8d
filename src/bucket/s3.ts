// A bucket on an S3 server, held to what Ceph RGW 16.2 and AWS both do: no conditional writes, no trust in listings, Content-MD5.
// Invariants: a value is read in whole pieces of bounded size, so a slow reader never holds a connection; every request has a time
// limit; an answer that is shorter than asked for is never passed on.
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Randomness } from '../base/index.ts'
import type { Bucket, BucketRequests, ByteRange, FileUpload, Key } from './bucket.ts'
import { assertRange, missingKey, shortValue, throwIfAborted, unavailable } from './errors.ts'
import { PartUpload } from './part-upload.ts'
import { isKey, parseKey } from './paths.ts'
import { signGet } from './presign.ts'
import { noRequests } from './requests.ts'
import { defaultRetry, type RetryPolicy } from './retry.ts'
import { answerOf, defaultTimeLimits, S3Requests, type S3Settings, type TimeLimits } from './s3-client.ts'
import { S3PartTarget } from './s3-upload.ts'

/** What tests change. */
export interface S3Tuning {
  readonly partSizeBytes?: number
  readonly streamPieceBytes?: number
  readonly retry?: RetryPolicy
  readonly limits?: TimeLimits
}

export class S3Bucket implements Bucket {
  readonly kind = 's3'
  readonly spoolFolder: string
  readonly partSizeBytes: number
  readonly requests: BucketRequests = noRequests()
  /** Left out where clients don't reach the bucket. */
  readonly link?: NonNullable<Bucket['link']>
  readonly #name: string
  readonly #streamPieceBytes: number
  readonly #s3: S3Requests

  /** Makes no request. `spoolFolder` must exist. */
  constructor(settings: S3Settings, spoolFolder: string, randomness: Randomness, tuning: S3Tuning = {}) {
    this.spoolFolder = spoolFolder
    this.partSizeBytes = tuning.partSizeBytes ?? 16 << 20
    this.#streamPieceBytes = tuning.streamPieceBytes ?? 4 << 20
    this.#name = settings.bucket
    this.#s3 = new S3Requests(settings, this.requests, randomness, tuning.retry ?? defaultRetry, tuning.limits ?? defaultTimeLimits)
    const { publicEndpoint = null, pathStyle } = settings
    if (publicEndpoint === null) return
    this.link = async (key, { at, lifetimeMs }) => {
      const url = publicUrl(publicEndpoint, pathStyle ? null : this.#name, pathStyle ? `${this.#name}/${parseKey(key)}` : parseKey(key))
      const signer = await this.#s3.signer().catch((error: unknown) => {
        throw this.#s3.translate(error)
      })
      return signGet(signer, {
        url,
        at,
        lifetimeS: Math.floor(lifetimeMs / 1000),
        answer: { 'response-content-type': 'application/octet-stream' },
      })
    }
  }

  async put(key: Key, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const md5 = createHash('md5').update(bytes).digest('base64')
    const request = { ...this.#at(key), Body: bytes, ContentLength: bytes.length, ContentMD5: md5 }
    await this.#s3.send('puts', bytes.length, signal, async (limit) => {
      this.requests.bytesIn += bytes.length
      await this.#s3.client.send(new PutObjectCommand(request), { abortSignal: limit })
    })
  }

  uploadFile(key: Key, path: string): FileUpload {
    const value = { bucket: this.#name, key: parseKey(key), path, partSizeBytes: this.partSizeBytes }
    const target = new S3PartTarget(this.#s3, this.requests, value, () => this.#removeUnfinished(key))
    return new PartUpload(target, path)
  }

  async get(key: Key, range: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
    assertRange(key, range)
    if (range.sizeBytes === 0) return this.#getNothing(key, range, signal)
    const last = range.offset + range.sizeBytes - 1
    const request = { ...this.#at(key), Range: `bytes=${range.offset}-${last}` }
    return this.#s3.send('gets', range.sizeBytes, signal, async (limit) => {
      try {
        const answer = await this.#s3.client.send(new GetObjectCommand(request), { abortSignal: limit })
        if (!(answer.Body instanceof Readable)) throw unavailable('bucket-refused', 'an answer without a body')
        return await this.#readBody(key, range, answer.Body, answer.ContentRange, limit)
      } catch (error) {
        const { name, status } = answerOf(error)
        if (status === 404 && name !== 'NoSuchBucket') throw missingKey(key, { cause: error })
        if (status === 416) throw shortValue(key, range, null)
        throw error
      }
    })
  }

  async *stream(key: Key, range: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    assertRange(key, range)
    const end = range.offset + range.sizeBytes
    const read = (offset: number): Promise<Uint8Array> =>
      this.get(key, { offset, sizeBytes: Math.min(this.#streamPieceBytes, end - offset) }, ahead.signal)
    // One piece is under way while the consumer works on the piece before it; it is stopped when the consumer leaves.
    const ahead = new AbortController()
    const stop = (): void => ahead.abort(signal?.reason)
    signal?.addEventListener('abort', stop, { once: true })
    let next: Promise<Uint8Array> | null = null
    try {
      throwIfAborted(signal)
      if (range.sizeBytes === 0) await this.#getNothing(key, range, signal)
      for (let offset = range.offset; offset < end; ) {
        const piece: Uint8Array = await (next ?? read(offset))
        offset += piece.length
        next = offset < end ? read(offset) : null
        next?.catch(() => {}) // awaited above, unless the consumer leaves first
        yield piece
        throwIfAborted(signal)
      }
    } finally {
      signal?.removeEventListener('abort', stop)
      ahead.abort()
    }
  }

  async head(key: Key, signal?: AbortSignal): Promise<{ readonly sizeBytes: number } | null> {
    return this.#s3.send('heads', 0, signal, async (limit) => {
      try {
        const found = await this.#s3.client.send(new HeadObjectCommand(this.#at(key)), { abortSignal: limit })
        if (found.ContentLength === undefined) throw unavailable('bucket-refused', 'an answer without a size')
        return { sizeBytes: found.ContentLength }
      } catch (error) {
        if (answerOf(error).status === 404) return null
        throw error
      }
    })
  }

  async delete(key: Key, signal?: AbortSignal): Promise<void> {
    await this.#removeUnfinished(key, signal)
    await this.#s3.send('deletes', 0, signal, async (limit) => {
      await this.#s3.client.send(new DeleteObjectCommand(this.#at(key)), { abortSignal: limit }).catch(ignoreMissing)
    })
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<{ readonly key: Key; readonly sizeBytes: number }> {
    let token: string | undefined
    do {
      const page = { Bucket: this.#name, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) }
      const answer = await this.#s3.send('lists', 0, signal, (limit) =>
        this.#s3.client.send(new ListObjectsV2Command(page), { abortSignal: limit }),
      )
      for (const found of answer.Contents ?? []) {
        throwIfAborted(signal)
        if (found.Key !== undefined && isKey(found.Key)) yield { key: found.Key, sizeBytes: found.Size ?? 0 }
      }
      token = answer.IsTruncated === true ? answer.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async probe(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    await this.#s3
      .once('heads', 0, signal, async (limit) => {
        await this.#s3.client.send(new HeadBucketCommand({ Bucket: this.#name }), { abortSignal: limit })
      })
      .catch((error: unknown) => {
        throwIfAborted(signal)
        throw this.#s3.translate(error, true)
      })
  }

  /** Makes the bucket unless it is there. */
  async create(signal?: AbortSignal): Promise<void> {
    await this.#s3.send('puts', 0, signal, async (limit) => {
      await this.#s3.client.send(new CreateBucketCommand({ Bucket: this.#name }), { abortSignal: limit }).catch((error: unknown) => {
        if (answerOf(error).name !== 'BucketAlreadyOwnedByYou') throw error
      })
    })
  }

  async close(): Promise<void> {
    this.#s3.client.destroy()
  }

  #at(key: Key): { Bucket: string; Key: string } {
    return { Bucket: this.#name, Key: parseKey(key) }
  }

  /** S3 has no range of nothing: the size answers instead. */
  async #getNothing(key: Key, range: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
    const found = await this.head(key, signal)
    if (found === null) throw missingKey(key)
    if (found.sizeBytes < range.offset) throw shortValue(key, range, found.sizeBytes)
    return new Uint8Array()
  }

  async #readBody(key: Key, range: ByteRange, body: Readable, contentRange: string | undefined, limit: AbortSignal): Promise<Uint8Array> {
    const bytes = new Uint8Array(range.sizeBytes)
    let done = 0
    const stop = (): void => void body.destroy(new Error('stopped', { cause: limit.reason }))
    limit.addEventListener('abort', stop, { once: true })
    try {
      const span = /^bytes (\d+)-(\d+)\//.exec(contentRange ?? '')
      if (span === null || Number(span[1]) !== range.offset)
        throw unavailable('bucket-refused', 'an answer with another range than asked for')
      if (Number(span[2]) - range.offset + 1 < range.sizeBytes) throw shortValue(key, range, Number(span[2]) + 1)
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        if (done + chunk.length > bytes.length) throw unavailable('bucket-refused', 'an answer with more bytes than asked for')
        bytes.set(chunk, done)
        done += chunk.length
      }
    } finally {
      limit.removeEventListener('abort', stop)
      body.destroy()
      this.requests.bytesOut += done
    }
    // The value is long enough, so the connection was cut: an error without a status, which is tried again.
    if (done < bytes.length) throw new Error(`cut after ${done} of ${bytes.length} bytes`)
    return bytes
  }

  async #removeUnfinished(key: Key, signal?: AbortSignal): Promise<void> {
    const prefix = { Bucket: this.#name, Prefix: parseKey(key) }
    const answer = await this.#s3.send('lists', 0, signal, (limit) =>
      this.#s3.client.send(new ListMultipartUploadsCommand(prefix), { abortSignal: limit }),
    )
    for (const upload of answer.Uploads ?? []) {
      if (upload.Key !== key || upload.UploadId === undefined) continue
      const request = { ...this.#at(key), UploadId: upload.UploadId }
      await this.#s3.send('deletes', 0, signal, async (limit) => {
        await this.#s3.client.send(new AbortMultipartUploadCommand(request), { abortSignal: limit }).catch(ignoreMissing)
      })
    }
  }
}

function publicUrl(endpoint: string, hostPart: string | null, path: string): URL {
  const url = new URL(`${endpoint.replace(/\/$/, '')}/${path}`)
  if (hostPart !== null) url.hostname = `${hostPart}.${url.hostname}`
  return url
}

/** What is to be removed may be gone already; a bucket that is gone is an error all the same. */
function ignoreMissing(error: unknown): void {
  const { name, status } = answerOf(error)
  if (status !== 404 || name === 'NoSuchBucket') throw error
}
