// Uploads: requests that add bytes, and the one that makes them content. docs/design/content-store.md, Uploads.
// Order of each: (mark and intent row → key in the bucket) → one statement or transaction that makes it count → answer.
import { type ByteSource, InputError } from '../../base/index.ts'
import { wholeKey } from '../../bucket/index.ts'
import type { ContentInfo } from '../content-store.ts'
import type {
  AppendOptions,
  BeginOptions,
  ContentUploads,
  FinishOptions,
  ReceivedContent,
  ReceiveOptions,
  UploadState,
} from '../content-uploads.ts'
import { discardKey, uuidBytes } from '../segment-writer.ts'
import { tailBytes } from '../sizes.ts'
import { finishUpload, type FinishParts } from './finish.ts'
import { type ArrivalLimit, type Frame, FramePool, framesOf } from './frames.ts'
import { keepWhole } from './keep-whole.ts'
import { whileMarked } from './mark.ts'
import { type PartParts, PartWriter, type StagedPart } from './part-writer.ts'
import { firstUuid, receiveWhole } from './receive.ts'
import { KeptHashes } from './running-hashes.ts'
import { UnusedKeys } from './unused-keys.ts'
import {
  addPart,
  dropUpload,
  findUpload,
  insertUpload,
  isMarkLost,
  lockUpload,
  type MarkedUpload,
  markUpload,
  placesOfUpload,
  unmark,
  wrongOffset,
} from './upload-rows.ts'
import { addTail } from './upload-tails.ts'

const uuidShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export class Uploads implements ContentUploads {
  readonly #parts: PartParts
  readonly #finishParts: FinishParts
  readonly #kept: KeptHashes

  constructor(parts: PartParts, more: Pick<FinishParts, 'putSmall' | 'isLinking'>) {
    this.#parts = parts
    this.#kept = new KeptHashes(parts.lines)
    this.#finishParts = { ...parts, ...more, pool: new FramePool({ isShared: true }), kept: this.#kept, unused: new UnusedKeys(parts) }
  }

  async begin({ scope, algorithm = 'sha256', most = Number.MAX_SAFE_INTEGER }: BeginOptions): Promise<{ readonly id: string }> {
    const id = this.#parts.randomness.uuid()
    await insertUpload(this.#parts.db, id, { scope, algorithm, most })
    return { id }
  }

  async find(id: string, scope: string): Promise<UploadState | null> {
    return uuidShape.test(id) ? findUpload(this.#parts.db.queries, id, scope) : null
  }

  async append(id: string, scope: string, options: AppendOptions): Promise<UploadState | null> {
    if (!uuidShape.test(id)) return null
    const { offset, limitBytes, signal } = options
    const limit: ArrivalLimit = { mostBytes: limitBytes - (offset ?? 0), sizeBytes: options.sizeBytes ?? null, signal }
    const frames = framesOf(options.source, this.#finishParts.pool, limit)
    const first = (await frames.next()).value as Frame
    try {
      if (first.isLast && first.bytes.length <= tailBytes) return await this.#appendTail(id, scope, first, options)
      const uuids = { firstUuid: firstUuid(this.#finishParts), nextUuid: this.#parts.randomness.uuid() }
      const marked = await markUpload(this.#parts.db, { id, scope, offset, ...uuids })
      if (marked === null) return null
      limit.mostBytes = limitBytes - marked.sizeBytes
      return await whileMarked(this.#parts.db, marked, (lost) => this.#appendPart(marked, first, frames, { limit, lost }))
    } finally {
      first.free()
      await frames.return(undefined)
    }
  }

  async finish(id: string, scope: string, options: FinishOptions): Promise<ReceivedContent | null> {
    return uuidShape.test(id) ? finishUpload(this.#finishParts, id, scope, options) : null
  }

  async cancel(id: string, scope: string): Promise<boolean> {
    if (!uuidShape.test(id)) return false
    this.#kept.keep(id, null)
    return this.#parts.db.transaction(
      async (tx) => {
        if ((await lockUpload(tx, id, scope)) === null) return false
        await dropUpload(tx, id)
        return true
      },
      { mayRetry: true },
    )
  }

  receive(source: ByteSource, options: ReceiveOptions): Promise<ReceivedContent> {
    return receiveWhole(this.#finishParts, source, options)
  }

  /** A whole copy of content that is there in another form. */
  keepWhole(content: Pick<ContentInfo, 'digest' | 'sizeBytes'>, source: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<boolean> {
    return keepWhole(this.#finishParts, content, source, signal)
  }

  /** Some bytes: one transaction, and no key. */
  async #appendTail(
    id: string,
    scope: string,
    { bytes, error }: Frame,
    { offset, limitBytes }: AppendOptions,
  ): Promise<UploadState | null> {
    const { db, randomness } = this.#parts
    const state =
      bytes.length === 0
        ? await findUpload(db.queries, id, scope)
        : await addTail(db, bytes.slice(), { id, scope, offset, limitBytes, uuid: randomness.uuid() })
    if (state !== null) {
      const before = state.sizeBytes - bytes.length
      if (offset !== undefined && offset !== before) throw wrongOffset(before)
      const hashes = this.#kept.find(id, before, state.algorithm)
      if (bytes.length > 0) await hashes?.add(bytes)
      this.#kept.keep(id, hashes)
    }
    if (error !== null) throw error
    return state
  }

  async #appendPart(
    marked: MarkedUpload,
    first: Frame,
    frames: AsyncGenerator<Frame>,
    { limit, lost }: { readonly limit: ArrivalLimit; readonly lost: AbortSignal },
  ): Promise<UploadState> {
    const { db } = this.#parts
    const writer = new PartWriter(this.#parts, marked.uuid)
    const hashes = this.#kept.find(marked.id, marked.sizeBytes, marked.algorithm)
    let error: Error | null = null
    let staged: StagedPart
    try {
      if (first.bytes.length > limit.mostBytes) throw new InputError('too-large', 'the content is larger than what is allowed')
      for (let frame = first; ; frame = (await frames.next()).value as Frame) {
        lost.throwIfAborted()
        ;({ error } = frame)
        const { isLast } = frame
        await writer.add(frame, hashes)
        if (isLast) break
      }
      const places = hashes === null || marked.sizeBytes === 0 ? [] : await placesOfUpload(db.queries, marked.id)
      // tails among them get keys at the end, which nobody knows yet
      const isKnown = hashes !== null && places.every((place) => !place.isTail)
      const earlier = isKnown ? places.map(({ uuid, sizeBytes }) => ({ uuid: uuidBytes(uuid), sizeBytes })) : []
      staged = await writer.complete({ digest: isKnown ? await hashes.digest() : null, earlier })
    } catch (failure) {
      await writer.abort()
      await unmark(db, marked).catch(() => {}) // it ends by itself
      throw failure
    }
    await addPart(db, marked, staged).catch(async (failure: unknown) => {
      // where nobody knows whether it counts, the intent row does
      if (isMarkLost(failure)) await discardKey(this.#parts, wholeKey(staged.uuid), false)
      throw failure
    })
    this.#kept.keep(marked.id, hashes)
    if (error !== null) throw error
    const { id, sizeBytes, algorithm, begunAt } = marked
    return { id, algorithm, begunAt, sizeBytes: sizeBytes + staged.sizeBytes }
  }
}
