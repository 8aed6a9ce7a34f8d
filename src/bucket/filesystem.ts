// A bucket in a folder: the key is the path below it. `<folder>/tmp/` holds what is being written and is never part of a key.
// A value becomes visible by rename, after its bytes are on the disk, and is acknowledged after its folder is: temp, fsync, rename, fsync.
// Invariants: a file outside tmp/ is whole and never changes; no key leads out of the folder. tmp/ may be emptied when nobody writes.
import { constants, existsSync } from 'node:fs'
import { access, copyFile, type FileHandle, mkdir, open, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { type Clock, CorruptError, isSystemError, makeFolders, type Randomness, UnavailableError, writeFully } from '../base/index.ts'
import type { Bucket, BucketRequests, ByteRange, FileUpload, Key, OpenValue } from './bucket.ts'
import { assertRange, missingKey, shortValue, throwIfAborted, unavailable } from './errors.ts'
import { FilesystemUpload } from './filesystem-upload.ts'
import { syncFile, syncFolder, walk } from './folders.ts'
import { OpenFiles } from './open-files.ts'
import { isKey, parseKey } from './paths.ts'
import { noRequests } from './requests.ts'

const streamChunkBytes = 256 << 10

export class FilesystemBucket implements Bucket {
  readonly kind = 'filesystem'
  readonly partSizeBytes = 16 << 20
  readonly spoolFolder: string
  readonly requests: BucketRequests = noRequests()
  readonly #folder: string
  readonly #randomness: Randomness
  readonly #files: OpenFiles
  // Folders that are known to exist and to be on the disk.
  readonly #madeFolders = new Set<string>()

  /** Makes nothing: `prepare` does. `folder` is absolute. */
  constructor(folder: string, clock: Clock, randomness: Randomness) {
    this.#folder = resolve(folder)
    this.#randomness = randomness
    this.#files = new OpenFiles(clock)
    this.spoolFolder = join(this.#folder, 'tmp')
  }

  /** Makes the folders. UnavailableError when they can't be made. */
  async prepare(): Promise<void> {
    await this.#call(() => makeFolders(this.spoolFolder, 0o700))
  }

  async put(key: Key, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const path = this.#path(key)
    const temporary = join(this.spoolFolder, this.#randomness.uuid())
    this.requests.puts++
    this.requests.bytesIn += bytes.length
    await this.#call(async () => {
      throwIfAborted(signal)
      try {
        const file = await open(temporary, 'wx', 0o600)
        try {
          await writeFully(file, bytes)
          await file.sync()
        } finally {
          await file.close()
        }
        throwIfAborted(signal)
        await this.#publish(temporary, path)
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    })
  }

  uploadFile(key: Key, path: string): FileUpload {
    return new FilesystemUpload(path, (sizeBytes, signal) => this.#adopt(key, path, sizeBytes, signal))
  }

  async get(key: Key, range: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#reading(key, range, signal, async (file) => {
      const bytes = new Uint8Array(range.sizeBytes)
      await this.#readFully(file, key, range, bytes)
      return bytes
    })
  }

  readNow(key: Key, range: ByteRange): Uint8Array {
    assertRange(key, range)
    this.requests.gets++
    this.requests.bytesOut += range.sizeBytes
    try {
      const bytes = new Uint8Array(Buffer.allocUnsafeSlow(range.sizeBytes).buffer)
      const got = this.#files.read(this.#path(key), range.offset, bytes)
      if (got < bytes.length) throw shortValue(key, range, range.offset + got)
      return bytes
    } catch (error) {
      throw this.#translate(error, key)
    }
  }

  async openValue(key: Key): Promise<OpenValue> {
    this.requests.gets++
    const file = await this.#call(() => open(this.#path(key), 'r'), key)
    return {
      read: async (targets, offset) => {
        const sizeBytes = targets.reduce((sum, target) => sum + target.length, 0)
        await this.#call(async () => {
          const { bytesRead } = await file.readv(targets, offset)
          if (bytesRead === sizeBytes) return void (this.requests.bytesOut += sizeBytes)
          // cut off by a signal, or the value is too short: the rest piece by piece
          for (let at = offset, i = 0; i < targets.length; at += targets[i++]?.length ?? 0) {
            const target = targets[i] as Uint8Array
            await this.#readFully(file, key, { offset: at, sizeBytes: target.length }, target)
          }
        }, key)
      },
      close: () => file.close(),
    }
  }

  async *stream(key: Key, range: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    assertRange(key, range)
    this.requests.gets++
    const file = await this.#call(() => open(this.#path(key), 'r'), key)
    const end = range.offset + range.sizeBytes
    // Two buffers take turns: a new one for each chunk kept the collector busier than the reading and sending of the bytes.
    const buffers = [0, 1].map(() => Buffer.allocUnsafeSlow(Math.min(streamChunkBytes, range.sizeBytes)))
    const read = async (offset: number): Promise<Uint8Array> => {
      const buffer = buffers.reverse()[0] as Buffer
      const chunk = new Uint8Array(buffer.buffer, 0, Math.min(streamChunkBytes, end - offset))
      await this.#readFully(file, key, { offset, sizeBytes: chunk.length }, chunk)
      return chunk
    }
    // One read is under way while the consumer works on the chunk before it.
    let next: Promise<Uint8Array> | null = null
    try {
      for (let offset = range.offset; offset < end; ) {
        throwIfAborted(signal)
        const chunk: Uint8Array = await (next ?? read(offset))
        offset += chunk.length
        next = offset < end ? read(offset) : null
        next?.catch(() => {}) // awaited above, unless the consumer leaves first
        yield chunk
      }
    } catch (error) {
      throw this.#translate(error, key)
    } finally {
      await next?.catch(() => {})
      await file.close()
    }
  }

  async head(key: Key, signal?: AbortSignal): Promise<{ readonly sizeBytes: number } | null> {
    throwIfAborted(signal)
    this.requests.heads++
    return this.#call(async () => {
      try {
        const found = await stat(this.#path(key))
        return found.isFile() ? { sizeBytes: found.size } : null
      } catch (error) {
        if (this.#isMissing(error)) return null
        throw error
      }
    })
  }

  /** An unfinished upload is a file in tmp/, which belongs to its upload; what a crash left there goes with sweepSpool. */
  async delete(key: Key, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    const path = this.#path(key)
    this.requests.deletes++
    await this.#call(async () => {
      this.#files.forget(path)
      try {
        await unlink(path)
      } catch (error) {
        if (this.#isMissing(error)) return
        throw error
      }
      await syncFolder(dirname(path))
    })
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<{ readonly key: Key; readonly sizeBytes: number }> {
    this.requests.lists++
    try {
      const below = prefix.slice(0, prefix.lastIndexOf('/') + 1)
      const start = isKey(`${below}x`) ? join(this.#folder, ...below.split('/')) : this.#folder
      for await (const path of walk(start, this.spoolFolder)) {
        throwIfAborted(signal)
        const name = relative(this.#folder, path).split(sep).join('/')
        if (!name.startsWith(prefix)) continue
        const found = isKey(name) ? await stat(path).catch(() => null) : null
        if (found !== null) yield { key: parseKey(name), sizeBytes: found.size }
      }
    } catch (error) {
      throw this.#translate(error)
    }
  }

  async probe(signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    await this.#call(() => access(this.spoolFolder, constants.R_OK | constants.W_OK | constants.X_OK))
  }

  async close(): Promise<void> {
    this.#files.close()
  }

  async #adopt(key: Key, source: string, sizeBytes: number, signal: AbortSignal | undefined): Promise<void> {
    const path = this.#path(key)
    this.requests.puts++
    this.requests.bytesIn += sizeBytes
    await this.#call(async () => {
      throwIfAborted(signal)
      const file = await open(source, 'r+')
      try {
        const found = await file.stat()
        if (found.size !== sizeBytes) throw shortValue(key, { offset: 0, sizeBytes }, found.size)
        await file.sync()
      } finally {
        await file.close()
      }
      throwIfAborted(signal)
      await this.#publish(source, path)
    })
  }

  /** Moves a file whose bytes are on the disk to its place, and brings the move to the disk. */
  async #publish(source: string, path: string): Promise<void> {
    await this.#makeFolder(dirname(path))
    try {
      await rename(source, path)
    } catch (error) {
      if (!isSystemError(error, 'EXDEV')) throw error
      await this.#copyAcross(source, path)
    }
    await syncFolder(dirname(path))
  }

  /** The source lies on another file system: the copy goes through tmp/, so that the key still appears whole. */
  async #copyAcross(source: string, path: string): Promise<void> {
    const temporary = join(this.spoolFolder, this.#randomness.uuid())
    try {
      await copyFile(source, temporary, constants.COPYFILE_EXCL)
      await syncFile(temporary)
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    await rm(source, { force: true })
  }

  /** Makes a folder and those above it, each on the disk before anything is acknowledged inside it. */
  async #makeFolder(folder: string): Promise<void> {
    if (folder === this.#folder || this.#madeFolders.has(folder)) return
    await this.#makeFolder(dirname(folder))
    await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
      if (!isSystemError(error, 'EEXIST')) throw error
    })
    // Also when it was there: another process may have made it a moment ago.
    await syncFolder(dirname(folder))
    this.#madeFolders.add(folder)
  }

  async #reading<T>(key: Key, range: ByteRange, signal: AbortSignal | undefined, body: (file: FileHandle) => Promise<T>): Promise<T> {
    assertRange(key, range)
    throwIfAborted(signal)
    this.requests.gets++
    return this.#call(async () => {
      await using file = await open(this.#path(key), 'r')
      return await body(file)
    }, key)
  }

  async #readFully(file: FileHandle, key: Key, range: ByteRange, target: Uint8Array): Promise<void> {
    let done = 0
    while (done < range.sizeBytes) {
      const { bytesRead } = await file.read(target, done, range.sizeBytes - done, range.offset + done)
      if (bytesRead === 0) throw shortValue(key, range, range.offset + done)
      done += bytesRead
    }
    if (range.sizeBytes === 0 && range.offset > (await file.stat()).size) throw shortValue(key, range, null)
    this.requests.bytesOut += done
  }

  /** Where a key lies. The shape is asked again here, since only this line stands between a name and the file system. */
  #path(key: Key): string {
    return join(this.#folder, ...parseKey(key).split('/'))
  }

  /** The key isn't there, and the bucket is: a folder that isn't mounted must not look like lost values. */
  #isMissing(error: unknown): boolean {
    return ['ENOENT', 'ENOTDIR', 'EISDIR'].some((code) => isSystemError(error, code)) && existsSync(this.spoolFolder)
  }

  async #call<T>(body: () => Promise<T>, key?: Key): Promise<T> {
    try {
      return await body()
    } catch (error) {
      throw this.#translate(error, key)
    }
  }

  #translate(error: unknown, key?: Key): Error {
    if (error instanceof CorruptError || error instanceof UnavailableError) {
      if (error.code !== 'aborted') this.requests.failures++
      return error
    }
    this.requests.failures++
    if (key !== undefined && this.#isMissing(error)) return missingKey(key, { cause: error })
    if (isSystemError(error, 'ENOSPC') || isSystemError(error, 'EDQUOT')) {
      return unavailable('bucket-full', `no space left for the bucket in ${this.#folder}`, error)
    }
    if (isSystemError(error, 'EACCES') || isSystemError(error, 'EPERM') || isSystemError(error, 'EROFS')) {
      return unavailable('bucket-denied', `the bucket's folder can't be used: check the owner and mode of ${this.#folder}`, error)
    }
    if (isSystemError(error, 'ENOENT')) return unavailable('bucket-missing', `the bucket's folder is gone: ${this.#folder}`, error)
    return unavailable('bucket-unavailable', `the bucket in ${this.#folder} does not work`, error)
  }
}
