// What S3 does with the parts of an upload (part-upload.ts decides when). Bodies are streamed from the file, never held whole, with
// Content-MD5: the one checksum that every S3 server was seen to verify on streams.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { BucketRequests, ByteRange, Key } from './bucket.ts'
import { shortValue, unavailable } from './errors.ts'
import type { PartTarget } from './part-upload.ts'
import { answerOf, type S3Requests } from './s3-client.ts'

const readBytes = 1 << 20
// Putting the parts together can take an S3 server long, in silence.
const finishBytes = 64 << 20

export class S3PartTarget implements PartTarget {
  readonly partSizeBytes: number
  readonly concurrency = 4
  readonly #requests: S3Requests
  readonly #counts: BucketRequests
  readonly #bucket: string
  readonly #key: Key
  readonly #path: string
  readonly #removeUnfinished: () => Promise<void>
  readonly #tags = new Map<number, string>()
  #uploadId: string | null = null
  #mayHaveMore = false

  /** `removeUnfinished` removes every unfinished upload to the key, by asking the server for them. */
  constructor(
    requests: S3Requests,
    counts: BucketRequests,
    value: { readonly bucket: string; readonly key: Key; readonly path: string; readonly partSizeBytes: number },
    removeUnfinished: () => Promise<void>,
  ) {
    this.#requests = requests
    this.#counts = counts
    this.#bucket = value.bucket
    this.#key = value.key
    this.#path = value.path
    this.partSizeBytes = value.partSizeBytes
    this.#removeUnfinished = removeUnfinished
  }

  async putWhole(sizeBytes: number, signal: AbortSignal): Promise<void> {
    await this.#sendBody({ offset: 0, sizeBytes }, signal, async (body, limit) => {
      await this.#requests.client.send(new PutObjectCommand({ ...this.#target, ...body }), { abortSignal: limit })
    })
  }

  async begin(signal: AbortSignal): Promise<void> {
    this.#uploadId = await this.#requests
      .send('puts', 0, signal, async (limit, attempt) => {
        // A lost answer leaves an upload whose id nobody knows.
        if (attempt > 1) this.#mayHaveMore = true
        const answer = await this.#requests.client.send(new CreateMultipartUploadCommand(this.#target), { abortSignal: limit })
        if (answer.UploadId === undefined) throw unavailable('bucket-refused', 'an upload without an id')
        return answer.UploadId
      })
      .catch((error: unknown) => {
        this.#mayHaveMore = true
        throw error
      })
  }

  async sendPart(number: number, range: ByteRange, signal: AbortSignal): Promise<void> {
    await this.#sendBody(range, signal, async (body, limit) => {
      const part = { ...this.#target, ...body, UploadId: this.#knownId(), PartNumber: number }
      const answer = await this.#requests.client.send(new UploadPartCommand(part), { abortSignal: limit })
      if (answer.ETag === undefined) throw unavailable('bucket-refused', 'a part without an ETag')
      this.#tags.set(number, answer.ETag)
    })
  }

  async finish(partCount: number, sizeBytes: number, signal: AbortSignal): Promise<void> {
    const parts = Array.from({ length: partCount }, (_, at) => ({ PartNumber: at + 1, ETag: this.#tags.get(at + 1) }))
    const request = { ...this.#target, UploadId: this.#knownId(), MultipartUpload: { Parts: parts } }
    try {
      await this.#requests.send('puts', finishBytes, signal, async (limit, attempt) => {
        // The answer before this attempt may have been lost after the work was done.
        if (attempt > 1 && (await this.#isThere(sizeBytes, signal))) return
        await this.#requests.client.send(new CompleteMultipartUploadCommand(request), { abortSignal: limit })
      })
    } catch (error) {
      if (signal.aborted || !(await this.#isThere(sizeBytes, signal).catch(() => false))) throw error
    }
    if (this.#mayHaveMore) await this.#removeUnfinished().catch(() => {})
  }

  async cancel(): Promise<void> {
    if (this.#mayHaveMore || this.#uploadId === null) return this.#removeUnfinished().catch(() => {})
    const request = { ...this.#target, UploadId: this.#uploadId }
    await this.#requests
      .send('deletes', 0, undefined, async (limit) => {
        await this.#requests.client.send(new AbortMultipartUploadCommand(request), { abortSignal: limit }).catch((error: unknown) => {
          if (answerOf(error).status !== 404) throw error
        })
      })
      .catch(() => {})
  }

  get #target(): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#key }
  }

  #knownId(): string {
    if (this.#uploadId === null) throw unavailable('bucket-refused', 'the upload has not begun')
    return this.#uploadId
  }

  /** One request with a piece of the file as its body; the file is read twice, since the digest stands in the head. */
  async #sendBody(
    range: ByteRange,
    signal: AbortSignal,
    send: (body: { Body: AsyncBody; ContentLength: number; ContentMD5: string }, limit: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const md5 = await this.#digest(range, signal)
    await this.#requests.send('puts', range.sizeBytes, signal, async (limit) => {
      this.#counts.bytesIn += range.sizeBytes
      const file = range.sizeBytes === 0 ? null : createReadStream(this.#path, { ...spanOf(range), signal: limit })
      // The client waits for its own answer; a failing file must end that wait, and must not end the process.
      const failed = new Promise<never>((_, reject) => file?.once('error', reject))
      failed.catch(() => {})
      try {
        const body = { Body: file ?? new Uint8Array(), ContentLength: range.sizeBytes, ContentMD5: md5 }
        await Promise.race([send(body, limit), failed])
      } finally {
        file?.destroy()
      }
    })
  }

  async #digest(range: ByteRange, signal: AbortSignal): Promise<string> {
    const hash = createHash('md5')
    let doneBytes = 0
    if (range.sizeBytes > 0) {
      try {
        for await (const chunk of createReadStream(this.#path, { ...spanOf(range), signal }) as AsyncIterable<Uint8Array>) {
          hash.update(chunk)
          doneBytes += chunk.length
        }
      } catch (error) {
        const aborted = signal.aborted
        throw unavailable(aborted ? 'aborted' : 'bucket-unavailable', `the file for ${this.#key} can't be read`, error)
      }
    }
    if (doneBytes !== range.sizeBytes) throw shortValue(this.#key, range, range.offset + doneBytes)
    return hash.digest('base64')
  }

  /** The value stands in the bucket with its whole size: the key is fresh, so nothing else can have put it there. */
  async #isThere(sizeBytes: number, signal: AbortSignal): Promise<boolean> {
    return this.#requests.once('heads', 0, signal, async (limit) => {
      try {
        const found = await this.#requests.client.send(new HeadObjectCommand(this.#target), { abortSignal: limit })
        return found.ContentLength === sizeBytes
      } catch (error) {
        if (answerOf(error).status === 404) return false
        throw error
      }
    })
  }
}

type AsyncBody = ReturnType<typeof createReadStream> | Uint8Array

function spanOf(range: ByteRange): { start: number; end: number; highWaterMark: number } {
  return { start: range.offset, end: range.offset + range.sizeBytes - 1, highWaterMark: readBytes }
}
