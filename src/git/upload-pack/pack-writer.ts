// Puts a pack together by its plan: pieces of stored packs as they stand, deltas under new headers, and objects encoded anew.
// Invariant: a delta's base is sent in the same pack, or (thin packs) the client has it. Copies of one object in several packs can't
// make a cycle of deltas, since the set prefers one pack over another in one fixed order for all objects.
import { crc32, deflateSync } from 'node:zlib'
import { decodeEntryHeader, encodeEntryHeader, encodePackHeader, EntryType } from '../format/pack.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { Mark } from './commit-walk.ts'
import type { PackPlan, Run } from './pack-plan.ts'
import type { FetchRepository } from './repository.ts'

/** Bytes of a stored pack that are sent as they stand; whoever streams the pack reads them. */
export interface PackRegion {
  /** Place of the pack in the set. */
  readonly pack: number
  readonly offset: number
  readonly sizeBytes: number
}

export type PackPiece = Uint8Array | PackRegion

/** What became of the objects. */
export interface WriteCounts {
  /** Objects whose stored delta was of no use to the client. */
  readonly encoded: number
  /** Objects copied with their neighbours. */
  readonly copied: number
}

const chunkBytes = 1 << 20
/** Regions from this size on are handed out as such. */
const regionBytes = 256 << 10
/** Entries that lie no further apart than this are read together. */
const gapBytes = 16 << 10
const windowBytes = 512 << 10

/**
 * The pieces of the pack in order, without its trailer (see `streamPack`); a verbatim plan needs none of this.
 * Chunks are the receiver's to keep or transfer.
 * @throws CorruptError when a stored entry isn't what its index says
 */
export async function* writePack(repository: FetchRepository, plan: PackPlan): AsyncGenerator<PackPiece, WriteCounts, undefined> {
  const writer = new PackWriter(repository, plan)
  writer.header()
  for (let i = 0; i < plan.runs.length; i++) {
    const run = plan.runs[i] as Run
    const region = run.copy ? writer.region(run) : null
    if (region) {
      yield* writer.takeAll()
      yield region
    } else {
      await writer.run(i)
      yield* writer.takeFull()
    }
  }
  yield* writer.takeAll()
  return writer.counts
}

class PackWriter {
  readonly #repository: FetchRepository
  readonly #plan: PackPlan
  readonly #starts: Float64Array // where each sent entry starts in the new pack, by number; 0 = not yet sent
  readonly #full: Uint8Array[] = []
  readonly counts = { encoded: 0, copied: 0 }
  #chunk = new Uint8Array(chunkBytes)
  #used = 0
  #before = 0 // bytes of the pack ahead of #chunk
  #window: { pack: number; offset: number; bytes: Uint8Array } | undefined

  constructor(repository: FetchRepository, plan: PackPlan) {
    this.#repository = repository
    this.#plan = plan
    this.#starts = new Float64Array(plan.runs.every((run) => run.copy) ? 0 : repository.set.size)
  }

  header(): void {
    this.#append(encodePackHeader(this.#plan.objectCount))
  }

  /** The run as a region, counted as sent; null when it is too small for that. */
  region(run: Run): PackRegion | null {
    const { pack, offset, sizeBytes } = this.#extent(run)
    if (sizeBytes < regionBytes) return null
    this.#noteStarts(run, pack, offset)
    this.#before += sizeBytes
    return { pack: run.pack, offset, sizeBytes }
  }

  async run(place: number): Promise<void> {
    const run = this.#plan.runs[place] as Run
    const { pack, offset, sizeBytes } = this.#extent(run)
    if (run.copy) {
      this.#noteStarts(run, pack, offset)
      const bytes = this.#read(place, offset, sizeBytes)
      this.#append(bytes instanceof Promise ? await bytes : bytes)
      return
    }
    const order = pack.index.order()
    for (let rank = run.from; rank < run.to; rank++) {
      const written = this.#entry(place, pack, order[rank] as number)
      if (written) await written
    }
  }

  *takeFull(): Generator<Uint8Array> {
    for (let chunk = this.#full.shift(); chunk; chunk = this.#full.shift()) yield chunk
  }

  *takeAll(): Generator<Uint8Array> {
    yield* this.takeFull()
    if (this.#used === 0) return
    const rest = this.#chunk.slice(0, this.#used)
    this.#before += this.#used
    this.#used = 0
    yield rest
  }

  #extent(run: Run): { pack: StoredPack; offset: number; sizeBytes: number } {
    const pack = this.#repository.set.packs[run.pack] as StoredPack
    const order = pack.index.order()
    const offset = pack.index.offset(order[run.from] as number)
    return { pack, offset, sizeBytes: pack.index.end(order[run.to - 1] as number) - offset }
  }

  #noteStarts(run: Run, pack: StoredPack, offset: number): void {
    this.counts.copied += run.to - run.from
    if (this.#starts.length === 0) return
    const order = pack.index.order()
    const shift = this.#before + this.#used - offset
    for (let rank = run.from; rank < run.to; rank++) {
      const position = order[rank] as number
      this.#starts[pack.first + position] = pack.index.offset(position) + shift
    }
  }

  /** One entry that can't be copied with its neighbours: a delta under a new header, or the object anew. */
  #entry(place: number, pack: StoredPack, position: number): Promise<void> | undefined {
    const base = this.#base(pack, position)
    if (base < 0) return this.#whole(pack.first + position)
    const offset = pack.index.offset(position)
    const entry = this.#read(place, offset, pack.index.end(position) - offset)
    return entry instanceof Promise
      ? entry.then((bytes) => this.#delta(pack, position, base, bytes))
      : this.#delta(pack, position, base, entry)
  }

  /** Number of the delta's base where the client will have that; −1 when the object has to be sent whole. */
  #base(pack: StoredPack, position: number): number {
    const base = pack.index.base(position)
    if (base < 0) return -1
    const { set } = this.#repository
    const number = set.packs.length === 1 ? base : set.find(pack.index.oid(base), 0)
    const mark = this.#plan.marks[number] as number
    return mark & Mark.send || (this.#plan.thinPack && mark & Mark.client) ? number : -1
  }

  #delta(pack: StoredPack, position: number, base: number, entry: Uint8Array): Promise<void> | undefined {
    const number = pack.first + position
    const header = crc32(entry) === pack.index.crc(position) ? decodeEntryHeader(entry, 0, pack.index.format) : null
    // not the bytes that were indexed: the reader says what is wrong with them, or finds that something only follows them
    if (!header) return this.#whole(number)
    const start = this.#start(number)
    const baseStart = this.#starts[base] as number
    this.#append(
      this.#plan.ofsDelta && baseStart > 0
        ? encodeEntryHeader(EntryType.ofsDelta, header.sizeBytes, start - baseStart)
        : encodeEntryHeader(EntryType.refDelta, header.sizeBytes, this.#repository.set.oid(base)),
    )
    this.#append(entry.subarray(header.headerBytes))
    return undefined
  }

  #whole(number: number): Promise<void> | undefined {
    const object = this.#repository.objects.read(number)
    if (object instanceof Promise) return object.then((bytes) => this.#encode(number, bytes))
    this.#encode(number, object)
    return undefined
  }

  #encode(number: number, object: Uint8Array): void {
    this.#start(number)
    this.counts.encoded++
    this.#append(encodeEntryHeader(this.#repository.set.kind(number), object.length))
    this.#append(deflateSync(object, { level: 1 }))
  }

  #start(number: number): number {
    const start = this.#before + this.#used
    this.#starts[number] = start
    return start
  }

  /** Bytes of the pack that the run at `place` lies in; what follows soon is read along. */
  #read(place: number, offset: number, sizeBytes: number): Uint8Array | Promise<Uint8Array> {
    const packPlace = (this.#plan.runs[place] as Run).pack
    const window = this.#window
    if (window?.pack === packPlace && offset >= window.offset && offset + sizeBytes <= window.offset + window.bytes.length) {
      return window.bytes.subarray(offset - window.offset, offset - window.offset + sizeBytes)
    }
    const pack = this.#repository.set.packs[packPlace] as StoredPack
    const bytes = pack.read(offset, this.#ahead(place, offset + sizeBytes) - offset)
    const keep = (read: Uint8Array) => {
      this.#window = { pack: packPlace, offset, bytes: read }
      return read.subarray(0, sizeBytes)
    }
    return bytes instanceof Promise ? bytes.then(keep) : keep(bytes)
  }

  /** How far to read beyond `end`. */
  #ahead(place: number, end: number): number {
    const limit = end + windowBytes
    let to = end
    for (let i = place; i < this.#plan.runs.length; i++) {
      const run = this.#plan.runs[i] as Run
      if (run.pack !== (this.#plan.runs[place] as Run).pack) break
      const { offset, sizeBytes } = this.#extent(run)
      if (offset > to + gapBytes || offset + sizeBytes > limit) break
      to = Math.max(to, offset + sizeBytes)
    }
    return to
  }

  #append(bytes: Uint8Array): void {
    let from = 0
    while (from < bytes.length) {
      const part = Math.min(chunkBytes - this.#used, bytes.length - from)
      this.#chunk.set(part === bytes.length ? bytes : bytes.subarray(from, from + part), this.#used)
      this.#used += part
      from += part
      if (this.#used < chunkBytes) continue
      this.#full.push(this.#chunk)
      this.#before += chunkBytes
      this.#chunk = new Uint8Array(chunkBytes)
      this.#used = 0
    }
  }
}
