// An upload to the filesystem bucket: the file is already where it will stay, but for its name.
import { open, rm } from 'node:fs/promises'
import type { FileUpload } from './bucket.ts'
import { unavailable } from './errors.ts'

// The file is brought to the disk while it grows, so that the last fsync finds little to do.
const flushEveryBytes = 64 << 20

/** `adopt` makes the finished file the value: fsync and rename. */
export class FilesystemUpload implements FileUpload {
  readonly #path: string
  readonly #adopt: (sizeBytes: number, signal: AbortSignal | undefined) => Promise<void>
  #flushedBytes = 0
  #flush: Promise<void> | null = null
  #ended = false

  constructor(path: string, adopt: (sizeBytes: number, signal: AbortSignal | undefined) => Promise<void>) {
    this.#path = path
    this.#adopt = adopt
  }

  advance(sizeBytes: number): void {
    if (this.#ended || this.#flush !== null || sizeBytes - this.#flushedBytes < flushEveryBytes) return
    this.#flushedBytes = sizeBytes
    this.#flush = flushFile(this.#path).finally(() => {
      this.#flush = null
    })
  }

  async complete(sizeBytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#ended) throw unavailable('aborted', 'the upload has ended')
    this.#ended = true
    try {
      await this.#flush
      await this.#adopt(sizeBytes, signal)
    } catch (error) {
      await rm(this.#path, { force: true }).catch(() => {})
      throw error
    }
  }

  async abort(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#flush
    await rm(this.#path, { force: true }).catch(() => {})
  }
}

/** Only spreads work: a failure here shows again, and counts, when the upload is completed. */
async function flushFile(path: string): Promise<void> {
  const file = await open(path, 'r+').catch(() => null)
  await file?.datasync().catch(() => {})
  await file?.close().catch(() => {})
}
