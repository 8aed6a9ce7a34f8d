// What keeps objects of a network: refs of its repositories, hidden ones too, HEADs that name an object and no ref, and what their reflogs and
// `past_root` tell of the time of grace.
import { concatBytes, hex } from '../../base/index.ts'
import { type Queries, sql } from '../../db/index.ts'
import type { ObjectId } from '../format/object-id.ts'

export interface Roots {
  /** Packed ids, each once. */
  readonly tips: Uint8Array
  /** The same as text. */
  readonly ids: ReadonlySet<string>
}

/** @param graceS 0: refs alone */
export async function readRoots(queries: Queries, networkId: string, graceS: number): Promise<Roots> {
  const { rows } = await sql<{ oid: Buffer }>`
    select ref.oid from ref join repository r on r.id = ref.repository_id where r.network_id = ${networkId}
    union
    select decode(head, 'hex') from repository where network_id = ${networkId} and ${isDetached}
    union
    select past.oid from reflog join repository r on r.id = reflog.repository_id
      cross join lateral (values (old_oid), (new_oid)) as past (oid)
      where r.network_id = ${networkId} and past.oid is not null and ${graceS} > 0 and reflog.at > now() - ${graceS} * interval '1 second'
    union
    select oid from past_root where network_id = ${networkId} and ${graceS} > 0 and at > now() - ${graceS} * interval '1 second'`.execute(
    queries,
  )
  return { tips: concatBytes(rows.map(({ oid }) => oid)), ids: new Set(rows.map(({ oid }) => hex(oid))) }
}

/** The same of one repository alone: its refs, and its own reflog. */
export async function repositoryRoots(queries: Queries, repositoryId: number, graceS: number): Promise<Roots> {
  const { rows } = await sql<{ oid: Buffer }>`
    select oid from ref where repository_id = ${repositoryId}
    union
    select decode(head, 'hex') from repository where id = ${repositoryId} and ${isDetached}
    union
    select past.oid from reflog cross join lateral (values (old_oid), (new_oid)) as past (oid)
      where repository_id = ${repositoryId} and past.oid is not null and ${graceS} > 0 and at > now() - ${graceS} * interval '1 second'`.execute(
    queries,
  )
  return { tips: concatBytes(rows.map(({ oid }) => oid)), ids: new Set(rows.map(({ oid }) => hex(oid))) }
}

/** As isDetached of the refs. */
const isDetached = sql`head ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'`

export interface NamedRef {
  /** `OWNER/REPO` */
  readonly repository: string
  readonly name: string
  readonly oid: ObjectId
}

/** All refs of the network, HEADs that name an object among them. */
export async function namedRefs(queries: Queries, networkId: string): Promise<NamedRef[]> {
  const { rows } = await sql<{ repository: string; name: string; oid: Buffer }>`
    select a.login || '/' || r.name as repository, ref.name, ref.oid from ref
    join repository r on r.id = ref.repository_id join account a on a.id = r.owner_id
    where r.network_id = ${networkId}
    union all
    select a.login || '/' || r.name, 'HEAD', decode(head, 'hex') from repository r join account a on a.id = r.owner_id
    where r.network_id = ${networkId} and ${isDetached} order by 1, 2`.execute(queries)
  return rows.map(({ repository, name, oid }) => ({ repository, name, oid: hex(oid) as ObjectId }))
}
