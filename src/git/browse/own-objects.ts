// Objects that a repository wrote through the API and that no ref has to reach yet (docs/design/api-writes.md).
import { fromHex, hex } from '../../base/index.ts'
import { type Database, type Queries, sql } from '../../db/index.ts'

/** Of these ids, those that the repository wrote within the grace. */
export async function ownObjects(
  queries: Queries,
  repositoryId: number,
  ids: readonly string[],
  graceS: number,
): Promise<ReadonlySet<string>> {
  const packed = [...new Set(ids)].map((id) => Buffer.from(fromHex(id)))
  const { rows } = await sql<{ oid: Buffer }>`
    select oid from api_object where repository_id = ${repositoryId} and oid = any(${packed}::bytea[])
      and at > now() - ${graceS} * interval '1 second'`.execute(queries)
  return new Set(rows.map(({ oid }) => hex(oid)))
}

/** Rows that count no more. Their `past_root` is as old: what looks for those finds these, too. */
export async function forgetOwn({ queries }: Database, graceS: number): Promise<void> {
  await sql`delete from api_object where at < now() - ${graceS} * interval '1 second'`.execute(queries)
}
