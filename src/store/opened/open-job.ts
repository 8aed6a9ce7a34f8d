// The worker's half of opening: finds out what a content is, takes it apart, stores the parts, and sees on the way that an engine makes the same stream of them.
import type { MessagePort } from 'node:worker_threads'
import { concatBytes, InputError, MessageStream } from '../../base/index.ts'
import { Asking } from '../asking.ts'
import { slowLevel } from '../block-packer.ts'
import type { CutterPool } from '../cutter.ts'
import type { Digest } from '../digest.ts'
import type { ReadPlan } from '../content-reader.ts'
import { OwnChunks } from '../own-chunks.ts'
import { ChunkPut, type PutJobResult } from '../put-job.ts'
import type { Replay } from '../replay/index.ts'
import { wholeBelowBytes } from '../sizes.ts'
import { isTarHead } from './archive-head.ts'
import { blockBytes } from './format/tar-header.ts'
import { parseGzipHeader } from './format/gzip-header.ts'
import { Container, type OpenedForm } from './format/opened-form.ts'
import { ByteInput } from './byte-input.ts'
import { leastFrameBytes } from './limits.ts'
import { identifyGzip, inflateInto } from './open-gzip.ts'
import { type ArchiveOptions, StoreArchive, type StoredArchive } from './store-archive.ts'
import { unpacked } from './unpacking.ts'
import { isZstd, zstdFrames } from './zstd-frames.ts'
import type { WholePart } from '../whole/read-whole.ts'

/** Where the bytes are. */
export type OpenSource = { readonly whole: readonly WholePart[] } | { readonly chunks: ReadPlan }

export interface OpenJob {
  readonly source: OpenSource
  readonly digest: Digest
  readonly sizeBytes: number
  /** What may be tried: the place of the recipe among those that agree with the stream's beginning, the difference last; or the file list alone. */
  readonly attempt: number | 'list'
  /** Of its files, which nobody else has. */
  readonly name: string
  /** For questions to the main thread. */
  readonly asking: MessagePort
}

export type OpenJobResult =
  | { readonly kind: 'opened'; readonly put: PutJobResult; readonly form: OpenedForm; readonly engine: string }
  /** In chunks, as it is. */
  | {
      readonly kind: 'chunked'
      readonly put: PutJobResult
      /** It consists of many parts that others may have, too. */
      readonly isOfParts: boolean
    }
  /** Its file list, with a form that says so. */
  | { readonly kind: 'listed'; readonly put: PutJobResult; readonly form: OpenedForm }
  /** The engine makes another stream further on: another attempt may have more luck. */
  | { readonly kind: 'differs' }
  /** It stays as it is: why. */
  | { readonly kind: 'left'; readonly reason: string }

export interface OpenSurroundings {
  readonly cutters: CutterPool
  readonly replay: Replay
  readonly spoolFolder: string
  /** All bytes of a content; may be asked for again. */
  readonly read: (source: OpenSource, sizeBytes: number) => AsyncIterable<Uint8Array>
}

export async function openJob(job: OpenJob, port: MessagePort, surroundings: OpenSurroundings): Promise<void> {
  const stream = new MessageStream<never>(port)
  const asking = new Asking(job.asking)
  const cutter = surroundings.cutters.take()
  try {
    const put = new ChunkPut(cutter, asking, new OwnChunks(asking, slowLevel))
    stream.send(await new Opening(job, put, surroundings).run())
  } catch (error) {
    if (error instanceof InputError) stream.send({ kind: 'left', reason: reasonOf(error) } satisfies OpenJobResult)
    else stream.fail(error)
  } finally {
    surroundings.cutters.give(cutter)
    asking.close()
  }
}

/** A difference that is too large, or none, is one engine less. */
function reasonOf({ code }: InputError): string {
  return code === 'difference-size' || code === 'deflate' ? 'no-engine' : code
}

type FormKind = Pick<OpenedForm, 'isTar' | 'container' | 'members' | 'trailing'>
type ArchiveParts = Omit<StoredArchive, 'put'>

/** A stream of fewer frames isn't one of files. */
const fewFrames = 16
/** Of a frame whose end hasn't been seen. */
const unknownBytes = Number.MAX_SAFE_INTEGER

const noList: OpenJobResult = { kind: 'left', reason: 'no-archive' }

class Opening {
  readonly #job: OpenJob
  readonly #put: ChunkPut
  readonly #surroundings: OpenSurroundings

  constructor(job: OpenJob, put: ChunkPut, surroundings: OpenSurroundings) {
    this.#job = job
    this.#put = put
    this.#surroundings = surroundings
  }

  #read(): AsyncIterable<Uint8Array> {
    return this.#surroundings.read(this.#job.source, this.#job.sizeBytes)
  }

  async run(): Promise<OpenJobResult> {
    const { attempt } = this.#job
    if (attempt === 'list') return this.#list()
    const head = await prefix(this.#read(), blockBytes)
    if (parseGzipHeader(head) !== null) return this.#gzip(attempt)
    if (isTarHead(head)) return this.#tar()
    if (isZstd(head)) return this.#zstd()
    for await (const bytes of this.#read()) await this.#put.write(bytes)
    return { kind: 'chunked', put: await this.#put.end(), isOfParts: false }
  }

  /** As it is, cut between frames: in streams that have one for each file (zstd:chunked), equal files are equal frames. */
  async #zstd(): Promise<OpenJobResult> {
    const input = new ByteInput(this.#read())
    const mostFrames = Math.ceil(this.#job.sizeBytes / leastFrameBytes)
    let frames = 0
    try {
      for await (const { pieces } of zstdFrames(input)) {
        if (++frames > mostFrames) throw new InputError('too-many-members', `it has more than ${mostFrames} frames`)
        await this.#putFrame(pieces)
      }
    } finally {
      await input.end()
    }
    return { kind: 'chunked', put: await this.#put.end(), isOfParts: frames >= fewFrames }
  }

  /** What is small is one chunk. */
  async #putFrame(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const put = this.#put
    let held: Uint8Array[] = []
    let sizeBytes = 0
    let isAnnounced = false
    const announce = async (partBytes: number): Promise<void> => {
      put.part(partBytes)
      isAnnounced = true
      for (const bytes of held) await put.write(bytes)
      held = []
    }
    for await (const bytes of pieces) {
      sizeBytes += bytes.length
      if (isAnnounced) {
        await put.write(bytes)
        continue
      }
      held.push(new Uint8Array(bytes))
      if (sizeBytes >= wholeBelowBytes) await announce(unknownBytes)
    }
    if (isAnnounced) put.cutShort(unknownBytes - sizeBytes)
    else await announce(sizeBytes)
  }

  async #tar(): Promise<OpenJobResult> {
    const archive = this.#archive({ isTar: true })
    try {
      for await (const bytes of this.#read()) await archive.write(bytes)
      return await this.#opened(archive, { isTar: true, container: Container.none, members: [], trailing: new Uint8Array() }, 'tar')
    } finally {
      await archive.close()
    }
  }

  async #gzip(attempt: number): Promise<OpenJobResult> {
    const { replay } = this.#surroundings
    const { sizeBytes } = this.#job
    const { recipes, hasDifference, plain } = await identifyGzip(this.#read(), replay, attempt)
    const recipe = recipes[attempt]
    if (recipe === undefined) return { kind: 'left', reason: 'no-engine' }
    const isTar = isTarHead(plain)
    const archive = this.#archive({ isTar })
    try {
      const way = { recipe, isDifference: hasDifference && attempt === recipes.length - 1, sizeBytes }
      const container = await inflateInto(archive, this.#read(), way, replay)
      if (container === null) return { kind: 'differs' }
      return await this.#opened(archive, { isTar, container: Container.gzip, ...container }, replay.describe(recipe))
    } finally {
      await archive.close()
    }
  }

  /** The list of what stays as it is stored. */
  async #list(): Promise<OpenJobResult> {
    const archive = this.#archive({ isTar: true, isListOnly: true })
    let head: Uint8Array = new Uint8Array()
    try {
      for await (const bytes of unpacked(this.#read())) {
        if (head.length < blockBytes) {
          head = concatBytes([head, bytes.subarray(0, blockBytes)])
          if (head.length >= blockBytes && !isTarHead(head)) return noList
        }
        await archive.write(bytes)
      }
      if (head.length < blockBytes) return noList
      const { put, ...parts } = await archive.end(this.#job.digest)
      return {
        kind: 'listed',
        put,
        form: this.#form(put, parts, { isTar: true, container: Container.listed, members: [], trailing: new Uint8Array() }),
      }
    } finally {
      await archive.close()
    }
  }

  async #opened(archive: StoreArchive, how: FormKind, engine: string): Promise<OpenJobResult> {
    const { put, ...parts } = await archive.end(this.#job.digest)
    return { kind: 'opened', put, form: this.#form(put, parts, how), engine }
  }

  #form(put: PutJobResult, parts: ArchiveParts, how: FormKind): OpenedForm {
    const { digest, sizeBytes } = this.#job
    return { digest, sizeBytes, inner: put.digest as Digest, ...parts, ...how }
  }

  #archive(kind: Pick<ArchiveOptions, 'isTar' | 'isListOnly'>): StoreArchive {
    const { spoolFolder } = this.#surroundings
    return new StoreArchive(this.#put, { ...kind, outerBytes: this.#job.sizeBytes, spoolFolder, name: this.#job.name })
  }
}

async function prefix(source: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let left = sizeBytes
  for await (const bytes of source) {
    parts.push(bytes.subarray(0, left))
    left -= bytes.length
    if (left <= 0) break
  }
  return Buffer.concat(parts)
}
