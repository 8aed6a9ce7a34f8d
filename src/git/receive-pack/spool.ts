// Where an arriving pack's bytes go: memory while they are few, a file from then on. Synchronous, for a worker thread.
import { rmSync } from 'node:fs'
import { FileSpool, MemorySpool, type Spool } from '../index-pack/index.ts'

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
