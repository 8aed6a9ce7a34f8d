// Reads whole objects out of a PackSet: inflates and applies delta chains, keeping recently used objects for the next chain.
// The index names every delta's base, so a chain's entries are all known, and asked for at once, before the first byte is read.
import { CorruptError, hex } from '../../base/index.ts'
import { applyDelta } from '../format/delta.ts'
import { decodeEntryHeader } from '../format/pack.ts'
import { Inflater } from './inflater.ts'
import type { PackSet, StoredPack } from './pack-set.ts'

export class ObjectReader {
  readonly set: PackSet
  readonly #cache: ObjectCache
  readonly #inflater: Inflater

  /** @param cacheBytes for inflated objects; they are kept by number, so a newer set of the same network may share the cache */
  constructor(set: PackSet, cache: ObjectCache, inflater: Inflater = new Inflater()) {
    this.set = set
    this.#inflater = inflater
    this.#cache = cache
  }

  /**
   * The object's bytes, without header; a shared view: not to be changed. Immediate when everything that it needs is near.
   * @throws CorruptError when stored bytes are not what the index says
   */
  read(number: number): Uint8Array | Promise<Uint8Array> {
    const cached = this.#cache.get(number)
    if (cached) return cached
    const pack = this.set.packOf(number)
    const chain: number[] = []
    let position = number - pack.first
    let base: Uint8Array | undefined
    for (;;) {
      chain.push(position)
      position = pack.index.base(position)
      if (position < 0) break
      base = this.#cache.get(pack.first + position)
      if (base) break
    }
    const entries = chain.map((at) => readEntry(pack, at))
    if (entries.some((entry) => entry instanceof Promise)) {
      return Promise.all(entries.map((entry) => Promise.resolve(entry))).then((all) => this.#resolve(pack, chain, all, base))
    }
    return this.#resolve(pack, chain, entries as Uint8Array[], base)
  }

  /** The object of that id, or null when the set has none. */
  async readById(oid: Uint8Array): Promise<{ number: number; bytes: Uint8Array } | null> {
    const number = this.set.find(oid, 0)
    return number < 0 ? null : { number, bytes: await this.read(number) }
  }

  /** The entry's zlib stream as stored (of the object, or of its delta), without the entry's header. */
  deflated(number: number): Uint8Array | Promise<Uint8Array> {
    const pack = this.set.packOf(number)
    const entry = readEntry(pack, number - pack.first)
    const strip = (bytes: Uint8Array) => bytes.subarray(entryHeader(bytes, pack).headerBytes)
    return entry instanceof Promise ? entry.then(strip) : strip(entry)
  }

  #resolve(pack: StoredPack, chain: readonly number[], entries: readonly Uint8Array[], known: Uint8Array | undefined): Uint8Array {
    let object = known
    for (let i = chain.length - 1; i >= 0; i--) {
      const position = chain[i] as number
      const payload = this.#inflate(entries[i] as Uint8Array, pack, position)
      object = object === undefined ? payload : undelta(object, payload, pack, position)
      if (object.length !== pack.index.sizeBytes(position)) throw corrupt(pack, position, 'has another size than its index says')
      this.#cache.set(pack.first + position, object)
    }
    return object as Uint8Array
  }

  #inflate(bytes: Uint8Array, pack: StoredPack, position: number): Uint8Array {
    const header = entryHeader(bytes, pack)
    const payload = this.#inflater.inflate(bytes.subarray(header.headerBytes), header.sizeBytes)
    if (payload === null) throw corrupt(pack, position, 'does not inflate to the size that its header says')
    return payload
  }
}

function readEntry(pack: StoredPack, position: number): Uint8Array | Promise<Uint8Array> {
  const offset = pack.index.offset(position)
  return pack.read(offset, pack.index.end(position) - offset)
}

function entryHeader(bytes: Uint8Array, pack: StoredPack): { headerBytes: number; sizeBytes: number } {
  try {
    const header = decodeEntryHeader(bytes, 0, pack.index.format)
    if (header) return header
  } catch (cause) {
    throw new CorruptError('stored-pack', `an entry of pack ${pack.id} has a wrong header`, { cause })
  }
  throw new CorruptError('stored-pack', `an entry of pack ${pack.id} is cut off in its header`)
}

function undelta(base: Uint8Array, delta: Uint8Array, pack: StoredPack, position: number): Uint8Array {
  try {
    return applyDelta(base, delta)
  } catch (cause) {
    throw corrupt(pack, position, 'has a delta that does not fit its base', cause)
  }
}

function corrupt(pack: StoredPack, position: number, what: string, cause?: unknown): CorruptError {
  return new CorruptError('stored-pack', `object ${hex(pack.index.oid(position))} in pack ${pack.id} ${what}`, { cause })
}

/** Least recently used objects by number, within a number of bytes. */
export class ObjectCache {
  readonly #limitBytes: number
  readonly #objects = new Map<number, Uint8Array>()
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get(number: number): Uint8Array | undefined {
    const object = this.#objects.get(number)
    if (object) {
      this.#objects.delete(number)
      this.#objects.set(number, object)
    }
    return object
  }

  set(number: number, object: Uint8Array): void {
    if (object.length > this.#limitBytes / 4 || this.#objects.has(number)) return
    this.#objects.set(number, object)
    this.#bytes += object.length + 64
    for (const [oldest, bytes] of this.#objects) {
      if (this.#bytes <= this.#limitBytes) break
      this.#objects.delete(oldest)
      this.#bytes -= bytes.length + 64
    }
  }
}
