// The database's tables as a backup has them: which, with which columns, and in which order rows can be put back. Asked of PostgreSQL itself, so that
// a table that comes later is in the next backup without a word here.
import { type Queries, sql } from '../db/index.ts'

export interface TableShape {
  readonly name: string
  readonly columns: readonly string[]
  /** Rows are written in this order: what refers to an older row of its own table comes behind it. */
  readonly key: readonly string[]
}

/** Of one process or one moment: leases, uploads and deletions under way; and what migrations write. */
const leftOut = new Set(['job', 'upload_intent', 'key_deletion', 'server_fact', 'schema_migrations'])

/** Every table, behind those that its rows refer to. */
export async function readTables(queries: Queries): Promise<TableShape[]> {
  const { rows } = await sql<{ name: string; columns: string[]; key: string[] | null; refers: string[] | null }>`
    select c.relname as name,
      (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
      (select array_agg(a.attname::text order by place) from pg_index i
        cross join lateral unnest(i.indkey) with ordinality as k(attnum, place)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum where i.indrelid = c.oid and i.indisprimary) as key,
      (select array_agg(distinct f.relname::text) from pg_constraint r join pg_class f on f.oid = r.confrelid
        where r.conrelid = c.oid and r.contype = 'f' and f.oid <> c.oid) as refers
    from pg_class c where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace order by c.relname`.execute(queries)
  const tables = rows.filter(({ name }) => !leftOut.has(name))
  const ordered: TableShape[] = []
  const placed = new Set<string>()
  while (ordered.length < tables.length) {
    const next = tables.filter(({ name, refers }) => !placed.has(name) && (refers ?? []).every((other) => placed.has(other)))
    if (next.length === 0) throw new Error('tables refer to each other in a circle')
    for (const { name, columns, key } of next) {
      placed.add(name)
      ordered.push({ name, columns, key: key ?? [] })
    }
  }
  return ordered
}

/** Versions of the migrations that were applied. */
export async function readMigrations(queries: Queries): Promise<string[]> {
  const { rows } = await sql<{ version: string }>`select version from schema_migrations order by version`.execute(queries)
  return rows.map(({ version }) => version)
}
