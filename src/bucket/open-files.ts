// Open descriptors of immutable files, by path: bounded, least recently used closed first, idle ones closed after a while (so that the
// space of a deleted value comes back). Synchronous, for worker threads that read many small ranges.
// Invariant: nothing here awaits, so no descriptor is closed while it is being read.
import { closeSync, openSync, readSync } from 'node:fs'
import type { Clock } from '../base/index.ts'

export class OpenFiles {
  readonly #clock: Clock
  readonly #most: number
  readonly #idleMs: number
  // Insertion order is the order of use: a file that is used again is put back at the end.
  readonly #files = new Map<string, { readonly descriptor: number; usedAt: number }>()
  #newest = ''
  #sweeper: NodeJS.Timeout | null = null

  constructor(clock: Clock, most = 64, idleMs = 60_000) {
    this.#clock = clock
    this.#most = most
    this.#idleMs = idleMs
  }

  get size(): number {
    return this.#files.size
  }

  /** Reads into `target` from `offset` of the file; returns how many bytes there were. Throws Node's system errors. */
  read(path: string, offset: number, target: Uint8Array): number {
    const descriptor = this.#descriptor(path)
    let done = 0
    while (done < target.length) {
      const got = readSync(descriptor, target, done, target.length - done, offset + done)
      if (got === 0) break
      done += got
    }
    return done
  }

  /** Closes the file if it is open. */
  forget(path: string): void {
    const file = this.#files.get(path)
    if (file === undefined) return
    this.#files.delete(path)
    if (this.#newest === path) this.#newest = ''
    closeSync(file.descriptor)
  }

  close(): void {
    for (const path of this.#files.keys()) this.forget(path)
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    this.#sweeper = null
  }

  #descriptor(path: string): number {
    const open = this.#files.get(path)
    if (open !== undefined) {
      open.usedAt = this.#clock.monotonic()
      if (this.#newest !== path) {
        this.#files.delete(path)
        this.#files.set(path, open)
        this.#newest = path
      }
      return open.descriptor
    }
    const descriptor = openSync(path, 'r')
    this.#files.set(path, { descriptor, usedAt: this.#clock.monotonic() })
    this.#newest = path
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= this.#most) break
      this.forget(oldest)
    }
    this.#sweeper ??= setInterval(() => this.#closeIdle(), this.#idleMs).unref()
    return descriptor
  }

  #closeIdle(): void {
    const before = this.#clock.monotonic() - this.#idleMs
    for (const [path, file] of this.#files) {
      if (file.usedAt > before) break
      this.forget(path)
    }
  }
}
