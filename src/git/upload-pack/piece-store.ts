// The bytes of one cached pack, in the pieces in which they came: in memory while they are few, then in a file that has no name any more,
// so that it ends with the process. Pieces are read from the file in parts, which are compared with their CRCs: a slow reader holds one part.
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { CorruptError, isSystemError, makeFolders, UnavailableError, writeFully } from '../../base/index.ts'

/** More than this moves to a file. */
const mostMemoryBytes = 256 << 10
/** The newest pieces stay in memory beside the file: readers that keep up never read it. */
const recentPieces = 3
/** A piece is read in parts of so much. */
export const partBytes = 256 << 10

export interface StoredPiece {
  readonly sizeBytes: number
  /** Of each part. */
  readonly crcs: readonly number[]
}

/** CRCs of a piece's parts. */
export function partCrcs(bytes: Uint8Array): number[] {
  const crcs: number[] = []
  for (let at = 0; at < bytes.length; at += partBytes) crcs.push(crc32(bytes.subarray(at, at + partBytes)))
  return crcs
}

export class PieceStore {
  readonly #path: string
  readonly #pieces: (StoredPiece & { readonly from: number })[] = []
  #held: (Uint8Array | undefined)[] = [] // by piece, as far as they are in memory
  readonly #users = new Map<Uint8Array, number>() // who reads a piece that is in memory
  #file: FileHandle | null = null
  #sizeBytes = 0
  #closed = false

  /** @param path of a file that doesn't exist; its folder is made when it is needed */
  constructor(folder: string, name: string) {
    this.#path = join(folder, name)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** What of it is kept in memory when nothing more is appended. */
  get memoryBytes(): number {
    return this.#file === null ? this.#sizeBytes : 0
  }

  /** Takes the bytes over; they are there for `read` when the promise resolves. Throws Node's system errors: then nothing was appended. */
  async append(bytes: Uint8Array): Promise<StoredPiece> {
    const piece = { from: this.#sizeBytes, sizeBytes: bytes.length, crcs: partCrcs(bytes) }
    if (this.#file === null && this.#sizeBytes + bytes.length > mostMemoryBytes) await this.#moveToFile()
    if (this.#file !== null) {
      await writeFully(this.#file, bytes, piece.from)
      this.#letGo(this.#pieces.length - recentPieces)
    }
    this.#held.push(bytes)
    this.#pieces.push(piece)
    this.#sizeBytes += bytes.length
    return piece
  }

  /** Nothing more will be appended: whoever reads what is in the file reads it from there. */
  finish(): void {
    if (this.#file === null) return
    for (const place of this.#held.keys()) this.#letGo(place)
    this.#held = []
  }

  /** A piece that is in memory; null: it isn't. `release` has to be called when it is used no more. */
  hold(place: number): { readonly bytes: Uint8Array; release(): void } | null {
    const bytes = this.#held[place]
    if (bytes === undefined) return null
    this.#users.set(bytes, (this.#users.get(bytes) ?? 0) + 1)
    const release = () => {
      const users = (this.#users.get(bytes) ?? 0) - 1
      if (users > 0) this.#users.set(bytes, users)
      else {
        this.#users.delete(bytes)
        if (this.#held[place] !== bytes && !this.#closed) free(bytes)
      }
    }
    return { bytes, release }
  }

  #letGo(place: number): void {
    const bytes = this.#held[place]
    if (bytes === undefined) return
    this.#held[place] = undefined
    if (!this.#users.has(bytes)) free(bytes)
  }

  /** Gives memory and file back when the reads under way are over. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#held = []
    void this.#file?.close()
  }

  /**
   * A piece out of the file, part by part, each read into `buffer` (`partBytes`): good until the next one is asked for.
   * @throws CorruptError when the file has other bytes than were written; UnavailableError when it can't be read
   */
  async *read(place: number, buffer: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    const { from, sizeBytes, crcs } = this.#pieces[place] as StoredPiece & { from: number }
    for (const [part, crc] of crcs.entries()) {
      const at = part * partBytes
      yield await this.#readPart(from + at, buffer.subarray(0, Math.min(partBytes, sizeBytes - at)), crc)
    }
  }

  async #readPart(from: number, target: Uint8Array, crc: number): Promise<Uint8Array> {
    if (this.#closed || this.#file === null) throw new UnavailableError('pack-cache', 'the cached pack was closed')
    const sizeBytes = target.length
    let done = 0
    try {
      while (done < sizeBytes) {
        const { bytesRead } = await this.#file.read(target, done, sizeBytes - done, from + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
    } catch (cause) {
      throw new UnavailableError('pack-cache', 'a file of the pack cache cannot be read', { cause })
    }
    if (done < sizeBytes || crc32(target) !== crc) {
      throw new CorruptError(
        'pack-cache',
        `bytes ${from} to ${from + sizeBytes} of a file of the pack cache are not what was written: a bad disk?`,
      )
    }
    return target
  }

  async #moveToFile(): Promise<void> {
    const file = await open(this.#path, 'wx+', 0o600).catch(async (error: unknown) => {
      if (!isSystemError(error, 'ENOENT')) throw error
      await makeFolders(join(this.#path, '..'), 0o700)
      return await open(this.#path, 'wx+', 0o600)
    })
    try {
      await unlink(this.#path)
      let at = 0
      for (const bytes of this.#held as Uint8Array[]) {
        await writeFully(file, bytes, at)
        at += bytes.length
      }
    } catch (error) {
      await file.close()
      throw error
    }
    this.#file = file
    if (this.#closed) await file.close()
  }
}

/** At once: the collector doesn't see what lies outside of its heap, and lets hundreds of MiB of it lie while many slow clients are served. */
function free({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
