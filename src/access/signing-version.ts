// A number that grows with every change of what verdicts on signatures rest on: keys that users sign with, and their addresses. What is made of verdicts is
// good for one number.
import { type Queries, sql, type Tx } from '../db/index.ts'

const fact = 'signing_version'

/** In the transaction of the change. */
export async function raiseSigningVersion(tx: Tx): Promise<void> {
  await sql`
    insert into server_fact (name, value) values (${fact}, '1')
    on conflict (name) do update set value = (server_fact.value::bigint + 1)::text`.execute(tx)
}

export async function readSigningVersion(queries: Queries): Promise<number> {
  const row = await queries.selectFrom('server_fact').select('value').where('name', '=', fact).executeTakeFirst()
  return Number(row?.value ?? 0)
}
