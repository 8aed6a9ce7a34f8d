// What comes in one request: content or nothing.
import { hash } from 'node:crypto'
import { asBuffer, type ByteSource, InputError, UnavailableError } from '../../base/index.ts'
import { wholeKey } from '../../bucket/index.ts'
import { fixedQuery, isCommitUnknown, type Tx } from '../../db/index.ts'
import type { ContentReference, PutResult } from '../content-store.ts'
import type { ExpectedDigest, ReceivedContent, ReceiveOptions } from '../content-uploads.ts'
import { digestBytes, digestOf } from '../digest.ts'
import { plainUuid } from '../format/whole.ts'
import { contentChanged } from '../group-commit.ts'
import { mayHoldFiles } from '../opened/archive-head.ts'
import { openSoon } from '../opened/opened-rows.ts'
import { insertIntent } from '../segment-writer.ts'
import { smallBytes } from '../sizes.ts'
import { type Frame, FramePool, framesOf } from './frames.ts'
import { type PartParts, PartWriter } from './part-writer.ts'
import { type KeptHashes, RunningHashes } from './running-hashes.ts'
import type { UnusedKeys } from './unused-keys.ts'
import { holdThere, insertWhole } from './whole-rows.ts'

export interface FinishParts extends PartParts {
  readonly pool: FramePool
  readonly kept: KeptHashes
  /** Whether the first part of a content is its bytes alone, so that it can be linked to. */
  readonly isLinking: boolean
  readonly unused: UnusedKeys
  /** Stores small content in chunks, with others'; a lease holds it. */
  readonly putSmall: (bytes: Uint8Array) => Promise<PutResult>
}

/** For the part at a content's beginning. */
export function firstUuid({ randomness, isLinking }: Pick<FinishParts, 'randomness' | 'isLinking'>): string {
  const uuid = randomness.uuid()
  return isLinking ? plainUuid(uuid) : uuid
}

export async function receiveWhole(parts: FinishParts, source: ByteSource, options: ReceiveOptions): Promise<ReceivedContent> {
  const { limitBytes, sizeBytes = null, signal } = options
  const frames = framesOf(source, parts.pool, { mostBytes: limitBytes, sizeBytes, signal })
  const first = (await frames.next()).value as Frame
  try {
    if (first.error !== null) throw first.error
    if (first.isLast && first.bytes.length <= smallBytes) {
      assertIs(first.bytes, options.expected)
      const bytes = first.bytes.slice()
      return await (options.alone === undefined ? putSmall(parts, bytes, options, async () => {}) : putAlone(parts, bytes, options.alone))
    }
    return await receiveLarge(parts, first, frames, options)
  } finally {
    first.free()
    await frames.return(undefined)
  }
}

async function receiveLarge(
  parts: FinishParts,
  first: Frame,
  frames: AsyncGenerator<Frame>,
  { expected, reference, visible }: ReceiveOptions,
): Promise<ReceivedContent> {
  const { db } = parts
  const uuid = firstUuid(parts)
  await insertIntent(db, wholeKey(uuid))
  const writer = new PartWriter(parts, uuid)
  const hashes = RunningHashes.of(parts.lines, expected?.algorithm ?? 'sha256')
  try {
    await addFrames(writer, hashes, first, frames)
    if (expected !== undefined && !(await hashes.is(expected))) throw digestMismatch()
    const sha256 = await hashes.digest()
    const staged = await writer.complete({ digest: sha256, earlier: [] })
    const digest = digestOf(sha256)
    const { sizeBytes } = staged
    const whole = {
      digest: sha256,
      sizeBytes,
      uploadId: null,
      replaced: [],
      order: [uuid],
      staged: [staged],
      reference: reference ?? null,
    }
    const { isNew, unused } = await db.transaction(
      async (tx) => {
        const made = await insertWhole(tx, whole)
        await visible?.(tx, { digest, sizeBytes })
        return made
      },
      { mayRetry: true },
    )
    parts.unused.drop(unused)
    return { digest, sizeBytes, isNew }
  } catch (error) {
    // after a commit whose end is unknown the key may be in use: its intent row tells the sweeper
    if (!isCommitUnknown(error)) await writer.abort()
    throw error
  }
}

/** All frames, hashed and written; none of them may be broken off. */
export async function addFrames(
  writer: PartWriter,
  hashes: RunningHashes,
  first: Frame,
  frames: AsyncGenerator<Frame>,
  lost?: AbortSignal,
): Promise<void> {
  for (let frame = first; ; frame = (await frames.next()).value as Frame) {
    lost?.throwIfAborted()
    if (frame.error !== null) {
      frame.free()
      throw frame.error
    }
    const { isLast } = frame
    await writer.add(frame, hashes)
    if (isLast) return
  }
}

export interface SmallOptions {
  readonly reference?: ContentReference
  readonly visible?: ReceiveOptions['visible']
}

/** Stores it with others', then makes it visible. @param before in the transaction, first */
export async function putSmall(
  parts: FinishParts,
  bytes: Uint8Array,
  { reference, visible }: SmallOptions,
  before: (tx: Tx) => Promise<void>,
): Promise<ReceivedContent> {
  const sizeBytes = bytes.length
  const hold = async (digest: Uint8Array, isNew: boolean): Promise<void> =>
    parts.db.transaction(
      async (tx) => {
        await before(tx)
        if (!(await holdThere(tx, digest, reference ?? null))) throw contentChanged()
        await visible?.(tx, { digest: digestOf(digest), sizeBytes })
        // what is stored whole is looked into without being asked for
        if (isNew && mayHoldFiles(bytes)) await openSoon(tx, digestOf(digest), 0)
      },
      { mayRetry: true },
    )
  // many images have the same config, or the empty one: what is there already needs no put, only another hold (without a reference it needs a new lease)
  const known = hash('sha256', bytes, 'buffer')
  const [there] = reference === undefined ? [] : await findContent(parts.db.queries, known)
  if (there !== undefined && (await isDone(hold(known, false)))) return { digest: digestOf(known), sizeBytes, isNew: false }
  const { digest, isNew } = await parts.putSmall(bytes)
  await hold(digestBytes(digest), isNew)
  return { digest, sizeBytes, isNew }
}

/** A transaction less. What would be lost between the two is that it is looked into. */
async function putAlone(parts: FinishParts, bytes: Uint8Array, alone: NonNullable<ReceiveOptions['alone']>): Promise<ReceivedContent> {
  const sizeBytes = bytes.length
  const { digest, isNew } = await parts.putSmall(bytes)
  const { queries } = parts.db
  await Promise.all([alone(queries, { digest, sizeBytes }), isNew && mayHoldFiles(bytes) ? openSoon(queries, digest, 0) : null])
  return { digest, sizeBytes, isNew }
}

const findContent = fixedQuery((queries, digest: Uint8Array) =>
  queries.selectFrom('content').select('size_bytes').where('digest', '=', digest),
)

/** False where the content was collected meanwhile. */
async function isDone(hold: Promise<void>): Promise<boolean> {
  try {
    await hold
    return true
  } catch (error) {
    if (error instanceof UnavailableError && error.code === contentChanged().code) return false
    throw error
  }
}

/** InputError 'digest-mismatch'. */
export function assertIs(bytes: Uint8Array, expected: ExpectedDigest | undefined): void {
  if (expected !== undefined && !isExpected(bytes, expected)) throw digestMismatch()
}

export function isExpected(bytes: Uint8Array, { algorithm, digest }: ExpectedDigest): boolean {
  return asBuffer(hash(algorithm, bytes, 'buffer')).equals(digest)
}

export function digestMismatch(): InputError {
  return new InputError('digest-mismatch', 'the bytes that came are not what the digest says')
}
