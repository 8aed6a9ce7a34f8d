// What a ref transaction writes, as one statement: to PostgreSQL and back costs more than most of its parts. The caller holds the
// repository's row locked and has found the changes good.
import { fromHex, UnavailableError } from '../../base/index.ts'
import { sql, type Tx } from '../../db/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { NewPack, RefChange } from './ref-transaction.ts'

export interface RefWrites {
  readonly repositoryId: number
  readonly networkId: string
  /** Of the packs that the writes rest on; none if not given. */
  readonly generation?: number | undefined
  /** Becomes visible. */
  readonly pack: NewPack | null
  /** Values that came with the pack and that no ref took. */
  readonly unclaimed?: readonly ObjectId[]
  /** Objects that the repository is known to have written itself. */
  readonly written?: readonly ObjectId[]
  /** Null: the refs stay as they are, only the pack becomes visible. */
  readonly moved: MovedRefs | null
}

export interface MovedRefs {
  readonly accountId: number | null
  readonly reason: string | null
  readonly certificateId: number | null
  readonly changes: readonly RefChange[]
  readonly head: string
  /** Of the outbox's row: JSON. */
  readonly payload: string
}

/**
 * @throws UnavailableError when nothing may become visible: 'intent-gone' when the sweeper took the pack's key for an orphan meanwhile, 'objects-left' when
 * objects left the network since the packs were opened. The latter holds the repositories' rows locked (docs/design/gc.md), and this statement
 * comes after the lock: it sees what was done under it.
 */
export async function writeRefs(tx: Tx, writes: RefWrites): Promise<void> {
  const { pack, moved, networkId, repositoryId, unclaimed = [], written = [] } = writes
  const parts = [
    ...(pack ? packParts(networkId, pack) : []),
    ...(moved ? refParts(repositoryId, moved, pack?.valueBytes ?? 0) : pack ? [pushedPart(repositoryId, pack.valueBytes)] : []),
    ...(unclaimed.length > 0 ? [unclaimedPart(networkId, unclaimed)] : []),
    ...(written.length > 0 ? [writtenPart(repositoryId, written)] : []),
  ]
  const claimed = pack?.key ? sql`(select count(*) from claimed)` : sql`1::bigint`
  const { generation } = writes
  const isSame =
    generation === undefined ? sql`true` : sql`coalesce((select generation = ${generation} from network where id = ${networkId}), false)`
  const { rows } = await sql<{ claimed: number; same: boolean }>`
    with ${sql.join(parts)} select ${claimed} as claimed, ${isSame} as same`.execute(tx)
  if (rows[0]?.same !== true) throw new UnavailableError('objects-left', 'objects were removed while the push came; push again')
  if (rows[0]?.claimed !== 1) throw new UnavailableError('intent-gone', 'the upload took longer than its lease; push again')
}

function packParts(networkId: string, pack: NewPack) {
  const parts = [
    sql`stored as (
      insert into pack (network_id, key, tail, size_bytes, pack_bytes, object_count, age, is_full, searched_objects)
      values (${networkId}, ${pack.key}, ${pack.tail && Buffer.from(pack.tail)}, ${pack.valueBytes}, ${pack.packBytes}, ${pack.objectCount},
        ${pack.age ?? null}::bigint, ${pack.isFull ?? false}, ${pack.searchedObjects ?? null}::bigint))`,
    sql`grown as (update network set packs_version = packs_version + 1 where id = ${networkId})`,
  ]
  if (pack.key !== null) parts.push(sql`claimed as (delete from upload_intent where key = ${pack.key} returning key)`)
  return parts
}

/** No reflog tells of them, and they stay for a while (docs/design/gc.md). */
function unclaimedPart(networkId: string, oids: readonly ObjectId[]) {
  return sql`unclaimed as (
    insert into past_root (network_id, oid) select ${networkId}::uuid, unnest(${oids.map(bytesOf)}::bytea[])
    on conflict (network_id, oid) do update set at = now())`
}

function writtenPart(repositoryId: number, oids: readonly ObjectId[]) {
  return sql`written as (
    insert into api_object (repository_id, oid) select ${repositoryId}::bigint, unnest(${oids.map(bytesOf)}::bytea[])
    on conflict (repository_id, oid) do update set at = now())`
}

/** What was brought through a repository: its share of what its network stores (docs/design/limits.md). */
function pushedPart(repositoryId: number, sizeBytes: number) {
  return sql`pushed as (update repository set pushed_bytes = pushed_bytes + ${sizeBytes} where id = ${repositoryId})`
}

function refParts(repositoryId: number, { accountId, reason, certificateId, changes, head, payload }: MovedRefs, sizeBytes: number) {
  const kept = changes.filter((change) => change.newOid !== null)
  const gone = changes.filter((change) => change.newOid === null).map((change) => change.name)
  const parts = [
    sql`logged as (
      insert into reflog (repository_id, account_id, reason, certificate_id, name, old_oid, new_oid)
      select ${repositoryId}::bigint, ${accountId}::bigint, ${reason}::text, ${certificateId}::bigint, *
      from unnest(${changes.map((c) => c.name)}::text[], ${changes.map((c) => bytesOf(c.oldOid))}::bytea[],
        ${changes.map((c) => bytesOf(c.newOid))}::bytea[]))`,
    sql`moved as (
      update repository set refs_version = refs_version + 1, pushed_at = now(), updated_at = now(), head = ${head},
        pushed_bytes = pushed_bytes + ${sizeBytes} where id = ${repositoryId})`,
    sql`told as (insert into outbox (kind, repository_id, payload) values ('push', ${repositoryId}, ${payload}))`,
  ]
  if (gone.length > 0) parts.push(sql`gone as (delete from ref where repository_id = ${repositoryId} and name = any(${gone}::text[]))`)
  if (kept.length > 0) {
    parts.push(sql`kept as (
      insert into ref (repository_id, name, oid, peeled)
      select ${repositoryId}::bigint, * from unnest(${kept.map((c) => c.name)}::text[], ${kept.map((c) => bytesOf(c.newOid))}::bytea[],
        ${kept.map((c) => bytesOf(c.peeled))}::bytea[])
      on conflict (repository_id, name) do update set oid = excluded.oid, peeled = excluded.peeled)`)
  }
  return parts
}

function bytesOf(oid: ObjectId | null): Buffer | null {
  return oid === null ? null : Buffer.from(fromHex(oid))
}
