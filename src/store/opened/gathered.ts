// Bytes that are gathered while others are stored, and read once afterwards: in memory while few, then in a file that has no name.
import { existsSync } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { remakeSpool, spoolError } from '../../base/index.ts'

const memoryBytes = 4 << 20
const pieceBytes = 1 << 20

export class Gathered {
  readonly #folder: string
  readonly #name: string
  #parts: Uint8Array[] = []
  #heldBytes = 0
  #file: FileHandle | null = null
  #sizeBytes = 0

  /** @param folder for the file, whose name is free there */
  constructor(folder: string, name: string) {
    this.#folder = folder
    this.#name = name
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Copies the bytes. True when `flush` is to be called before more come. */
  add(bytes: Uint8Array): boolean {
    this.#parts.push(new Uint8Array(bytes))
    this.#heldBytes += bytes.length
    this.#sizeBytes += bytes.length
    return this.#heldBytes > memoryBytes
  }

  async flush(): Promise<void> {
    const parts = this.#parts
    this.#parts = []
    this.#heldBytes = 0
    try {
      this.#file ??= await this.#begin()
      // written in full, or thrown
      await this.#file.writeFile(Buffer.concat(parts))
    } catch (error) {
      throw spoolError(error, this.#folder)
    }
  }

  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    const file = this.#file
    const inFile = this.#sizeBytes - this.#heldBytes
    for (let at = 0; file !== null && at < inFile; ) {
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, inFile - at))
      const { bytesRead } = await file.read(piece, 0, piece.length, at)
      if (bytesRead === 0) throw new RangeError('a file of gathered bytes has become shorter')
      yield piece.subarray(0, bytesRead)
      at += bytesRead
    }
    yield* this.#parts
  }

  /** Never throws. */
  async close(): Promise<void> {
    await this.#file?.close().catch(() => {})
  }

  async #begin(): Promise<FileHandle> {
    if (!existsSync(this.#folder)) await remakeSpool(this.#folder)
    const path = join(this.#folder, this.#name)
    const file = await open(path, 'wx+', 0o600)
    await rm(path)
    return file
  }
}
