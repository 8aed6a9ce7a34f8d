// The first and the third step of a repack, in a worker: what is searched for deltas, in which order, and what keeps the delta that it is stored with.
import type { MessagePort } from 'node:worker_threads'
import { answerJob, CorruptError, InputError, type MessageStream } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { PackSet } from '../odb/index.ts'
import { buildHistory } from '../upload-pack/build-history.ts'
import { openFetchRepository, paced, type PacedRepository } from '../upload-pack/repository.ts'
import { stretch, stretchSteps } from '../upload-pack/pace.ts'
import { type JobPacks, openRepository, openSet, type RepackParts } from './near-packs.ts'
import { findPaths, type ObjectPaths } from './object-paths.ts'
import { keepWhole, reuseDeltas } from './reuse.ts'
import { Keep, makeTables, type RepackTables, type Reuse, type SearchOrder, sharedOrder } from './tables.ts'
import { versionOrder } from './version-order.ts'

export interface PlanJob extends JobPacks {
  /** Commits at which repositories of the network are cut off. */
  readonly cutOff: readonly ObjectId[]
  /** By number, not 0 for what the new pack is to hold, of any copy; null: all. What it refers to must be held, too. */
  readonly keep: Uint8Array | null
  readonly reuse: Reuse
  /** Place of the first pack that is replaced. Objects of older ones stay where they are, and may be bases. */
  readonly from: number
  readonly depth: number
  /** Larger objects are taken over as they are stored. */
  readonly largestBytes: number
}

export interface RepackPlan {
  readonly tables: RepackTables
  /** All that is kept, and what may be a base outside. */
  readonly order: SearchOrder
  /** Lower numbers are those of packs that stay. */
  readonly first: number
  /** By number: deltas that rest on it so far, one on the other. */
  readonly height: Uint16Array
  readonly objectCount: number
}

/** Objects below this are no deltas: nothing would be gained. */
const smallestBytes = 50
/** Longer regions are cut, so that threads can share them. */
const longestRegion = 16_384
/** Of the second search: what has no delta yet, of all paths. */
const secondRegion = 8192

export async function planJob(job: PlanJob, port: MessagePort, parts: RepackParts): Promise<void> {
  await answering(port, async (signal) => {
    const repository = await withHistory(paced(openRepository(job, parts, job.cutOff), signal), job)
    return makePlan(repository, job)
  })
}

/** Runs it and sends what it returns, or what it throws. */
export async function answering(
  port: MessagePort,
  run: (signal: AbortSignal, main: MessageStream<never>) => Promise<unknown>,
): Promise<void> {
  await answerJob(port, async (main, signal) => main.send({ type: 'done', result: await run(signal, main) }))
}

/** The repository with a history table of all its packs; as it is where none can be made, since it is cut off or damaged, or it would be too large. */
async function withHistory(repository: PacedRepository, { cutOff }: PlanJob): Promise<PacedRepository> {
  const { history, objects, pace, set } = repository
  if (cutOff.length > 0 || history.size === set.size) return repository
  try {
    const table = await buildHistory(repository)
    return paced(openFetchRepository(set, objects, table, [], repository.deflater), pace.signal)
  } catch (error) {
    if (!(error instanceof CorruptError) && !(error instanceof InputError && error.code === 'history-too-large')) throw error
    return repository
  }
}

export async function makePlan(repository: PacedRepository, job: Omit<PlanJob, 'packs' | 'near' | 'cutOff'>): Promise<RepackPlan> {
  const { pace, set } = repository
  const tables = makeTables(set.size)
  const first = set.packs[job.from]?.first ?? 0
  let objectCount = 0
  for (const pack of set.packs) {
    for (let position = 0; position < pack.index.count; position++) {
      const turn = position % stretch === 0 ? pace.turn(stretchSteps) : undefined
      if (turn) await turn
      const number = pack.first + position
      const canonical = set.packs.length === 1 ? number : set.find(pack.index.oid(position), 0)
      if ((job.keep && job.keep[number] === 0) || tables.kept[canonical] !== Keep.no) continue
      const sizeBytes = set.sizeBytes(canonical)
      const isSearched = sizeBytes >= smallestBytes && sizeBytes <= job.largestBytes
      if (canonical >= first) {
        objectCount++
        tables.kept[canonical] = isSearched ? Keep.search : Keep.asStored
      } else if (isSearched) tables.kept[canonical] = Keep.base
    }
  }
  const paths = await findPaths(repository)
  tables.row.set(paths.rowOf)
  nameObjects(paths, tables)
  const { numbers, cuts } = await versionOrder(repository, paths, tables.kept)
  const order = sharedOrder(numbers, split(cuts))
  await reuseDeltas(repository, tables, { ...job, first })
  const height = heights(tables)
  keepWhole(set, tables, order, height, job)
  return { tables, order, first, height, objectCount }
}

function nameObjects({ hashes, pathOf }: ObjectPaths, { name }: RepackTables): void {
  for (let number = 0; number < name.length; number++) {
    const path = pathOf[number] as number
    if (path >= 0) name[number] = hashes[path] as number
  }
}

function split(cuts: Uint32Array): number[] {
  const finer: number[] = []
  for (const [i, end] of cuts.entries()) {
    const from = finer.at(-1) ?? end
    const parts = i === 0 ? 1 : Math.ceil((end - from) / longestRegion)
    for (let part = 1; part <= parts; part++) finer.push(from + Math.round(((end - from) * part) / parts))
  }
  return finer
}

export interface SecondJob extends JobPacks {
  readonly tables: RepackTables
}

export type SecondSearch = Pick<RepackPlan, 'order' | 'height'>

/** What the first search left without a base is searched across paths: by kind, by name, by size, as git orders all. So are bases that are whole. */
export async function secondJob(job: SecondJob, port: MessagePort, parts: RepackParts): Promise<void> {
  await answering(port, async () => planSecond(openSet(job, parts), job.tables))
}

export function planSecond(set: PackSet, tables: RepackTables): SecondSearch {
  const { base, kept, name, row } = tables
  const left: number[] = []
  for (let number = 0; number < base.length; number++) {
    if ((base[number] as number) < 0 && (kept[number] === Keep.search || kept[number] === Keep.base)) left.push(number)
  }
  const kinds = Uint8Array.from(left, (number) => set.kind(number))
  const sizes = Float64Array.from(left, (number) => set.sizeBytes(number))
  const places = Uint32Array.from(left, (_, i) => i).sort((a, b) => {
    const [x, y] = [left[a] as number, left[b] as number]
    return (
      (kinds[b] as number) - (kinds[a] as number) ||
      (name[y] as number) - (name[x] as number) ||
      (sizes[b] as number) - (sizes[a] as number) ||
      (row[y] as number) - (row[x] as number)
    )
  })
  const cuts = [0]
  for (let i = 1; i < places.length; i++) {
    const isNext = kinds[places[i] as number] !== kinds[places[i - 1] as number]
    if (isNext || i - (cuts.at(-1) as number) >= secondRegion) cuts.push(i)
  }
  if (places.length > 0) cuts.push(places.length)
  return {
    order: sharedOrder(
      [...places].map((place) => left[place] as number),
      cuts,
    ),
    height: heights(tables),
  }
}

function heights({ base }: RepackTables): Uint16Array {
  const height = new Uint16Array(new SharedArrayBuffer(base.length * 2))
  for (const below of base) {
    let at = below
    for (let high = 1; at >= 0 && (height[at] as number) < high; high++, at = base[at] as number) height[at] = high
  }
  return height
}
