// Upstreams' rows: declared, changed, removed. A place has one; what comes from it is its own as long as it is here. Secrets are sealed, and leave
// `openCredentials` only on their way to the upstream.
import { type Account, type AccountId, type Actor, audit, type UpstreamId, type Visibility } from '../../access/index.ts'
import { InputError, type Sealer } from '../../base/index.ts'
import { type Database, type Queries, sql, sqlState, type Tx } from '../../db/index.ts'
import { emptyPackage } from '../keeping/removal.ts'
import { tagsMayGo } from '../keeping/tag-rules.ts'
import type { Credentials, UpstreamAddress } from './client/connection.ts'
import { formatPlace, parseAuthOrigin, parsePlace, parseUpstreamUrl } from './format/declared.ts'

/** Of all upstreams alike: how visible what comes from it is, and how long it stays. */
export interface UpstreamSettings {
  readonly authOrigin: string | null
  readonly visibility: Visibility
  readonly freshS: number
  readonly keepS: number
  /** Null: as much as comes. */
  readonly mostBytes: number | null
}

export interface Upstream extends UpstreamSettings {
  readonly id: UpstreamId
  readonly ownerId: AccountId
  /** `owner` or `owner/path`. */
  readonly place: string
  readonly path: string
  readonly url: string
  /** Null: nothing is signed in with. */
  readonly username: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface NewUpstream extends Partial<UpstreamSettings> {
  /** Of the account that is given with it: what stands behind its login. */
  readonly path: string
  readonly url: string
  readonly credentials: Credentials | null
}

export type UpstreamChange = Partial<UpstreamSettings> & { readonly credentials?: Credentials | null }

export interface UpstreamParts {
  readonly db: Database
  readonly sealer: Sealer
}

export const defaultSettings: UpstreamSettings = {
  authOrigin: null,
  visibility: 'private',
  freshS: 300,
  keepS: 30 * 86_400,
  mostBytes: null,
}
const longestSecret = 4096
const mostNamed = 3
const longestS = 10 * 366 * 86_400

/**
 * InputError `bad-upstream-place`, `bad-upstream-url`, `bad-upstream-auth`, `bad-upstream-credentials`, `bad-upstream-settings`; `upstream-exists`;
 * `upstream-covers`: the owner has images there, which would be nobody's.
 */
export async function declareUpstream(parts: UpstreamParts, owner: Account, wanted: NewUpstream, actor: Actor): Promise<Upstream> {
  const { path } = parsePlace(formatPlace({ owner: 'owner', path: wanted.path }))
  const address = parseUpstreamUrl(wanted.url)
  const url = address.path === '' ? address.origin : `${address.origin}/${address.path}`
  const settings = checked({ ...defaultSettings, ...wanted })
  const credentials = sealedOf(parts.sealer, { url, ...settings }, wanted.credentials)
  await assertNothingOwn(parts.db.queries, owner, path)
  // of an upstream that was declared for more: what others have from places within this one stays theirs
  const isTakenOver = sql<boolean>`package.owner_id = ${owner.id} and ${isBelow(path)}
    and package.upstream_id in (select wider.id from package_upstream wider where length(wider.path) < ${path.length})`
  await empty(parts.db, isTakenOver)
  try {
    return await parts.db.transaction(async (tx) => {
      // whoever makes a package of his waits, or was first and is seen
      await tx.selectFrom('account').select('id').where('id', '=', owner.id).forUpdate().executeTakeFirstOrThrow()
      await assertNothingOwn(tx, owner, path)
      await tagsMayGo(tx)
      await tx.deleteFrom('package').where(isTakenOver).execute()
      const { id } = await tx
        .insertInto('package_upstream')
        .values({ owner_id: owner.id, format: 'oci', path, url, ...columnsOf(settings), ...credentials })
        .returning('id')
        .executeTakeFirstOrThrow()
      const made = (await findUpstreamById(tx, id as UpstreamId)) as Upstream
      await note(tx, actor, 'upstream.declare', made, { url, ...settings, username: made.username })
      return made
    })
  } catch (error) {
    if (sqlState(error) !== '23505') throw error
    const place = formatPlace({ owner: owner.login, path })
    throw new InputError('upstream-exists', `${place} has an upstream already; remove it first to declare another`, { cause: error })
  }
}

/** Null: there is none. What already came keeps coming from the same place: the URL doesn't change. InputError as `declareUpstream`. */
export async function changeUpstream(parts: UpstreamParts, id: UpstreamId, change: UpstreamChange, actor: Actor): Promise<Upstream | null> {
  return await parts.db.transaction(async (tx) => {
    const before = await lockedUpstream(tx, id)
    if (before === null) return null
    const settings = checked({ ...before, ...change })
    const { credentials } =
      change.credentials === undefined ? await addressOf(tx, before, parts.sealer) : { credentials: change.credentials }
    const sealed = sealedOf(parts.sealer, { ...before, ...settings }, credentials) // for where they may go from now on
    await tx
      .updateTable('package_upstream')
      .set({ ...columnsOf(settings), ...sealed, updated_at: sql<Date>`clock_timestamp()` })
      .where('id', '=', id)
      .execute()
    await tx
      .updateTable('package')
      .set({ visibility: settings.visibility })
      .where('upstream_id', '=', id)
      .where('visibility', '<>', settings.visibility)
      .execute()
    const after = (await findUpstreamById(tx, id)) as Upstream
    const isSignedIn =
      change.credentials === undefined ? {} : { username: after.username, password: after.username === null ? 'taken away' : 'set' }
    await note(tx, actor, 'upstream.change', after, { ...settings, ...isSignedIn })
    return after
  })
}

/** With all that came from it: what was somebody else's becomes nobody's own. Null: there is none; else how many images went. */
export async function removeUpstream(db: Database, id: UpstreamId, actor: Actor): Promise<number | null> {
  await empty(db, sql<boolean>`package.upstream_id = ${id}`)
  return await db.transaction(async (tx) => {
    await tagsMayGo(tx)
    const before = await lockedUpstream(tx, id)
    if (before === null) return null
    const { numDeletedRows } = await tx.deleteFrom('package').where('upstream_id', '=', id).executeTakeFirst()
    await tx.deleteFrom('package_upstream').where('id', '=', id).execute()
    await note(tx, actor, 'upstream.remove', before, { url: before.url, images: Number(numDeletedRows) })
    return Number(numDeletedRows)
  })
}

export async function findUpstreamById(queries: Queries, id: UpstreamId): Promise<Upstream | null> {
  const row = await upstreamRows(queries).where('package_upstream.id', '=', id).executeTakeFirst()
  return row === undefined ? null : upstreamOf(row)
}

/** As it is until the transaction ends: of two who change it at once, the second one goes on from what the first one left. */
async function lockedUpstream(tx: Tx, id: UpstreamId): Promise<Upstream | null> {
  const locked = await tx.selectFrom('package_upstream').select('id').where('id', '=', id).forUpdate().executeTakeFirst()
  return locked === undefined ? null : await findUpstreamById(tx, id)
}

/** Declared for exactly that place. */
export async function findUpstream(queries: Queries, place: string): Promise<Upstream | null> {
  const { owner, path } = parsePlace(place)
  const row = await upstreamRows(queries)
    .where(sql<boolean>`lower(account.login) = ${owner.toLowerCase()}`)
    .where('package_upstream.path', '=', path)
    .executeTakeFirst()
  return row === undefined ? null : upstreamOf(row)
}

/** All of them, by place. */
export async function listUpstreams(queries: Queries): Promise<readonly Upstream[]> {
  const rows = await upstreamRows(queries).orderBy(sql`lower(account.login)`).orderBy('package_upstream.path').execute()
  return rows.map(upstreamOf)
}

/** Where its client goes, and with what. @throws as `Sealer.open` */
export async function addressOf(queries: Queries, { id, url, authOrigin }: Upstream, sealer: Sealer): Promise<UpstreamAddress> {
  const { username, secret } = await queries
    .selectFrom('package_upstream')
    .select(['username', 'secret'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const credentials =
    username === null || secret === null ? null : { username, password: sealer.open(secret, purposeOf({ url, authOrigin })) }
  return { origin: new URL(url).origin, authOrigin, credentials }
}

function upstreamRows(queries: Queries) {
  return queries
    .selectFrom('package_upstream')
    .innerJoin('account', 'account.id', 'package_upstream.owner_id')
    .where('package_upstream.format', '=', 'oci')
    .where('url', 'is not', null)
    .select(['package_upstream.id', 'owner_id', 'account.login', 'path', 'url', 'auth_origin', 'username', 'visibility'])
    .select(['fresh_s', 'keep_s', 'most_bytes', 'package_upstream.created_at', 'package_upstream.updated_at'])
    .$narrowType<{ url: string }>()
}

type Row = Awaited<ReturnType<ReturnType<typeof upstreamRows>['executeTakeFirstOrThrow']>>

function upstreamOf(row: Row): Upstream {
  return {
    id: row.id as UpstreamId,
    ownerId: row.owner_id as AccountId,
    place: formatPlace({ owner: row.login, path: row.path }),
    path: row.path,
    url: row.url,
    authOrigin: row.auth_origin,
    username: row.username,
    visibility: row.visibility as Visibility,
    freshS: row.fresh_s,
    keepS: row.keep_s,
    mostBytes: row.most_bytes,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function columnsOf({ authOrigin, visibility, freshS, keepS, mostBytes }: UpstreamSettings) {
  return { auth_origin: authOrigin, visibility, fresh_s: freshS, keep_s: keepS, most_bytes: mostBytes }
}

function checked({ authOrigin, visibility, freshS, keepS, mostBytes }: UpstreamSettings): UpstreamSettings {
  const isTime = (seconds: number, least: number): boolean => Number.isSafeInteger(seconds) && seconds >= least && seconds <= longestS
  const isSize = mostBytes === null || (Number.isSafeInteger(mostBytes) && mostBytes >= 0)
  if (!isTime(freshS, 0) || !isTime(keepS, 1) || !isSize) {
    throw new InputError(
      'bad-upstream-settings',
      'Times are whole seconds (fresh from 0, keep from 1, ten years at most), a size whole bytes',
    )
  }
  return { authOrigin: authOrigin === null ? null : parseAuthOrigin(authOrigin), visibility, freshS, keepS, mostBytes }
}

/** Where they may go is part of it: rows that somebody has written to the database send them nowhere else. */
function purposeOf({ url, authOrigin }: Pick<Upstream, 'url' | 'authOrigin'>): string {
  return `upstream ${new URL(url).origin} ${authOrigin ?? ''}`
}

function sealedOf(
  sealer: Sealer,
  place: Pick<Upstream, 'url' | 'authOrigin'>,
  credentials: Credentials | null,
): { readonly username: string | null; readonly secret: string | null } {
  if (credentials === null) return { username: null, secret: null }
  const { username, password } = credentials
  const isGood = [username, password].every((text) => text !== '' && text.length <= longestSecret && /^[^\p{Cc}]+$/u.test(text))
  if (!isGood || username.includes(':')) {
    throw new InputError(
      'bad-upstream-credentials',
      'A user name (without a colon) and a password go together, each without control characters',
    )
  }
  return { username, secret: sealer.seal(password, purposeOf(place)) }
}

async function assertNothingOwn(queries: Queries, { id, login }: Account, path: string): Promise<void> {
  const own = await queries
    .selectFrom('package')
    .select('name')
    .where('owner_id', '=', id)
    .where('upstream_id', 'is', null)
    .where(isBelow(path))
    .orderBy('name')
    .limit(mostNamed + 1)
    .execute()
  if (own.length === 0) return
  const names = own.slice(0, mostNamed).map(({ name }) => `${login}/${name}`)
  const more = own.length > mostNamed ? ' and others' : ''
  const place = formatPlace({ owner: login, path })
  throw new InputError('upstream-covers', `${names.join(', ')}${more} would lie below ${place}: delete or rename them first`)
}

/** What is in them, step by step; the rows themselves go with the act, and what has come in between. */
async function empty(db: Database, which: ReturnType<typeof sql<boolean>>): Promise<void> {
  const rows = await db.queries.selectFrom('package').select('id').where('upstream_id', 'is not', null).where(which).execute()
  for (const { id } of rows) await emptyPackage(db, id)
}

function isBelow(path: string) {
  return sql<boolean>`package.format = 'oci' and (${path} = '' or starts_with(lower(package.name), ${`${path}/`}))`
}

async function note(
  tx: Tx,
  actor: Actor,
  action: 'upstream.declare' | 'upstream.change' | 'upstream.remove',
  { ownerId, place }: Upstream,
  details: Readonly<Record<string, unknown>>,
): Promise<void> {
  await audit(tx, actor, { action, ownerId, target: `oci ${place}`, details })
}
