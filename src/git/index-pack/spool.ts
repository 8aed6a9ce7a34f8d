// Where a pack's bytes are kept while it is received: a file, or memory for small ones.
// Invariant: bytes below sizeBytes can be read at once, by other threads too when there is a path.
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import type { Spool } from './index-pack.ts'

/** Writes all of `bytes` at a place of an open file. */
export function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, position + done)
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
    this.#fd = openSync(path, 'w+', 0o600)
    this.#size = fstatSync(this.#fd).size
  }

  get sizeBytes(): number {
    return this.#size
  }

  append(bytes: Uint8Array): void {
    writeAll(this.#fd, bytes, this.#size)
    this.#size += bytes.length
  }

  overwrite(offset: number, bytes: Uint8Array): void {
    writeAll(this.#fd, bytes, offset)
    this.#size = Math.max(this.#size, offset + bytes.length)
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

  read(offset: number, into: Uint8Array): number {
    const part = this.#bytes.subarray(offset, Math.min(this.#size, offset + into.length))
    into.set(part)
    return part.length
  }
}
