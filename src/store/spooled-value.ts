// A value on its way into the bucket: a file that grows, and is sent meanwhile. Whoever begins one has its intent row.
import { existsSync } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { remakeSpool, spoolError, writeFully } from '../base/index.ts'
import type { Bucket, FileUpload, Key } from '../bucket/index.ts'

export class SpooledValue {
  readonly #bucket: Bucket
  readonly #path: string
  readonly #file: FileHandle
  readonly #upload: FileUpload
  #sizeBytes = 0
  #mayComeLater = false

  private constructor(bucket: Bucket, key: Key, path: string, file: FileHandle) {
    this.#bucket = bucket
    this.#path = path
    this.#file = file
    this.#upload = bucket.uploadFile(key, path)
  }

  /** @param name of the file, used by nobody else */
  static async begin(bucket: Bucket, key: Key, name: string): Promise<SpooledValue> {
    const folder = bucket.spoolFolder
    if (!existsSync(folder)) await remakeSpool(folder)
    const path = join(folder, name)
    const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
      throw spoolError(error, folder)
    })
    return new SpooledValue(bucket, key, path, file)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** A request that nobody answered may be carried out later than all that follows it. */
  get mayComeLater(): boolean {
    return this.#mayComeLater
  }

  /** One at a time; the bytes may be changed afterwards. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.writeWith(bytes.length, ({ position }) => writeFully(this.#file, bytes, position))
  }

  /** The same for who writes exactly so many bytes there by himself: the file is open until he is done. */
  async writeWith<T>(sizeBytes: number, write: (target: { readonly fd: number; readonly position: number }) => Promise<T>): Promise<T> {
    let made: T
    try {
      made = await write({ fd: this.#file.fd, position: this.#sizeBytes })
    } catch (error) {
      throw spoolError(error, this.#bucket.spoolFolder)
    }
    this.#sizeBytes += sizeBytes
    return made
  }

  /** What was written is final: it may be sent ahead. */
  advance(): void {
    this.#upload.advance(this.#sizeBytes)
  }

  /** Waits until all is durable. Where it fails, `abort` is to follow. */
  async complete(): Promise<void> {
    await this.#file.close()
    this.#mayComeLater = true
    await this.#upload.complete(this.#sizeBytes)
    this.#mayComeLater = false
  }

  /** Gives it up, but for the key that may be there; never throws. */
  async abort(): Promise<void> {
    await this.#file.close().catch(() => {})
    await this.#upload.abort()
    await rm(this.#path, { force: true }).catch(() => {})
  }
}
