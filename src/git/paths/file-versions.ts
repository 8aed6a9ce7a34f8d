// Versions of one file, taken apart into lines to be compared with each other; each is read once or a few times, whatever history asks of them.
import { InputError, latin1 } from '../../base/index.ts'
import { LineReader, type TextLines } from '../format/diff.ts'
import type { PacedRepository } from '../upload-pack/index.ts'

/** A file of more bytes isn't looked at; nor are more bytes of versions of one. */
const mostFileBytes = 4 << 20
const mostVersionBytes = 512 << 20
/** Of versions that were taken apart, so many bytes are kept for the next comparison. */
const keptBytes = 32 << 20

export class FileVersions {
  readonly #repository: PacedRepository
  readonly #reader = new LineReader()
  readonly #texts = new Map<string, TextLines>()
  #keptBytes = 0
  #readBytes = 0

  constructor(repository: PacedRepository) {
    this.#repository = repository
  }

  /**
   * @throws InputError 'blame-too-large'
   * @param like a version that this one is much the same as
   */
  async read(oid: Uint8Array, like: TextLines | null = null): Promise<TextLines> {
    const id = latin1(oid)
    const known = this.#texts.get(id)
    if (known) {
      this.#texts.delete(id)
      this.#texts.set(id, known)
      return known
    }
    const { objects, pace, set } = this.#repository
    const number = set.find(oid, 0)
    const sizeBytes = set.sizeBytes(number)
    this.#readBytes += sizeBytes
    if (sizeBytes > mostFileBytes || this.#readBytes > mostVersionBytes) {
      throw new InputError('blame-too-large', 'the file, or its history, is too large to tell where its lines come from')
    }
    const turn = pace.turn(sizeBytes >>> 8)
    if (turn) await turn
    const bytes = await objects.read(number)
    const text = this.#reader.read(bytes, like)
    this.#texts.set(id, text)
    this.#keptBytes += sizeBytes
    for (const [oldest, { bytes: gone }] of this.#texts) {
      if (this.#keptBytes <= keptBytes || this.#texts.size <= 2) break
      this.#texts.delete(oldest)
      this.#keptBytes -= gone.length
    }
    return text
  }
}
