// Repacks a network: its packs become one, made anew. Planning, searching and writing are workers' (the jobs beside this file); the new pack is taken in as a
// pushed one is, so that every object of it is hashed and found connected before it counts; one transaction puts it in the place of the others.
// docs/design/repack.md says in which order, and why nothing that goes on meanwhile is disturbed.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { MessageStream } from '../../base/index.ts'
import type { RepositorySettings } from '../../access/index.ts'
import { parseKey } from '../../bucket/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { assertIndexHash, indexStart } from '../format/stored-pack.ts'
import type { GitRoom } from '../git-room.ts'
import type { NetworkPacks } from '../odb/index.ts'
import type { StagedPack } from '../receive-pack/index.ts'
import type { CheckJob } from './check-job.ts'
import { largestSearched, type WindowLimits } from './delta-window.ts'
import { type FullPack, fullPack } from './full-pack.ts'
import { copyPacks, type JobPacks } from './near-packs.ts'
import type { PlanJob, RepackPlan, SecondJob, SecondSearch } from './plan-job.ts'
import { type Departure, replacePacks } from './replace-packs.ts'
import { Control, type SearchJob } from './search-job.ts'
import { placeOrDiscard, takeIn } from './take-in.ts'
import type { WriteJob } from './write-job.ts'

export type RepackPhase =
  | 'fetching packs'
  | 'ordering'
  | 'searching deltas'
  | 'searching across paths'
  | 'writing'
  | 'resolving'
  | 'checking'

export interface RepackOptions {
  /** As git counts it: the object at hand, and the bases that it is tried against. */
  readonly window: number
  readonly depth: number
  /** The full pack's deltas are taken over (full-pack.ts), so that only what came since is searched: a fraction of the work, for a somewhat larger pack. */
  readonly reuse: boolean
  /** By its row's id the oldest pack that is replaced; those before it stay, and their objects may be bases: a merge that searches. Left out: all are replaced. */
  readonly fromPack?: number
  readonly threads: number
  /** For all threads together, beside what is kept of each object (RepackTables). */
  readonly memoryBytes: number
  /** Says what is to be kept; without it: everything. */
  readonly collector?: Collector
  readonly progress: (phase: RepackPhase, done: number, total: number) => void
  readonly signal: AbortSignal
}

/** Chooses what leaves (src/git/gc). */
export interface Collector extends Departure {
  /** By number, not 0 for what is to be kept, closed under reference; null: nothing is to be done. */
  choose(packs: NetworkPacks, cutOff: readonly ObjectId[], signal: AbortSignal): Promise<Uint8Array | null>
}

export interface RepackResult {
  readonly objects: number
  readonly packsBefore: number
  /** Of stored values: packs and their indexes. */
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly packBytes: number
}

const pollMs = 250
/** Of each thread's memory, for objects that were read lately. */
const cachePart = 1 / 4

/**
 * @returns null when the network has no pack, or not that one, or is gone
 * @throws CorruptError when something stored can't be read; UnavailableError 'repack-raced' when somebody else replaced packs meanwhile, or what bucket and
 * database throw; the signal's reason. Nothing is changed then.
 */
export async function repackNetwork(room: GitRoom, networkId: string, options: RepackOptions): Promise<RepackResult | null> {
  const packs = await room.packs.open(networkId)
  const from = options.fromPack === undefined ? 0 : packs.handle.packs.findIndex(({ id }) => id === options.fromPack)
  if (packs.set.size === 0 || from < 0) return null
  const work = join(room.options.bucket.spoolFolder, `repack-${room.options.randomness.uuid()}`)
  const scratchPaths = Array.from({ length: options.threads * 2 }, (_, i) => `${work}-${i + 1}`)
  try {
    const repack = new Repack(room, packs, from, options, scratchPaths)
    return await repack.run(networkId, work)
  } finally {
    await Promise.all([work, ...scratchPaths].map((path) => rm(path, { recursive: true, force: true })))
  }
}

class Repack {
  readonly #room: GitRoom
  readonly #packs: NetworkPacks
  /** Place of the oldest pack that is replaced. */
  readonly #from: number
  readonly #options: RepackOptions
  readonly #scratchPaths: readonly string[]
  #job: JobPacks

  constructor(room: GitRoom, packs: NetworkPacks, from: number, options: RepackOptions, scratchPaths: readonly string[]) {
    this.#room = room
    this.#packs = packs
    this.#from = from
    this.#options = options
    this.#scratchPaths = scratchPaths
    this.#job = { packs: packs.handle, near: null }
  }

  async #bringNear(folder: string): Promise<void> {
    const { bucket } = this.#room.options
    const { progress, signal } = this.#options
    if (bucket.openValue !== undefined) return
    await copyPacks(bucket, this.#packs.handle, folder, (done, total) => progress('fetching packs', done, total), signal)
    this.#job = { packs: this.#packs.handle, near: folder }
  }

  /** @param folder takes copies of packs that are far away */
  async run(networkId: string, folder: string): Promise<RepackResult | null> {
    const { handle } = this.#packs
    const { collector, reuse, signal } = this.#options
    const from = this.#from
    const cutOff = await cutOffOf(this.#room, networkId)
    const keep = collector ? await collector.choose(this.#packs, cutOff, signal) : null
    if (collector && keep === null) return null
    await this.#bringNear(folder)
    const full = reuse && from === 0 ? await fullPack(this.#room.options.db, handle) : null
    const plan = keep?.every((one) => one === 0) ? null : await this.#plan(cutOff, keep, full)
    const staged = plan && (await this.#write(plan, cutOff))
    const old = handle.packs.slice(from)
    const searchedObjects = full?.searchedObjects ?? plan?.objectCount ?? 0
    const pack = staged && { ...staged.pack, ...(from === 0 && { isFull: true, searchedObjects }) }
    const isPlaced = await placeOrDiscard(staged, async () => {
      if (plan && staged) await this.#check(plan, staged)
      const ids = old.map(({ id }) => id)
      return await replacePacks(this.#room.options.db, networkId, ids, pack, collector)
    })
    if (!isPlaced) return null
    return {
      objects: plan?.objectCount ?? 0,
      packsBefore: old.length,
      bytesBefore: old.reduce((sum, { valueBytes }) => sum + valueBytes, 0),
      bytesAfter: staged?.pack.valueBytes ?? 0,
      packBytes: staged?.pack.packBytes ?? 0,
    }
  }

  async #plan(cutOff: readonly ObjectId[], keep: Uint8Array | null, full: FullPack | null): Promise<RepackPlan> {
    const { depth, progress } = this.#options
    const from = this.#from
    const reuse = full?.id ?? null
    progress('ordering', 0, 0)
    const largestBytes = largestSearched(this.#windowLimits().memoryBytes)
    const plan = await this.#ask<RepackPlan>('repackPlan', {
      ...this.#job,
      cutOff,
      depth,
      from,
      keep,
      largestBytes,
      reuse,
    } satisfies PlanJob)
    const { tables, order, height } = plan
    await this.#search('searching deltas', { tables, order, height, reuse, isLast: false })
    const second = await this.#ask<SecondSearch>('repackSecond', { ...this.#job, tables } satisfies SecondJob)
    await this.#search('searching across paths', { tables, ...second, reuse, isLast: true })
    return plan
  }

  /** Regions are shared by the threads; how far they are is read from what they share. */
  async #search(phase: RepackPhase, what: Pick<SearchJob, 'tables' | 'order' | 'height' | 'reuse' | 'isLast'>): Promise<void> {
    const { progress, threads } = this.#options
    const control = new Int32Array(new SharedArrayBuffer(Control.words * 4))
    const limits = this.#windowLimits()
    const show = () => progress(phase, Atomics.load(control, Control.done), what.order.numbers.length)
    const shown = setInterval(show, pollMs)
    show()
    try {
      await allEnded(
        Array.from({ length: threads }, (_, i) => {
          const file = (what.isLast ? threads : 0) + i + 1
          const scratchPath = this.#scratchPaths[file - 1] as string
          const cacheBytes = this.#threadBytes() * cachePart
          return this.#ask('repackSearch', {
            ...this.#job,
            ...what,
            control,
            limits,
            cacheBytes,
            scratchPath,
            file,
          } satisfies SearchJob)
        }),
      )
    } finally {
      clearInterval(shown)
    }
  }

  /** The pack, taken in as if it were pushed. */
  async #write({ tables, order, first, objectCount }: RepackPlan, cutOff: readonly ObjectId[]): Promise<StagedPack> {
    const { progress, signal } = this.#options
    const packs = this.#packs.handle
    const total = packs.packs.reduce((sum, { packBytes }) => sum + packBytes, 0)
    return await takeIn(this.#room, {
      packs,
      cutOff,
      kind: 'repackWrite',
      job: { ...this.#job, tables, order, first, objectCount, scratchPaths: this.#scratchPaths } satisfies WriteJob,
      progress: (phase, done, all) => {
        if (phase === 'receiving') progress('writing', done, objectCount)
        else progress(phase, done, all || total)
      },
      signal,
    })
  }

  async #check({ tables, first, objectCount }: RepackPlan, { pack }: StagedPack): Promise<void> {
    this.#options.progress('checking', 0, 0)
    const from = pack.key === null ? 0 : indexStart(pack.packBytes)
    const index = new SharedArrayBuffer(pack.valueBytes - from)
    const bytes = new Uint8Array(index)
    let at = 0
    const parts = pack.key === null ? [pack.tail as Uint8Array] : this.#room.reader.stream(parseKey(pack.key), from, pack.valueBytes - from)
    for await (const part of parts) {
      bytes.set(part, at)
      at += part.length
    }
    assertIndexHash(bytes, pack.packBytes, from)
    await this.#ask('repackCheck', { ...this.#job, tables, first, objectCount, index, indexFrom: from } satisfies CheckJob)
  }

  #threadBytes(): number {
    return this.#options.memoryBytes / this.#options.threads
  }

  #windowLimits(): WindowLimits {
    const { depth, window } = this.#options
    return { depth, window, memoryBytes: Math.floor(this.#threadBytes() * (1 - cachePart)) }
  }

  /** One worker's answer. */
  async #ask<T>(kind: string, job: object): Promise<T> {
    const answer = (port: MessagePort) => new MessageStream<{ result: T }>(port).message()
    return (await this.#room.workers.run(kind, job, [], answer, this.#options.signal)).result
  }
}

/** Waits for all, also when one fails: none may go on with what is about to be removed. */
async function allEnded(work: readonly Promise<unknown>[]): Promise<void> {
  for (const end of await Promise.allSettled(work)) if (end.status === 'rejected') throw end.reason
}

/** Commits at which repositories of the network are cut off. */
export async function cutOffOf(room: GitRoom, networkId: string): Promise<ObjectId[]> {
  const rows = await room.options.db.queries.selectFrom('repository').select('settings').where('network_id', '=', networkId).execute()
  return [...new Set(rows.flatMap(({ settings }) => room.settings.read(settings as RepositorySettings).cutOff))]
}
