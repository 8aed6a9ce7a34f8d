// The thread that Git's CPU-heavy jobs run in. It has a bucket and a block cache of its own; what it reads is immutable, so threads need
// not agree on anything.
import { workerData } from 'node:worker_threads'
import { serveJobs, systemClock, systemRandomness } from '../base/index.ts'
import { attachBucket, type BucketConfig, makeBlockReader } from '../bucket/index.ts'
import { archiveJob, type ArchiveJob } from './archive/archive-job.ts' // not its index: that would load the listener, too
import { browseJob, type BrowseJob } from './browse/browse-job.ts'
import type { ComposeJob } from './compose/compose-job.ts'
import type { MergeJob } from './compact/merge-job.ts'
import { dumbJob, type DumbJob, KeptTips } from './dumb-http/dumb-job.ts'
import { fetchJob, type FetchJob, FetchRepositories } from './fetch-job.ts'
import type { IndexJob } from './export/index-job.ts'
import type { FsckJob } from './fsck/fsck-job.ts'
import type { LeftJob } from './gc/left-job.ts'
import type { ReachableJob } from './gc/reachable-job.ts'
import type { SmallBlobsJob } from './gc/small-blobs-job.ts'
import { historyJob, type HistoryJob } from './history-job.ts'
import { kernelModule } from './index-pack/workspace.ts'
import { verifyJob, type VerifyJob } from './import/verify-job.ts'
import type { TableJob } from './paths/table-job.ts'
import { objectInfoJob, type ObjectInfoJob } from './object-info-job.ts'
import { Deflater, Inflater, PackSets } from './odb/index.ts'
import type { PushedJob } from './pushed/pushed-job.ts'
import type { CheckJob, PlanJob, SearchJob, SecondJob, WriteJob } from './repack/jobs.ts'
import type { SignatureJob } from './signatures/verify-job.ts'
import { countJob, type CountJob } from './storage/count-job.ts'
import { receiveJob, type ReceiveJob } from './receive-pack/index.ts'

/** What every worker is started with. */
export interface GitWorkerData {
  readonly bucket: BucketConfig
  /** Compiled once: threads share its machine code, too. */
  readonly kernel: WebAssembly.Module
  readonly cacheMemoryBytes: number
  readonly cacheDisk: { readonly folder: string; readonly bytes: number } | null
}

const data = workerData as GitWorkerData
const surroundings = { clock: systemClock, randomness: systemRandomness }
const bucket = attachBucket(data.bucket, surroundings)
const reader = makeBlockReader(bucket, { ...surroundings, memoryBytes: data.cacheMemoryBytes, disk: data.cacheDisk })
kernelModule(data.kernel)
const sets = new PackSets(reader)
const inflater = new Inflater(data.kernel)
const dumbTips = new KeptTips()
const deflater = new Deflater(data.kernel)
const repositories = new FetchRepositories(sets, 24 << 20, inflater, deflater)
/** Seldom needed: a server's threads don't load it when they start. */
const repackJobs = () => import('./repack/jobs.ts')
const repack = { sets, inflater, deflater, module: data.kernel }

serveJobs({
  receive: (job: ReceiveJob, port) =>
    receiveJob(job, port, { sets, inflater, history: (packs, cutOff) => repositories.open(packs, cutOff) }),
  verify: (job: VerifyJob, port) => verifyJob(job, port, sets, inflater),
  fetch: (job: FetchJob, port) => fetchJob(job, port, repositories),
  history: (job: HistoryJob, port) => historyJob(job, port, repositories),
  pathTable: async (job: TableJob, port) => (await import('./paths/table-job.ts')).tableJob(job, port, repositories),
  dumb: (job: DumbJob, port) => dumbJob(job, port, repositories, dumbTips),
  browse: (job: BrowseJob, port) => browseJob(job, port, repositories),
  compose: async (job: ComposeJob, port) => (await import('./compose/compose-job.ts')).composeJob(job, port, repositories, deflater),
  archive: (job: ArchiveJob, port) => archiveJob(job, port, repositories),
  repackPlan: async (job: PlanJob, port) => (await repackJobs()).planJob(job, port, repack),
  repackSearch: async (job: SearchJob, port) => (await repackJobs()).searchJob(job, port, repack),
  repackSecond: async (job: SecondJob, port) => (await repackJobs()).secondJob(job, port, repack),
  repackWrite: async (job: WriteJob, port) => (await repackJobs()).writeJob(job, port, repack),
  repackCheck: async (job: CheckJob, port) => (await repackJobs()).checkJob(job, port, repack),
  reachable: async (job: ReachableJob, port) => (await import('./gc/reachable-job.ts')).reachableJob(job, port, repositories),
  left: async (job: LeftJob, port) => (await import('./gc/left-job.ts')).leftJob(job, port, repositories),
  smallBlobs: async (job: SmallBlobsJob, port) => (await import('./gc/small-blobs-job.ts')).smallBlobsJob(job, port, repositories),
  countStorage: (job: CountJob, port) => countJob(job, port, sets),
  merge: async (job: MergeJob, port) => (await import('./compact/merge-job.ts')).mergeJob(job, port, { sets, inflater, deflater }),
  pushed: async (job: PushedJob, port) => (await import('./pushed/pushed-job.ts')).pushedJob(job, port, repositories),
  objectInfo: (job: ObjectInfoJob, port) => objectInfoJob(job, port, repositories),
  signatures: async (job: SignatureJob, port) => (await import('./signatures/verify-job.ts')).signatureJob(job, port),
  gpgKey: async (job: { readonly text: string }, port) => (await import('./signatures/verify-job.ts')).gpgKeyJob(job, port),
  // seldom asked for: the other threads need not load them
  index: async (job: IndexJob, port) => (await import('./export/index-job.ts')).indexJob(job, port),
  fsck: async (job: FsckJob, port) => (await import('./fsck/fsck-job.ts')).fsckJob(job, port, reader, inflater),
})
