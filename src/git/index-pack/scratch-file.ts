// A temporary file for objects that don't fit in memory, made at first use and without a name from then on: nothing is left, whatever happens.
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { spoolError } from '../../base/index.ts'
import { readAll, writeAll } from './spool.ts'

export class ScratchFile {
  readonly #folder: string
  #fd = -1
  #size = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  get sizeBytes(): number {
    return this.#size
  }

  write(position: number, bytes: Uint8Array): void {
    if (this.#fd < 0) this.#fd = openNameless(this.#folder)
    writeAll(this.#fd, bytes, position, this.#folder)
    this.#size = Math.max(this.#size, position + bytes.length)
  }

  read(position: number, into: Uint8Array): number {
    return readAll(this.#fd, into, position)
  }

  /** Cuts it off there. */
  truncate(size: number): void {
    if (size >= this.#size) return
    ftruncateSync(this.#fd, size)
    this.#size = size
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
    this.#size = 0
  }
}

function openNameless(folder: string): number {
  try {
    const own = mkdtempSync(join(folder, 'index-pack-'))
    try {
      return openSync(join(own, 'objects'), 'wx+', 0o600)
    } finally {
      rmSync(own, { recursive: true })
    }
  } catch (error) {
    throw spoolError(error, folder)
  }
}
