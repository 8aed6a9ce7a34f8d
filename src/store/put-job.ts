// The worker's half of a put: hashes the stream, cuts it, asks which chunks are known, and packs the others into blocks.
// Invariant: memory is one batch of chunks, one block that is being filled and a few that are being compressed, whatever comes.
import { createHash, hash } from 'node:crypto'
import type { MessagePort } from 'node:worker_threads'
import { InputError, MessageStream } from '../base/index.ts'
import { Asking } from './asking.ts'
import { type Cutter, CutterPool } from './cutter.ts'
import { addRun, type Run } from './format/recipe.ts'
import { OwnChunks } from './own-chunks.ts'
import { mostOldSegments } from './sizes.ts'

/** What the main thread begins a put with. */
export interface PutJob {
  readonly limitBytes: number
  readonly digest: string | null
  readonly sizeBytes: number | null
  /** For questions to the main thread. */
  readonly asking: MessagePort
}

/** Where known chunks are; `segment` is −1 for others. */
export interface Found {
  readonly segments: Float64Array
  readonly ordinals: Uint32Array
}

/** Segment of runs whose chunks are among the put's own blocks, counted from its first one. */
export const ownSegment = -1

export interface PutJobResult {
  readonly digest: string
  readonly sizeBytes: number
  readonly runs: readonly Run[]
}

export async function putJob(job: PutJob, port: MessagePort, cutters: CutterPool): Promise<void> {
  const stream = new MessageStream<never>(port)
  const asking = new Asking(job.asking)
  const cutter = cutters.take()
  try {
    stream.send(await putAll(new ChunkPut(cutter, asking), stream.bytes(), job))
  } catch (error) {
    stream.fail(error)
  } finally {
    cutters.give(cutter)
    asking.close()
  }
}

async function putAll(put: ChunkPut, source: AsyncIterable<Uint8Array>, job: PutJob): Promise<PutJobResult> {
  const mostBytes = Math.min(job.limitBytes, job.sizeBytes ?? Number.POSITIVE_INFINITY)
  for await (const bytes of source) {
    if (put.sizeBytes + bytes.length > mostBytes) throw sizeError(job)
    await put.write(bytes)
  }
  if (job.sizeBytes !== null && put.sizeBytes !== job.sizeBytes) throw sizeError(job)
  return put.end((digest) => {
    if (job.digest === null || digest === job.digest) return
    throw new InputError('digest-mismatch', `the content's SHA-256 is ${digest}, not ${job.digest}`)
  })
}

interface Piece {
  readonly at: number
  readonly sizeBytes: number
  readonly hash: Uint8Array
  readonly name: string
}

/** Chunks that are stored, of bytes that are given to it piece by piece. */
export class ChunkPut {
  readonly #cutter: Cutter
  readonly #asking: Asking
  readonly #own: OwnChunks
  readonly #mostOld: number
  readonly #runs: Run[] = []
  readonly #sum = createHash('sha256')
  #sizeBytes = 0

  /**
   * @param own where new chunks go; several contents, one after the other, may share it
   * @param mostOld so many old segments give a batch what they have
   */
  constructor(cutter: Cutter, asking: Asking, own = new OwnChunks(asking), mostOld = mostOldSegments) {
    this.#mostOld = mostOld
    this.#cutter = cutter
    this.#asking = asking
    this.#own = own
  }

  /** What was written so far. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Announces a part: Cutter.part. */
  part(sizeBytes: number, isCut = false): void {
    this.#cutter.part(sizeBytes, isCut)
  }

  cutShort(missingBytes: number): void {
    this.#cutter.cutShort(missingBytes)
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#sizeBytes += bytes.length
    this.#sum.update(bytes)
    for (let at = 0; at < bytes.length; ) {
      at += this.#cutter.fill(bytes.subarray(at))
      if (this.#cutter.isFull) await this.#batch(false)
    }
  }

  /** Cuts what is left and packs all, when `isRight` has seen the digest and not thrown. */
  async end(isRight?: (digest: string) => void): Promise<PutJobResult> {
    const result = await this.cutRest(isRight)
    await this.#own.finish()
    return result
  }

  /** The same, but that others may follow in the last block: whoever shares the chunks finishes them. */
  async cutRest(isRight?: (digest: string) => void): Promise<PutJobResult> {
    const digest = this.#sum.digest('hex')
    isRight?.(digest)
    await this.#batch(true)
    return { digest, sizeBytes: this.#sizeBytes, runs: this.#runs }
  }

  async #batch(isLast: boolean): Promise<void> {
    const pieces = this.#cutter.cut(isLast).map(({ at, sizeBytes }): Piece => {
      const bytes = hash('sha256', this.#cutter.view(at, sizeBytes), 'buffer')
      return { at, sizeBytes, hash: bytes, name: bytes.toString('latin1') }
    })
    if (pieces.length > 0) await this.#place(pieces)
    this.#cutter.drop()
  }

  async #place(pieces: readonly Piece[]): Promise<void> {
    const asked = pieces.filter((piece) => this.#own.find(piece.name) === undefined)
    const hashes = new Uint8Array(asked.length * 32)
    asked.forEach((piece, at) => hashes.set(piece.hash, at * 32))
    const found = asked.length === 0 ? null : ((await this.#asking.ask('find', hashes, [hashes.buffer])) as Found)
    const known = found === null ? new Map<string, { segment: number; ordinal: number }>() : guarded(asked, found, this.#mostOld)
    for (const { at, sizeBytes, hash: bytes, name } of pieces) {
      const old = known.get(name)
      let own = this.#own.find(name)
      if (own === undefined && old === undefined) own = await this.#own.add(this.#cutter.view(at, sizeBytes), bytes, name)
      if (own !== undefined) addRun(this.#runs, { segment: ownSegment, first: own, count: 1, sizeBytes })
      else if (old !== undefined) addRun(this.#runs, { segment: old.segment, first: old.ordinal, count: 1, sizeBytes })
    }
  }
}

/** The fragmentation guard: known chunks, but for those in segments that give least when a batch would touch too many. */
function guarded(asked: readonly Piece[], found: Found, mostOld: number): Map<string, { segment: number; ordinal: number }> {
  const given = new Map<number, number>()
  asked.forEach((piece, at) => {
    const segment = found.segments[at] as number
    if (segment >= 0) given.set(segment, (given.get(segment) ?? 0) + piece.sizeBytes)
  })
  const kept = new Set(
    [...given]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, mostOld)
      .map(([segment]) => segment),
  )
  const known = new Map<string, { segment: number; ordinal: number }>()
  asked.forEach((piece, at) => {
    const segment = found.segments[at] as number
    if (kept.has(segment)) known.set(piece.name, { segment, ordinal: found.ordinals[at] as number })
  })
  return known
}

function sizeError(job: PutJob): InputError {
  return job.sizeBytes !== null && job.sizeBytes <= job.limitBytes
    ? new InputError('size-mismatch', `the content does not have the ${job.sizeBytes} bytes that were announced`)
    : new InputError('too-large', `the content is larger than the ${job.limitBytes} bytes that are allowed`)
}
