// A content that is stored whole gets a recipe: the transaction that makes its chunks count.
import { type Database, isCommitUnknown, sql, type Tx } from '../../db/index.ts'
import { deleteIntents, insertChunks, insertLinks, insertSegment, lockSegments, recipeBytes, segmentUuids } from '../content-rows.ts'
import { digestBytes, type Digest } from '../digest.ts'
import { contentChanged } from '../group-commit.ts'
import { ownPlaces, placed, type PlacedRun, portable } from '../placed-runs.ts'
import type { PutJobResult } from '../put-job.ts'
import { discardSegment, type SegmentParts, type StagedSegment, storeBlocks } from '../segment-writer.ts'
import type { Upload } from '../upload.ts'

/** False: the content is gone, or has a recipe already. UnavailableError 'content-changed': what it would rest on is gone; another try stores it. */
export async function giveRecipe(
  parts: SegmentParts,
  upload: Upload,
  staged: readonly StagedSegment[],
  put: PutJobResult,
): Promise<boolean> {
  const digest = put.digest as Digest
  const uuids = await segmentUuids(
    parts.db.queries,
    [...new Set(put.runs.map((run) => run.segment))].filter((id) => id >= 0),
  )
  const uuid = parts.randomness.uuid()
  const sizes = Uint32Array.from(upload.held.flatMap((block) => [...block.sizes]))
  const runs = placed(put.runs, staged.length > 0 ? ownPlaces(staged) : [{ uuid, first: 0, sizes }], uuids)
  if (runs === null) throw contentChanged()
  const segments = staged.length > 0 ? staged : [await storeBlocks(parts, uuid, upload.held, [portable(digest, put.sizeBytes, runs)])]
  try {
    const isDone = await parts.db.transaction((tx) => insertRecipe(tx, digestBytes(digest), runs, segments), { mayRetry: true })
    if (!isDone) await discardAll(parts, segments)
    return isDone
  } catch (error) {
    if (!isCommitUnknown(error)) await discardAll(parts, segments)
    throw error
  }
}

async function insertRecipe(tx: Tx, digest: Uint8Array, runs: readonly PlacedRun[], segments: readonly StagedSegment[]): Promise<boolean> {
  const own = new Set(segments.map((segment) => segment.uuid))
  const old = [...new Set(runs.map((run) => run.uuid))].filter((uuid) => !own.has(uuid))
  const ids = await lockSegments(tx, old)
  if (ids.size < old.length) throw contentChanged()
  for (const segment of segments) ids.set(segment.uuid, await insertSegment(tx, segment))
  const { rows } = await sql`
    update content set recipe = ${recipeBytes({ digest, runs }, ids)} where digest = ${digest} and recipe is null returning 1`.execute(tx)
  // undone by whoever asked, with the rows that were made here
  if (rows.length === 0) return undo(tx, segments)
  await insertLinks(
    tx,
    [...ids.values()].map((segment) => ({ digest, segment })),
  )
  for (const segment of segments) await insertChunks(tx, segment, ids.get(segment.uuid) as number)
  await deleteIntents(tx, segments)
  await sql`delete from content_opening where digest = ${digest}`.execute(tx)
  return true
}

async function undo(tx: Tx, segments: readonly StagedSegment[]): Promise<false> {
  const uuids = segments.map((segment) => segment.uuid)
  await sql`delete from segment where uuid = any(${uuids}::uuid[])`.execute(tx)
  return false
}

async function discardAll(parts: { readonly db: Database } & SegmentParts, segments: readonly StagedSegment[]): Promise<void> {
  for (const segment of segments) if (segment.tail === null) await discardSegment(parts, segment.uuid)
}
