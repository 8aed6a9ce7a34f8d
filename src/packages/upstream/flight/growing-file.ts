// A spool file that one writes and many read while it grows. It has no name once it is open, so nothing is left of it when the process ends.
import { mkdir, open, type FileHandle, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { remakeSpool, spoolError, isSystemError, writeFully } from '../../../base/index.ts'

const pieceBytes = 256 << 10

/** Lives until its writer and every reader have let it go. */
export class GrowingFile {
  readonly #file: FileHandle
  readonly #folder: string
  #sizeBytes = 0
  #holders = 1

  private constructor(file: FileHandle, folder: string) {
    this.#file = file
    this.#folder = folder
  }

  /** UnavailableError as `spoolError`. */
  static async open(folder: string, name: string): Promise<GrowingFile> {
    const path = join(folder, name)
    const make = async (): Promise<FileHandle> => await open(path, 'wx+', 0o600)
    try {
      const file = await make().catch(async (error: unknown) => {
        if (!isSystemError(error, 'ENOENT')) throw error
        await mkdir(folder, { mode: 0o700 }).catch(async () => await remakeSpool(folder))
        return await make()
      })
      await rm(path, { force: true })
      return new GrowingFile(file, folder)
    } catch (error) {
      throw spoolError(error, folder)
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** One at a time. UnavailableError as `spoolError`. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      await writeFully(this.#file, bytes, this.#sizeBytes)
    } catch (error) {
      throw spoolError(error, this.#folder)
    }
    this.#sizeBytes += bytes.length
  }

  /** Bytes from there on, at most so many: what a piece has, and never none. The range must have been written. */
  async read(offset: number, mostBytes: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, mostBytes))
    const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, offset)
    if (bytesRead === 0) throw new Error('a spool file is shorter than what was written to it')
    return buffer.subarray(0, bytesRead)
  }

  /** False: it is closed already. */
  hold(): boolean {
    if (this.#holders === 0) return false
    this.#holders++
    return true
  }

  /** Once for the writer, and for each `hold`. */
  async letGo(): Promise<void> {
    if (--this.#holders === 0) await this.#file.close()
  }
}
