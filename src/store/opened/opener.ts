// Opens contents in the background: a worker takes one apart and stores its parts; they are read back and made into the content again; only then a transaction says
// that it is opened. docs/design/opened-contents.md. Invariant: each step may be done twice, by two nodes, or never: what has come of it is then collected.
import type { MessagePort } from 'node:worker_threads'
import { CorruptError, type Log, MessageStream, UnavailableError, type WorkerPool } from '../../base/index.ts'
import { isCommitUnknown } from '../../db/index.ts'
import { answering } from '../asking.ts'
import { findChunks } from '../content-rows.ts'
import { finishPut } from '../finish-put.ts'
import type { Block } from '../format/segment.ts'
import type { GroupCommit } from '../group-commit.ts'
import { planRead } from '../plan-read.ts'
import type { PutJobResult } from '../put-job.ts'
import type { SegmentParts, StagedSegment } from '../segment-writer.ts'
import { smallBytes } from '../sizes.ts'
import { Upload } from '../upload.ts'
import { giveRecipe } from './chunk-whole.ts'
import { encodeForm, type OpenedForm } from './format/opened-form.ts'
import type { OpenJob, OpenJobResult } from './open-job.ts'
import { type DueContent, giveBack, insertListed, insertOpened, isListed, leave, retryLater } from './opened-rows.ts'
import { planRebuild } from './plan-rebuild.ts'

export interface OpenerParts extends SegmentParts {
  readonly workers: WorkerPool
  readonly group: GroupCommit
  readonly log: Log
}

/** What became of one content. */
export type Opened =
  | { readonly kind: 'opened' | 'chunked'; readonly storedBytes: number; readonly engine: string }
  | { readonly kind: 'left'; readonly reason: string }
  | { readonly kind: 'gone' }

/**
 * It pays where what is added to the store is at most this share of what the content has raw. An archive may even be a little larger by itself: only what is opened
 * gives the next version its files, and the list, a few percent of small files, is kept in either case.
 */
const paysBelow = 0.9
const archivePaysBelow = 1.15
/** Why there is no file list either, or one already. */
const hasNoList: ReadonlySet<string> = new Set(['opened', 'chunks', 'gzip-damaged', 'bomb', 'too-many-entries', 'not-a-layer'])
/** Recipes that are tried, one after the other. */
const mostAttempts = 6

/**
 * Opens a content that was begun, or tells why not; what fails is tried again later. Throws the signal's reason; UnavailableError.
 * @param known what has become of it already
 */
export async function openOrTell(parts: OpenerParts, due: DueContent, signal: AbortSignal, known: Opened | null = null): Promise<void> {
  const { db, log } = parts
  try {
    await tell(parts, due, known ?? (await openOne(parts, due, signal)), signal)
  } catch (error) {
    if (signal.aborted || isElsewhere(error)) {
      await giveBack(db, [due.digest]).catch(() => {}) // then it comes later
      signal.throwIfAborted()
      throw error
    }
    log.error({ err: error, digest: due.digest }, 'a content could not be opened; it stays as it is stored')
    await retryLater(db, due.digest, error instanceof CorruptError || error instanceof UnavailableError ? error.code : 'error')
  }
}

async function tell(parts: OpenerParts, due: DueContent, outcome: Opened, signal: AbortSignal): Promise<void> {
  if (outcome.kind === 'left') {
    if (!hasNoList.has(outcome.reason)) await keepList(parts, due, signal)
    await leave(parts.db, due.digest, outcome.reason)
  }
  parts.log.debug({ digest: due.digest, sizeBytes: due.sizeBytes, ...outcome }, 'looked into a content')
}

/** The content isn't to blame, and neither is what it rests on. */
export function isElsewhere(error: unknown): boolean {
  return error instanceof UnavailableError && error.code !== 'worker' && error.code !== 'content-changed'
}

async function openOne(parts: OpenerParts, due: DueContent, signal: AbortSignal): Promise<Opened> {
  const isSmall = due.sizeBytes <= smallBytes
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const upload = new Upload(parts)
    try {
      const result = await takeApart(parts, due, attempt, upload, signal)
      if (result === null) return { kind: 'gone' }
      if (result.kind === 'opened') return await keepOpened(parts, upload, result, signal)
      if (result.kind === 'chunked') {
        // it lies with others in chunks, as it is: only its list is wanted
        if (isSmall) return await dropped(upload, 'small')
        // first: from then on nobody looks into it again
        await keepList(parts, due, signal)
        return await keepChunked(parts, upload, result, due)
      }
      await upload.abort()
      if (result.kind === 'left') return result
    } catch (error) {
      // after a commit whose end is unknown the segments may be in use: their intent rows tell the sweeper
      if (!isCommitUnknown(error)) await upload.abort()
      throw error
    }
  }
  return { kind: 'left', reason: 'no-engine' }
}

/** Null: it is gone. */
async function takeApart(
  parts: OpenerParts,
  due: DueContent,
  attempt: OpenJob['attempt'],
  upload: Upload,
  signal: AbortSignal,
): Promise<OpenJobResult | null> {
  const planned = await planRead(parts.db, due.digest)
  if (planned === null) return null
  // another node was faster
  if ('opened' in planned.form) return { kind: 'left', reason: 'opened' }
  const job = { source: planned.form, ...due, attempt, name: parts.randomness.uuid() }
  const answers = { find: (hashes: Uint8Array) => findChunks(parts.db.queries, hashes), block: (block: Block) => upload.add(block) }
  const result = (port: MessagePort) => new MessageStream<OpenJobResult>(port).message()
  return answering(answers, (asking) => parts.workers.run('open', { ...job, asking } satisfies OpenJob, [asking], result, signal))
}

async function keepOpened(
  parts: OpenerParts,
  upload: Upload,
  { put, form, engine }: { readonly put: PutJobResult; readonly form: OpenedForm; readonly engine: string },
  signal: AbortSignal,
): Promise<Opened> {
  const bytes = encodeForm(form)
  const staged = await finishPut(parts.db, upload, put, bytes)
  const storedBytes = addedBytes(upload, staged) + bytes.length
  if (storedBytes > form.sizeBytes * (form.isTar ? archivePaysBelow : paysBelow)) return dropped(upload)
  await commitInner(parts, upload, { put, staged, form, bytes })
  const plan = await planRebuild(parts.db.queries, bytes)
  if (plan === null) return { kind: 'gone' }
  try {
    await parts.workers.run('checkRebuild', plan, [], (port) => new MessageStream<'right'>(port).message(), signal)
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error
    parts.log.error({ err: error, digest: form.digest, engine }, 'an opened content was not made again: it stays as it is stored')
    return { kind: 'left', reason: 'not-the-same' }
  }
  const isDone = await parts.db.transaction((tx) => insertOpened(tx, { form, engine, storedBytes }), { mayRetry: true })
  return isDone ? { kind: 'opened', storedBytes, engine } : { kind: 'gone' }
}

interface Inner {
  readonly put: PutJobResult
  readonly staged: readonly StagedSegment[]
  readonly form: OpenedForm
  readonly bytes: Uint8Array
}

/** The inner content is there from now on, with a lease only. */
async function commitInner(parts: OpenerParts, upload: Upload, { put, staged, form, bytes }: Inner): Promise<void> {
  const { sizeBytes, runs } = put
  await parts.group.add({ digest: form.inner, sizeBytes, runs, blocks: upload.held, staged, reference: null, form: bytes })
  upload.kept()
}

/** Keeps the file list of what stays as it is stored, where it is an archive. */
async function keepList(parts: OpenerParts, due: DueContent, signal: AbortSignal): Promise<void> {
  if (await isListed(parts.db.queries, due.digest)) return
  const upload = new Upload(parts)
  try {
    const result = await takeApart(parts, due, 'list', upload, signal)
    if (result?.kind !== 'listed') return await upload.abort()
    const { put, form } = result
    const bytes = encodeForm(form)
    const staged = await finishPut(parts.db, upload, put, bytes)
    await commitInner(parts, upload, { put, staged, form, bytes })
    await parts.db.transaction((tx) => insertListed(tx, form), { mayRetry: true })
  } catch (error) {
    if (!isCommitUnknown(error)) await upload.abort()
    throw error
  }
}

async function keepChunked(
  parts: OpenerParts,
  upload: Upload,
  { put, isOfParts }: { readonly put: PutJobResult; readonly isOfParts: boolean },
  due: DueContent,
): Promise<Opened> {
  const staged = await finishPut(parts.db, upload, put)
  const storedBytes = addedBytes(upload, staged)
  if (storedBytes > due.sizeBytes * (isOfParts ? archivePaysBelow : paysBelow)) return dropped(upload)
  if (await giveRecipe(parts, upload, staged, put)) return { kind: 'chunked', storedBytes, engine: 'chunks' }
  // it has a recipe already, or is gone
  return { kind: 'left', reason: 'chunks' }
}

async function dropped(upload: Upload, reason = 'does-not-pay'): Promise<Opened> {
  await upload.abort()
  return { kind: 'left', reason }
}

function addedBytes(upload: Upload, staged: readonly StagedSegment[]): number {
  const held = upload.held.reduce((sum, block) => sum + block.stored.length, 0)
  return staged.reduce((sum, segment) => sum + segment.sizeBytes, held)
}
