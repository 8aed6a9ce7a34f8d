// The worker's half of opening: finds out what a content is, takes it apart, stores the parts, and sees on the way that an engine makes the same stream of them.
import type { MessagePort } from 'node:worker_threads'
import { InputError, MessageStream } from '../../base/index.ts'
import { Asking } from '../asking.ts'
import { slowLevel } from '../block-packer.ts'
import type { CutterPool } from '../cutter.ts'
import type { Digest } from '../digest.ts'
import type { ReadPlan } from '../content-reader.ts'
import { ChunkPut, type PutJobResult } from '../put-job.ts'
import { encodeReplayRecipe, IDENTIFY_BYTES, type Replay, type ReplayRecipe } from '../replay/index.ts'
import { blockBytes, parseTarHeader } from './format/tar-header.ts'
import { parseGzipHeader } from './format/gzip-header.ts'
import { Container, type GzipMember, type OpenedForm } from './format/opened-form.ts'
import { gunzip } from './gunzip.ts'
import { mostMembers, mostTrailingBytes } from './limits.ts'
import { SameStream } from './same-stream.ts'
import { StoreArchive } from './store-archive.ts'
import type { WholePart } from '../whole/read-whole.ts'

/** Where the bytes are. */
export type OpenSource = { readonly whole: readonly WholePart[] } | { readonly chunks: ReadPlan }

export interface OpenJob {
  readonly source: OpenSource
  readonly digest: Digest
  readonly sizeBytes: number
  /** What may be tried: the place of the engine's recipe among those that agree with the stream's beginning. */
  readonly attempt: number
  /** Of its files, which nobody else has. */
  readonly name: string
  /** For questions to the main thread. */
  readonly asking: MessagePort
}

export type OpenJobResult =
  | { readonly kind: 'opened'; readonly put: PutJobResult; readonly form: OpenedForm; readonly engine: string; readonly entries: number }
  /** In chunks, as it is. */
  | { readonly kind: 'chunked'; readonly put: PutJobResult }
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
    const put = new ChunkPut(cutter, asking, slowLevel)
    stream.send(await new Opening(job, put, surroundings).run())
  } catch (error) {
    if (error instanceof InputError) stream.send({ kind: 'left', reason: error.code } satisfies OpenJobResult)
    else stream.fail(error)
  } finally {
    surroundings.cutters.give(cutter)
    asking.close()
  }
}

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
    const head = await prefix(this.#read(), blockBytes)
    if (parseGzipHeader(head) !== null) return this.#gzip()
    if (isTarHead(head)) return this.#tar()
    for await (const bytes of this.#read()) await this.#put.write(bytes)
    return { kind: 'chunked', put: await this.#put.end() }
  }

  async #tar(): Promise<OpenJobResult> {
    const archive = this.#archive(true)
    try {
      for await (const bytes of this.#read()) await archive.write(bytes)
      return await this.#opened(archive, { isTar: true, container: Container.none, members: [], trailing: new Uint8Array() }, 'tar')
    } finally {
      await archive.close()
    }
  }

  async #gzip(): Promise<OpenJobResult> {
    const { recipes, isTar } = await this.#identify()
    const recipe = recipes[this.#job.attempt]
    if (recipe === undefined) return { kind: 'left', reason: 'no-engine' }
    const archive = this.#archive(isTar)
    try {
      const container = await this.#inflate(archive, recipe)
      if (container === null) return { kind: 'differs' }
      const how = { isTar, container: Container.gzip, ...container }
      return await this.#opened(archive, how, this.#surroundings.replay.describe(recipe))
    } finally {
      await archive.close()
    }
  }

  /** Recipes that agree with the first member's beginning, and whether an archive begins there. */
  async #identify(): Promise<{ readonly recipes: readonly ReplayRecipe[]; readonly isTar: boolean }> {
    const plain: Uint8Array[] = []
    const deflated: Uint8Array[] = []
    let clue = { xfl: 0, os: 0 }
    let plainBytes = 0
    let isWhole = false
    for await (const piece of gunzip(this.#read())) {
      if (piece.kind === 'header') clue = { xfl: piece.header.xfl, os: piece.header.os }
      else if (piece.kind === 'deflated') deflated.push(new Uint8Array(piece.bytes))
      else if (piece.kind === 'plain') {
        plain.push(piece.bytes)
        plainBytes += piece.bytes.length
      } else if (piece.kind === 'end') {
        // an empty member says nothing
        if (plainBytes === 0) deflated.length = 0
        else isWhole = true
      }
      if (isWhole || plainBytes >= IDENTIFY_BYTES) break
    }
    const beginning = Buffer.concat(plain)
    const recipes = this.#surroundings.replay.identify({ plain: beginning, isWhole, deflated: Buffer.concat(deflated), clue })
    return { recipes, isTar: isTarHead(beginning) }
  }

  /** Null: the engine makes another stream. */
  async #inflate(archive: StoreArchive, recipe: ReplayRecipe): Promise<Pick<OpenedForm, 'members' | 'trailing'> | null> {
    const encoded = encodeReplayRecipe(recipe)
    const members: (GzipMember & { plainBytes: number })[] = []
    const trailing: Uint8Array[] = []
    let trailingBytes = 0
    let same = null as SameStream | null
    for await (const piece of gunzip(this.#read())) {
      const member = members.at(-1)
      if (piece.kind === 'header') {
        if (members.length === mostMembers) throw new InputError('too-many-members', `it has more than ${mostMembers} gzip members`)
        members.push({ header: piece.bytes, plainBytes: 0, recipe: encoded })
        same = new SameStream(this.#surroundings.replay.encoder(recipe))
      } else if (piece.kind === 'deflated') same?.deflated(piece.bytes)
      else if (piece.kind === 'plain' && member !== undefined) {
        if (same?.plain(piece.bytes) === false) return null
        member.plainBytes += piece.bytes.length
        await archive.write(piece.bytes)
      } else if (piece.kind === 'end') {
        if (same?.end() === false) return null
      } else if (piece.kind === 'trailing') {
        trailing.push(new Uint8Array(piece.bytes))
        trailingBytes += piece.bytes.length
        if (trailingBytes > mostTrailingBytes) throw new InputError('trailing', `more than ${mostTrailingBytes} bytes stand behind its end`)
      }
    }
    return { members, trailing: Buffer.concat(trailing) }
  }

  async #opened(
    archive: StoreArchive,
    how: Pick<OpenedForm, 'isTar' | 'container' | 'members' | 'trailing'>,
    engine: string,
  ): Promise<OpenJobResult> {
    const { digest, sizeBytes } = this.#job
    const { put, entries, ...parts } = await archive.end(digest)
    return { kind: 'opened', put, form: { digest, sizeBytes, inner: put.digest as Digest, ...parts, ...how }, engine, entries }
  }

  #archive(isTar: boolean): StoreArchive {
    const { spoolFolder } = this.#surroundings
    return new StoreArchive(this.#put, { isTar, outerBytes: this.#job.sizeBytes, spoolFolder, name: this.#job.name })
  }
}

function isTarHead(bytes: Uint8Array): boolean {
  return bytes.length >= blockBytes && parseTarHeader(bytes.subarray(0, blockBytes)) !== null
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
