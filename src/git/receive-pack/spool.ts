// Where an arriving pack's bytes go: memory while they are few, a file from then on. Synchronous, for a worker thread.
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import type { Spool } from '../index-pack/index.ts'

export class GrowingSpool implements Spool {
  readonly #path: string
  readonly #memoryBytes: number
  #memory: Uint8Array
  #fd: number | null = null
  #sizeBytes = 0

  /**
   * @param path of the file that is made when more than `memoryBytes` have come; until then there is none
   */
  constructor(path: string, memoryBytes: number) {
    this.#path = path
    this.#memoryBytes = memoryBytes
    this.#memory = new Uint8Array(new SharedArrayBuffer(Math.min(memoryBytes, 64 * 1024)))
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** The file's path once there is one: other threads may read it. */
  get path(): string | null {
    return this.#fd === null ? null : this.#path
  }

  append(bytes: Uint8Array): void {
    if (this.#fd === null && this.#sizeBytes + bytes.length > this.#memoryBytes) this.#spill()
    if (this.#fd !== null) writeWhole(this.#fd, bytes, this.#sizeBytes)
    else {
      if (this.#sizeBytes + bytes.length > this.#memory.length) {
        const larger = new Uint8Array(new SharedArrayBuffer(Math.min(this.#memoryBytes, (this.#sizeBytes + bytes.length) * 2)))
        larger.set(this.#memory.subarray(0, this.#sizeBytes))
        this.#memory = larger
      }
      this.#memory.set(bytes, this.#sizeBytes)
    }
    this.#sizeBytes += bytes.length
  }

  overwrite(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.#sizeBytes) throw new RangeError('overwrite past the end of a spool')
    if (this.#fd !== null) writeWhole(this.#fd, bytes, offset)
    else this.#memory.set(bytes, offset)
  }

  read(offset: number, into: Uint8Array): number {
    const sizeBytes = Math.min(into.length, this.#sizeBytes - offset)
    if (sizeBytes <= 0) return 0
    if (this.#fd === null) {
      into.set(this.#memory.subarray(offset, offset + sizeBytes))
      return sizeBytes
    }
    let done = 0
    while (done < sizeBytes) {
      const got = readSync(this.#fd, into, done, sizeBytes - done, offset + done)
      if (got === 0) break
      done += got
    }
    return done
  }

  /** Everything, when it is still in memory (a view); null when it is in the file. */
  inMemory(): Uint8Array | null {
    return this.#fd === null ? this.#memory.subarray(0, this.#sizeBytes) : null
  }

  /** Moves what is in memory to the file. */
  #spill(): void {
    this.#fd = openSync(this.#path, 'wx+', 0o600)
    writeWhole(this.#fd, this.#memory.subarray(0, this.#sizeBytes), 0)
    this.#memory = new Uint8Array(0)
  }

  /** Closes the file; removes it unless it is to be kept for the upload. */
  close(keep: boolean): void {
    if (this.#fd === null) return
    closeSync(this.#fd)
    this.#fd = null
    if (!keep) rmSync(this.#path, { force: true })
  }
}

function writeWhole(fd: number, bytes: Uint8Array, at: number): void {
  let done = 0
  while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done, at + done)
}
