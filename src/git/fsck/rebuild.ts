// Rows about packs, made again from the bucket alone: what the last bytes of a value say of it, and whose it is (NETW, docs/design/pack-key.md). Rows that
// say something else than their values are corrected, and those of keys that are gone and that nothing needs removed; history and path tables that can't be read are given up, to be made anew. Nothing else is changed, and
// doing it twice does no harm. What lies in PostgreSQL alone (tails, refs, accounts) comes from a backup.
import { CorruptError } from '../../base/index.ts'
import { type Bucket, type Key, packPrefix } from '../../bucket/index.ts'
import { type Database, sql, type Tx } from '../../db/index.ts'
import type { GitRoom } from '../git-room.ts'
import type { ObjectFormat } from '../format/object-id.ts'
import {
  assertIndexHash,
  decodeStoredPackTrailer,
  indexStart,
  PackIndex,
  type PackNetwork,
  storedPackTrailerBytes,
} from '../format/stored-pack.ts'
import { dropHistory } from '../odb/index.ts'
import { dropPathTable } from '../paths/path-tables.ts'
import { loadValue } from '../odb/load-value.ts'
import { checkTable, type ValueStore } from './network-rows.ts'
import { dropGone } from './rebuild-gone.ts'

export interface RebuildOptions {
  readonly signal: AbortSignal
  readonly progress: (phase: string, done: number, total: number) => void
}

export interface Rebuilt {
  /** Rows that were made. */
  readonly made: number
  /** Rows that were corrected. */
  readonly corrected: number
  /** Rows of keys that are gone and that nothing needs, removed. */
  readonly removed: number
  /** Parts of history and path tables that were given up. */
  readonly histories: number
  /** Keys without a row for which none could be made, and why. */
  readonly left: readonly { readonly key: string; readonly reason: string }[]
}

interface FoundPack {
  readonly key: Key
  readonly valueBytes: number
  readonly packBytes: number
  readonly objectCount: number
  readonly format: ObjectFormat
  readonly network: PackNetwork
  /** Deltas of it rest on objects of other packs, or it counts on what those show. */
  readonly isThin: boolean
}

/** @throws UnavailableError; the signal's reason. What was made until then stays. */
export async function rebuild(room: GitRoom, { signal, progress }: RebuildOptions): Promise<Rebuilt> {
  const { db, bucket } = room.options
  const values: ValueStore = { ...room.options, reader: room.reader }
  const found: FoundPack[] = []
  const left: { key: string; reason: string }[] = []
  let corrected = 0
  const listed = new Set<string>()
  for await (const { key, sizeBytes } of bucket.list(packPrefix, signal)) {
    listed.add(key)
    progress('reading packs', listed.size, 0)
    try {
      const row = await rowOf(db, key)
      if (row === 'unknown') found.push(await readPack(values, key, sizeBytes, signal))
      else if (row !== 'other' && (await correct(db, bucket, row, key, sizeBytes))) corrected++
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      left.push({ key, reason: error.message })
    }
  }
  // in the order in which they came
  found.sort((a, b) => a.network.storedAtMs - b.network.storedAtMs)
  let made = 0
  for (const pack of found) {
    signal.throwIfAborted()
    const reason = await insert(db, pack)
    if (reason === null) made++
    else left.push({ key: pack.key, reason })
  }
  const removed = await dropGone(room, listed, signal)
  return { made, corrected, removed, histories: await dropTables(values, db, signal), left }
}

interface PackSizes {
  readonly id: number
  readonly networkId: string
  readonly valueBytes: number
  readonly packBytes: number
  readonly objectCount: number
}

/** `other`: it is being written, or deleted. */
async function rowOf(db: Database, key: Key): Promise<PackSizes | 'other' | 'unknown'> {
  const { rows } = await sql<PackSizes & { pending: boolean }>`
    select p.id, p.network_id as "networkId", p.size_bytes as "valueBytes", p.pack_bytes as "packBytes", p.object_count as "objectCount",
      exists(select from upload_intent where key = ${key}) or exists(select from key_deletion where key = ${key}) as pending
    from (select 1) one left join pack p on p.key = ${key}`.execute(db.queries)
  const row = rows[0]
  if (row && row.id !== null) return row
  return row?.pending ? 'other' : 'unknown'
}

async function readPack({ bucket, reader }: ValueStore, key: Key, valueBytes: number, signal: AbortSignal): Promise<FoundPack> {
  const trailer = await readTrailer(bucket, key, valueBytes, signal)
  const from = indexStart(trailer.packBytes)
  if (from > valueBytes - storedPackTrailerBytes) throw new CorruptError('stored-pack', 'the value is shorter than its pack')
  const { bytes, sha256 } = await loadValue(reader, key, from, valueBytes - from)
  const view = new Uint8Array(bytes)
  assertIndexHash(view, trailer.packBytes, from, sha256)
  const index = new PackIndex(view, from)
  const network = index.network()
  if (!network) throw new CorruptError('stored-pack', 'the value does not say whose it is: it was stored before values did')
  return {
    key,
    valueBytes,
    packBytes: trailer.packBytes,
    objectCount: trailer.count,
    format: trailer.format,
    network,
    isThin: index.outsideCount > 0 || index.leavesOut,
  }
}

async function readTrailer(bucket: Bucket, key: Key, valueBytes: number, signal?: AbortSignal) {
  if (valueBytes < storedPackTrailerBytes) throw new CorruptError('stored-pack', 'the value is too short for a stored pack')
  const range = { offset: valueBytes - storedPackTrailerBytes, sizeBytes: storedPackTrailerBytes }
  return decodeStoredPackTrailer(await bucket.get(key, range, signal))
}

/** True when the row said something else than the value. */
async function correct(db: Database, bucket: Bucket, row: PackSizes, key: Key, valueBytes: number): Promise<boolean> {
  const { packBytes, count } = await readTrailer(bucket, key, valueBytes)
  if (row.valueBytes === valueBytes && row.packBytes === packBytes && row.objectCount === count) return false
  await db.transaction(async (tx) => {
    await tx
      .updateTable('pack')
      .set({ size_bytes: valueBytes, pack_bytes: packBytes, object_count: count })
      .where('id', '=', row.id)
      .execute()
    await noteChange(tx, row.networkId)
  })
  return true
}

/** Null when the row was made; else why not. */
async function insert(
  db: Database,
  { key, valueBytes, packBytes, objectCount, format, network, isThin }: FoundPack,
): Promise<string | null> {
  return db.transaction(async (tx) => {
    const there = await tx.selectFrom('network').select('object_format').where('id', '=', network.id).forUpdate().executeTakeFirst()
    if (!there) return `its network ${network.id} has no row: no repository has it`
    if (there.object_format !== format) return `its network ${network.id} names objects by ${there.object_format}`
    const storedAt = new Date(network.storedAtMs)
    const { rows } = await sql`
      insert into pack (network_id, key, size_bytes, pack_bytes, object_count, created_at, age)
      select ${network.id}, ${key}, ${valueBytes}, ${packBytes}, ${objectCount}, ${storedAt}, ${ageOf(network.id, isThin ? storedAt : null)}
      where not exists (select from upload_intent where key = ${key}) and not exists (select from key_deletion where key = ${key})
      on conflict (key) do nothing returning id`.execute(tx)
    if (rows.length === 0) return 'it is being written or deleted'
    await noteChange(tx, network.id)
    return null
  })
}

/**
 * The age of a pack whose row is lost, so that it is older than what rests on it: the oldest of all when it rests on nothing itself; else that of the
 * newest that was there when it came (of equal ages the lower id is the older one).
 */
function ageOf(networkId: string, storedAt: Date | null) {
  const first = sql`(select min(coalesce(age, id)) - 1 from pack where network_id = ${networkId})`
  if (storedAt === null) return first
  return sql`coalesce((select max(coalesce(age, id)) from pack where network_id = ${networkId} and created_at <= ${storedAt}), ${first})`
}

/** Readers look again. */
async function noteChange(tx: Tx, networkId: string): Promise<void> {
  await tx.updateTable('network').set({ packs_version: sql<number>`packs_version + 1` }).where('id', '=', networkId).execute()
}

/** The background work makes those anew. */
async function dropTables(values: ValueStore, db: Database, signal: AbortSignal): Promise<number> {
  let dropped = 0
  for (const [kind, drop] of [['history', dropHistory] as const, ['path_table', dropPathTable] as const]) {
    const rows = await db.queries.selectFrom(kind).select(['network_id', 'part', 'key', 'size_bytes']).execute()
    for (const { network_id: id, part, key, size_bytes: sizeBytes } of rows) {
      signal.throwIfAborted()
      if ((await checkTable(values, id, kind, { key, sizeBytes })) === null) continue
      await db.transaction(async (tx) => {
        const still = await tx.selectFrom(kind).select('part').where('key', '=', key).executeTakeFirst()
        if (!still) return
        // those that go on behind it are of no use without it
        await drop(tx, id, sql`part >= ${part}`, sql<Date>`now()`)
        await noteChange(tx, id)
        dropped++
      })
    }
  }
  return dropped
}
