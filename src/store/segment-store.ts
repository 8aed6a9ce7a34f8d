// The content store over PostgreSQL and the bucket: docs/design/content-store.md.
import { compileKernel } from '../../kernels/index.ts'
import { type Log, Places, type Randomness, WorkerPool } from '../base/index.ts'
import type { Bucket, BucketConfig } from '../bucket/index.ts'
import { type Database, isCommitUnknown, type Moment, sql, type Tx } from '../db/index.ts'
import type { Job } from '../jobs/index.ts'
import { collect, type Collected } from './collect.ts'
import { compactOnce } from './compact.ts'
import type {
  ContentInfo,
  ContentRange,
  ContentReference,
  ContentStore,
  LinkLife,
  OpenContent,
  PutOptions,
  PutResult,
} from './content-store.ts'
import type { ContentUploads } from './content-uploads.ts'
import { findContents } from './content-rows.ts'
import { type Digest, digestBytes } from './digest.ts'
import { checkStore, type CheckStoreOptions, type StoreCheck } from './fsck/check-store.ts'
import { scrubContentJob } from './fsck/scrub-content.ts'
import { feedPut } from './feed-put.ts'
import { finishPut } from './finish-put.ts'
import { GroupCommit } from './group-commit.ts'
import { layerFiles, openLayerFile, openLayerList } from './opened/layer-files.ts'
import { openDue, openingJob, type OpeningOptions } from './opened/open-due.ts'
import type { OpenerParts } from './opened/opener.ts'
import { openSoon } from './opened/opened-rows.ts'
import type { PlacedEntry } from './opened/format/file-list.ts'
import { warmUpLater } from './opened/warm-up.ts'
import { endSmall } from './small-put.ts'
import { aborted, Reads } from './reads.ts'
import { sharedVectors } from './replay/vectors.ts'
import type { SegmentParts } from './segment-writer.ts'
import { wholeBelowBytes } from './sizes.ts'
import { Upload } from './upload.ts'
import { FrameLines } from './whole/frame-lines.ts'
import { FramePool } from './whole/frames.ts'
import { coolDown, findHot, forgetColdReads, type HotLimits } from './whole/hot.ts'
import { HotBlocks } from './whole/hot-blocks.ts'
import { expireUploads } from './whole/upload-rows.ts'
import { Uploads } from './whole/uploads.ts'
import type { StoreWorkerData } from './worker.ts'

export interface SegmentStoreOptions {
  readonly db: Database
  readonly bucket: Bucket
  readonly bucketConfig: BucketConfig
  readonly randomness: Randomness
  readonly log: Log
  readonly cache: {
    readonly memoryBytes: number
    readonly diskBytes: number
    readonly folder: string
    /** For blocks of whole contents that are read often. Default: none. */
    readonly wholeMemoryBytes?: number
  }
  readonly threads: number
  /** Puts of more than 1 MiB at once; others wait. Each takes some 12 MiB. Default 16. */
  readonly concurrentPuts?: number
  /** What stays as it came beside another form. Default: two weeks, 20 GiB. */
  readonly hot?: HotLimits
  /** Uploads that nobody touches for so long go. Default: a day. */
  readonly uploadMs?: number
  /** Large contents are to be stored so that `link` finds them. Default: false. */
  readonly isLinking?: boolean
  /** Of whoever makes many stores in one process: started with StoreWorkerData, and closed by him. Without them the store starts its own. */
  readonly workers?: WorkerPool
}

/** Given back when the put ends. */
interface Place {
  free?: () => void
}

export class SegmentStore implements ContentStore {
  readonly #lines: FrameLines
  readonly #uploads: Uploads
  readonly #reads: Reads
  readonly #db: Database
  readonly #parts: SegmentParts
  readonly #workers: WorkerPool
  readonly #ownWorkers: readonly WorkerPool[]
  readonly #opener: OpenerParts
  readonly #places: Places
  readonly #group: GroupCommit
  readonly #hot: HotLimits
  readonly #uploadMs: number
  #endWait: () => void = () => {}

  constructor(options: SegmentStoreOptions) {
    const { db, bucket, bucketConfig, randomness, cache, log } = options
    this.#db = db
    this.#parts = { db, bucket, randomness }
    this.#places = new Places(options.concurrentPuts ?? 16)
    this.#group = new GroupCommit(this.#parts)
    const putSmall = (bytes: Uint8Array) => this.#putSmall(bytes)
    this.#hot = options.hot ?? { keepMs: 14 * 24 * 3600_000, bytes: 20 * 2 ** 30 }
    this.#uploadMs = options.uploadMs ?? 24 * 3600_000
    const data: StoreWorkerData = {
      bucket: bucketConfig,
      kernel: compileKernel(),
      cacheMemoryBytes: cache.memoryBytes,
      cacheDisk: { folder: cache.folder, bytes: cache.diskBytes },
      vectors: sharedVectors(),
    }
    const onCrash = (error: unknown) =>
      log.error({ err: error }, 'a worker thread of the content store ended by itself; its requests failed')
    const pool = (threads: number, isLow: boolean) =>
      new WorkerPool({ entry: new URL('./worker.ts', import.meta.url), data: { ...data, isLow }, threads, onCrash })
    this.#workers = options.workers ?? pool(options.threads, false)
    const arriving =
      options.workers ??
      new WorkerPool({ entry: new URL('./whole/frame-worker.ts', import.meta.url), data: null, threads: options.threads, onCrash })
    this.#lines = new FrameLines(arriving, options.threads)
    this.#uploads = new Uploads({ ...this.#parts, lines: this.#lines }, { putSmall, isLinking: options.isLinking ?? false })
    const blocks = new HotBlocks(cache.wholeMemoryBytes ?? 0)
    this.#reads = new Reads({ db, bucket, workers: this.#workers, log, pool: new FramePool({ isShared: false }), blocks })
    const workers = options.workers ?? pool(1, true)
    this.#opener = { ...this.#parts, group: this.#group, workers, log }
    this.#ownWorkers = options.workers === undefined ? [this.#workers, workers, arriving] : []
  }

  async put(source: AsyncIterable<Uint8Array>, options: PutOptions): Promise<PutResult> {
    const upload = new Upload(this.#parts)
    const place: Place = {}
    try {
      const parts = { queries: this.#db.queries, workers: this.#workers, upload }
      const result = await feedPut(parts, this.#admitted(source, place, options.signal), options)
      options.signal?.throwIfAborted()
      const digest = result.digest as Digest
      const staged = await finishPut(this.#db, upload, result)
      const reference = options.reference ?? null
      const ended = { digest, sizeBytes: result.sizeBytes, runs: result.runs, blocks: upload.held, staged, reference }
      return { digest, sizeBytes: result.sizeBytes, ...(await this.#group.add(ended)) }
    } catch (error) {
      // After a commit whose end is unknown the segments may be in use: their intent rows tell the sweeper.
      if (!isCommitUnknown(error)) {
        await upload.abort()
      }
      throw options.signal?.aborted === true ? aborted(options.signal) : error
    } finally {
      place.free?.()
    }
  }

  /** The same of one chunk that is in memory. */
  async #putSmall(bytes: Uint8Array): Promise<PutResult> {
    if (bytes.length === 0) return this.put(once(bytes), { limitBytes: 0 })
    const ended = await endSmall(bytes)
    return { digest: ended.digest, sizeBytes: bytes.length, ...(await this.#group.add(ended)) }
  }

  get uploads(): ContentUploads {
    return this.#uploads
  }

  async stat(digest: Digest): Promise<ContentInfo | null> {
    return (await this.statMany([digest])).get(digest) ?? null
  }

  statMany(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, ContentInfo>> {
    return findContents(this.#db.queries, digests)
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.stat(digest)) !== null
  }

  get(digest: Digest, range?: ContentRange, signal?: AbortSignal, moment?: Moment): Promise<OpenContent | null> {
    return this.#reads.get(digest, range, signal, moment)
  }

  link(digest: Digest, life: LinkLife, moment?: Moment): Promise<string | null> {
    return this.#reads.link(digest, life, moment)
  }

  async hold(tx: Tx, digest: Digest, reference: ContentReference): Promise<boolean> {
    const { rows } = await sql`
      with held as (select digest from content where digest = ${digestBytes(digest)}::bytea for key share),
        new as (insert into content_reference (kind, id, digest) select ${reference.kind}::text, ${reference.id}::text, digest from held on conflict do nothing)
      select 1 from held`.execute(tx)
    return rows.length > 0
  }

  async release(tx: Tx, reference: ContentReference, digest?: Digest): Promise<void> {
    let gone = tx.deleteFrom('content_reference').where('kind', '=', reference.kind).where('id', '=', reference.id)
    if (digest !== undefined) gone = gone.where('digest', '=', digestBytes(digest))
    await gone.execute()
  }

  /** One pass of the background work: collects what nothing needs, then compacts while that is worth it. May run on several nodes at once. */
  async tidy(signal?: AbortSignal): Promise<Collected & { readonly uploads: number; readonly compactions: number }> {
    const uploads = await expireUploads(this.#db, this.#uploadMs, signal)
    const collected = await collect(this.#db, signal)
    let compactions = 0
    while (signal?.aborted !== true && (await compactOnce({ ...this.#parts, workers: this.#workers }))) compactions++
    return { ...collected, uploads, compactions }
  }

  /** The same as leased work. */
  job(log: Log, intervalMs = 60_000): Job {
    return {
      kind: 'tidy-content',
      intervalMs,
      run: async (signal) => {
        const done = await this.tidy(signal)
        if (done.contents + done.uploads + done.drained + done.segments + done.compactions > 0) log.info(done, 'tidied the content store')
      },
    }
  }

  /** One pass: whole copies that nobody reads go, contents that are read often get one. */
  async tend(signal?: AbortSignal): Promise<{ readonly cooled: number; readonly warmed: number }> {
    const cooled = await coolDown(this.#db, this.#hot, signal)
    await forgetColdReads(this.#db.queries)
    let warmed = 0
    for (const hot of await findHot(this.#db, this.#hot)) {
      const content = await this.get(hot.digest, undefined, signal)
      if (content !== null && (await this.#uploads.keepWhole(hot, content.bytes, signal))) warmed++
    }
    return { cooled, warmed }
  }

  /** The same as leased work. */
  hotJob(log: Log, intervalMs = 600_000): Job {
    return {
      kind: 'hot-content',
      intervalMs,
      run: async (signal) => {
        const done = await this.tend(signal)
        if (done.cooled + done.warmed > 0) log.info(done, 'whole copies of contents went, or were made')
      },
    }
  }

  /** What an archive holds, in its order; also by the digest of what is inside (an OCI layer's diff id). Null where it wasn't looked into yet, or is no archive. CorruptError 'file-list'. */
  layerFiles(digest: Digest, signal?: AbortSignal): Promise<AsyncIterable<PlacedEntry> | null> {
    return layerFiles({ queries: this.#db.queries, read: (inner, range, until) => this.get(inner, range, until) }, digest, signal)
  }

  /** The same as it is kept, for whoever decodes it in a worker (`decodeList`). */
  openLayerList(digest: Digest, signal?: AbortSignal): Promise<OpenContent | null> {
    return openLayerList({ queries: this.#db.queries, read: (inner, range, until) => this.get(inner, range, until) }, digest, signal)
  }

  /** One file's bytes out of an opened archive, as `layerFiles` told of it; the archive isn't made again for it. Null where it isn't opened, or the entry has no bytes. RangeError. */
  openLayerFile(
    digest: Digest,
    entry: Pick<PlacedEntry, 'type' | 'bodyAt' | 'bodyBytes'>,
    signal?: AbortSignal,
  ): Promise<OpenContent | null> {
    return openLayerFile({ queries: this.#db.queries, read: (inner, range, until) => this.get(inner, range, until) }, digest, entry, signal)
  }

  /** Asks for content to be opened in the background, in so many milliseconds. */
  openSoon(digest: Digest, waitMs = 0): Promise<void> {
    return openSoon(this.#db.queries, digest, waitMs)
  }

  /** Checks the engines that are used most, at a low priority and some time after the start: then no pull waits for it. */
  warmUpLater(waitMs = 10_000): void {
    this.#endWait = warmUpLater(this.#opener, waitMs)
  }

  /** Opens what is due, however short it stands; how many contents were looked into. */
  openDue(signal: AbortSignal = new AbortController().signal): Promise<number> {
    return openDue(this.#opener, 0, signal)
  }

  /** The same as leased work, of what has stood for some minutes. */
  openingJob(options?: OpeningOptions): Job {
    return openingJob(this.#opener, options)
  }

  /** Reads everything back, segments and contents, and reports what is wrong as it is found. UnavailableError; the signal's reason. */
  check(options: CheckStoreOptions): Promise<StoreCheck> {
    return checkStore({ db: this.#db, workers: this.#workers }, options)
  }

  /** Leased work: reads every segment back once a month. */
  scrubJob(log: Log, intervalMs?: number): Job {
    return scrubContentJob({ db: this.#db, workers: this.#workers }, log, intervalMs)
  }

  /** Ends the workers; puts and gets that still run fail. */
  async close(): Promise<void> {
    this.#endWait()
    await this.#lines.close()
    await Promise.all(this.#ownWorkers.map((workers) => workers.close()))
  }

  /** The source, which waits for a place as soon as it is more than one chunk. */
  async *#admitted(source: AsyncIterable<Uint8Array>, place: Place, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    let sizeBytes = 0
    for await (const bytes of source) {
      if (signal?.aborted === true) throw aborted(signal)
      sizeBytes += bytes.length
      if (sizeBytes >= wholeBelowBytes) place.free ??= await this.#places.take()
      yield bytes
    }
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
