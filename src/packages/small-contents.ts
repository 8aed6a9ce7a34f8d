// Small contents, which every client of a package asks for: they are kept in memory.
import { concatBytes, CorruptError, Recent } from '../base/index.ts'
import type { Moment } from '../db/index.ts'
import type { ContentStore, Digest } from '../store/index.ts'

/** Lives as long as the server. Knows no permissions: whoever gets a content was found to have it just before. */
export class SmallContents {
  /** Contents up to this size are small. */
  readonly mostBytes: number
  readonly #store: ContentStore
  readonly #kept: Recent<Uint8Array>

  constructor(store: ContentStore, { mostBytes, keptBytes }: { readonly mostBytes: number; readonly keptBytes: number }) {
    this.#store = store
    this.mostBytes = mostBytes
    this.#kept = new Recent(keptBytes)
  }

  /** CorruptError where it isn't there: something that is kept names it. */
  async get(content: Digest, moment?: Moment): Promise<Uint8Array> {
    const kept = this.#kept.get(content)
    if (kept !== undefined) return kept
    const found = await this.#store.get(content, undefined, undefined, moment)
    if (found === null) throw new CorruptError('content', `the content ${content} is not there`)
    const pieces: Uint8Array[] = []
    for await (const piece of found.bytes) pieces.push(piece)
    const bytes = concatBytes(pieces)
    this.#kept.set(content, bytes, bytes.length)
    return bytes
  }
}
