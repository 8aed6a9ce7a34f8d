// Contents read back, in the form that costs least. A whole copy that is damaged or missing is a loss only where it is the only form: else what hasn't been given yet comes
// out of another one. Invariant: no byte leaves that wasn't checked, in whatever form it was.
import { concatBytes, CorruptError, type Log, MessageStream, UnavailableError, type WorkerPool } from '../base/index.ts'
import { type Bucket, wholeKey } from '../bucket/index.ts'
import type { Database, Moment } from '../db/index.ts'
import type { ReadPlan } from './content-reader.ts'
import type { ContentRange, LinkLife, OpenContent } from './content-store.ts'
import type { Digest } from './digest.ts'
import { isPlain } from './format/whole.ts'
import { decodeForm } from './opened/format/opened-form.ts'
import type { RebuildPlan } from './opened/rebuild-job.ts'
import { isSmallForm } from './opened/rebuild-small.ts'
import { planOtherForm, planRead, planReadOrMade } from './plan-read.ts'
import type { FramePool } from './whole/frames.ts'
import { noteColdRead, noteRead } from './whole/hot.ts'
import type { HotBlocks } from './whole/hot-blocks.ts'
import { markDamaged } from './whole/damaged.ts'
import { checkedBytes, type CheckedBytes, readWhole, type WholePart } from './whole/read-whole.ts'
import { sendPieces } from './whole/send.ts'

export interface ReadsParts {
  readonly db: Database
  readonly bucket: Bucket
  readonly workers: WorkerPool
  readonly log: Log
  /** Memory for what is sent to sockets. */
  readonly pool: FramePool
  readonly blocks: HotBlocks
}

interface Wanted {
  readonly digest: Digest
  readonly range: ContentRange
  readonly signal: AbortSignal | undefined
}

interface WantedOf extends Wanted {
  readonly sizeBytes: number
}

/** Among the blocks in memory, whose names are of parts. */
function nameOfMade(digest: Digest): string {
  return `made ${digest}`
}

export class Reads {
  readonly #parts: ReadsParts

  constructor(parts: ReadsParts) {
    this.#parts = parts
  }

  /** ContentStore.get. */
  async get(digest: Digest, range?: ContentRange, signal?: AbortSignal, moment?: Moment): Promise<OpenContent | null> {
    const { db, bucket, blocks, pool } = this.#parts
    const found = await planReadOrMade(moment ?? db, digest, range, (made) => blocks.kept(nameOfMade(made)))
    if (found === null) return null
    const { sizeBytes, range: wanted, form } = found
    if (found.isReadLongAgo) this.#noted(noteRead(db.queries, digest))
    if ('opened' in form) this.#noted(noteColdRead(db.queries, digest))
    const open = { digest, sizeBytes, range: wanted }
    if ('made' in form || ('opened' in form && isSmallForm(decodeForm(form.opened.form)))) {
      const at = { ...open, signal }
      return { ...open, bytes: this.#ownMade(form, at), sendTo: (target, begin) => sendPieces(this.#made(form, at), target, begin) }
    }
    if ('whole' in form) {
      const of = { digest, range: wanted, signal }
      const pooled = () => this.#orOtherForm(form.whole, checkedBytes(bucket, form.whole, wanted, pool, signal, blocks), of)
      return {
        ...open,
        bytes: this.#readWhole(form.whole, of),
        sendTo: (target, begin) => orAborted(signal, sendPieces(pooled(), target, begin)),
      }
    }
    const bytes = this.#make(form, signal)
    return { ...open, bytes, sendTo: (target, begin) => sendPieces(unpooled(bytes), target, begin) }
  }

  /** A small content that is made again: it is made at once, and stays in memory where it is asked for again soon. Its bytes are for reading only. */
  async *#made(form: { readonly made: Uint8Array } | { readonly opened: RebuildPlan }, wanted: WantedOf): AsyncGenerator<CheckedBytes> {
    const { digest, sizeBytes, range, signal } = wanted
    let bytes: Uint8Array
    if ('made' in form) bytes = form.made
    else {
      const pieces: Uint8Array[] = []
      const plan = { ...form.opened, range: { offset: 0, sizeBytes } }
      for await (const piece of this.#make({ opened: plan }, signal)) pieces.push(piece)
      bytes = pieces.length === 1 ? (pieces[0] as Uint8Array) : concatBytes(pieces)
      this.#parts.blocks.keeps(nameOfMade(digest), bytes)
    }
    if (range.sizeBytes > 0) yield { bytes: bytes.subarray(range.offset, range.offset + range.sizeBytes), free: () => {} }
  }

  async *#ownMade(form: { readonly made: Uint8Array } | { readonly opened: RebuildPlan }, wanted: WantedOf): AsyncGenerator<Uint8Array> {
    for await (const { bytes } of this.#made(form, wanted)) yield new Uint8Array(bytes)
  }

  /** ContentStore.link. */
  async link(digest: Digest, life: LinkLife, moment?: Moment): Promise<string | null> {
    const { db, bucket } = this.#parts
    if (bucket.link === undefined) return null
    const found = await planRead(moment ?? db, digest)
    const parts = found !== null && 'whole' in found.form ? found.form.whole : []
    const [first] = parts
    if (found === null || first === undefined || parts.length > 1 || !isPlain(first.uuid)) return null
    const url = await bucket.link(wholeKey(first.uuid), life)
    if (found.isReadLongAgo) this.#noted(noteRead(db.queries, digest))
    return url
  }

  async *#readWhole(parts: readonly WholePart[], wanted: Wanted): AsyncGenerator<Uint8Array> {
    const { range, signal } = wanted
    try {
      const whole = unpooled(readWhole(this.#parts.bucket, parts, range, signal))
      for await (const { bytes } of this.#orOtherForm(parts, whole, wanted)) yield bytes
    } catch (error) {
      throw signal?.aborted === true ? aborted(signal) : error
    }
  }

  /** The pieces of a whole copy; where it is damaged or missing, it is marked, and the rest comes out of another form. */
  async *#orOtherForm(
    [part]: readonly WholePart[],
    whole: AsyncIterable<CheckedBytes>,
    { digest, range, signal }: Wanted,
  ): AsyncGenerator<CheckedBytes> {
    const { db, log } = this.#parts
    let given = 0
    try {
      for await (const piece of whole) {
        // first: nobody looks at it any more when the taker asks for the next
        given += piece.bytes.length
        yield piece
      }
      return
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      if (part !== undefined)
        this.#noted(markDamaged(db.queries, digest, part.uuid, error), 'a whole content that could not be read was not marked')
      const rest = { offset: range.offset + given, sizeBytes: range.sizeBytes - given }
      const other = await planOtherForm(db.queries, digest, rest)
      if (other === null) throw error
      log.error({ err: error, digest, given }, 'the whole copy of a content is damaged or missing; it is read in another form')
      yield* unpooled(this.#make(other, signal))
    }
  }

  /** Bytes that a worker reads out of chunks, or makes again. */
  async *#make(form: MadeForm, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    const { workers } = this.#parts
    const job = 'chunks' in form ? workers.start('get', form.chunks) : workers.start('rebuild', form.opened)
    const stop = (): void => job.end()
    signal?.addEventListener('abort', stop, { once: true })
    try {
      for await (const bytes of new MessageStream(job.port).bytes()) {
        if (signal?.aborted === true) break
        yield bytes
      }
    } catch (error) {
      if (signal?.aborted !== true) throw job.explain(error)
    } finally {
      signal?.removeEventListener('abort', stop)
      job.end()
    }
    if (signal?.aborted === true) throw aborted(signal)
  }

  /** A reader doesn't wait for that. */
  #noted(note: Promise<void>, words = 'a read was not noted'): void {
    note.catch((error: unknown) => this.#parts.log.warn({ err: error }, words))
  }
}

type MadeForm = { readonly chunks: ReadPlan } | { readonly opened: RebuildPlan }

async function* unpooled(all: AsyncIterable<Uint8Array>): AsyncGenerator<CheckedBytes> {
  for await (const bytes of all) yield { bytes, free: () => {} }
}

async function orAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw signal?.aborted === true ? aborted(signal) : error
  }
}

export function aborted(signal: AbortSignal): UnavailableError {
  return new UnavailableError('aborted', 'the caller gave up', { cause: signal.reason })
}
