// What was inside of a content, stored as parts of one inner content: bodies of files, each with chunks of its own; the skeleton; the file list; corrections of the
// stream; the outer digest, which makes it no other content's. Of a content that stays as it is, the list alone. docs/design/opened-contents.md.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { fromHex, InputError } from '../../base/index.ts'
import type { Digest } from '../digest.ts'
import type { ChunkPut, PutJobResult } from '../put-job.ts'
import { encodeEntry } from './format/file-list.ts'
import { type SplitPiece, TarSplit } from './format/tar-split.ts'
import { Gathered } from './gathered.ts'
import { freeInflatedBytes, mostEntries, mostInflatedBytes, mostInflation, mostMetaBytes, mostSkeletonBytes } from './limits.ts'

export interface StoredArchive {
  readonly put: PutJobResult
  readonly bodyBytes: number
  readonly skeletonBytes: number
  readonly listBytes: number
  readonly plain: Digest
  readonly plainBytes: number
}

/** A group of the file list is one chunk. It ends behind an entry whose path's CRC-32 has these bits clear, so that lists with the same entries have the same groups. */
const groupMask = 63
const mostGroupBytes = 64 << 10
/** All that isn't bodies is one chunk where it is no more than that: of a small archive nothing of it is ever the same as another's, and each chunk costs a row. */
const oneRestBytes = 64 << 10

export interface ArchiveOptions {
  readonly isTar: boolean
  /** Of an archive: of all parts only its file list is stored. */
  readonly isListOnly?: boolean
  /** What it was before: sets how much there may be inside. */
  readonly outerBytes: number
  readonly spoolFolder: string
  readonly name: string
  /** Other archives follow among the same chunks: whoever shares them finishes them. */
  readonly isShared?: boolean
}

export class StoreArchive {
  readonly #put: ChunkPut
  readonly #split: TarSplit | null
  readonly #isListOnly: boolean
  readonly #isShared: boolean
  readonly #skeleton: Gathered
  readonly #list: Gathered
  readonly #corrections: Gathered
  readonly #groups: number[] = [0]
  readonly #plain = createHash('sha256')
  readonly #mostBytes: number
  #plainBytes = 0
  #entries = 0
  #announced = 0

  constructor(put: ChunkPut, options: ArchiveOptions) {
    this.#put = put
    this.#split = options.isTar ? new TarSplit(mostMetaBytes) : null
    this.#isListOnly = options.isListOnly === true
    this.#isShared = options.isShared === true
    const gathered = (part: string) => new Gathered(options.spoolFolder, `${options.name}.${part}`)
    this.#skeleton = gathered('skeleton')
    this.#list = gathered('list')
    this.#corrections = gathered('corrections')
    this.#mostBytes = Math.min(mostInflatedBytes, Math.max(freeInflatedBytes, options.outerBytes * mostInflation))
  }

  /** InputError 'bomb', 'too-many-entries'. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#plainBytes += bytes.length
    if (this.#plainBytes > this.#mostBytes) throw new InputError('bomb', `it holds more than ${this.#mostBytes} bytes`)
    this.#plain.update(bytes)
    if (this.#split === null) return this.#put.write(bytes)
    for (const piece of this.#split.push(bytes)) await this.#take(piece)
  }

  /** What makes a difference's stream again, of a member after the other. */
  async correct(bytes: Uint8Array): Promise<void> {
    if (this.#corrections.add(bytes)) await this.#corrections.flush()
  }

  async end(digest: Digest): Promise<StoredArchive> {
    const bodyBytes = this.#put.sizeBytes
    if (this.#split !== null) {
      if (this.#announced > bodyBytes) this.#put.cutShort(this.#announced - bodyBytes)
      this.#announceRest()
    }
    for (const part of [this.#skeleton, this.#list, this.#corrections]) {
      for await (const bytes of part.read()) await this.#put.write(bytes)
    }
    await this.#put.write(fromHex(digest))
    return {
      put: await (this.#isShared ? this.#put.cutRest() : this.#put.end()),
      bodyBytes,
      skeletonBytes: this.#skeleton.sizeBytes,
      listBytes: this.#list.sizeBytes,
      plain: this.#plain.digest('hex') as Digest,
      plainBytes: this.#plainBytes,
    }
  }

  #announceRest(): void {
    const restBytes = this.#skeleton.sizeBytes + this.#list.sizeBytes + this.#corrections.sizeBytes + 32
    if (restBytes <= oneRestBytes) return this.#put.part(restBytes)
    this.#put.part(this.#skeleton.sizeBytes, true)
    for (const sizeBytes of this.#groups) this.#put.part(sizeBytes)
    this.#put.part(this.#corrections.sizeBytes + 32)
  }

  /** Never throws. */
  async close(): Promise<void> {
    for (const part of [this.#skeleton, this.#list, this.#corrections]) await part.close()
  }

  async #take(piece: SplitPiece): Promise<void> {
    if (this.#isListOnly && piece.kind !== 'entry') return
    if (piece.kind === 'body') return this.#put.write(piece.bytes)
    if (piece.kind === 'begin') {
      this.#announced += piece.sizeBytes
      this.#put.part(piece.sizeBytes)
    } else if (piece.kind === 'skeleton') {
      if (this.#skeleton.add(piece.bytes)) await this.#skeleton.flush()
    } else {
      if (++this.#entries > mostEntries) throw new InputError('too-many-entries', `it has more than ${mostEntries} members`)
      const bytes = encodeEntry(piece.entry)
      this.#group(bytes.length, (crc32(piece.entry.path) & groupMask) === 0)
      if (this.#list.add(bytes)) await this.#list.flush()
    }
    if (this.#skeleton.sizeBytes + this.#list.sizeBytes > mostSkeletonBytes) {
      throw new InputError('too-large', `its headers and names have more than ${mostSkeletonBytes} bytes`)
    }
  }

  #group(sizeBytes: number, isEnd: boolean): void {
    const last = this.#groups.length - 1
    if ((this.#groups[last] as number) + sizeBytes > mostGroupBytes) this.#groups.push(sizeBytes)
    else this.#groups[last] = (this.#groups[last] as number) + sizeBytes
    if (isEnd) this.#groups.push(0)
  }
}
