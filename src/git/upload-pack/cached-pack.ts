// One pack, made once and read by many (docs/design/pack-cache.md): a list of pieces that grows while a worker makes them.
// Invariants: a reader is held up by nobody but the maker; who finds the end of the pieces finds a whole pack, a failure, or a cut where it goes on
// by itself: never an end that only looks like one.
import { createHash, type Hash } from 'node:crypto'
import { UnavailableError } from '../../base/index.ts'
import type { ObjectFormat } from '../format/object-id.ts'
import type { FetchEvent } from './fetch.ts'
import type { FrameBuffers } from './frame-buffers.ts'
import { partCrcs, type PieceStore, type StoredPiece } from './piece-store.ts'
import type { PackRegion } from './run-bytes.ts'

/** The work that makes a pack: its events without the preamble. */
export interface PackSource {
  readonly events: AsyncGenerator<FetchEvent, void, undefined>
  /** Ends the work at once; whoever waits for an event gets an error. */
  stop(): void
  /** The same work again, from its beginning: same packs, same request, same events. */
  again(): PackSource
}

/** What an answer is made of: a fetch's events, and who hashes the pack. */
export type AnswerEvent =
  | FetchEvent
  /** All bytes before this are in `state`; what follows is the receiver's to hash, and it tells the trailer that it finds. Null: the trailer will come. */
  | { readonly type: 'hash'; readonly state: Hash | null; tell(trailer: Uint8Array): void }
  /** Last: the hash of all before it. */
  | { readonly type: 'trailer'; readonly bytes: Uint8Array }

type Piece =
  | { readonly type: 'progress'; readonly text: string }
  | { readonly type: 'bytes'; readonly place: number; readonly stored: StoredPiece }
  | { readonly type: 'region'; readonly region: PackRegion; readonly trailer: boolean }

/** What a piece costs beside its bytes. */
const pieceBytes = 200

export interface CachedPackOptions {
  readonly format: ObjectFormat
  readonly store: PieceStore
  /** For pieces that are read from the store's file. */
  readonly buffers: FrameBuffers
  /** Whether so many bytes more may be kept. */
  readonly mayGrow: (bytes: number) => boolean
  /** It has one more piece. */
  readonly onGrowth: () => void
  /** It is whole, failed or cut, or has lost its last reader. */
  readonly onChange: () => void
}

export class CachedPack {
  readonly #options: CachedPackOptions
  readonly #source: PackSource
  readonly #pieces: Piece[] = []
  readonly #hash: Hash // of all bytes up to the first region
  #isHashed = true
  #trailer: Uint8Array | null = null
  #state: 'growing' | 'whole' | 'failed' | 'cut' = 'growing'
  #error: unknown
  #live: FetchEvent | null = null // the event that was too much; the source goes on behind it
  #readers = 0
  #changed = Promise.withResolvers<void>()
  #stored = 0 // pieces in the store
  #overheadBytes = 0
  readonly packIds = new Set<number>()
  readonly filled: Promise<void>

  constructor(source: PackSource, options: CachedPackOptions) {
    this.#source = source
    this.#options = options
    this.#hash = createHash(options.format)
    this.filled = this.#fill()
  }

  get state(): 'growing' | 'whole' | 'failed' | 'cut' {
    return this.#state
  }

  get readers(): number {
    return this.#readers
  }

  /** All that it costs, in memory and in its file. */
  get sizeBytes(): number {
    return this.#options.store.sizeBytes + this.#overheadBytes
  }

  get memoryBytes(): number {
    return this.#options.store.memoryBytes + this.#overheadBytes
  }

  /** Gives memory and file back. For a pack without readers, or when the server stops. */
  close(): void {
    if (this.#state === 'growing') this.#fail(new UnavailableError('pack-cache', 'nobody waits for this pack any more'))
    this.#source.stop()
    this.#options.store.close()
  }

  /**
   * A reader's events. It counts as one from now until it has come to the end or `gone` is aborted.
   * @throws what the work failed with; CorruptError when cached bytes are wrong
   */
  async *read(gone: AbortSignal): AsyncGenerator<AnswerEvent, void, undefined> {
    const leave = this.#join(gone)
    try {
      yield* this.#events(gone)
    } finally {
      leave()
    }
  }

  async *#events(gone: AbortSignal): AsyncGenerator<AnswerEvent, void, undefined> {
    const tell = (trailer: Uint8Array) => {
      this.#trailer ??= trailer
    }
    let isHashing = false
    yield { type: 'hash', state: null, tell }
    for (let at = 0; ; at++) {
      while (at === this.#pieces.length && this.#state === 'growing' && !gone.aborted) await this.#changed.promise
      gone.throwIfAborted()
      const piece = this.#pieces[at]
      if (piece === undefined) break
      if (piece.type === 'bytes') {
        const held = this.#options.store.hold(piece.place)
        if (held) {
          try {
            yield { type: 'chunk', bytes: held.bytes }
          } finally {
            held.release()
          }
        } else yield* this.#fromFile(piece.place)
        continue
      }
      if (piece.type === 'region' && !piece.trailer && !isHashing && this.#trailer === null) {
        isHashing = true
        yield { type: 'hash', state: this.#hash.copy(), tell }
      }
      yield piece
    }
    if (this.#state === 'failed') throw this.#error
    if (this.#state === 'cut') {
      if (!isHashing) yield { type: 'hash', state: this.#hash.copy(), tell }
      return yield* this.#rest(gone)
    }
    if (this.#trailer !== null) yield { type: 'trailer', bytes: this.#trailer }
  }

  /** One piece, part by part; a part's bytes are good until the next event is asked for. */
  async *#fromFile(place: number): AsyncGenerator<AnswerEvent, void, undefined> {
    const { buffers, store } = this.#options
    const buffer = buffers.take('small')
    const bytes = new Uint8Array(buffer.buffer) // a Buffer's slice would be no copy
    for await (const part of store.read(place, bytes)) yield { type: 'chunk', bytes: part }
    buffers.give(buffer) // not when that failed or was left: somebody may still write to it
  }

  async #fill(): Promise<void> {
    try {
      for (let next = await this.#source.events.next(); !next.done; next = await this.#source.events.next()) {
        if (this.#state !== 'growing') return
        if (!(await this.#take(next.value))) {
          this.#live = next.value
          this.#options.store.finish()
          return this.#become('cut')
        }
        this.#wake()
      }
      if (this.#isHashed) this.#trailer = this.#hash.copy().digest()
      this.#options.store.finish()
      if (this.#state === 'growing') this.#become('whole')
    } catch (error) {
      this.#fail(error)
    }
  }

  /** False: there is no room for it. */
  async #take(event: FetchEvent): Promise<boolean> {
    if (event.type === 'chunk') {
      if (!this.#options.mayGrow(event.bytes.length + pieceBytes)) return false
      let stored: StoredPiece
      try {
        stored = await this.#options.store.append(event.bytes)
      } catch {
        return false // what the cache's disk does wrong costs time only
      }
      if (this.#isHashed) this.#hash.update(event.bytes)
      this.#add({ type: 'bytes', place: this.#stored++, stored }, 0)
    } else if (event.type === 'region') {
      const segments = event.region.segments.ends.length * 12
      if (!this.#options.mayGrow(segments + pieceBytes)) return false
      this.#isHashed = false
      this.packIds.add(event.region.packId)
      this.#add(event, segments)
    } else if (event.type === 'progress') {
      if (!this.#options.mayGrow(event.text.length + pieceBytes)) return false
      this.#add(event, event.text.length)
    }
    return true
  }

  #add(piece: Piece, bytes: number): void {
    this.#pieces.push(piece)
    this.#overheadBytes += bytes + pieceBytes
    this.#options.onGrowth()
  }

  /** What a reader gets behind the cut: the first the work itself, each other one the same again. */
  async *#rest(gone: AbortSignal): AsyncGenerator<FetchEvent, void, undefined> {
    gone.throwIfAborted() // the work is for one who stays
    const live = this.#live
    this.#live = null
    const source = live === null ? this.#source.again() : this.#source
    const stop = () => source.stop()
    gone.addEventListener('abort', stop)
    try {
      if (live === null) yield* this.#behindPieces(source.events)
      else {
        yield live
        yield* source.events
      }
    } finally {
      gone.removeEventListener('abort', stop)
      stop()
    }
  }

  /** Passes over what stands in the pieces. UnavailableError when it isn't the same. */
  async *#behindPieces(events: AsyncIterable<FetchEvent>): AsyncGenerator<FetchEvent, void, undefined> {
    const pieces = this.#pieces.filter((piece) => piece.type !== 'progress')
    let at = 0
    for await (const event of events) {
      const piece = pieces[at]
      if (piece === undefined) yield event
      else if (event.type === 'chunk' || event.type === 'region') {
        if (!isSame(piece, event)) break
        at++
      }
    }
    if (at < pieces.length) throw new UnavailableError('pack-cache', 'the pack came out differently when it was made again')
  }

  #join(gone: AbortSignal): () => void {
    let isHere = true
    this.#readers++
    const leave = () => {
      if (!isHere) return
      isHere = false
      this.#readers--
      gone.removeEventListener('abort', leave)
      this.#wake() // it may be one that waits
      if (this.#readers === 0) this.#options.onChange()
    }
    gone.addEventListener('abort', leave)
    if (gone.aborted) leave()
    return leave
  }

  #become(state: 'whole' | 'failed' | 'cut'): void {
    this.#state = state
    this.#wake()
    this.#options.onChange()
  }

  #fail(error: unknown): void {
    if (this.#state !== 'growing') return
    this.#error = error
    this.#become('failed')
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

function isSame(piece: Piece, event: Extract<FetchEvent, { type: 'chunk' | 'region' }>): boolean {
  if (event.type === 'chunk') {
    const { stored } = piece.type === 'bytes' ? piece : { stored: null }
    return stored?.sizeBytes === event.bytes.length && partCrcs(event.bytes).every((crc, part) => crc === stored.crcs[part])
  }
  if (piece.type !== 'region') return false
  const { packId, offset, sizeBytes } = piece.region
  return packId === event.region.packId && offset === event.region.offset && sizeBytes === event.region.sizeBytes
}
