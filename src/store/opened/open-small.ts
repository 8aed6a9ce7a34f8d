// The worker's half of opening small contents: many at once, whose parts lie together in the same blocks. Each is held in memory, so that what makes its stream again is
// proven before anything of it is stored. What isn't one whole gzip stream, or inflates to much, is told apart: it is opened alone (open-job.ts).
import type { MessagePort } from 'node:worker_threads'
import { crc32, inflateRawSync } from 'node:zlib'
import { asBuffer, concatBytes, InputError, MessageStream } from '../../base/index.ts'
import { Asking } from '../asking.ts'
import { slowLevel } from '../block-packer.ts'
import type { Cutter } from '../cutter.ts'
import type { Digest } from '../digest.ts'
import { OwnChunks } from '../own-chunks.ts'
import { ChunkPut, type PutJobResult } from '../put-job.ts'
import { encodeReplayRecipe, type Replay, type ReplayRecipe } from '../replay/index.ts'
import { mostOldOfSmall } from '../sizes.ts'
import { isTarHead } from './archive-head.ts'
import { parseGzipHeader } from './format/gzip-header.ts'
import { Container, type GzipMember, type OpenedForm } from './format/opened-form.ts'
import { mostSmallPlainBytes, mostTrailingBytes } from './limits.ts'
import type { OpenSource, OpenSurroundings } from './open-job.ts'
import { StoreArchive } from './store-archive.ts'

export interface SmallContent {
  readonly source: OpenSource
  readonly digest: Digest
  readonly sizeBytes: number
}

export interface OpenSmallJob {
  readonly contents: readonly SmallContent[]
  /** Of files, which nobody else has. */
  readonly name: string
  /** For questions to the main thread. */
  readonly asking: MessagePort
}

export type SmallResult =
  | {
      readonly kind: 'opened'
      readonly put: PutJobResult
      readonly form: OpenedForm
      readonly engine: string
      /** Of its chunks that nobody had, before they are compressed. */
      readonly freshBytes: number
    }
  /** It is to be opened by itself. */
  | { readonly kind: 'alone' }
  /** It stays as it is: why. */
  | { readonly kind: 'left'; readonly reason: string }

export interface OpenSmallResult {
  /** In the order of the contents. */
  readonly results: readonly SmallResult[]
  /** Of all new chunks, before they are compressed. */
  readonly freshBytes: number
}

export async function openSmallJob(job: OpenSmallJob, port: MessagePort, surroundings: OpenSurroundings): Promise<void> {
  const stream = new MessageStream<never>(port)
  const asking = new Asking(job.asking)
  const cutter = surroundings.cutters.take()
  try {
    const own = new OwnChunks(asking, slowLevel)
    const results: SmallResult[] = []
    for (const [n, content] of job.contents.entries()) {
      if (stream.closed) return
      cutter.reset()
      results.push(await openSmall(content, { ...surroundings, own, asking, cutter, name: `${job.name}.${n}` }))
    }
    await own.finish()
    stream.send({ results, freshBytes: own.sizeBytes } satisfies OpenSmallResult)
  } catch (error) {
    stream.fail(error)
  } finally {
    surroundings.cutters.give(cutter)
    asking.close()
  }
}

interface Bench extends OpenSurroundings {
  readonly own: OwnChunks
  readonly asking: Asking
  readonly cutter: Cutter
  readonly name: string
}

async function openSmall(content: SmallContent, bench: Bench): Promise<SmallResult> {
  const parts: Uint8Array[] = []
  for await (const bytes of bench.read(content.source, content.sizeBytes)) parts.push(bytes)
  const stream = takeApart(concatBytes(parts))
  if (stream === null) return { kind: 'alone' }
  try {
    const way = wayOf(stream, content.sizeBytes, bench.replay)
    return way === null ? { kind: 'left', reason: 'no-engine' } : await store(content, stream, way, bench)
  } catch (error) {
    if (error instanceof InputError) return { kind: 'alone' }
    throw error
  }
}

/** A gzip stream of one member. */
interface SmallStream {
  readonly header: Uint8Array
  readonly clue: { readonly xfl: number; readonly os: number }
  readonly deflated: Uint8Array
  readonly plain: Uint8Array
  readonly trailing: Uint8Array
}

const trailerBytes = 8

/** Null: it is something else. */
function takeApart(bytes: Uint8Array): SmallStream | null {
  const header = parseGzipHeader(bytes)
  if (header === null || header === 'more') return null
  const inflated = inflate(bytes.subarray(header.sizeBytes))
  if (inflated === null) return null
  const { plain, usedBytes } = inflated
  const end = header.sizeBytes + usedBytes
  if (end + trailerBytes > bytes.length) return null
  const trailing = bytes.subarray(end + trailerBytes)
  if (trailing.length > mostTrailingBytes || (trailing.length > 0 && parseGzipHeader(trailing) !== null)) return null
  const trailer = asBuffer(bytes.subarray(end, end + trailerBytes))
  if (trailer.readUInt32LE(0) !== crc32(plain) || trailer.readUInt32LE(4) !== plain.length) return null
  return { header: bytes.subarray(0, header.sizeBytes), clue: header, deflated: bytes.subarray(header.sizeBytes, end), plain, trailing }
}

/** Null: it is damaged, or holds too much for here. */
function inflate(bytes: Uint8Array): { readonly plain: Uint8Array; readonly usedBytes: number } | null {
  try {
    const { buffer, engine } = inflateRawSync(bytes, { info: true, maxOutputLength: mostSmallPlainBytes }) as unknown as Inflated
    return { plain: buffer, usedBytes: engine.bytesWritten }
  } catch {
    return null
  }
}

/** What Node's zlib answers to `info`, which its types don't know. */
interface Inflated {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}

interface SmallWay {
  readonly recipe: ReplayRecipe
  readonly corrections: Uint8Array
}

/** Null: nothing makes the stream again. InputError where it can't be told by a difference. */
function wayOf({ plain, deflated, clue }: SmallStream, sizeBytes: number, replay: Replay): SmallWay | null {
  const [recipe] = replay.identify({ plain, isWhole: true, deflated, clue })
  if (recipe !== undefined) return { recipe, corrections: new Uint8Array() }
  const nearest = replay.nearest(deflated.subarray(0, nearestBytes))
  if (nearest === null) return null
  const maker = replay.corrections(nearest, sizeBytes / 2)
  maker.push(deflated)
  return { recipe: nearest, corrections: maker.end() }
}

/** So many bytes tell which difference is nearest. */
const nearestBytes = 100 << 10

async function store(content: SmallContent, stream: SmallStream, { recipe, corrections }: SmallWay, bench: Bench): Promise<SmallResult> {
  const { digest, sizeBytes } = content
  const before = bench.own.sizeBytes
  const isTar = isTarHead(stream.plain)
  const put = new ChunkPut(bench.cutter, bench.asking, bench.own, mostOldOfSmall)
  const archive = new StoreArchive(put, { isTar, isShared: true, outerBytes: sizeBytes, spoolFolder: bench.spoolFolder, name: bench.name })
  try {
    await archive.write(stream.plain)
    await archive.correct(corrections)
    const { put: inner, ...parts } = await archive.end(digest)
    const member: GzipMember = {
      // copies: a view takes all that it is a view of along to the other thread
      header: new Uint8Array(stream.header),
      plainBytes: stream.plain.length,
      recipe: encodeReplayRecipe(recipe),
      correctionBytes: corrections.length,
    }
    const how = { isTar, container: Container.gzip, members: [member], trailing: new Uint8Array(stream.trailing) }
    const form: OpenedForm = { digest, sizeBytes, inner: inner.digest as Digest, ...parts, ...how }
    return { kind: 'opened', put: inner, form, engine: bench.replay.describe(recipe), freshBytes: bench.own.sizeBytes - before }
  } finally {
    await archive.close()
  }
}
