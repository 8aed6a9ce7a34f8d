// A publish's body, read once: its tarball goes on as a stream of bytes while it is hashed and looked into, and the rest is known when all has come.
import { createHash } from 'node:crypto'
import { InputError } from '../../base/index.ts'
import { Base64Decoder } from '../format/base64-decoder.ts'
import { type DocumentLimits, type DocumentPiece, DocumentSplitter } from '../format/document-splitter.ts'
import type { Tarball } from './publication.ts'
import { TarballCheck, type TarballLimits } from './tarball-check.ts'
import type { TarballFiles } from './tarball-walk.ts'

export interface IncomingLimits {
  readonly document: DocumentLimits
  readonly tarball: TarballLimits
  /** Waited for once, when the document turns out to be large: as text, parsed and written it takes some ten times its size in memory. */
  readonly onLarge?: () => Promise<void>
}

/** All but the tarball: those of npm's own packages are smaller, with their readme. */
const largeBytes = 256 << 10

export class Incoming {
  readonly #limits: IncomingLimits
  readonly #splitter: DocumentSplitter
  readonly #pieces: AsyncGenerator<DocumentPiece, void, undefined>

  constructor(body: AsyncIterable<Uint8Array>, limits: IncomingLimits) {
    this.#limits = limits
    this.#splitter = new DocumentSplitter(limits.document)
    this.#pieces = split(body, this.#splitter, limits.onLarge)
  }

  /** Reads as far as the tarball: what it is called. Null: there is none, and all has come. InputError 'bad-document', 'too-large'. */
  async begin(): Promise<string | null> {
    const { done, value } = await this.#pieces.next()
    return done === true || value.kind !== 'begin' ? null : value.name
  }

  /** The document, when all has come. InputError 'bad-document'. */
  document(): unknown {
    return this.#splitter.finish()
  }

  /**
   * The tarball's bytes: pieces are good until the next is asked for. Ends when the rest of the body has come, too, and `accept` had no objection; what it throws, and what
   * is found wrong with the bytes, comes in place of the end. So nothing is kept of what is refused.
   */
  async *tarball(attachment: string, accept: (document: unknown, tarball: Tarball) => void): AsyncGenerator<Uint8Array, void, undefined> {
    const check = new TarballCheck(this.#limits.tarball)
    const [sha1, sha512, decoder] = [createHash('sha1'), createHash('sha512'), new Base64Decoder()]
    let sizeBytes = 0
    let files: TarballFiles | null = null
    try {
      for await (const piece of this.#pieces) {
        if (piece.kind === 'begin') throw new InputError('bad-document', 'A publish has one tarball')
        if (piece.kind === 'end') {
          decoder.end()
          files = await check.end()
          continue
        }
        const bytes = decoder.push(piece.bytes)
        sizeBytes += bytes.length
        sha1.update(bytes)
        sha512.update(bytes)
        await check.write(bytes)
        yield bytes
      }
      const document = this.document()
      if (files === null) throw new InputError('bad-document', 'The document ends within its tarball')
      accept(document, { attachment, sizeBytes, sha1: sha1.digest(), sha512: sha512.digest(), files })
    } finally {
      check.close()
    }
  }
}

async function* split(
  body: AsyncIterable<Uint8Array>,
  splitter: DocumentSplitter,
  onLarge?: () => Promise<void>,
): AsyncGenerator<DocumentPiece, void, undefined> {
  let isLarge = false
  for await (const bytes of body) {
    yield* splitter.push(bytes)
    if (isLarge || splitter.keptBytes <= largeBytes) continue
    isLarge = true
    await onLarge?.()
  }
}
