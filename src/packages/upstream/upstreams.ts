// Upstreams and claims: declared, changed, removed. A place has one; what comes from it is its own as long as it is here.
import { type Account, type Actor, audit, type AuditAction, type UpstreamId } from '../../access/index.ts'
import { InputError, type Sealer } from '../../base/index.ts'
import { type Database, type Queries, sql, sqlState, type Tx } from '../../db/index.ts'
import type { Credentials } from './client/connection.ts'
import { addressOf, sealedOf } from './credentials.ts'
import { formatPlace, parseAuthOrigin, parsePlace, parseUpstreamUrl } from './format/declared.ts'
import type { UpstreamFormat } from './upstream-format.ts'
import {
  type Declared,
  findDeclaredById,
  findUpstreamById,
  isUpstream,
  lockedDeclared,
  type Upstream,
  type UpstreamSettings,
} from './upstream-rows.ts'

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

const defaultSettings: UpstreamSettings = {
  authOrigin: null,
  visibility: 'private',
  freshS: 300,
  keepS: 30 * 86_400,
  mostBytes: null,
  minAgeS: 0,
}
const mostNamed = 3
const longestS = 10 * 366 * 86_400

/**
 * InputError `bad-upstream-place`, `bad-upstream-url`, `bad-upstream-auth`, `bad-upstream-credentials`, `bad-upstream-settings`; `upstream-exists`;
 * `upstream-covers`: the owner has packages there, which would be nobody's.
 */
export async function declareUpstream(
  parts: UpstreamParts,
  format: UpstreamFormat,
  owner: Account,
  wanted: NewUpstream,
  actor: Actor,
): Promise<Upstream> {
  const { path } = parsePlace(formatPlace({ owner: 'owner', path: wanted.path }), format)
  const address = parseUpstreamUrl(wanted.url, format)
  const url = address.path === '' ? address.origin : `${address.origin}/${address.path}`
  const settings = checked(format, { ...defaultSettings, ...wanted })
  const credentials = sealedOf(parts.sealer, { url, ...settings }, wanted.credentials)
  return await declare(parts.db, format, { owner, path }, { url, ...columnsOf(settings), ...credentials }, async (tx, made) => {
    const found = (await findUpstreamById(tx, made)) as Upstream
    await note(tx, actor, 'upstream.declare', found, { url, ...settings, username: found.username })
    return found
  })
}

/** The place is the owner's own: nothing of it comes from the upstream of a shorter one. InputError `bad-upstream-place`, `upstream-exists`. */
export async function claimPlace(
  db: Database,
  format: UpstreamFormat,
  owner: Account,
  wantedPath: string,
  actor: Actor,
): Promise<Declared> {
  const { path } = parsePlace(formatPlace({ owner: 'owner', path: wantedPath }), format)
  if (!format.isOwnFirst)
    throw new InputError(
      'bad-upstream-place',
      `Places of ${format.name} aren't claimed: they are their owner's where no upstream is declared`,
    )
  return await declare(db, format, { owner, path }, { url: null, ...columnsOf(defaultSettings) }, async (tx, made) => {
    const found = (await findDeclaredById(tx, made)) as Declared
    await note(tx, actor, 'upstream.claim', found, {})
    return found
  })
}

async function declare<T>(
  db: Database,
  format: UpstreamFormat,
  { owner, path }: { readonly owner: Account; readonly path: string },
  columns: ReturnType<typeof columnsOf> & { readonly url: string | null },
  made: (tx: Tx, id: UpstreamId) => Promise<T>,
): Promise<T> {
  await assertNothingOwn(db.queries, format, owner, path)
  // of an upstream that was declared for more: what others have from places within this one stays theirs
  const isTakenOver = sql<boolean>`package.owner_id = ${owner.id} and ${isBelow(format, path)}
    and package.upstream_id in (select wider.id from package_upstream wider where length(wider.path) < ${path.length})`
  await empty(db, format, isTakenOver)
  try {
    return await db.transaction(async (tx) => {
      // whoever makes a package of his waits, or was first and is seen
      await tx.selectFrom('account').select('id').where('id', '=', owner.id).forUpdate().executeTakeFirstOrThrow()
      await assertNothingOwn(tx, format, owner, path)
      await format.letGo(tx)
      await tx.deleteFrom('package').where(isTakenOver).execute()
      const { id } = await tx
        .insertInto('package_upstream')
        .values({ owner_id: owner.id, format: format.name, path, ...columns })
        .returning('id')
        .executeTakeFirstOrThrow()
      return await made(tx, id as UpstreamId)
    })
  } catch (error) {
    if (sqlState(error) !== '23505') throw error
    const place = formatPlace({ owner: owner.login, path })
    throw new InputError('upstream-exists', `${place} has an upstream already, or is claimed; remove that first to declare another`, {
      cause: error,
    })
  }
}

/** Null: there is none. What already came keeps coming from the same place: the URL doesn't change. InputError as `declareUpstream`. */
export async function changeUpstream(
  parts: UpstreamParts,
  format: UpstreamFormat,
  id: UpstreamId,
  change: UpstreamChange,
  actor: Actor,
): Promise<Upstream | null> {
  return await parts.db.transaction(async (tx) => {
    const before = await lockedDeclared(tx, id)
    if (before === null) return null
    if (!isUpstream(before)) throw new InputError('bad-upstream-settings', 'A claim has nothing to change: remove it')
    const settings = checked(format, { ...before, ...change })
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

/** With all that came from it: what was somebody else's becomes nobody's own. Null: there is none; else how many packages went. */
export async function removeDeclared(db: Database, format: UpstreamFormat, id: UpstreamId, actor: Actor): Promise<number | null> {
  await empty(db, format, sql<boolean>`package.upstream_id = ${id}`)
  return await db.transaction(async (tx) => {
    await format.letGo(tx)
    const before = await lockedDeclared(tx, id)
    if (before === null) return null
    const { numDeletedRows } = await tx.deleteFrom('package').where('upstream_id', '=', id).executeTakeFirst()
    await tx.deleteFrom('package_upstream').where('id', '=', id).execute()
    if (isUpstream(before)) await note(tx, actor, 'upstream.remove', before, { url: before.url, packages: Number(numDeletedRows) })
    else await note(tx, actor, 'upstream.unclaim', before, {})
    return Number(numDeletedRows)
  })
}

function columnsOf({ authOrigin, visibility, freshS, keepS, mostBytes, minAgeS }: UpstreamSettings) {
  return { auth_origin: authOrigin, visibility, fresh_s: freshS, keep_s: keepS, most_bytes: mostBytes, min_age_s: minAgeS }
}

function checked(
  format: UpstreamFormat,
  { authOrigin, visibility, freshS, keepS, mostBytes, minAgeS }: UpstreamSettings,
): UpstreamSettings {
  const isTime = (seconds: number, least: number): boolean => Number.isSafeInteger(seconds) && seconds >= least && seconds <= longestS
  const isSize = mostBytes === null || (Number.isSafeInteger(mostBytes) && mostBytes >= 0)
  if (!isTime(freshS, 0) || !isTime(keepS, 1) || !isTime(minAgeS, 0) || !isSize) {
    throw new InputError(
      'bad-upstream-settings',
      'Times are whole seconds (fresh and min-age from 0, keep from 1, ten years at most), a size whole bytes',
    )
  }
  if (minAgeS > 0 && format.name !== 'npm') throw new InputError('bad-upstream-settings', 'Only npm’s versions say how old they are')
  return { authOrigin: authOrigin === null ? null : parseAuthOrigin(authOrigin), visibility, freshS, keepS, mostBytes, minAgeS }
}

async function assertNothingOwn(queries: Queries, format: UpstreamFormat, { id, login }: Account, path: string): Promise<void> {
  if (format.isOwnFirst) return
  const own = await queries
    .selectFrom('package')
    .select('name')
    .where('owner_id', '=', id)
    .where('upstream_id', 'is', null)
    .where(isBelow(format, path))
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
async function empty(db: Database, format: UpstreamFormat, which: ReturnType<typeof sql<boolean>>): Promise<void> {
  const rows = await db.queries.selectFrom('package').select('id').where('upstream_id', 'is not', null).where(which).execute()
  for (const { id } of rows) await format.empty(db, id)
}

function isBelow({ name }: UpstreamFormat, path: string) {
  return sql<boolean>`package.format = ${name} and (${path} = '' or starts_with(lower(package.name), ${`${path}/`})
    or (${name} = 'npm' and lower(package.name) = ${path}))`
}

async function note(
  tx: Tx,
  actor: Actor,
  action: AuditAction & `upstream.${string}`,
  { ownerId, place, format }: Declared,
  details: Readonly<Record<string, unknown>>,
): Promise<void> {
  await audit(tx, actor, { action, ownerId, target: `${format} ${place}`, details })
}
