// A put whose bytes have all come: its own segments are completed, the last one with the recipe in it.
import type { Database } from '../db/index.ts'
import { segmentUuids } from './content-rows.ts'
import type { Digest } from './digest.ts'
import { contentChanged } from './group-commit.ts'
import { ownPlaces, placed, portable } from './placed-runs.ts'
import type { PutJobResult } from './put-job.ts'
import type { StagedSegment } from './segment-writer.ts'
import type { Upload } from './upload.ts'

/** None where its blocks wait for a group commit. UnavailableError 'content-changed': what it rests on is gone; another try stores it. */
export async function finishPut(db: Database, upload: Upload, result: PutJobResult, form?: Uint8Array): Promise<readonly StagedSegment[]> {
  const { staged, open } = await upload.settle()
  if (open === null) return staged
  const ids = [...new Set(result.runs.map((run) => run.segment))].filter((id) => id >= 0)
  const uuids = await segmentUuids(db.queries, ids)
  const runs = placed(result.runs, ownPlaces([...staged, { uuid: open.uuid, sizes: open.sizes }]), uuids)
  if (runs === null) throw contentChanged()
  const last = await open.complete([portable(result.digest as Digest, result.sizeBytes, runs)], [], form === undefined ? [] : [form])
  upload.closed(last)
  return [...staged, last]
}
