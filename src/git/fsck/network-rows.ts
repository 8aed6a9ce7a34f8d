// What PostgreSQL says of one network, as of one moment, and its packs' indexes: what fsck compares the bucket with.
import { CorruptError, type Log, UnavailableError } from '../../base/index.ts'
import { type Bucket, type BlockReader, parseKey } from '../../bucket/index.ts'
import { type Database, sql, type Tx } from '../../db/index.ts'
import { assertHistoryHash, decodeHistory } from '../format/history-table.ts'
import { assertPathTableHash, decodePathTable } from '../format/path-table.ts'
import type { ObjectFormat } from '../format/object-id.ts'
import {
  assertIndexHash,
  decodeStoredPackTrailer,
  hashedPart,
  indexStart,
  PackIndex,
  storedPackTrailerBytes,
} from '../format/stored-pack.ts'
import { hashInTurns, loadValue } from '../odb/load-value.ts'
import { byAge, type PackHandle } from '../odb/index.ts'
import { type Finding, finding } from './finding.ts'

export interface RepositoryRow {
  readonly id: number
  /** `owner/name` */
  readonly name: string
  readonly cutOff: readonly string[]
}

export interface RefRow {
  readonly repository: RepositoryRow
  readonly name: string
  readonly oid: Uint8Array
  readonly peeled: Uint8Array | null
}

export interface PackRow {
  readonly id: number
  readonly key: string | null
  readonly tail: Uint8Array | null
  readonly valueBytes: number
  readonly packBytes: number
  readonly objectCount: number
}

/** Of a part of a history or path table. */
export interface TableRow {
  readonly key: string
  readonly sizeBytes: number
}

export interface NetworkRows {
  readonly id: string
  readonly format: ObjectFormat
  readonly repositories: readonly RepositoryRow[]
  readonly refs: readonly RefRow[]
  /** Oldest first, as PackStore has them. */
  readonly packs: readonly PackRow[]
  /** The stored history tables, in their order. */
  readonly histories: readonly TableRow[]
  /** The stored parts of its path table, in their order. */
  readonly pathTables: readonly TableRow[]
}

/** Null when there is no such network. One snapshot: refs and the packs under them belong together. */
export async function readNetwork(db: Database, networkId: string): Promise<NetworkRows | null> {
  return db.transaction(async (tx) => await read(tx, networkId), { isolation: 'repeatable read', isReadOnly: true, mayRetry: true })
}

async function read(tx: Tx, networkId: string): Promise<NetworkRows | null> {
  const network = await tx.selectFrom('network').select('object_format').where('id', '=', networkId).executeTakeFirst()
  if (!network) return null
  const repositories = await tx
    .selectFrom('repository')
    .innerJoin('account', 'account.id', 'repository.owner_id')
    .select(['repository.id', 'account.login', 'repository.name', 'repository.settings'])
    .where('network_id', '=', networkId)
    .orderBy('repository.id')
    .execute()
  const found = repositories.map(({ id, login, name, settings }) => {
    return { id, name: `${login}/${name}`, cutOff: (settings as Record<string, readonly string[]>)['stemma.shallow'] ?? [] }
  })
  const packs = await tx
    .selectFrom('pack')
    .select(['id', 'key', 'tail', 'size_bytes', 'pack_bytes', 'object_count'])
    .where('network_id', '=', networkId)
    .orderBy(byAge)
    .orderBy('id')
    .execute()
  const histories = await tx
    .selectFrom('history')
    .select(['key', 'size_bytes as sizeBytes'])
    .where('network_id', '=', networkId)
    .orderBy('part')
    .execute()
  const pathTables = await tx
    .selectFrom('path_table')
    .select(['key', 'size_bytes as sizeBytes'])
    .where('network_id', '=', networkId)
    .orderBy('part')
    .execute()
  return {
    id: networkId,
    format: network.object_format,
    repositories: found,
    refs: await readRefs(tx, found),
    packs: packs.map((row) => {
      return { ...row, valueBytes: row.size_bytes, packBytes: row.pack_bytes, objectCount: row.object_count }
    }),
    histories,
    pathTables,
  }
}

async function readRefs(tx: Tx, repositories: readonly RepositoryRow[]): Promise<RefRow[]> {
  const byId = new Map(repositories.map((repository) => [repository.id, repository]))
  const rows = await tx
    .selectFrom('ref')
    .select(['repository_id', 'name', 'oid', 'peeled'])
    .where(sql<boolean>`repository_id = any(${[...byId.keys()]}::bigint[])`)
    .orderBy('repository_id')
    .orderBy('name')
    .execute()
  return rows.map(({ repository_id, ...ref }) => ({ ...ref, repository: byId.get(repository_id) as RepositoryRow }))
}

export interface ValueStore {
  readonly bucket: Bucket
  readonly reader: BlockReader
  readonly log: Log
}

/** A pack whose index is as it was written, or what is wrong with it. */
export type OpenedPack = { readonly handle: PackHandle } | { readonly fault: Finding; readonly isMissing: boolean }

/** @throws UnavailableError */
export async function openPack({ bucket, reader }: ValueStore, networkId: string, row: PackRow): Promise<OpenedPack> {
  const place = { network: networkId, key: row.key, pack: row.id }
  const wrong = (code: 'pack-missing' | 'pack-size' | 'pack-index' | 'pack-row', message: string): OpenedPack => {
    return { fault: finding(code, message, place), isMissing: code === 'pack-missing' }
  }
  const there = row.key === null ? { sizeBytes: (row.tail as Uint8Array).length } : await bucket.head(parseKey(row.key))
  if (!there) return wrong('pack-missing', 'the bucket has no such key')
  if (there.sizeBytes !== row.valueBytes) {
    return wrong('pack-size', `the value is ${there.sizeBytes} bytes long, where ${row.valueBytes} were written`)
  }
  const from = row.key === null ? 0 : indexStart(row.packBytes)
  if (row.packBytes < 0 || row.valueBytes - indexStart(row.packBytes) < storedPackTrailerBytes) {
    return wrong('pack-row', `the row says that ${row.packBytes} of ${row.valueBytes} bytes are the pack`)
  }
  try {
    const { bytes, sha256 } = row.key === null ? await ofTail(row) : await loadValue(reader, row.key, from, row.valueBytes - from)
    const view = new Uint8Array(bytes)
    const trailer = decodeStoredPackTrailer(view)
    if (trailer.packBytes !== row.packBytes || trailer.count !== row.objectCount) {
      const words = `${trailer.count} objects in ${trailer.packBytes} bytes; the row says ${row.objectCount} in ${row.packBytes}`
      return wrong('pack-row', `the value says that its pack has ${words}`)
    }
    assertIndexHash(view, row.packBytes, from, sha256)
    assertPositions(new PackIndex(view, from))
    return { handle: { id: row.id, key: row.key, valueBytes: row.valueBytes, packBytes: row.packBytes, bytes } }
  } catch (error) {
    if (error instanceof UnavailableError) throw error
    if (error instanceof CorruptError && error.code === 'missing-key') return wrong('pack-missing', 'the bucket has no such key')
    return wrong('pack-index', `the index can't be used: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function ofTail(row: PackRow): Promise<{ bytes: SharedArrayBuffer; sha256: Uint8Array }> {
  const bytes = new SharedArrayBuffer(row.valueBytes)
  new Uint8Array(bytes).set(row.tail as Uint8Array)
  return { bytes, sha256: await hashInTurns(hashedPart(new Uint8Array(bytes), row.packBytes, 0)) }
}

/** What a reader follows without a look: places that lie in the pack. CorruptError. */
function assertPositions(index: PackIndex): void {
  for (let position = 0; position < index.count; position++) {
    const kind = index.kind(position) as number
    const base = index.base(position)
    const isInside = index.offset(position) < index.packBytes && base !== position && base < index.count + index.outsideCount
    if (kind < 1 || kind > 4 || !isInside) throw new CorruptError('stored-pack', `position ${position} of the index says what can't be`)
  }
}

/** Tables that are made anew where they can't be used: what they are called, and how they are checked. */
const tables = {
  history: {
    name: 'history table',
    missing: 'history-missing',
    damaged: 'history-damaged',
    assert: (bytes: Uint8Array, sha256: Uint8Array) => {
      assertHistoryHash(bytes, sha256)
      decodeHistory(bytes)
    },
  },
  path_table: {
    name: 'path table',
    missing: 'paths-missing',
    damaged: 'paths-damaged',
    assert: (bytes: Uint8Array, sha256: Uint8Array) => {
      assertPathTableHash(bytes, sha256)
      decodePathTable(bytes)
    },
  },
} as const
export type TableKind = keyof typeof tables

/** Null when it is as it was written. */
export async function checkTable(
  { bucket, reader }: ValueStore,
  networkId: string,
  kind: TableKind,
  row: TableRow,
): Promise<{ readonly fault: Finding; readonly isMissing: boolean } | null> {
  const table = tables[kind]
  const place = { network: networkId, key: row.key }
  const missing = { fault: finding(table.missing, 'the bucket has no such key', place), isMissing: true }
  try {
    const there = await bucket.head(parseKey(row.key))
    if (!there) return missing
    if (there.sizeBytes !== row.sizeBytes) {
      const words = `the value is ${there.sizeBytes} bytes long, where ${row.sizeBytes} were written`
      return { fault: finding(table.damaged, words, place), isMissing: false }
    }
    const { bytes, sha256 } = await loadValue(reader, row.key, 0, row.sizeBytes)
    table.assert(new Uint8Array(bytes), sha256)
    return null
  } catch (error) {
    if (error instanceof UnavailableError) throw error
    if (error instanceof CorruptError && error.code === 'missing-key') return missing
    const words = `the ${table.name} can't be used: ${error instanceof Error ? error.message : String(error)}`
    return { fault: finding(table.damaged, words, place), isMissing: false }
  }
}
