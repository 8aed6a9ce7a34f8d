// Uploads that haven't ended, as far as they count: against an owner's quota, which they would pass by any factor otherwise, and by themselves.
// docs/design/limits.md, Quotas.
import type { AccountId, Package } from '../../access/index.ts'
import { type Queries, sql } from '../../db/index.ts'

/** Of one image at one time. */
export const mostOpenUploads = 1000

/** After this an upload is ended where its bytes are in the way of others: a client that gave up leaves it behind, and begins another one. */
const idleS = 600
/** A request that adds to an upload touches it all the while. */
const isIdle = sql`touched_at < now() - make_interval(secs => ${idleS}::int)`

/** What the store knows an image's uploads by. */
export function scopeOf({ id }: Pick<Package, 'id'>): string {
  return `oci/${id}`
}

function ofOwner(ownerId: AccountId) {
  return sql`content_upload where scope = any(array(select 'oci/' || id from package where owner_id = ${ownerId} and format = 'oci'))`
}

/** Of all open uploads of an owner's images, but one. */
export async function openBytes(
  queries: Queries,
  ownerId: AccountId,
  exceptId: string | null = null,
): Promise<{ readonly activeBytes: number; readonly idleBytes: number }> {
  const { rows } = await sql<{ activeBytes: number; idleBytes: number }>`
    select coalesce(sum(size_bytes) filter (where not (${isIdle})), 0)::float8 as "activeBytes",
      coalesce(sum(size_bytes) filter (where ${isIdle}), 0)::float8 as "idleBytes"
    from ${ofOwner(ownerId)} and id::text is distinct from ${exceptId}::text`.execute(queries)
  return rows[0] ?? { activeBytes: 0, idleBytes: 0 }
}

/** Those that may be ended for others' sake. */
export async function idleUploads(
  queries: Queries,
  ownerId: AccountId,
): Promise<readonly { readonly id: string; readonly scope: string }[]> {
  const { rows } = await sql<{ id: string; scope: string }>`
    select id::text as id, scope from ${ofOwner(ownerId)} and size_bytes > 0 and ${isIdle}`.execute(queries)
  return rows
}
