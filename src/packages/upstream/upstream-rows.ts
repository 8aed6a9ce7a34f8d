// Rows of what is declared for places: upstreams, and claims, which say that a place is its owner's own. Read here.
import type { AccountId, UpstreamId, Visibility } from '../../access/index.ts'
import { type Queries, sql, type Tx } from '../../db/index.ts'
import { formatPlace, parsePlace } from './format/declared.ts'
import type { UpstreamFormat, UpstreamFormatName } from './upstream-format.ts'

/** Of all upstreams alike: how visible what comes from it is, and how long it stays. */
export interface UpstreamSettings {
  readonly authOrigin: string | null
  readonly visibility: Visibility
  readonly freshS: number
  readonly keepS: number
  /** Null: as much as comes. */
  readonly mostBytes: number | null
  /** What was published there more recently isn't shown. Of npm's alone; 0: all is. */
  readonly minAgeS: number
}

/** What is declared for a place. */
export interface Declared extends UpstreamSettings {
  readonly id: UpstreamId
  readonly ownerId: AccountId
  readonly format: UpstreamFormatName
  /** `owner` or `owner/path`. */
  readonly place: string
  readonly path: string
  /** Null: a claim: it is the owner's own. */
  readonly url: string | null
  /** Null: nothing is signed in with. */
  readonly username: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface Upstream extends Declared {
  readonly url: string
}

/** Null also where it is a claim. */
export async function findUpstreamById(queries: Queries, id: UpstreamId): Promise<Upstream | null> {
  const found = await findDeclaredById(queries, id)
  return found !== null && isUpstream(found) ? found : null
}

export async function findDeclaredById(queries: Queries, id: UpstreamId): Promise<Declared | null> {
  const row = await declaredRows(queries).where('package_upstream.id', '=', id).executeTakeFirst()
  return row === undefined ? null : declaredOf(row)
}

/** As it is until the transaction ends: of two who change it at once, the second one goes on from what the first one left. */
export async function lockedDeclared(tx: Tx, id: UpstreamId): Promise<Declared | null> {
  const locked = await tx.selectFrom('package_upstream').select('id').where('id', '=', id).forUpdate().executeTakeFirst()
  return locked === undefined ? null : await findDeclaredById(tx, id)
}

/** Declared for exactly that place. InputError `bad-upstream-place`. */
export async function findDeclared(queries: Queries, format: UpstreamFormat, place: string): Promise<Declared | null> {
  const { owner, path } = parsePlace(place, format)
  const row = await declaredRows(queries)
    .where('package_upstream.format', '=', format.name)
    .where(sql<boolean>`lower(account.login) = ${owner.toLowerCase()}`)
    .where('package_upstream.path', '=', path)
    .executeTakeFirst()
  return row === undefined ? null : declaredOf(row)
}

/** All of them, by place; those of one format first. */
export async function listDeclared(queries: Queries): Promise<readonly Declared[]> {
  const rows = await declaredRows(queries)
    .orderBy('package_upstream.format', 'desc')
    .orderBy(sql`lower(account.login)`)
    .orderBy('package_upstream.path')
    .execute()
  return rows.map(declaredOf)
}

/** Without claims. */
export async function listUpstreams(queries: Queries): Promise<readonly Upstream[]> {
  return (await listDeclared(queries)).filter(isUpstream)
}

export function isUpstream(declared: Declared): declared is Upstream {
  return declared.url !== null
}

function declaredRows(queries: Queries) {
  return queries
    .selectFrom('package_upstream')
    .innerJoin('account', 'account.id', 'package_upstream.owner_id')
    .select(['package_upstream.id', 'owner_id', 'package_upstream.format', 'account.login', 'path', 'url', 'auth_origin', 'username'])
    .select(['visibility', 'fresh_s', 'keep_s', 'most_bytes', 'min_age_s', 'package_upstream.created_at', 'package_upstream.updated_at'])
}

type Row = Awaited<ReturnType<ReturnType<typeof declaredRows>['executeTakeFirstOrThrow']>>

function declaredOf(row: Row): Declared {
  return {
    id: row.id as UpstreamId,
    ownerId: row.owner_id as AccountId,
    format: row.format as UpstreamFormatName,
    place: formatPlace({ owner: row.login, path: row.path }),
    path: row.path,
    url: row.url,
    authOrigin: row.auth_origin,
    username: row.username,
    visibility: row.visibility as Visibility,
    freshS: row.fresh_s,
    keepS: row.keep_s,
    mostBytes: row.most_bytes,
    minAgeS: row.min_age_s,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
