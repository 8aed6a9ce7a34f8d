// Opens small contents, many at once: one job of a worker, one segment for the parts of all, one transaction that stores them, a check of each, and one transaction that says
// that they are opened. A content alone takes five times as many statements, and a segment of its own. docs/design/opened-contents.md, Small contents.
// Invariant: as of one content (opener.ts): each step may be done twice, by two nodes, or never.
import type { MessagePort } from 'node:worker_threads'
import { CorruptError, MessageStream } from '../../base/index.ts'
import { isCommitUnknown } from '../../db/index.ts'
import { answering } from '../asking.ts'
import { commitContents, findChunks, findContents, segmentUuids, type StagedContent } from '../content-rows.ts'
import type { Digest } from '../digest.ts'
import { digestBytes } from '../digest.ts'
import type { Block } from '../format/segment.ts'
import { ownPlaces, placed, type PlacedRun, portable } from '../placed-runs.ts'
import { planRead } from '../plan-read.ts'
import { discardSegment, type StagedSegment, storeBlocks } from '../segment-writer.ts'
import { Upload } from '../upload.ts'
import { encodeForm } from './format/opened-form.ts'
import type { OpenSmallJob, OpenSmallResult, SmallContent, SmallResult } from './open-small.ts'
import { type DueContent, insertOpened, lockContents } from './opened-rows.ts'
import type { Opened, OpenerParts } from './opener.ts'
import { planRebuild } from './plan-rebuild.ts'

/** What became of one of them; `alone`: it is to be opened by itself. */
export type OpenedTogether = Opened | { readonly kind: 'alone' }

/** It pays where what it adds is at most this share of what it has as it came: as of a content alone. */
const paysBelow = { archive: 1.15, other: 0.9 }
/** What a chunk costs in its segment's index. */
const chunkBytes = 36

type Taken = Extract<SmallResult, { kind: 'opened' }>

interface Inner {
  readonly due: DueContent
  readonly taken: Taken
  readonly form: Uint8Array
  readonly storedBytes: number
}

/** In the order of the contents. The signal's reason; UnavailableError; whatever a worker fails with: then each may be tried alone. */
export async function openTogether(parts: OpenerParts, dues: readonly DueContent[], signal: AbortSignal): Promise<OpenedTogether[]> {
  const upload = new Upload(parts)
  try {
    const { outcomes, inners } = await takeApart(parts, dues, upload, signal)
    const there = await commitInners(parts, upload, inners)
    const right: Inner[] = []
    for (const inner of there) {
      const isRight = await makesTheSame(parts, inner, signal)
      if (isRight === true) right.push(inner)
      else outcomes.set(inner.due.digest, isRight === null ? { kind: 'gone' } : { kind: 'left', reason: 'not-the-same' })
    }
    for (const outcome of await insertAll(parts, right)) outcomes.set(...outcome)
    return dues.map(({ digest }) => outcomes.get(digest) ?? { kind: 'alone' })
  } catch (error) {
    // after a commit whose end is unknown the segments may be in use: their intent rows tell the sweeper
    if (!isCommitUnknown(error)) await upload.abort()
    throw error
  }
}

interface TakenApart {
  readonly outcomes: Map<Digest, OpenedTogether>
  /** Those that are worth it. */
  readonly inners: readonly Inner[]
}

async function takeApart(parts: OpenerParts, dues: readonly DueContent[], upload: Upload, signal: AbortSignal): Promise<TakenApart> {
  const outcomes = new Map<Digest, OpenedTogether>()
  const contents: (SmallContent & DueContent)[] = []
  for (const due of dues) {
    const planned = await planRead(parts.db, due.digest)
    if (planned === null) outcomes.set(due.digest, { kind: 'gone' })
    // another node was faster
    else if ('opened' in planned.form) outcomes.set(due.digest, { kind: 'left', reason: 'opened' })
    else contents.push({ ...due, source: planned.form })
  }
  if (contents.length === 0) return { outcomes, inners: [] }
  const answers = { find: (hashes: Uint8Array) => findChunks(parts.db.queries, hashes), block: (block: Block) => upload.add(block) }
  const answer = (port: MessagePort) => new MessageStream<OpenSmallResult>(port).message()
  const job = { contents, name: parts.randomness.uuid() }
  const { results, freshBytes } = await answering(answers, (asking) =>
    parts.workers.run('openSmall', { ...job, asking } satisfies OpenSmallJob, [asking], answer, signal),
  )
  const { staged, open } = await upload.settle()
  const packedBytes = [...staged, ...(open === null ? [] : [open])].reduce((sum, one) => sum + one.sizeBytes, heldBytes(upload))
  const inners = contents.flatMap((due, n): Inner[] => {
    const taken = results[n] ?? { kind: 'alone' }
    if (taken.kind !== 'opened') {
      outcomes.set(due.digest, taken)
      return []
    }
    const form = encodeForm(taken.form)
    const chunks = taken.put.runs.reduce((sum, run) => sum + (run.segment < 0 ? run.count : 0), 0)
    // blocks are of several contents: each has its share of what they have packed
    const shareBytes = Math.round(taken.freshBytes * (freshBytes === 0 ? 0 : packedBytes / freshBytes))
    const storedBytes = shareBytes + chunks * chunkBytes + form.length
    if (storedBytes <= due.sizeBytes * (taken.form.isTar ? paysBelow.archive : paysBelow.other)) return [{ due, taken, form, storedBytes }]
    outcomes.set(due.digest, { kind: 'left', reason: 'does-not-pay' })
    return []
  })
  return { outcomes, inners }
}

function heldBytes(upload: Upload): number {
  return upload.held.reduce((sum, block) => sum + block.stored.length, 0)
}

/** The inner contents are there from now on, with leases only: those that are; of others what they rest on has gone meanwhile, and they come again. */
async function commitInners(parts: OpenerParts, upload: Upload, inners: readonly Inner[]): Promise<Inner[]> {
  const known = await findContents(
    parts.db.queries,
    inners.map(({ taken }) => taken.form.inner),
  )
  const fresh = inners.filter(({ taken }) => !known.has(taken.form.inner))
  const old = inners.filter(({ taken }) => known.has(taken.form.inner))
  const { placedInners, segments, home } = await storeAll(parts, upload, fresh)
  const contents = new Map<Inner, StagedContent>()
  for (const { inner, runs } of placedInners) {
    const uuids = [...new Set([...runs.map((run) => run.uuid), home])]
    const { inner: digest } = inner.taken.form
    contents.set(inner, { digest: digestBytes(digest), sizeBytes: inner.taken.put.sizeBytes, runs, uuids, staged: [], reference: null })
  }
  try {
    const touched = old.map(({ taken }) => ({ digest: digestBytes(taken.form.inner), reference: null }))
    const committed = await commitContents(parts.db, { contents: [...contents.values()], touched, shared: segments })
    upload.kept()
    return [
      ...[...contents].flatMap(([inner, content]) => (committed.kept.has(content) ? [inner] : [])),
      ...old.filter(({ taken }) => committed.touched.has(taken.form.inner)),
    ]
  } catch (error) {
    const own = segments.filter(({ tail }) => tail === null)
    if (!isCommitUnknown(error)) for (const { uuid } of own) await discardSegment(parts, uuid)
    throw error
  }
}

interface StoredInners {
  readonly placedInners: readonly { readonly inner: Inner; readonly runs: readonly PlacedRun[] }[]
  /** All that the upload has made; the last of them holds the recipes and forms. */
  readonly segments: readonly StagedSegment[]
  readonly home: string
}

async function storeAll(parts: OpenerParts, upload: Upload, inners: readonly Inner[]): Promise<StoredInners> {
  const { staged, open } = await upload.settle()
  if (inners.length === 0) {
    await upload.abort()
    return { placedInners: [], segments: [], home: '' }
  }
  const olds = inners.flatMap(({ taken }) => taken.put.runs.map((run) => run.segment)).filter((id) => id >= 0)
  const uuids = await segmentUuids(parts.db.queries, [...new Set(olds)])
  const home = open?.uuid ?? parts.randomness.uuid()
  const last = { uuid: home, sizes: open?.sizes ?? Uint32Array.from(upload.held.flatMap((block) => [...block.sizes])) }
  const placedInners = inners.flatMap((inner) => {
    const runs = placed(inner.taken.put.runs, ownPlaces([...staged, last]), uuids)
    return runs === null ? [] : [{ inner, runs }]
  })
  const recipes = placedInners.map(({ inner, runs }) => portable(inner.taken.form.inner, inner.taken.put.sizeBytes, runs))
  const forms = placedInners.map(({ inner }) => inner.form)
  const ended = open === null ? await storeBlocks(parts, home, upload.held, recipes, forms) : await open.complete(recipes, [], forms)
  if (open !== null) upload.closed(ended)
  return { placedInners, segments: [...staged, ended], home }
}

/** Null: what it is made of is gone. */
async function makesTheSame(parts: OpenerParts, { taken, form }: Inner, signal: AbortSignal): Promise<boolean | null> {
  const plan = await planRebuild(parts.db.queries, form)
  if (plan === null) return null
  try {
    await parts.workers.run('checkRebuild', plan, [], (port) => new MessageStream<'right'>(port).message(), signal)
    return true
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error
    const { form: of, engine } = taken
    parts.log.error({ err: error, digest: of.digest, engine }, 'an opened content was not made again: it stays as it is stored')
    return false
  }
}

async function insertAll({ db }: OpenerParts, inners: readonly Inner[]): Promise<[Digest, Opened][]> {
  if (inners.length === 0) return []
  const digests = inners.flatMap(({ taken: { form } }) => [form.digest, form.inner])
  return db.transaction(
    async (tx) => {
      // all at once, in their order: others that lock several do so, too
      await lockContents(tx, digests)
      const outcomes: [Digest, Opened][] = []
      for (const { due, taken, storedBytes } of inners) {
        const { form, engine } = taken
        const isDone = await insertOpened(tx, { form, engine, storedBytes })
        outcomes.push([due.digest, isDone ? { kind: 'opened', storedBytes, engine } : { kind: 'gone' }])
      }
      return outcomes
    },
    { mayRetry: true },
  )
}
