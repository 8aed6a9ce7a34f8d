// The Git room, put together: packs, refs, workers, and the two halves of the protocol over them.
import type { FastifyRequest } from 'fastify'
import { compileKernel } from '../../kernels/index.ts'
import { type Clock, type Log, Places, SharedPlaces, type Randomness, WorkerPool } from '../base/index.ts'
import { type BlockReader, type Bucket, type BucketConfig, makeBlockReader } from '../bucket/index.ts'
import type { Database } from '../db/index.ts'
import type { GitContext } from './git-call.ts'
import type { ImportParts } from './import/index.ts'
import type { IndexLimits } from './index-pack/index.ts'
import { Negotiated } from './negotiated.ts'
import { PackStore, type SeenPacks } from './odb/index.ts'
import { PathTables } from './paths/path-tables.ts'
import { PackIntake, type PackIntakeParts, type PushHooks, type ReceivePackParts } from './receive-pack/index.ts'
import { RefAnswers, type RefScope, type RefSnapshot, RefStore, RefViews, type VisibleRefs } from './refs/index.ts'
import { SettingsReader } from './settings/index.ts'
import { FrameBuffers, PackCache, StretchSampler } from './upload-pack/index.ts'
import type { GitWorkerData } from './worker.ts'

export interface GitRoomOptions {
  readonly db: Database
  readonly bucket: Bucket
  readonly bucketConfig: BucketConfig
  readonly clock: Clock
  readonly randomness: Randomness
  readonly log: Log
  readonly cache: { readonly memoryBytes: number; readonly diskBytes: number; readonly packBytes: number; readonly folder: string }
  readonly threads: number
  readonly limits: IndexLimits & {
    readonly refsPerPush: number
    readonly concurrentPushes: number
    readonly concurrentFetches: number
    readonly fetchMemoryBytes: number
    readonly pktLines: number
    /** Of a request that is read whole: a fetch's wants and haves. */
    readonly requestBytes: number
    readonly requestTimeoutMs: number
  }
  readonly tailBytes: number
  /** Repositories as files, for old clients (default true); each may switch it off for itself (http.getanyfile). */
  readonly dumbHttp?: boolean
  /** `stemma/0.1.0` */
  readonly agent: string
  /** For a front end in this process that speaks for others; requests from outside have no context. */
  readonly contextOf?: (request: FastifyRequest) => GitContext
  /** For the same: what takes part in a push. */
  readonly hooksOf?: (request: FastifyRequest) => PushHooks | null
  /** Of whoever makes many rooms in one process: started with GitWorkerData, and closed by him. Without them the room starts its own. */
  readonly workers?: WorkerPool
}

/** An upload that takes longer than a request may is nobody's any more. */
const intentSlackMs = 3600_000
/** For each worker, so many fetches at once are negotiated: as many as keep it busy while some wait for the bucket. */
const talksPerWorker = 4
/** Requests larger than `smallRequestBytes` that are read and parsed at once: each may be `limits.requestBytes` large. */
const largeRequests = 8
export const smallRequestBytes = 64 << 10
/** Indexes of packs kept in memory for networks that nobody uses right now. */
const indexBytes = 96 << 20
/** Parts of path tables kept in memory. */
const pathTableBytes = 64 << 20

export class GitRoom {
  readonly options: GitRoomOptions
  readonly refs: RefStore
  readonly views = new RefViews()
  /** What `session-id` tells clients: one for each start of the server, so that their logs and ours can be laid side by side. */
  readonly sessionId: string
  readonly settings = new SettingsReader()
  readonly #answers = new RefAnswers()
  readonly packs: PackStore
  readonly pathTables: PathTables
  readonly workers: WorkerPool
  readonly receive: ReceivePackParts
  readonly importParts: ImportParts
  /** For who takes packs in by other limits. */
  readonly intakeParts: PackIntakeParts
  readonly reader: BlockReader
  /** Fetches under way. */
  readonly fetches: SharedPlaces
  /** Fetches that a worker negotiates: what that takes is given back before the client is waited for. */
  readonly negotiations: Places
  /** Bytes of memory for packs that are being made. */
  readonly fetchMemory: Places
  /** Requests of some size that are read whole. */
  readonly requests: Places
  /** Ends of packs whose trailers were found right (AnswerOptions). */
  readonly packEnds = new Map<number, Uint8Array>()
  readonly packCache: PackCache
  /** What was done so far: packs asked for, pushes answered. */
  readonly counts = { fetches: 0, pushes: 0 }
  readonly negotiated = new Negotiated()
  readonly frameBuffers = new FrameBuffers()
  readonly sampler: StretchSampler

  constructor(options: GitRoomOptions) {
    const { db, bucket, clock, randomness, log, limits } = options
    this.options = options
    this.sessionId = `${options.agent.split('/', 1)[0]}-${randomness.uuid()}`
    const disk = { folder: options.cache.folder, bytes: options.cache.diskBytes }
    this.reader = makeBlockReader(bucket, { clock, randomness, memoryBytes: options.cache.memoryBytes, disk })
    this.refs = new RefStore(db)
    this.sampler = new StretchSampler(randomness)
    const { folder, packBytes } = options.cache
    this.packCache = new PackCache({ folder, limitBytes: packBytes, buffers: this.frameBuffers, clock, randomness })
    this.fetches = new SharedPlaces(limits.concurrentFetches)
    this.fetchMemory = new Places(limits.fetchMemoryBytes)
    this.requests = new Places(largeRequests)
    const threads = Math.max(2, options.threads)
    this.negotiations = new Places(threads * talksPerWorker)
    this.packs = new PackStore(db, this.reader, indexBytes, log, (networkId) => this.packCache.forget(networkId))
    this.pathTables = new PathTables(db, this.reader, pathTableBytes, log)
    this.workers = options.workers ?? startWorkers(options, threads)
    this.intakeParts = {
      db,
      bucket,
      workers: this.workers,
      clock,
      randomness,
      limits,
      tailBytes: options.tailBytes,
      threads: options.threads,
      concurrentPushes: limits.concurrentPushes,
      intentLeaseMs: limits.requestTimeoutMs + intentSlackMs,
    }
    const intake = new PackIntake(this.intakeParts)
    this.importParts = { db, packs: this.packs, refs: this.refs, intake, workers: this.workers, fetchMemory: this.fetchMemory }
    this.receive = { db, packs: this.packs, refs: this.refs, intake, clock, log, limits }
  }

  /**
   * An answer that depends on the visible refs alone, as of the moment when the gate read the repository's row; from memory where it was made
   * before.
   * @param kind names everything else that it depends on (RefAnswers)
   */
  async refAnswer(
    repository: { readonly id: number; readonly refsVersion: number },
    scope: RefScope,
    kind: string,
    make: (refs: VisibleRefs) => Uint8Array,
  ): Promise<Uint8Array> {
    return this.refAnswerAt(repository.id, await this.refs.read(repository.id, repository.refsVersion), scope, kind, make)
  }

  /** The same of a snapshot that is at hand. */
  refAnswerAt(
    repositoryId: number,
    snapshot: RefSnapshot,
    scope: RefScope,
    kind: string,
    make: (refs: VisibleRefs) => Uint8Array,
  ): Uint8Array {
    // the scope, too: settings may have been read from an older row than the refs
    const whole = `${JSON.stringify(scope)} ${kind}`
    return this.#answers.get(repositoryId, snapshot.version, whole, () => make(this.views.of(snapshot, scope)))
  }

  /**
   * The packs under refs of that version. Where those are the refs that the gate saw, the packs that it saw with them are enough, and no query is
   * needed if they are at hand.
   */
  async packsUnder(
    repository: { readonly networkId: string; readonly refsVersion: number; readonly packsVersion: number },
    refsVersion: number,
  ): Promise<SeenPacks> {
    const seen = refsVersion === repository.refsVersion ? this.packs.known(repository.networkId, repository.packsVersion) : null
    return seen ?? (await this.packs.open(repository.networkId))
  }

  async close(): Promise<void> {
    this.packCache.close()
    if (this.options.workers === undefined) await this.workers.close()
    await this.reader.close()
  }
}

function startWorkers({ bucketConfig, cache, log }: GitRoomOptions, threads: number): WorkerPool {
  const data: GitWorkerData = {
    bucket: bucketConfig,
    kernel: compileKernel(),
    cacheMemoryBytes: cache.memoryBytes,
    cacheDisk: { folder: cache.folder, bytes: cache.diskBytes },
  }
  const workers = new WorkerPool({
    entry: new URL('./worker.ts', import.meta.url),
    data,
    threads,
    onCrash: (error) => log.error({ err: error }, 'a worker thread ended by itself; its requests failed'),
  })
  workers.warm()
  return workers
}
