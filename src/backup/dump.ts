// Rows as lines: each table is a file of JSON objects, one a line, compressed. Bytes stand in them as PostgreSQL writes them (\x…), times with their
// microseconds: PostgreSQL makes the text, and reads it again.
import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdCompress, createZstdDecompress } from 'node:zlib'
import { CorruptError } from '../base/index.ts'
import { sql, sqlState, type Tx } from '../db/index.ts'
import { type DumpedTable, tablePath } from './manifest.ts'
import type { TableShape } from './tables.ts'

/** Rows are asked for, and put back, in batches of about this many characters, and at most so many rows. */
const batchCharacters = 4 << 20
const mostRows = 2000

/** Writes one table, as the transaction sees it. `signal` ends it. */
export async function dumpTable(tx: Tx, folder: string, dump: string, table: TableShape, signal: AbortSignal): Promise<DumpedTable> {
  const path = tablePath(folder, dump, table.name)
  const hash = createHash('sha256')
  let count = 0
  const lines = async function* () {
    for await (const batch of readRows(tx, table)) {
      count += batch.length
      yield batch.map((line) => `${line}\n`).join('')
    }
  }
  await pipeline(Readable.from(lines()), createZstdCompress(), hashing(hash), createWriteStream(path, { mode: 0o600, flush: true }), {
    signal,
  })
  return { name: table.name, columns: table.columns, rows: count, sha256: hash.digest('hex') }
}

async function* readRows(tx: Tx, { name, key }: TableShape): AsyncGenerator<string[], void, undefined> {
  const order = key.length > 0 ? sql`order by ${sql.join(key.map((column) => sql.ref(`t.${column}`)))}` : sql``
  await sql`declare dumped no scroll cursor for select row_to_json(t)::text as line from ${sql.table(name)} t ${order}`.execute(tx)
  for (let most = 16; ; ) {
    const { rows } = await sql<{ line: string }>`fetch ${sql.lit(most)} from dumped`.execute(tx)
    if (rows.length > 0) yield rows.map(({ line }) => line)
    if (rows.length < most) break
    const characters = rows.reduce((sum, { line }) => sum + line.length, 0)
    most = Math.max(1, Math.min(mostRows, Math.floor((most * batchCharacters) / Math.max(1, characters))))
  }
  await sql`close dumped`.execute(tx)
}

/** Puts one table's rows back. @throws CorruptError when the file isn't what was written */
export async function loadTable(tx: Tx, folder: string, dump: string, table: DumpedTable): Promise<void> {
  const hash = createHash('sha256')
  const insert = async (lines: readonly string[]) => {
    const columns = sql.join(table.columns.map((column) => sql.ref(column)))
    await sql`insert into ${sql.table(table.name)} (${columns}) overriding system value
      select ${columns} from json_populate_recordset(null::${sql.table(table.name)}, ${`[${lines.join(',')}]`}::json)`.execute(tx)
  }
  const damaged = (cause?: unknown) =>
    new CorruptError('backup', `${tablePath(folder, dump, table.name)} is not what was written`, { cause })
  let count = 0
  let held: string[] = []
  let characters = 0
  try {
    for await (const line of readLines(tablePath(folder, dump, table.name), hash)) {
      held.push(line)
      count++
      characters += line.length
      if (characters < batchCharacters && held.length < mostRows) continue
      await insert(held)
      held = []
      characters = 0
    }
    if (held.length > 0) await insert(held)
  } catch (cause) {
    throw isDamage(cause) ? damaged(cause) : cause
  }
  if (count !== table.rows || hash.digest('hex') !== table.sha256) throw damaged()
}

/** Of a file that is missing or can't be decompressed, or of values that PostgreSQL can't read or that break its rules. */
function isDamage(cause: unknown): boolean {
  return /^(?:ENOENT$|ZSTD|Z_|22|23)/.test(sqlState(cause) ?? '')
}

async function* readLines(path: string, hash: Hash): AsyncGenerator<string, void, undefined> {
  const text = createZstdDecompress()
  const done = pipeline(createReadStream(path), hashing(hash), text)
  done.catch(() => {}) // awaited below; the lines end before it, or with it
  // not readline: it ends lines at U+2028, too, which stands in JSON as it is
  let rest = ''
  for await (const chunk of text.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  await done
}

function hashing(hash: Hash): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      hash.update(chunk)
      callback(null, chunk)
    },
  })
}
