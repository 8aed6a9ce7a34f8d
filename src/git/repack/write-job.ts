// The last step of a repack, in a worker: the new pack's bytes in order, but for its trailer. Commits first, the newest before the others, then tags, trees,
// and blobs path by path; an object's base stands before it. What is deflated comes out of the scratch files, or is copied as it is stored.
import { closeSync, openSync } from 'node:fs'
import type { MessagePort } from 'node:worker_threads'
import { answerJob } from '../../base/index.ts'
import { Kind } from '../format/object-id.ts'
import { encodeEntryHeader, encodePackHeader, EntryType } from '../format/pack.ts'
import { readAll } from '../index-pack/spool.ts'
import { deflateObject } from '../upload-pack/large-entry.ts'
import { objectSteps } from '../upload-pack/pace.ts'
import { paced, type PacedRepository } from '../upload-pack/repository.ts'
import { type JobPacks, openRepository, type RepackParts } from './near-packs.ts'
import { largeEntryBytes, storedEntry, wholePack } from './stored-entry.ts'
import { Keep, type RepackTables, type SearchOrder } from './tables.ts'
import { byRow } from './version-order.ts'

export interface WriteJob extends JobPacks {
  readonly tables: RepackTables
  /** All that is kept; what has lower numbers than `first` stays where it is. */
  readonly order: SearchOrder
  readonly first: number
  readonly objectCount: number
  readonly scratchPaths: readonly string[]
}

/** Sends the whole pack as bytes. */
export async function writeJob(job: WriteJob, port: MessagePort, parts: RepackParts): Promise<void> {
  await answerJob(port, async (main, signal) => {
    for await (const bytes of packBytes(paced(openRepository(job, parts), signal), job)) await main.sendBytes(bytes, true)
    main.endBytes()
  })
}

/** The pieces are the receiver's. @throws CorruptError when a stored entry isn't what its index says */
export async function* packBytes(
  repository: PacedRepository,
  job: Omit<WriteJob, 'packs' | 'near'>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const files = job.scratchPaths.map((path) => new ScratchReader(path))
  try {
    yield* wholePack(repository.set.format, new PackEntries(repository, job, files).of(job))
  } finally {
    for (const file of files) file.close()
  }
}

class PackEntries {
  readonly #repository: PacedRepository
  readonly #tables: RepackTables
  readonly #first: number
  readonly #files: readonly ScratchReader[]
  readonly #offsets: Float64Array // 0: not written yet
  #at = 0

  constructor(repository: PacedRepository, { tables, first }: Pick<WriteJob, 'tables' | 'first'>, files: readonly ScratchReader[]) {
    this.#repository = repository
    this.#tables = tables
    this.#first = first
    this.#files = files
    this.#offsets = new Float64Array(repository.set.size)
  }

  async *of({ order, objectCount }: Pick<WriteJob, 'order' | 'objectCount'>): AsyncGenerator<Uint8Array, void, undefined> {
    const { pace, set } = this.#repository
    yield this.#counted(encodePackHeader(objectCount))
    const kept = order.numbers.filter((number) => number >= this.#first)
    const trees = byRow(
      this.#tables.row,
      kept.filter((number) => set.kind(number) === Kind.tree),
    )
    const chain: number[] = []
    let tree = 0
    for (let number of kept) {
      // the regions of trees come by path; what is read together is what stands in one commit
      if (set.kind(number) === Kind.tree) number = trees[tree++] as number
      for (let at = number; at >= this.#first && this.#offsets[at] === 0; at = this.#tables.base[at] as number) chain.push(at)
      for (let one = chain.pop(); one !== undefined; one = chain.pop()) {
        const turn = pace.turn(objectSteps)
        if (turn) await turn
        const from = this.#at
        const written = this.#entry(one)
        if (Symbol.asyncIterator in written) for await (const bytes of written) yield this.#counted(bytes)
        else for (const bytes of written) yield this.#counted(bytes instanceof Promise ? await bytes : bytes)
        this.#offsets[one] = from
      }
    }
  }

  #counted(bytes: Uint8Array): Uint8Array {
    this.#at += bytes.length
    return bytes
  }

  #entry(number: number): Iterable<Uint8Array | Promise<Uint8Array>> | AsyncIterable<Uint8Array> {
    const { set, deflater, objects } = this.#repository
    const { base, deflatedBytes, file, at, payloadBytes } = this.#tables
    const place = file[number] as number
    if (place > 0) {
      const reader = this.#files[place - 1] as ScratchReader
      const deflated = reader.read(at[number] as number, deflatedBytes[number] as number)
      return [this.#header(number, payloadBytes[number] as number), deflated]
    }
    const pack = set.packOf(number)
    const isDelta = pack.index.base(number - pack.first) >= 0
    if (isDelta === (base[number] as number) >= 0) return storedEntry(pack, number - pack.first, (payload) => this.#header(number, payload))
    const sizeBytes = set.sizeBytes(number)
    const header = this.#header(number, sizeBytes)
    if (this.#tables.kept[number] === Keep.asStored && sizeBytes > largeEntryBytes)
      return both(header, deflateObject(this.#repository, number))
    const read = objects.read(number)
    const deflate = (bytes: Uint8Array) => deflater.view(bytes).slice()
    return [header, read instanceof Promise ? read.then(deflate) : deflate(read)]
  }

  #header(number: number, sizeBytes: number): Uint8Array {
    const base = this.#tables.base[number] as number
    if (base < 0) return encodeEntryHeader(this.#repository.set.kind(number), sizeBytes)
    if (base < this.#first) return encodeEntryHeader(EntryType.refDelta, sizeBytes, this.#repository.set.oid(base))
    return encodeEntryHeader(EntryType.ofsDelta, sizeBytes, this.#at - (this.#offsets[base] as number))
  }
}

async function* both(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield first
  yield* rest
}

/** Reads a scratch file, ahead where it is read in order. */
class ScratchReader {
  readonly #fd: number
  #buffer = new Uint8Array(16 << 10)
  #from = 0
  #until = 0

  constructor(path: string) {
    this.#fd = openSync(path, 'r')
  }

  /** Good until the next call. */
  read(at: number, sizeBytes: number): Uint8Array {
    if (at < this.#from || at + sizeBytes > this.#until) {
      if (sizeBytes > this.#buffer.length) this.#buffer = new Uint8Array(sizeBytes * 2)
      this.#from = at
      this.#until = at + readAll(this.#fd, this.#buffer, at)
      if (at + sizeBytes > this.#until) throw new Error('a scratch file is shorter than what was written to it')
    }
    return this.#buffer.subarray(at - this.#from, at - this.#from + sizeBytes)
  }

  close(): void {
    closeSync(this.#fd)
  }
}
