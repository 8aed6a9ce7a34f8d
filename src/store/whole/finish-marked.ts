// The end of an upload that needs more than rows: docs/design/content-store.md, Uploads.
import { concatBytes, InputError } from '../../base/index.ts'
import { wholeKey } from '../../bucket/index.ts'
import { isCommitUnknown, type Tx } from '../../db/index.ts'
import type { FinishOptions, ReceivedContent, UploadAlgorithm } from '../content-uploads.ts'
import { digestOf } from '../digest.ts'
import { insertIntent, uuidBytes } from '../segment-writer.ts'
import { type ArrivalLimit, type Frame, framesOf } from './frames.ts'
import { PartWriter, type StagedPart } from './part-writer.ts'
import { readWhole } from './read-whole.ts'
import { addFrames, digestMismatch, type FinishParts } from './receive.ts'
import { RunningHashes } from './running-hashes.ts'
import { dropUpload, lockUpload, type MarkedUpload, markLost, type PartRow, partsOfUpload, unmark } from './upload-rows.ts'
import { type FinishedWhole, type Inserted, insertLone, insertWhole } from './whole-rows.ts'

/** Bytes that still come. */
export interface LastFrames {
  readonly first: Frame
  readonly frames: AsyncGenerator<Frame>
  readonly limit: ArrivalLimit
  readonly lost: AbortSignal
}

export async function finishMarked(
  parts: FinishParts,
  marked: MarkedUpload,
  { first, frames, limit, lost }: LastFrames,
  options: FinishOptions,
): Promise<ReceivedContent> {
  const { db, kept } = parts
  const last = new PartWriter(parts, marked.uuid)
  const written: PartWriter[] = [last]
  let mayBeUsed = false
  try {
    if (first.bytes.length > limit.mostBytes) throw new InputError('too-large', 'the content is larger than what is allowed')
    const { algorithm } = options.expected
    const rows = marked.sizeBytes === 0 ? [] : await partsOfUpload(db.queries, marked.id)
    const hashes = kept.find(marked.id, marked.sizeBytes, algorithm) ?? (await hashAgain(parts, rows, algorithm, lost))
    await addFrames(last, hashes, first, frames, lost)
    const { sizeBytes } = hashes
    if (sizeBytes !== marked.sizeBytes + last.sizeBytes) throw markLost()
    if (!(await hashes.is(options.expected))) {
      await dropMarked(parts, marked)
      throw digestMismatch()
    }
    const digest = await hashes.digest()
    const closed = await close(parts, rows, { last, written, digest })
    const whole = { digest, sizeBytes, uploadId: marked.id, reference: options.reference ?? null, ...closed }
    mayBeUsed = true
    const { isNew, unused } = await db.transaction(
      async (tx) => {
        const made = await insertMarked(tx, marked, whole)
        await options.visible?.(tx, { digest: digestOf(digest), sizeBytes })
        return made
      },
      { mayRetry: true },
    )
    kept.keep(marked.id, null)
    parts.unused.drop(unused)
    // nothing was written there: an intent row that stays tells the sweeper of nothing
    if (!closed.order.includes(marked.uuid)) await db.queries.deleteFrom('upload_intent').where('key', '=', wholeKey(marked.uuid)).execute()
    return { digest: digestOf(digest), sizeBytes, isNew }
  } catch (error) {
    // after a commit that names the keys, and whose end is unknown, they may be in use: their intent rows tell the sweeper
    if (!mayBeUsed || !isCommitUnknown(error)) {
      for (const writer of written) await writer.abort()
      await unmark(db, marked).catch(() => {}) // it ends by itself
    }
    throw error
  }
}

/** The upload ends as that content, if it is still marked so. */
async function insertMarked(tx: Tx, marked: MarkedUpload, whole: FinishedWhole): Promise<Inserted> {
  const [part] = whole.staged
  if (marked.sizeBytes === 0 && whole.order.length === 1 && part?.uuid === marked.uuid) {
    const made = await insertLone(tx, { digest: whole.digest, part, upload: marked, reference: whole.reference })
    if (made === null) throw markLost()
    return made
  }
  if ((await lockUpload(tx, marked.id, marked.scope))?.mark !== marked.uuid) throw markLost()
  return insertWhole(tx, whole)
}

/** Of an upload that came to another node, or before a restart, or whose SHA-512 nobody counted on. */
async function hashAgain(
  { bucket, pool, lines }: FinishParts,
  rows: readonly PartRow[],
  algorithm: UploadAlgorithm,
  lost: AbortSignal,
): Promise<RunningHashes> {
  const hashes = RunningHashes.of(lines, algorithm)
  const limit = { mostBytes: Number.MAX_SAFE_INTEGER, sizeBytes: null, signal: lost }
  for await (const { bytes, error, free } of framesOf(bytesOf(bucket, rows, lost), pool, limit)) {
    try {
      if (error !== null) throw error
      await hashes.add(bytes)
    } finally {
      free()
    }
  }
  return hashes
}

async function* bytesOf(bucket: FinishParts['bucket'], rows: readonly PartRow[], lost: AbortSignal): AsyncGenerator<Uint8Array> {
  for (const { uuid, sizeBytes, tail, sums } of rows) {
    if (tail !== null) yield tail
    else if (sums !== null) yield* readWhole(bucket, [{ uuid, sizeBytes, sums }], { offset: 0, sizeBytes }, lost)
  }
}

async function dropMarked({ db, kept }: FinishParts, marked: MarkedUpload): Promise<void> {
  kept.keep(marked.id, null)
  await db.transaction(
    async (tx) => {
      if ((await lockUpload(tx, marked.id, marked.scope))?.mark !== marked.uuid) throw markLost()
      await dropUpload(tx, marked.id)
    },
    { mayRetry: true },
  )
}

interface Closing {
  /** With the bytes that came last, if any. */
  readonly last: PartWriter
  readonly written: PartWriter[]
  readonly digest: Uint8Array
}

interface Closed {
  readonly replaced: readonly string[]
  readonly order: readonly string[]
  readonly staged: readonly StagedPart[]
}

/** Everything in the bucket, the last footer with the digest in it. */
async function close(parts: FinishParts, rows: readonly PartRow[], { last, written, digest }: Closing): Promise<Closed> {
  const order: { uuid: string; sizeBytes: number }[] = []
  const staged: StagedPart[] = []
  const tails: PartRow[] = rows.filter((row) => row.tail !== null)
  let waiting: Uint8Array[] = []
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return
    const uuid = parts.randomness.uuid()
    await insertIntent(parts.db, wholeKey(uuid))
    const writer = new PartWriter(parts, uuid)
    written.push(writer)
    await addBytes(parts, writer, concatBytes(waiting))
    waiting = []
    const part = await writer.complete({ digest: null, earlier: [] })
    staged.push(part)
    order.push(part)
  }
  for (const row of rows) {
    if (row.tail !== null) {
      waiting.push(row.tail)
      continue
    }
    await flush()
    order.push(row)
  }
  // small parts at the end go into the last one, where no others do
  if (last.sizeBytes === 0 && waiting.length > 0) {
    await addBytes(parts, last, concatBytes(waiting))
    waiting = []
  }
  await flush()
  const isNamed = tails.length === 0 && last.sizeBytes === 0 && rows.at(-1)?.hasDigest === true
  if (!isNamed) {
    const earlier = order.map(({ uuid, sizeBytes }) => ({ uuid: uuidBytes(uuid), sizeBytes }))
    const part = await last.complete({ digest, earlier })
    staged.push(part)
    order.push(part)
  }
  return { replaced: tails.map((row) => row.uuid), order: order.map(({ uuid }) => uuid), staged }
}

async function addBytes({ pool }: FinishParts, writer: PartWriter, bytes: Uint8Array): Promise<void> {
  const source = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes
  }
  for await (const frame of framesOf(source(), pool, { mostBytes: bytes.length, sizeBytes: null, signal: undefined }))
    await writer.add(frame, null)
}
