// A temporary file for objects that don't fit in memory, made at first use and without a name from then on: nothing is left, whatever happens.
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
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
    if (this.#fd < 0) {
      const own = mkdtempSync(join(this.#folder, 'index-pack-'))
      this.#fd = openSync(join(own, 'objects'), 'wx+', 0o600)
      rmSync(own, { recursive: true })
    }
    writeAll(this.#fd, bytes, position)
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
