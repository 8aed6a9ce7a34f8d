// The thread that the store's CPU-heavy work runs in: hashing, cutting, compressing, inflating. It has a bucket and a block cache of its own;
// what it reads never changes, so threads need not agree on anything. All that they share is which engines have been checked.
import { setPriority } from 'node:os'
import { workerData } from 'node:worker_threads'
import { serveJobs, systemClock, systemRandomness } from '../base/index.ts'
import { attachBucket, type BucketConfig, makeBlockReader } from '../bucket/index.ts'
import { type CompactJob, compactJob } from './compact-job.ts'
import { ContentReader, type ReadPlan, type SegmentPlace } from './content-reader.ts'
import { CutterPool } from './cutter.ts'
import { contentJob } from './fsck/content-job.ts'
import { segmentJob } from './fsck/segment-job.ts'
import { wholeJob, type WholeRows } from './fsck/whole-job.ts'
import { getJob } from './get-job.ts'
import { type OpenJob, openJob, type OpenSource } from './opened/open-job.ts'
import { type OpenSmallJob, openSmallJob } from './opened/open-small.ts'
import { checkRebuildJob, rebuildJob, type RebuildPlan } from './opened/rebuild-job.ts'
import { type PutJob, putJob } from './put-job.ts'
import { Replay, replayEngines } from './replay/index.ts'
import { vectorsJob } from './opened/vectors-job.ts'
import { frameJob } from './whole/frame-job.ts'
import { readWhole } from './whole/read-whole.ts'

/** What every worker is started with. */
export interface StoreWorkerData {
  readonly bucket: BucketConfig
  readonly kernel: WebAssembly.Module
  readonly cacheMemoryBytes: number
  readonly cacheDisk: { readonly folder: string; readonly bytes: number } | null
  /** Which golden vectors have held in this process: `sharedVectors`, one for all threads. */
  readonly vectors: SharedArrayBuffer
  /** The thread does background work: others go first. */
  readonly isLow?: boolean
}

const data = workerData as StoreWorkerData
const surroundings = { clock: systemClock, randomness: systemRandomness }
const bucket = attachBucket(data.bucket, surroundings)
const reader = new ContentReader(makeBlockReader(bucket, { ...surroundings, memoryBytes: data.cacheMemoryBytes, disk: data.cacheDisk }))
const cutters = new CutterPool(data.kernel)
const replay = new Replay(replayEngines(data.kernel), data.vectors)
// of this thread alone, on Linux; elsewhere it would be the whole process
if (data.isLow === true && process.platform === 'linux') setPriority(10)

function readSource(source: OpenSource, sizeBytes: number): AsyncIterable<Uint8Array> {
  return 'chunks' in source ? reader.read(source.chunks) : readWhole(bucket, source.whole, { offset: 0, sizeBytes })
}

const opening = { cutters, replay, spoolFolder: bucket.spoolFolder, read: readSource }

serveJobs({
  put: (job: PutJob, port) => putJob(job, port, cutters),
  get: (plan: ReadPlan, port) => getJob(plan, port, reader),
  checkSegment: (segment: SegmentPlace, port) => segmentJob(segment, port, bucket),
  checkContent: (plan: ReadPlan, port) => contentJob(plan, port, reader),
  checkWhole: (rows: WholeRows, port) => wholeJob(rows, port, bucket),
  frames: (_: object, port) => frameJob(port),
  compact: (job: CompactJob, port) => compactJob(job, port, reader),
  open: (job: OpenJob, port) => openJob(job, port, opening),
  openSmall: (job: OpenSmallJob, port) => openSmallJob(job, port, opening),
  rebuild: (plan: RebuildPlan, port) => rebuildJob(plan, port, reader, replay),
  checkVectors: (_: object, port) => vectorsJob(port, replay),
  checkRebuild: (plan: RebuildPlan, port) => checkRebuildJob(plan, port, reader, replay),
})
