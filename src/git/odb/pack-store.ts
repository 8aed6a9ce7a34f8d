// Where a network's packs are found: rows in PostgreSQL, indexes read once and kept within a number of bytes, newest state on each call.
import { CorruptError, InputError, type Log } from '../../base/index.ts'
import type { BlockReader } from '../../bucket/index.ts'
import { type Database, sql } from '../../db/index.ts'
import { loadHistory } from './load-history.ts'
import type { ObjectFormat } from '../format/object-id.ts'
import { assertIndexHash, hashedPart, indexStart } from '../format/stored-pack.ts'
import { hashInTurns, loadValue } from './load-value.ts'
import { type HistoryHandle, openPackSet, type PackHandle, type PackSetHandle } from './pack-handle.ts'
import { PackSet } from './pack-set.ts'

/** Order of a network's packs, the oldest first (docs/design/pack-key.md, Bases outside); of equal ones the lower id. */
export const byAge = sql`coalesce(age, id)`

/** A network's packs at one moment: as a set for this thread, and as a handle for workers. */
export interface SeenPacks {
  readonly set: PackSet
  readonly handle: PackSetHandle
}

export interface NetworkPacks extends SeenPacks {
  /** Grows when objects leave the network: whoever makes something rest on these packs says so to the transaction that makes it visible. */
  readonly generation: number
  /** Other repositories have objects in the network, or had. */
  readonly isShared: boolean
}

interface Cached extends SeenPacks {
  readonly version: number
  readonly bytes: number
}

/** Of so many networks is known whether objects have left; of others it is taken for so. */
const mostGenerations = 10_000

export class PackStore {
  readonly #db: Database
  readonly #reader: BlockReader
  readonly #limitBytes: number
  readonly #networks = new Map<string, Cached>()
  #networksBytes = 0
  readonly #loading = new Map<string, Promise<Cached>>()
  readonly #log: Log
  readonly #onLeft: (networkId: string) => void
  /** Of networks that objects have left. */
  readonly #generations = new Map<string, number>()
  #lineages = 0

  /**
   * @param limitBytes for loaded indexes and tails of networks that nobody uses at the moment
   * @param onLeft is told of a network when objects have left it
   */
  constructor(db: Database, reader: BlockReader, limitBytes: number, log: Log, onLeft: (networkId: string) => void = () => {}) {
    this.#db = db
    this.#reader = reader
    this.#limitBytes = limitBytes
    this.#log = log
    this.#onLeft = onLeft
  }

  /**
   * The packs if they are at hand, and no older than that version: for refs that were read at the moment when it was, or before. Costs no query.
   */
  known(networkId: string, version: number): SeenPacks | null {
    const cached = this.#networks.get(networkId)
    if (!cached || cached.version < version) return null
    return this.#used(networkId, cached)
  }

  #used(networkId: string, cached: Cached): Cached {
    this.#networks.delete(networkId)
    this.#networks.set(networkId, cached)
    return cached
  }

  /**
   * The packs as they are now: every pack whose transaction ended before the call is among them. Read refs first, then packs.
   * @throws CorruptError when a stored index is not what was written; InputError `repository-deleted`; UnavailableError when database or bucket don't answer
   */
  async open(networkId: string): Promise<NetworkPacks> {
    const network = await this.#db.queries
      .selectFrom('network')
      .select(['object_format', 'packs_version', 'is_shared', 'generation'])
      .where('id', '=', networkId)
      .executeTakeFirst()
    if (!network) throw new InputError('repository-deleted', 'the repository was deleted') // its last one: meanwhile
    const cached = this.#networks.get(networkId)
    if (cached && cached.version >= network.packs_version) {
      return { ...this.#used(networkId, cached), isShared: network.is_shared, generation: network.generation }
    }
    const loading = `${networkId} ${network.packs_version}`
    let load = this.#loading.get(loading)
    if (!load) {
      load = this.#load(networkId, network.object_format as ObjectFormat, network, cached)
      this.#loading.set(loading, load)
      load.finally(() => this.#loading.delete(loading)).catch(() => {})
    }
    return { ...(await load), isShared: network.is_shared, generation: network.generation }
  }

  async #load(
    networkId: string,
    format: ObjectFormat,
    { generation, packs_version: version }: { readonly generation: number; readonly packs_version: number },
    previous: Cached | undefined,
  ): Promise<Cached> {
    const known = previous?.handle.packs ?? []
    this.#notice(networkId, generation)
    const [rows, history] = await Promise.all([
      this.#rows(networkId, Math.max(0, ...known.map((pack) => pack.id))),
      this.#history(networkId, previous?.handle.history ?? null),
    ])
    const extends_ = known.length <= rows.length && known.every((pack, i) => pack.id === rows[i]?.id)
    const kept = extends_ ? known : []
    const byId = new Map(known.map((pack) => [pack.id, pack]))
    const lacking = rows.filter((row) => row.key === null && row.tail === null && !byId.has(row.id))
    const tails = await this.#tails(lacking.map((row) => row.id))
    // replaced between the two reads (src/git/repack): what took their place is there now
    if (lacking.some((row) => !tails.has(row.id)))
      return await this.#load(networkId, format, { generation, packs_version: version }, previous)
    const added: PackHandle[] = []
    for (const row of rows.slice(kept.length)) {
      const already = byId.get(row.id)
      const pack = { id: row.id, key: row.key, valueBytes: row.size_bytes, packBytes: row.pack_bytes }
      added.push(already ?? { ...pack, bytes: await this.#index(pack, row.tail ?? tails.get(row.id)) })
    }
    const handle: PackSetHandle = {
      networkId,
      format,
      generation,
      lineage: extends_ && previous ? previous.handle.lineage : ++this.#lineages,
      packs: [...kept, ...added],
      history,
    }
    const set = openPackSet(handle, this.#reader, extends_ ? previous?.set : undefined)
    const bytes = handle.packs.reduce((sum, pack) => sum + pack.bytes.byteLength, handle.history?.bytes.byteLength ?? 0)
    const cached: Cached = { set, handle, version, bytes }
    this.#remember(networkId, cached)
    return cached
  }

  /** Packs were loaded: have objects left since they last were? */
  #notice(networkId: string, generation: number): void {
    if (generation === 0 || this.#generations.get(networkId) === generation) return
    this.#generations.delete(networkId)
    this.#generations.set(networkId, generation)
    if (this.#generations.size > mostGenerations) this.#generations.delete(this.#generations.keys().next().value as string)
    this.#onLeft(networkId)
  }

  /** The network's packs by age; the tails of those that are newer than `newestId` come along. */
  async #rows(networkId: string, newestId: number) {
    return this.#db.queries
      .selectFrom('pack')
      .select(['id', 'key', 'size_bytes', 'pack_bytes', sql<Uint8Array | null>`case when id > ${newestId} then tail end`.as('tail')])
      .where('network_id', '=', networkId)
      .orderBy(byAge)
      .orderBy('id')
      .execute()
  }

  /** Tails that did not: a pack older than one that is known has become visible later. */
  async #tails(ids: readonly number[]): Promise<Map<number, Uint8Array>> {
    if (ids.length === 0) return new Map()
    const rows = await this.#db.queries
      .selectFrom('pack')
      .select(['id', 'tail'])
      .where(sql<boolean>`id = any(${[...ids]}::bigint[])`)
      .execute()
    return new Map(rows.map((row) => [row.id, row.tail as Uint8Array]))
  }

  async #index(pack: Omit<PackHandle, 'bytes'>, tail: Uint8Array | undefined): Promise<SharedArrayBuffer> {
    if (pack.key === null) {
      const shared = new SharedArrayBuffer(pack.valueBytes)
      const bytes = new Uint8Array(shared)
      bytes.set(tail as Uint8Array)
      assertIndexHash(bytes, pack.packBytes, 0, await hashInTurns(hashedPart(bytes, pack.packBytes, 0)))
      return shared
    }
    const from = indexStart(pack.packBytes)
    const { bytes, sha256 } = await loadValue(this.#reader, pack.key, from, pack.valueBytes - from)
    assertIndexHash(new Uint8Array(bytes), pack.packBytes, from, sha256)
    return bytes
  }

  /** The network's history table, or null: fetches don't need one. */
  async #history(networkId: string, previous: HistoryHandle | null): Promise<HistoryHandle | null> {
    const rows = await this.#db.queries
      .selectFrom('history')
      .select(['key', 'size_bytes'])
      .where('network_id', '=', networkId)
      .orderBy('part')
      .execute()
    return await loadHistory(this.#reader, rows, previous, (error, key) => {
      // replaced and swept between the two reads, damaged, or out of reach: slower, not wrong
      this.#log[error instanceof CorruptError ? 'error' : 'warn'](
        { err: error, key },
        'a history table could not be read; fetches go without',
      )
    })
  }

  #remember(networkId: string, cached: Cached): void {
    const present = this.#networks.get(networkId)
    if (present && present.version > cached.version) return
    this.#used(networkId, cached)
    this.#networksBytes += cached.bytes - (present?.bytes ?? 0)
    for (const [oldest, entry] of this.#networks) {
      if (this.#networksBytes <= this.#limitBytes || oldest === networkId) break
      this.#networks.delete(oldest)
      this.#networksBytes -= entry.bytes
    }
  }
}
