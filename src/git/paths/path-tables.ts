// Stored path tables on the thread that has the database: which parts a network has, loaded once into memory that all threads share.
import { CorruptError, type Log } from '../../base/index.ts'
import type { BlockReader } from '../../bucket/index.ts'
import { type Database, type RawBuilder, sql, type Tx } from '../../db/index.ts'
import { assertPathTableHash } from '../format/path-table.ts'
import { loadValue } from '../odb/load-value.ts'
import type { PackSetHandle, PathPartHandle } from '../odb/index.ts'

/** A part's row. */
export interface PathPartRow {
  readonly key: string
  readonly sizeBytes: number
}

export class PathTables {
  readonly #db: Database
  readonly #reader: BlockReader
  readonly #limitBytes: number
  readonly #log: Log
  readonly #parts = new Map<string, PathPartHandle>()
  readonly #loading = new Map<string, Promise<PathPartHandle>>()
  #bytes = 0

  /** @param limitBytes for parts that are kept, all networks' together */
  constructor(db: Database, reader: BlockReader, limitBytes: number, log: Log) {
    this.#db = db
    this.#reader = reader
    this.#limitBytes = limitBytes
    this.#log = log
  }

  /**
   * The packs together with the parts of their network's path table, for a job that asks `repository.paths`. Without a table, and where one can't be
   * read, answers are the same, only slower.
   */
  async with(packs: PackSetHandle): Promise<PackSetHandle> {
    const rows = await this.#db.queries
      .selectFrom('path_table')
      .select(['key', 'size_bytes as sizeBytes'])
      .where('network_id', '=', packs.networkId)
      .orderBy('part')
      .execute()
    const paths: PathPartHandle[] = []
    for (const row of rows) {
      try {
        paths.push(await this.#part(row))
      } catch (error) {
        // damaged, out of reach, or replaced and swept meanwhile: those before it are of use without it
        this.#log[error instanceof CorruptError ? 'error' : 'warn']({ err: error, key: row.key }, 'a path table could not be read')
        break
      }
    }
    return { ...packs, paths }
  }

  async #part(row: PathPartRow): Promise<PathPartHandle> {
    const known = this.#parts.get(row.key)
    if (known) {
      this.#parts.delete(row.key)
      this.#parts.set(row.key, known)
      return known
    }
    let loading = this.#loading.get(row.key)
    if (!loading) {
      loading = this.#load(row)
      this.#loading.set(row.key, loading)
      loading.finally(() => this.#loading.delete(row.key)).catch(() => {})
    }
    return await loading
  }

  async #load(row: PathPartRow): Promise<PathPartHandle> {
    const part = { key: row.key, bytes: await loadPathPart(this.#reader, row) }
    this.#parts.set(row.key, part)
    this.#bytes += row.sizeBytes
    for (const [oldest, { bytes }] of this.#parts) {
      if (this.#bytes <= this.#limitBytes || oldest === row.key) break
      this.#parts.delete(oldest)
      this.#bytes -= bytes.byteLength
    }
    return part
  }
}

/** @throws CorruptError when it is gone, short, or not what was written; UnavailableError when the bucket doesn't answer */
export async function loadPathPart(reader: BlockReader, { key, sizeBytes }: PathPartRow): Promise<SharedArrayBuffer> {
  const { bytes, sha256 } = await loadValue(reader, key, 0, sizeBytes)
  assertPathTableHash(new Uint8Array(bytes), sha256)
  return bytes
}

/** Rows leave now, their keys when nobody can be about to load them. @param which of the network's rows @param notBefore when the keys may be deleted */
export async function dropPathTable(tx: Tx, networkId: string, which: RawBuilder<unknown>, notBefore: RawBuilder<Date>): Promise<void> {
  await sql`
    with gone as (delete from path_table where network_id = ${networkId} and ${which} returning key)
    insert into key_deletion (key, not_before) select key, ${notBefore} from gone`.execute(tx)
}
