// A merge in a worker: the new pack's bytes, out of the packs that it is made of. Memory: some 45 bytes for each entry while it is planned, 16 while
// it is written, and what is on its way.
import type { MessagePort } from 'node:worker_threads'
import { answerJob } from '../../base/index.ts'
import { encodeEntryHeader, encodePackHeader, EntryType } from '../format/pack.ts'
import { type Deflater, type Inflater, ObjectCache, ObjectReader, type PackSet, type PackSetHandle, type PackSets } from '../odb/index.ts'
import { storedEntry, wholePack } from '../repack/stored-entry.ts'
import { deflateObject, largeObjectBytes } from '../upload-pack/large-entry.ts'
import { objectSteps, Pace } from '../upload-pack/pace.ts'
import { type MergePlan, planMerge } from './merge-plan.ts'

export interface MergeJob {
  readonly packs: PackSetHandle
  /** Places of the packs that are merged. */
  readonly from: number
  readonly until: number
}

/** What the thread has for it. */
export interface MergeParts {
  readonly sets: PackSets
  readonly inflater: Inflater
  readonly deflater: Deflater
}

const objectCacheBytes = 16 << 20

/** Sends the whole pack as bytes. */
export async function mergeJob(job: MergeJob, port: MessagePort, parts: MergeParts): Promise<void> {
  await answerJob(port, async (main, signal) => {
    const pace = new Pace(signal)
    const set = parts.sets.open(job.packs)
    const plan = await planMerge(set, job.from, job.until, pace)
    const objects = new ObjectReader(set, new ObjectCache(objectCacheBytes), parts.inflater)
    for await (const bytes of mergedBytes({ set, objects, deflater: parts.deflater, pace }, plan)) await main.sendBytes(bytes, true)
    main.endBytes()
  })
}

interface Source {
  readonly set: PackSet
  readonly objects: ObjectReader
  readonly deflater: Deflater
  readonly pace: Pace
}

/** The pieces are the receiver's. @throws CorruptError when a stored entry isn't what its index says */
export function mergedBytes(source: Source, plan: MergePlan): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  return wholePack(source.set.format, new MergedEntries(source, plan).all())
}

class MergedEntries {
  readonly #source: Source
  readonly #plan: MergePlan
  readonly #offsets: Float64Array // 0: not written yet
  #at = 0

  constructor(source: Source, plan: MergePlan) {
    this.#source = source
    this.#plan = plan
    this.#offsets = new Float64Array(plan.bases.length)
  }

  async *all(): AsyncGenerator<Uint8Array, void, undefined> {
    const { order, bases, first } = this.#plan
    const { pace } = this.#source
    yield this.#counted(encodePackHeader(order.length))
    const chain: number[] = []
    for (const number of order) {
      for (let one = number; one >= 0 && this.#offsets[one - first] === 0; one = bases[one - first] as number) chain.push(one)
      for (let one = chain.pop(); one !== undefined; one = chain.pop()) {
        const turn = pace.turn(objectSteps)
        if (turn) await turn
        const from = this.#at
        for await (const bytes of this.#entry(one)) yield this.#counted(bytes)
        this.#offsets[one - first] = from
      }
    }
  }

  #counted(bytes: Uint8Array): Uint8Array {
    this.#at += bytes.length
    return bytes
  }

  #header(number: number, sizeBytes: number): Uint8Array {
    const { set } = this.#source
    const base = this.#base(number)
    if (base === -1) return encodeEntryHeader(set.kind(number), sizeBytes)
    if (base < -1) return encodeEntryHeader(EntryType.refDelta, sizeBytes, set.oid(-2 - base))
    return encodeEntryHeader(EntryType.ofsDelta, sizeBytes, this.#at - (this.#offsets[base - this.#plan.first] as number))
  }

  #base(number: number): number {
    return this.#plan.bases[number - this.#plan.first] as number
  }

  /** A delta that is too deep becomes a whole object. */
  #entry(number: number): AsyncGenerator<Uint8Array, void, undefined> {
    const pack = this.#source.set.packOf(number)
    const position = number - pack.first
    if (this.#base(number) === -1 && pack.index.base(position) >= 0) return this.#whole(number)
    return storedEntry(pack, position, (sizeBytes) => this.#header(number, sizeBytes))
  }

  async *#whole(number: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { set, objects, deflater } = this.#source
    const sizeBytes = set.sizeBytes(number)
    yield this.#header(number, sizeBytes)
    if (sizeBytes >= largeObjectBytes) yield* deflateObject(this.#source, number)
    else yield deflater.view(await objects.read(number)).slice()
  }
}
