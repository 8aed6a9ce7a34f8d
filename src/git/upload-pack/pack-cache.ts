// Packs that were made, by what was asked for (docs/design/pack-cache.md): whoever asks for the same gets the same pieces, also while they are being made.
// Invariant: a pack is found only while it grows or when it is whole. Whether the caller may have it, the negotiation has decided.
import type { Clock, Randomness } from '../../base/index.ts'
import type { ObjectFormat } from '../format/object-id.ts'
import { type AnswerEvent, CachedPack, type PackSource } from './cached-pack.ts'
import type { FrameBuffers } from './frame-buffers.ts'
import { PieceStore } from './piece-store.ts'

export interface PackCacheOptions {
  /** For the files; made when one is needed. */
  readonly folder: string
  /** For all bytes of all packs; 0: nothing is kept and nothing shared. */
  readonly limitBytes: number
  /** What pieces are read into. */
  readonly buffers: FrameBuffers
  readonly clock: Clock
  readonly randomness: Randomness
}

export interface PackCounts {
  /** Packs that were made here. */
  made: number
  /** Requests that were answered from a pack that was whole, and from one that was growing. */
  hits: number
  shared: number
}

/** What a request asks the cache for. */
export interface WantedPack {
  /** Of the network and the request key; null: it has none, and is made for this request alone. */
  readonly key: string | null
  readonly format: ObjectFormat
  /** The work that would make it: taken over, or stopped. */
  readonly source: PackSource
  /** Whether a stored pack is still there. */
  readonly isStored: (packId: number) => boolean
}

/** For packs that are held in memory, and for what is known of the others. */
const memoryLimitBytes = 32 << 20
/** A pack may take such a part of the whole. */
const largestPart = 2
const idleMs = 3600_000
const sweepMs = 600_000

interface Entry {
  readonly key: string
  readonly pack: CachedPack
  usedAtMs: number
}

export class PackCache {
  readonly #options: PackCacheOptions
  readonly #entries = new Map<string, Entry>() // in the order of use
  /** Cut or dropped, with readers that still need them. */
  readonly #leaving = new Set<CachedPack>()
  /** What each of all these was last seen to take; their sums. */
  readonly #seen = new Map<CachedPack, { readonly sizeBytes: number; readonly memoryBytes: number }>()
  #heldBytes = 0
  #memoryBytes = 0
  readonly #sweeper: NodeJS.Timeout
  readonly counts: PackCounts = { made: 0, hits: 0, shared: 0 }

  constructor(options: PackCacheOptions) {
    this.#options = options
    this.#sweeper = setInterval(() => this.#sweep(), sweepMs).unref()
  }

  /** Bytes of all packs, those that only their readers know included. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * The events behind the preamble. The source is taken over, and stopped when nobody needs it.
   * @throws what the work failed with, for each of its readers; CorruptError when cached bytes are wrong
   */
  async *read(wanted: WantedPack, gone: AbortSignal): AsyncGenerator<AnswerEvent, void, undefined> {
    const { key } = wanted
    if (key === null || this.#options.limitBytes === 0) return yield* alone(wanted.source, gone)
    const { pack } = this.#find(key, wanted) ?? this.#make(key, wanted)
    try {
      yield* pack.read(gone)
    } catch (error) {
      // whatever is wrong with it is not found a second time
      if (!gone.aborted) this.#drop(key, pack)
      throw error
    }
  }

  /** Drops what was made of a network: objects left it. Who reads one at the moment reads on. */
  forget(networkId: string): void {
    for (const { key, pack } of this.#entries.values()) if (key.startsWith(`${networkId} `)) this.#drop(key, pack)
  }

  close(): void {
    clearInterval(this.#sweeper)
    for (const pack of this.#seen.keys()) this.#close(pack)
    this.#entries.clear()
    this.#leaving.clear()
  }

  #find(key: string, { source, isStored }: WantedPack): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (![...entry.pack.packIds].every(isStored)) {
      this.#drop(key, entry.pack)
      return undefined
    }
    source.stop()
    if (entry.pack.state === 'whole') this.counts.hits++
    else this.counts.shared++
    entry.usedAtMs = this.#options.clock.monotonic()
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }

  #make(key: string, { source, format }: WantedPack): Entry {
    const { folder, limitBytes, buffers, clock, randomness } = this.#options
    this.counts.made++
    const pack: CachedPack = new CachedPack(source, {
      format,
      store: new PieceStore(folder, `pack-${randomness.uuid()}`),
      buffers,
      mayGrow: (bytes) => pack.sizeBytes + bytes <= limitBytes / largestPart && this.#makeRoom(bytes),
      onGrowth: () => this.#see(pack),
      onChange: () => this.#changed(key, pack),
    })
    this.#seen.set(pack, { sizeBytes: 0, memoryBytes: 0 })
    const entry = { key, pack, usedAtMs: clock.monotonic() }
    this.#entries.set(key, entry)
    return entry
  }

  #changed(key: string, pack: CachedPack): void {
    this.#see(pack)
    const isOf = pack.state === 'whole' || (pack.state === 'growing' && pack.readers > 0)
    if (!isOf) this.#drop(key, pack)
    if (pack.readers === 0 && this.#leaving.delete(pack)) this.#close(pack)
    this.#makeRoom(0)
  }

  #drop(key: string, pack: CachedPack): void {
    if (this.#entries.get(key)?.pack !== pack) return
    this.#entries.delete(key)
    if (pack.readers > 0) this.#leaving.add(pack)
    else this.#close(pack)
  }

  #close(pack: CachedPack): void {
    this.#see(pack, { sizeBytes: 0, memoryBytes: 0 })
    this.#seen.delete(pack)
    pack.close()
  }

  /** Keeps the sums. A pack that was closed counts no more, whatever it still takes. */
  #see(pack: CachedPack, { sizeBytes, memoryBytes }: Pick<CachedPack, 'sizeBytes' | 'memoryBytes'> = pack): void {
    const before = this.#seen.get(pack)
    if (before === undefined) return
    this.#heldBytes += sizeBytes - before.sizeBytes
    this.#memoryBytes += memoryBytes - before.memoryBytes
    this.#seen.set(pack, { sizeBytes, memoryBytes })
  }

  /** Lets go what is needed least; false where that isn't enough. */
  #makeRoom(bytes: number): boolean {
    const { limitBytes } = this.#options
    let over = this.#heldBytes + bytes - limitBytes
    let overMemory = this.#memoryBytes - memoryLimitBytes
    for (const { key, pack } of this.#entries.values()) {
      if (over <= 0 && overMemory <= 0) break
      if (pack.readers > 0 || pack.state !== 'whole') continue
      if (over <= 0 && pack.memoryBytes === 0) continue
      over -= pack.sizeBytes
      overMemory -= pack.memoryBytes
      this.#drop(key, pack)
    }
    return over <= 0
  }

  #sweep(): void {
    const before = this.#options.clock.monotonic() - idleMs
    for (const { key, pack, usedAtMs } of this.#entries.values()) if (usedAtMs < before && pack.readers === 0) this.#drop(key, pack)
  }
}

async function* alone(source: PackSource, gone: AbortSignal): AsyncGenerator<AnswerEvent, void, undefined> {
  const stop = () => source.stop()
  gone.addEventListener('abort', stop)
  try {
    if (!gone.aborted) yield* source.events
  } finally {
    gone.removeEventListener('abort', stop)
    stop()
  }
}
