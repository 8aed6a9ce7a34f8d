// Reads whole objects out of a PackSet: inflates and applies delta chains, keeping recently used objects for the next chain.
// The indexes name every delta's base, in the same pack or an older one, so a chain's entries are all known, and asked for at once, before the
// first byte is read.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createInflate } from 'node:zlib'
import { CorruptError, hex, InputError } from '../../base/index.ts'
import { applyDelta } from '../format/delta.ts'
import { Kind } from '../format/object-id.ts'
import { deltaPieces } from './delta-pieces.ts'
import { storedEntryHeader } from './entry-header.ts'
import { Inflater } from './inflater.ts'
import type { PackSet, StoredPack } from './pack-set.ts'

/** Enough for any entry's header. */
const headerBytes = 64
const pieceBytes = 256 << 10
/** Blobs up to this size that are only steps of a chain take no memory of their own. */
const scratchBytes = 1 << 20

export class ObjectReader {
  readonly set: PackSet
  readonly #cache: ObjectCache
  readonly #inflater: Inflater
  readonly #older: ObjectReader | null
  #scratches: [Uint8Array, Uint8Array] | undefined

  /**
   * @param cache for inflated objects; they are kept by number, so a newer set of the same network may share the cache
   * @param older what the bases of a lone pack that are outside of it are read from; else they must be in the set
   */
  constructor(set: PackSet, cache: ObjectCache, inflater: Inflater = new Inflater(), older: ObjectReader | null = null) {
    this.set = set
    this.#inflater = inflater
    this.#cache = cache
    this.#older = older
  }

  /**
   * The object's bytes, without header; a shared view: not to be changed. Immediate when everything that it needs is near.
   * @throws CorruptError when stored bytes are not what the index says
   */
  read(number: number): Uint8Array | Promise<Uint8Array> {
    const cached = this.#cache.get(number)
    if (cached) return cached
    const { set } = this
    const chain: number[] = []
    const packs: StoredPack[] = []
    let pack = set.packOf(number)
    let base: Uint8Array | Promise<Uint8Array> | undefined
    for (let at = number; ; ) {
      chain.push(at)
      packs.push(pack)
      if (this.#older !== null && pack.index.base(at - pack.first) >= pack.index.count) {
        base = this.#olderBase(this.#older, pack, at - pack.first)
        break
      }
      at = set.base(pack, at - pack.first)
      if (at < 0) break
      base = this.#cache.get(at)
      if (base) break
      if (at < pack.first) pack = set.packOf(at)
    }
    const entries = chain.map((at, i) => readEntry(packs[i] as StoredPack, at - (packs[i] as StoredPack).first))
    if (base instanceof Promise || entries.some((entry) => entry instanceof Promise)) {
      return Promise.all([base, ...entries]).then(([from, ...all]) => this.#resolve(chain, packs, all as Uint8Array[], from))
    }
    return this.#resolve(chain, packs, entries as Uint8Array[], base)
  }

  async #olderBase(older: ObjectReader, pack: StoredPack, position: number): Promise<Uint8Array> {
    const base = await older.readById(pack.index.baseId(pack.index.base(position)))
    if (!base) throw corrupt(pack, position, 'rests on an object that is not stored')
    return base.bytes
  }

  /** The object of that id, or null when the set has none. */
  async readById(oid: Uint8Array): Promise<{ number: number; bytes: Uint8Array } | null> {
    const number = this.set.find(oid, 0)
    return number < 0 ? null : { number, bytes: await this.read(number) }
  }

  /**
   * The object's bytes in pieces, which are the receiver's: what the object's delta rests on is held in memory, the object itself isn't.
   * For large objects, which take turns: at most one in each thread is under way at a time. Nothing is kept for later.
   * @throws CorruptError as `read`; the signal's reason when it is aborted meanwhile
   */
  async *pieces(number: number, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const free = await this.#inflater.large.take()
    try {
      let base: Uint8Array | undefined
      for (const at of deltaChain(this.set, number)) {
        signal?.throwIfAborted()
        const pack = this.set.packOf(at)
        const position = at - pack.first
        const made = base === undefined ? inflateEntry(pack, position) : undeltaEntry(pack, position, base)
        if (at === number) yield* sized(made, pack, position)
        else base = await gather(sized(made, pack, position), pack.index.sizeBytes(position))
      }
    } finally {
      free()
    }
  }

  /** The entry's zlib stream as stored (of the object, or of its delta), without the entry's header. */
  deflated(number: number): Uint8Array | Promise<Uint8Array> {
    const pack = this.set.packOf(number)
    const entry = readEntry(pack, number - pack.first)
    const strip = (bytes: Uint8Array) => bytes.subarray(storedEntryHeader(bytes, pack).headerBytes)
    return entry instanceof Promise ? entry.then(strip) : strip(entry)
  }

  /** Blobs on the way are only passed through: whoever asks for one seldom asks for its neighbours, and memory that lives so shortly is dear. */
  #resolve(
    chain: readonly number[],
    packs: readonly StoredPack[],
    entries: readonly Uint8Array[],
    known: Uint8Array | undefined,
  ): Uint8Array {
    let object = known
    for (let i = chain.length - 1; i >= 0; i--) {
      const number = chain[i] as number
      const pack = packs[i] as StoredPack
      const position = number - pack.first
      const sizeBytes = pack.index.sizeBytes(position)
      const passes = i > 0 && sizeBytes <= scratchBytes && pack.index.kind(position) === Kind.blob
      const payload = this.#inflate(entries[i] as Uint8Array, pack, position, object === undefined && !passes)
      if (object !== undefined) object = undelta(object, payload, pack, position, passes ? (bytes) => this.#scratch(i, bytes) : undefined)
      else if (passes && payload.length === sizeBytes) {
        object = this.#scratch(i, sizeBytes)
        object.set(payload)
      } else object = payload
      if (object.length !== sizeBytes) throw corrupt(pack, position, 'has another size than its index says')
      if (!passes) this.#cache.set(number, object)
    }
    return object as Uint8Array
  }

  /** Two places, used in turn: one holds the base while the other takes what is made of it. */
  #scratch(step: number, sizeBytes: number): Uint8Array {
    const scratch = (this.#scratches ??= [new Uint8Array(scratchBytes), new Uint8Array(scratchBytes)])
    // a delta that makes more than the index says gets memory of its own, and is found out by its size
    return sizeBytes > scratchBytes ? new Uint8Array(sizeBytes) : (scratch[step % 2] as Uint8Array).subarray(0, sizeBytes)
  }

  /** @param keep else the bytes are good until the next call */
  #inflate(bytes: Uint8Array, pack: StoredPack, position: number, keep: boolean): Uint8Array {
    const header = storedEntryHeader(bytes, pack)
    const deflated = bytes.subarray(header.headerBytes)
    const payload = keep ? this.#inflater.inflate(deflated, header.sizeBytes) : this.#inflater.view(deflated, header.sizeBytes)
    if (payload === null) throw corrupt(pack, position, 'does not inflate to the size that its header says')
    return payload
  }
}

/** Numbers that the entry rests on, the whole object first, the entry itself last. */
function deltaChain(set: PackSet, number: number): number[] {
  const chain: number[] = []
  for (let at = number; at >= 0; ) {
    chain.push(at)
    const pack = set.packOf(at)
    at = set.base(pack, at - pack.first)
  }
  return chain.reverse()
}

/** What the entry's zlib stream holds: the object, or its delta. */
async function* inflateEntry(pack: StoredPack, position: number): AsyncGenerator<Uint8Array, void, undefined> {
  const offset = pack.index.offset(position)
  const end = pack.index.end(position)
  const header = storedEntryHeader(await pack.read(offset, Math.min(headerBytes, end - offset)), pack)
  const from = offset + header.headerBytes
  const stored = async function* () {
    for await (const bytes of pack.stream(from, end - from)) yield Buffer.from(bytes) // the store may use its own again
  }
  const inflate = createInflate({ chunkSize: pieceBytes })
  // what breaks on the way is thrown where the pieces are read
  pipeline(Readable.from(stored()), inflate).catch(() => {})
  let left = header.sizeBytes
  try {
    for await (const piece of inflate as AsyncIterable<Buffer>) {
      left -= piece.length
      if (left < 0) break
      yield piece
    }
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_'))) throw cause
    throw corrupt(pack, position, 'does not inflate', cause)
  }
  if (left !== 0) throw corrupt(pack, position, 'does not inflate to the size that its header says')
}

async function* undeltaEntry(pack: StoredPack, position: number, base: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  const offset = pack.index.offset(position)
  const bytes = await pack.read(offset, Math.min(headerBytes, pack.index.end(position) - offset))
  const delta = await gather(inflateEntry(pack, position), storedEntryHeader(bytes, pack).sizeBytes)
  try {
    yield* deltaPieces(base, delta)
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause
    throw corrupt(pack, position, 'has a delta that does not fit its base', cause)
  }
}

/** The same pieces. CorruptError when they aren't as long as the index says. */
async function* sized(pieces: AsyncIterable<Uint8Array>, pack: StoredPack, position: number): AsyncGenerator<Uint8Array, void, undefined> {
  let left = pack.index.sizeBytes(position)
  for await (const piece of pieces) {
    left -= piece.length
    if (left < 0) break
    yield piece
  }
  if (left !== 0) throw corrupt(pack, position, 'has another size than its index says')
}

async function gather(pieces: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<Uint8Array> {
  const all = new Uint8Array(sizeBytes)
  let at = 0
  for await (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

function readEntry(pack: StoredPack, position: number): Uint8Array | Promise<Uint8Array> {
  const offset = pack.index.offset(position)
  return pack.read(offset, pack.index.end(position) - offset)
}

function undelta(
  base: Uint8Array,
  delta: Uint8Array,
  pack: StoredPack,
  position: number,
  allocate?: (sizeBytes: number) => Uint8Array,
): Uint8Array {
  try {
    return applyDelta(base, delta, allocate ? { allocate } : {})
  } catch (cause) {
    throw corrupt(pack, position, 'has a delta that does not fit its base', cause)
  }
}

function corrupt(pack: StoredPack, position: number, what: string, cause?: unknown): CorruptError {
  return new CorruptError('stored-pack', `object ${hex(pack.index.oid(position))} in pack ${pack.id} ${what}`, { cause })
}

/** What a small object costs beside its bytes. */
const overheadBytes = 320

/**
 * Recently used objects by number, within a number of bytes. Two generations: what is used goes to the young one; when that has taken half of
 * the bytes it becomes the old one, and what was still old is forgotten. (A single map in order of use would be searched through all its
 * deleted places for each object that has to go.)
 */
export class ObjectCache {
  readonly #limitBytes: number
  #young = new Map<number, Uint8Array>()
  #old = new Map<number, Uint8Array>()
  #youngBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get(number: number): Uint8Array | undefined {
    const young = this.#young.get(number)
    if (young) return young
    const old = this.#old.get(number)
    if (old) this.#put(number, old)
    return old
  }

  set(number: number, object: Uint8Array): void {
    if (object.length <= this.#limitBytes / 4 && !this.#young.has(number)) this.#put(number, object)
  }

  #put(number: number, object: Uint8Array): void {
    const sizeBytes = object.length + overheadBytes
    if (this.#youngBytes + sizeBytes > this.#limitBytes / 2) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngBytes = 0
    }
    if (sizeBytes > this.#limitBytes / 2) return
    this.#young.set(number, object)
    this.#youngBytes += sizeBytes
  }
}
