// Puts a pack together by its plan: pieces of stored packs as they stand, deltas under new headers, and objects encoded anew.
// Invariant: a delta's base is sent in the same pack, or (thin packs) the client has it. Copies of one object in several packs can't
// make a cycle of deltas: the oldest copy is sent, and what it rests on stands in the same pack or has a copy in an older one.
import { crc32 } from 'node:zlib'
import { CorruptError, hex } from '../../base/index.ts'
import { decodeEntryHeader, encodeEntryHeader, encodePackHeader, EntryType } from '../format/pack.ts'
import { storedEntryHeader } from '../odb/entry-header.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { Mark } from './commit-walk.ts'
import { CrcChain } from '../format/crc-chain.ts'
import { DeltaEntries } from './delta-entry.ts'
import { deflateObject, largeObjectBytes } from './large-entry.ts'
import { EntryStarts } from './entry-starts.ts'
import { objectSteps } from './pace.ts'
import type { PackPlan, Run } from './pack-plan.ts'
import type { PacedRepository } from './repository.ts'
import { type PackRegion, RunBytes } from './run-bytes.ts'

export type PackPiece = Uint8Array | PackRegion

/** What became of the objects. */
export interface WriteCounts {
  /** Objects whose stored delta was of no use to the client. */
  readonly encoded: number
  /** Objects that were made deltas, and those of them that are stored whole. */
  readonly made: number
  readonly gained: number
  /** Objects copied with their neighbours. */
  readonly copied: number
}

const chunkBytes = 256 << 10
/** The first chunk: many an answer needs no more, and memory that isn't touched costs nothing. */
const firstChunkBytes = 64 << 10
/** Regions from this size on are handed out as such. */
const regionBytes = 256 << 10
/** Enough for any entry's header. */
const headBytes = 64

/**
 * The pieces of the pack in order, without its trailer; a verbatim plan needs none of this.
 * Chunks are the receiver's to keep or transfer.
 * @throws CorruptError when a stored entry isn't what its index says
 */
export async function* writePack(repository: PacedRepository, plan: PackPlan): AsyncGenerator<PackPiece, WriteCounts, undefined> {
  const writer = new PackWriter(repository, plan)
  writer.append(encodePackHeader(plan.objectCount))
  for (let i = 0; i < plan.runs.length; i++) {
    const run = plan.runs[i] as Run
    const region = run.copy ? await writer.region(run) : null
    if (region) {
      yield* writer.takeAll()
      yield region
    } else if (run.copy) {
      await writer.copy(i)
      yield* writer.takeFull()
    } else {
      yield* writeEntries(repository, writer, i, run)
    }
  }
  yield* writer.takeAll()
  return writer.counts
}

async function* writeEntries(repository: PacedRepository, writer: PackWriter, place: number, run: Run): AsyncGenerator<PackPiece> {
  const order = (repository.set.packs[run.pack] as StoredPack).index.order()
  for (let rank = run.from; rank < run.to; rank++) {
    const turn = repository.pace.turn(objectSteps)
    if (turn) await turn
    const position = order[rank] as number
    const way = writer.wayOf(run, position)
    if (way === 'region') {
      const region = await writer.longDelta(run, position)
      yield* writer.takeAll()
      yield region
    } else if (way === 'pieces') {
      for await (const deflated of writer.large(run, position)) {
        writer.append(deflated)
        yield* writer.takeFull()
      }
    } else {
      const written = writer.entry(place, position)
      if (written) await written
      if (writer.hasFull) yield* writer.takeFull()
    }
  }
}

class PackWriter {
  readonly #repository: PacedRepository
  readonly #plan: PackPlan
  readonly #starts: EntryStarts | null // null: nothing asks for them
  readonly #full: Uint8Array[] = []
  readonly #bytes: RunBytes
  readonly #crcs = new CrcChain()
  readonly #deltas: DeltaEntries
  readonly counts = { encoded: 0, made: 0, gained: 0, copied: 0 }
  #chunk = new Uint8Array(firstChunkBytes)
  #used = 0
  #before = 0 // bytes of the pack ahead of #chunk

  constructor(repository: PacedRepository, plan: PackPlan) {
    this.#repository = repository
    this.#plan = plan
    this.#bytes = new RunBytes(repository, plan.runs)
    this.#starts = plan.runs.every((run) => run.copy) ? null : new EntryStarts(plan.objectCount, repository.set.size)
    this.#deltas = new DeltaEntries(repository, plan.marks, plan.candidates)
  }

  get hasFull(): boolean {
    return this.#full.length > 0
  }

  /** The run as a region, counted as sent; null when it is too small for that. */
  async region(run: Run): Promise<PackRegion | null> {
    const { pack, offset, sizeBytes } = this.#bytes.extent(run)
    if (sizeBytes < regionBytes) return null
    this.#noteStarts(run, pack, offset)
    this.#before += sizeBytes
    return { pack: run.pack, packId: pack.id, offset, sizeBytes, segments: await this.#bytes.segments(run) }
  }

  /** A run that is too small for a region. */
  async copy(place: number): Promise<void> {
    const run = this.#plan.runs[place] as Run
    const { pack, offset, sizeBytes } = this.#bytes.extent(run)
    this.#noteStarts(run, pack, offset)
    const read = this.#bytes.read(place, offset, sizeBytes)
    const bytes = read instanceof Promise ? await read : read
    const order = pack.index.order()
    for (let rank = run.from, start = 0; rank < run.to; rank++) {
      const turn = this.#repository.pace.turn()
      if (turn) await turn
      const position = order[rank] as number
      const end = rank + 1 < run.to ? pack.index.offset(order[rank + 1] as number) - offset : sizeBytes
      if (crc32(bytes.subarray(start, end)) !== pack.index.crc(position)) {
        throw new CorruptError(
          'stored-pack',
          `object ${hex(pack.index.oid(position))} in pack ${pack.id} has another CRC than its index says`,
        )
      }
      start = end
    }
    this.append(bytes)
  }

  /** How an entry that can't be copied with its neighbours is written: in memory, or it is too large for that. */
  wayOf(run: Run, position: number): 'memory' | 'region' | 'pieces' {
    const pack = this.#repository.set.packs[run.pack] as StoredPack
    const { index } = pack
    const entryBytes = index.end(position) - index.offset(position)
    if (entryBytes < regionBytes && index.sizeBytes(position) < largeObjectBytes) return 'memory'
    if (this.#base(pack, position) < 0) return index.sizeBytes(position) < largeObjectBytes ? 'memory' : 'pieces'
    // an object that is stored twice: where this entry ends isn't known
    const isSure = this.#repository.headerCounts.get(run.pack) === index.count
    return entryBytes >= regionBytes && isSure ? 'region' : 'memory'
  }

  /** A new header for a long delta; what follows it is a region. */
  async longDelta(run: Run, position: number): Promise<PackRegion> {
    const pack = this.#repository.set.packs[run.pack] as StoredPack
    const offset = pack.index.offset(position)
    const head = await pack.read(offset, headBytes)
    const header = storedEntryHeader(head, pack)
    this.#deltaHeader(pack.first + position, this.#base(pack, position), header.sizeBytes)
    const sizeBytes = pack.index.end(position) - offset - header.headerBytes
    const from = offset + header.headerBytes
    const crc = this.#crcs.rest(crc32(head.subarray(0, header.headerBytes)), pack.index.crc(position), sizeBytes)
    const segments = { from, ends: Float64Array.of(from + sizeBytes), crcs: Uint32Array.of(crc) }
    this.#before += sizeBytes
    return { pack: run.pack, packId: pack.id, offset: from, sizeBytes, segments }
  }

  /** A large object anew: its header, then its zlib stream. */
  async *large(run: Run, position: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { set } = this.#repository
    const number = (set.packs[run.pack] as StoredPack).first + position
    this.#encodeHeader(number, set.sizeBytes(number))
    yield* deflateObject(this.#repository, number)
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

  #noteStarts(run: Run, pack: StoredPack, offset: number): void {
    this.counts.copied += run.to - run.from
    const starts = this.#starts
    if (!starts) return
    const order = pack.index.order()
    const shift = this.#before + this.#used - offset
    for (let rank = run.from; rank < run.to; rank++) {
      const position = order[rank] as number
      starts.set(pack.first + position, pack.index.offset(position) + shift, true)
    }
  }

  /** One entry that can't be copied with its neighbours: a delta under a new header, or the object anew. */
  entry(place: number, position: number): Promise<void> | undefined {
    const pack = this.#repository.set.packs[(this.#plan.runs[place] as Run).pack] as StoredPack
    const base = this.#base(pack, position)
    if (base < 0 && this.#plan.candidates.has(pack.first + position)) return this.#anew(place, pack, position)
    if (base < 0) return this.#whole(pack.first + position)
    const offset = pack.index.offset(position)
    const entry = this.#bytes.read(place, offset, pack.index.end(position) - offset)
    return entry instanceof Promise
      ? entry.then((bytes) => this.#delta(pack, position, base, bytes))
      : this.#delta(pack, position, base, entry)
  }

  /** A new delta where that pays; else as it is stored, if it is whole there; else encoded. */
  async #anew(place: number, pack: StoredPack, position: number): Promise<void> {
    const { index } = pack
    const number = pack.first + position
    const isWhole = index.base(position) < 0 && this.#repository.headerCounts.get((this.#plan.runs[place] as Run).pack) === index.count
    const offset = index.offset(position)
    const entryBytes = index.end(position) - offset
    const delta = await this.#deltas.make(
      number,
      (base) => this.#starts?.isSettled(base) === true,
      isWhole ? entryBytes : Number.POSITIVE_INFINITY,
    )
    if (delta) {
      this.counts.made++
      if (index.base(position) < 0) this.counts.gained++
      this.#deltaHeader(number, delta.base, delta.deltaBytes)
      this.append(delta.deflated)
      return
    }
    if (!isWhole) return await this.#whole(number)
    const entry = await this.#bytes.read(place, offset, entryBytes)
    if (crc32(entry) !== index.crc(position)) return await this.#whole(number)
    this.#start(number, true)
    this.append(entry)
  }

  /** Number of the delta's base where the client will have that; −1 when the object has to be sent whole. */
  #base(pack: StoredPack, position: number): number {
    const number = this.#repository.set.baseObject(pack, position)
    if (number < 0) return -1
    const mark = this.#plan.marks[number] as number
    return mark & Mark.send || (this.#plan.thinPack && mark & Mark.client) ? number : -1
  }

  #delta(pack: StoredPack, position: number, base: number, entry: Uint8Array): Promise<void> | undefined {
    const number = pack.first + position
    const header = crc32(entry) === pack.index.crc(position) ? decodeEntryHeader(entry, 0, pack.index.format) : null
    // not the bytes that were indexed: the reader says what is wrong with them, or finds that something only follows them
    if (!header) return this.#whole(number)
    this.#deltaHeader(number, base, header.sizeBytes)
    this.append(entry.subarray(header.headerBytes))
    return undefined
  }

  #deltaHeader(number: number, base: number, deltaBytes: number): void {
    const baseStart = this.#starts?.start(base) ?? 0
    const isClients = ((this.#plan.marks[base] as number) & Mark.send) === 0
    const start = this.#start(number, isClients || this.#starts?.isSettled(base) === true)
    this.append(
      this.#plan.ofsDelta && baseStart > 0
        ? encodeEntryHeader(EntryType.ofsDelta, deltaBytes, start - baseStart)
        : encodeEntryHeader(EntryType.refDelta, deltaBytes, this.#repository.set.oid(base)),
    )
  }

  #whole(number: number): Promise<void> | undefined {
    const object = this.#repository.objects.read(number)
    if (object instanceof Promise) return object.then((bytes) => this.#encode(number, bytes))
    this.#encode(number, object)
    return undefined
  }

  #encode(number: number, object: Uint8Array): void {
    this.#encodeHeader(number, object.length)
    this.append(this.#repository.deflater.view(object))
  }

  #encodeHeader(number: number, sizeBytes: number): void {
    this.#start(number, true)
    this.counts.encoded++
    this.append(encodeEntryHeader(this.#repository.set.kind(number), sizeBytes))
  }

  #start(number: number, isSettled: boolean): number {
    const start = this.#before + this.#used
    this.#starts?.set(number, start, isSettled)
    return start
  }

  append(bytes: Uint8Array): void {
    let from = 0
    while (from < bytes.length) {
      const part = Math.min(this.#chunk.length - this.#used, bytes.length - from)
      this.#chunk.set(part === bytes.length ? bytes : bytes.subarray(from, from + part), this.#used)
      this.#used += part
      from += part
      if (this.#used < this.#chunk.length) continue
      this.#full.push(this.#chunk)
      this.#before += this.#chunk.length
      this.#chunk = new Uint8Array(chunkBytes)
      this.#used = 0
    }
  }
}
