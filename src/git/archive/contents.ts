// A file's bytes for an archive: as stored, piece by piece where they are many; converted where its attributes say so.
import { latin1 } from '../../base/index.ts'
import { substituteFormats } from '../format/commit-format.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { convertFile, isConverted } from './conversion.ts'
import type { Entry } from './entries.ts'
import type { ArchiveCommit } from './facts.ts'

/** Files from this size on never stand in memory as a whole. */
const largeBytes = 8 << 20
/** Files beyond this go into archives as they are stored (git has core.bigFileThreshold for that). */
const mostConvertedBytes = 32 << 20

export type Contents =
  /** Not to be changed. */
  { readonly sizeBytes: number; readonly bytes: Uint8Array } | { readonly sizeBytes: number; readonly pieces: AsyncIterable<Uint8Array> }

export async function* piecesOf(contents: Contents): AsyncGenerator<Uint8Array, void, undefined> {
  if ('pieces' in contents) yield* contents.pieces
  else yield contents.bytes
}

export class ContentReader {
  readonly #repository: PacedRepository
  readonly #commit: ArchiveCommit | null

  /** @param commit null: there is none, and `export-subst` does nothing */
  constructor(repository: PacedRepository, commit: ArchiveCommit | null) {
    this.#repository = repository
    this.#commit = commit
  }

  /** Of a symbolic link: where it points to. CorruptError when it can't be read. */
  async target({ number }: Entry): Promise<Uint8Array> {
    return await this.#repository.objects.read(number)
  }

  /** Of a file. CorruptError when it can't be read; InputError `too-large` when `export-subst` makes too much of it. */
  async read({ attributes, number, oid }: Entry): Promise<Contents> {
    const { objects, pace, set } = this.#repository
    const sizeBytes = set.sizeBytes(number)
    const isOther = sizeBytes <= mostConvertedBytes && isConverted(attributes, this.#commit !== null)
    if (!isOther && sizeBytes >= largeBytes) return { sizeBytes, pieces: objects.pieces(number, pace.signal) }
    const stored = await objects.read(number)
    const turn = pace.turn(stored.length >> 8)
    if (turn) await turn
    if (!isOther) return { sizeBytes, bytes: stored }
    let text = convertFile(latin1(stored), oid, attributes)
    if (this.#commit && attributes.get('export-subst') === true) {
      await this.#commit.prepare(text)
      text = substituteFormats(text, this.#commit)
    }
    return { sizeBytes: text.length, bytes: Buffer.from(text, 'latin1') }
  }
}
