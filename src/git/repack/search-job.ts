// The second and the fourth step of a repack, in as many workers as share it: deltas are searched, region by region, and go deflated to a scratch file.
import type { MessagePort } from 'node:worker_threads'
import { hashBytes } from '../format/object-id.ts'
import { FileSpool } from '../index-pack/spool.ts'
import { ObjectCache, ObjectReader, type PackSet } from '../odb/index.ts'
import { objectSteps, Pace } from '../upload-pack/pace.ts'
import { DeltaWindow, type WindowLimits } from './delta-window.ts'
import { type JobPacks, openSet, type RepackParts } from './near-packs.ts'
import { answering } from './plan-job.ts'
import { Keep, type RepackTables, type Reuse, type SearchOrder } from './tables.ts'
import { TakenBases } from './taken-bases.ts'

export interface SearchJob extends JobPacks {
  readonly tables: RepackTables
  readonly order: SearchOrder
  /** Shared by all threads of a search: the next region that nobody has taken, and objects that are done. */
  readonly control: Int32Array
  readonly limits: WindowLimits
  /** For objects that are read: recently used ones are kept within this. */
  readonly cacheBytes: number
  /** The thread's own file in this search, which it makes, and its number in the tables. */
  readonly scratchPath: string
  readonly file: number
  /** By number: deltas that rest on it already, one on the other. */
  readonly height: Uint16Array
  /** What finds no base is deflated, unless it is stored whole. */
  readonly isLast: boolean
  /** What is stored whole beside a base, and not as its delta, isn't tried again where that pack's deltas are taken over. */
  readonly reuse: Reuse
}

export const Control = { nextRegion: 0, done: 1, words: 2 } as const
const bufferBytes = 1 << 20

export async function searchJob(job: SearchJob, port: MessagePort, parts: RepackParts): Promise<void> {
  await answering(port, async (signal) => {
    const set = openSet(job, parts)
    const reader = new ObjectReader(set, new ObjectCache(job.cacheBytes), parts.inflater)
    const window = new DeltaWindow(job.limits, hashBytes(set.format), (number) => reader.read(number), parts.module)
    const scratch = new Scratch(job.scratchPath)
    try {
      await search(job, set, window, scratch, new Pace(signal))
      scratch.flush()
    } finally {
      scratch.close()
    }
  })
}

export async function search(
  job: Pick<SearchJob, 'tables' | 'order' | 'control' | 'file' | 'height' | 'isLast' | 'reuse'>,
  set: PackSet,
  window: DeltaWindow,
  scratch: Pick<Scratch, 'append'>,
  pace: Pace,
): Promise<void> {
  const { tables, height, file } = job
  const { numbers, cuts } = job.order
  const record = (number: number, bytes: Uint8Array) => {
    tables.at[number] = scratch.append(bytes)
    tables.deflatedBytes[number] = bytes.length
    tables.file[number] = file
  }
  const bases = new TakenBases(tables, set, window)
  for (;;) {
    const region = Atomics.add(job.control, Control.nextRegion, 1)
    if (region + 1 >= cuts.length) return
    window.clear()
    const end = cuts[region + 1] as number
    bases.enter(region, numbers.subarray(cuts[region], end))
    for (let i = cuts[region] as number; bases.isNeeded && i < end; i++) {
      const number = numbers[i] as number
      if (tables.kept[number] === Keep.base) bases.hold(number)
      if (tables.kept[number] !== Keep.search) continue
      const turn = pace.turn(objectSteps * 4)
      if (turn) await turn
      const sizeBytes = set.sizeBytes(number)
      const found = await window.find(number, sizeBytes, height[number] as number, mayRest(set, number, job.reuse))
      bases.decide(number)
      if (found) {
        tables.base[number] = found.base
        tables.depth[number] = found.depth
        tables.payloadBytes[number] = found.deltaBytes
        record(number, window.deflatedDelta(found.deltaBytes))
      } else if (job.isLast && isStoredAsDelta(set, number)) {
        tables.payloadBytes[number] = sizeBytes
        record(number, await window.deflatedObject())
      }
    }
    Atomics.add(job.control, Control.done, end - (cuts[region] as number))
  }
}

/** Whoever made a pack has tried its objects against each other. */
function mayRest(set: PackSet, number: number, reuse: Reuse): ((base: number) => boolean) | undefined {
  const pack = set.packOf(number)
  return pack.id === reuse && !isStoredAsDelta(set, number) ? (base) => set.packOf(base) !== pack : undefined
}

export function isStoredAsDelta(set: PackSet, number: number): boolean {
  const pack = set.packOf(number)
  return pack.index.base(number - pack.first) >= 0
}

/** A file that is written in large pieces. */
export class Scratch {
  readonly #spool: FileSpool
  readonly #buffer = new Uint8Array(bufferBytes)
  #used = 0

  constructor(path: string) {
    this.#spool = new FileSpool(path)
  }

  /** Where the bytes are in the file. */
  append(bytes: Uint8Array): number {
    if (this.#used + bytes.length > bufferBytes) this.flush()
    const at = this.#spool.sizeBytes + this.#used
    if (bytes.length > bufferBytes) this.#spool.append(bytes)
    else {
      this.#buffer.set(bytes, this.#used)
      this.#used += bytes.length
    }
    return at
  }

  flush(): void {
    if (this.#used > 0) this.#spool.append(this.#buffer.subarray(0, this.#used))
    this.#used = 0
  }

  close(): void {
    this.#spool.close()
  }
}
