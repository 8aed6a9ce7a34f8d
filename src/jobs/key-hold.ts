// Holds: while there is one, the sweeper deletes no key. For backups, which read rows at one moment and their keys afterwards. A hold is a row of
// server_fact that ends by itself, so that a backup that dies keeps nothing for ever.
import { type Database, sql } from '../db/index.ts'

const prefix = 'keys_held_until:'

/** Makes the hold, or makes it last until so long from now. @param name tells this hold from others */
export async function holdKeys(database: Database, name: string, seconds: number): Promise<Date> {
  const { rows } = await sql<{ until: Date }>`
    with held as (select now() + ${Math.ceil(seconds)} * interval '1 second' as until)
    insert into server_fact (name, value) select ${prefix + name}, until::text from held
    on conflict (name) do update set value = excluded.value returning value::timestamptz as until`.execute(database.queries)
  return rows[0]?.until as Date
}

/** Ends the hold; no error when there is none. */
export async function releaseKeys(database: Database, name: string): Promise<void> {
  await database.queries
    .deleteFrom('server_fact')
    .where('name', '=', prefix + name)
    .execute()
}

/** SQL: no hold is in force. */
export const keysAreFree = sql<boolean>`not exists (
  select from server_fact where starts_with(name, ${sql.lit(prefix)}) and value::timestamptz > now())`
