// Where a pack's bytes are kept while it is received: a file, memory, or memory while they are few and a file from then on.
// Invariant: bytes below sizeBytes can be read at once, by other threads too when there is a path.
// What can't be written is an UnavailableError: base's `spoolError` says which.
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { spoolError, writeFullySync } from '../../base/index.ts'
import type { Spool } from './index-pack.ts'

/** Writes all of `bytes` at a place of an open file of that folder. */
export function writeAll(fd: number, bytes: Uint8Array, position: number, folder: string): void {
  try {
    writeFullySync(fd, bytes, position)
  } catch (error) {
    throw spoolError(error, folder)
  }
}

/** Reads up to all of `into`; fewer bytes only at the file's end. */
export function readAll(fd: number, into: Uint8Array, position: number): number {
  let done = 0
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, position + done)
    if (count === 0) break
    done += count
  }
  return done
}

/** A spool in a file that this object opens (new, for itself alone) and its owner removes. */
export class FileSpool implements Spool {
  readonly path: string
  readonly #fd: number
  #size: number

  constructor(path: string) {
    this.path = path
    try {
      this.#fd = openSync(path, 'w+', 0o600)
    } catch (error) {
      throw spoolError(error, dirname(path))
    }
    this.#size = fstatSync(this.#fd).size
  }

  get sizeBytes(): number {
    return this.#size
  }

  append(bytes: Uint8Array): void {
    writeAll(this.#fd, bytes, this.#size, dirname(this.path))
    this.#size += bytes.length
  }

  overwrite(offset: number, bytes: Uint8Array): void {
    writeAll(this.#fd, bytes, offset, dirname(this.path))
    this.#size = Math.max(this.#size, offset + bytes.length)
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes >= this.#size) return
    ftruncateSync(this.#fd, sizeBytes)
    this.#size = sizeBytes
  }

  read(offset: number, into: Uint8Array): number {
    return readAll(this.#fd, into, offset)
  }

  /** Closes the file; it stays until its owner removes it. */
  close(): void {
    closeSync(this.#fd)
  }
}

/** A spool in memory; grows by doubling. */
export class MemorySpool implements Spool {
  readonly path = null
  #bytes: Uint8Array
  #size = 0

  constructor(capacityBytes = 64 * 1024) {
    this.#bytes = new Uint8Array(capacityBytes)
  }

  get sizeBytes(): number {
    return this.#size
  }

  /** A view of everything in it; valid until the next append. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size)
  }

  append(bytes: Uint8Array): void {
    this.overwrite(this.#size, bytes)
  }

  overwrite(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2))
      grown.set(this.bytes)
      this.#bytes = grown
    }
    this.#bytes.set(bytes, offset)
    this.#size = Math.max(this.#size, end)
  }

  truncate(sizeBytes: number): void {
    this.#size = Math.min(this.#size, sizeBytes)
  }

  read(offset: number, into: Uint8Array): number {
    const part = this.#bytes.subarray(offset, Math.min(this.#size, offset + into.length))
    into.set(part)
    return part.length
  }
}

/** A spool in memory that moves to a file when it grows. Synchronous, for a worker thread. */
export class GrowingSpool implements Spool {
  readonly #path: string
  readonly #memoryBytes: number
  #memory: MemorySpool | null = new MemorySpool()
  #file: FileSpool | null = null

  /** @param path of the file that is made when more than `memoryBytes` have come; until then there is none */
  constructor(path: string, memoryBytes: number) {
    this.#path = path
    this.#memoryBytes = memoryBytes
  }

  get sizeBytes(): number {
    return this.#place.sizeBytes
  }

  /** The file's path once there is one: other threads may read it. */
  get path(): string | null {
    return this.#place.path
  }

  append(bytes: Uint8Array): void {
    this.overwrite(this.sizeBytes, bytes)
  }

  overwrite(offset: number, bytes: Uint8Array): void {
    if (this.#memory && offset + bytes.length > this.#memoryBytes) this.#spill(this.#memory)
    this.#place.overwrite(offset, bytes)
  }

  truncate(sizeBytes: number): void {
    this.#place.truncate(sizeBytes)
  }

  read(offset: number, into: Uint8Array): number {
    return this.#place.read(offset, into)
  }

  /** Everything, when it is still in memory (a view); null when it is in the file. */
  inMemory(): Uint8Array | null {
    return this.#memory?.bytes ?? null
  }

  /** Closes the file; removes it unless it is to be kept for the upload. */
  close(keep: boolean): void {
    if (!this.#file) return
    this.#file.close()
    if (!keep) rmSync(this.#path, { force: true })
  }

  get #place(): MemorySpool | FileSpool {
    const place = this.#memory ?? this.#file
    if (!place) throw new Error('a spool is in memory or in a file')
    return place
  }

  #spill(memory: MemorySpool): void {
    this.#file = new FileSpool(this.#path)
    this.#file.append(memory.bytes)
    this.#memory = null
  }
}
