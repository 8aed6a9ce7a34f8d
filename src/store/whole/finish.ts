// The end of an upload: its parts become content, and it is gone. Mostly the node knows the hashes already and every part lies in the bucket: one transaction then.
// Otherwise the upload is marked, read back where its hashes aren't known, and what is missing in the bucket is written: bytes that came last, small parts that stood in
// PostgreSQL, and a footer that names the content.
import { concatBytes, InputError } from '../../base/index.ts'
import type { FinishOptions, ReceivedContent } from '../content-uploads.ts'
import { digestOf } from '../digest.ts'
import { smallBytes } from '../sizes.ts'
import { finishMarked } from './finish-marked.ts'
import { type ArrivalLimit, type Frame, framesOf } from './frames.ts'
import { whileMarked } from './mark.ts'
import { digestMismatch, type FinishParts, firstUuid, isExpected, putSmall } from './receive.ts'
import { dropUpload, findUpload, lockUpload, lockWithParts, markUpload, partsOfUpload, uploadBusy, wrongOffset } from './upload-rows.ts'
import { endTails } from './upload-tails.ts'
import { insertKnown } from './whole-rows.ts'

export type { FinishParts } from './receive.ts'

/** Another way has to be tried. */
const otherwise = Symbol('otherwise')

export async function finishUpload(parts: FinishParts, id: string, scope: string, options: FinishOptions): Promise<ReceivedContent | null> {
  const { last, limitBytes, signal } = options
  const offset = last?.offset
  const limit: ArrivalLimit = { mostBytes: limitBytes - (offset ?? 0), sizeBytes: last?.sizeBytes ?? null, signal }
  const frames = framesOf(last?.source ?? nothing(), parts.pool, limit)
  const first = (await frames.next()).value as Frame
  try {
    if (first.error !== null) throw first.error
    if (first.isLast && first.bytes.length <= smallBytes) {
      const small = await finishSmall(parts, id, scope, first.bytes.slice(), options)
      if (small !== otherwise) return small
    }
    if (first.isLast && first.bytes.length === 0) {
      const known = await finishKnown(parts, id, scope, options)
      if (known !== otherwise) return known
    }
    const marked = await markUpload(parts.db, { id, scope, offset, firstUuid: firstUuid(parts), nextUuid: parts.randomness.uuid() })
    if (marked === null) return null
    limit.mostBytes = limitBytes - marked.sizeBytes
    return await whileMarked(parts.db, marked, (lost) => finishMarked(parts, marked, { first, frames, limit, lost }, options))
  } finally {
    first.free()
    await frames.return(undefined)
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** All of it is small: it is chunked with others'. */
async function finishSmall(
  parts: FinishParts,
  id: string,
  scope: string,
  lastBytes: Uint8Array,
  options: FinishOptions,
): Promise<ReceivedContent | null | typeof otherwise> {
  const { db, kept } = parts
  if ((kept.sizeOf(id) ?? 0) + lastBytes.length > smallBytes) return otherwise
  const state = await findUpload(db.queries, id, scope)
  if (state === null) return null
  if (state.sizeBytes + lastBytes.length > smallBytes) return otherwise
  assertOffset(options, state.sizeBytes)
  const tails = state.sizeBytes === 0 ? [] : await partsOfUpload(db.queries, id)
  const bytes = concatBytes([...tails.map((part) => part.tail ?? new Uint8Array()), lastBytes])
  // added to, or ended, between the two queries
  if (bytes.length !== state.sizeBytes + lastBytes.length) throw uploadBusy()
  assertFits(options, bytes.length)
  const isRight = isExpected(bytes, options.expected)
  if (!isRight) {
    await dropMismatched(parts, id, scope, state.sizeBytes)
    throw digestMismatch()
  }
  const content = await putSmall(parts, bytes, options, async (tx) => {
    if (!(await endTails(tx, id, scope, state.sizeBytes))) throw uploadBusy()
  })
  kept.keep(id, null)
  return content
}

/** Its hashes are known here, and its keys are as they are to be: one transaction. */
async function finishKnown(
  { db, kept, unused }: FinishParts,
  id: string,
  scope: string,
  options: FinishOptions,
): Promise<ReceivedContent | null | typeof otherwise> {
  const { expected, reference = null, visible } = options
  const hashes = kept.find(id, kept.sizeOf(id) ?? 0, expected.algorithm)
  if (hashes === null || hashes.sizeBytes === 0) return otherwise
  const { sizeBytes } = hashes
  const isRight = await hashes.is(expected)
  const digest = await hashes.digest()
  const ended = await db.transaction(
    async (tx) => {
      const locked = await lockWithParts(tx, id, scope)
      if (locked === null) return null
      if (locked.mark !== null) throw uploadBusy()
      assertOffset(options, locked.sizeBytes)
      if (locked.sizeBytes !== sizeBytes) return otherwise
      assertFits(options, sizeBytes)
      if (!isRight) {
        return { isNew: false, unused: await dropUpload(tx, id) }
      }
      if (!locked.isComplete) return otherwise
      const made = await insertKnown(tx, { digest, sizeBytes, uploadId: id, reference })
      await visible?.(tx, { digest: digestOf(digest), sizeBytes })
      return made
    },
    { mayRetry: true },
  )
  if (ended === otherwise) return otherwise
  kept.keep(id, null)
  if (ended !== null) unused.drop(ended.unused)
  if (!isRight && ended !== null) throw digestMismatch()
  return ended === null ? null : { digest: digestOf(digest), sizeBytes, isNew: ended.isNew }
}

/** What came isn't what was to come: the upload ends. */
async function dropMismatched({ db, kept }: FinishParts, id: string, scope: string, sizeBytes: number): Promise<void> {
  kept.keep(id, null)
  await db.transaction(
    async (tx) => {
      const locked = await lockUpload(tx, id, scope)
      if (locked?.mark !== null || locked.sizeBytes !== sizeBytes) throw uploadBusy()
      await dropUpload(tx, id)
    },
    { mayRetry: true },
  )
}

function assertOffset({ last }: FinishOptions, sizeBytes: number): void {
  if (last?.offset !== undefined && last.offset !== sizeBytes) throw wrongOffset(sizeBytes)
}

function assertFits({ limitBytes }: FinishOptions, sizeBytes: number): void {
  if (sizeBytes > limitBytes) throw new InputError('too-large', 'the content is larger than what is allowed')
}
