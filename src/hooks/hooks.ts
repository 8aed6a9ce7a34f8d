// Hooks' rows. The secret is sealed, and leaves this file only on its way to a signature.
import { type Actor, audit } from '../access/index.ts'
import { InputError, type Sealer } from '../base/index.ts'
import { type Database, type Queries, sql } from '../db/index.ts'
import type { Outbound } from '../http/index.ts'
import { type ContentType, contentTypes } from './format/sending.ts'
import { knownEvents } from './format/events.ts'

/** Whose hook it is: a repository's, or an account's (it hears of all its repositories). */
export type HookOwner = { readonly repositoryId: number } | { readonly accountId: number }

export interface Hook {
  readonly id: number
  readonly owner: HookOwner
  readonly isActive: boolean
  readonly events: readonly string[]
  readonly url: string
  readonly contentType: ContentType
  readonly insecureSsl: boolean
  readonly hasSecret: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface HookSettings {
  readonly isActive: boolean
  readonly events: readonly string[]
  readonly url: string
  readonly contentType: ContentType
  readonly insecureSsl: boolean
  /** Null or empty: what is sent isn't signed. */
  readonly secret: string | null
}

export type HookChange = Partial<HookSettings>

/** Of one owner. */
const mostHooks = 50
const purpose = 'hook'

/** Who does it, and under which name it stands in whose audit. */
export interface HookAct {
  readonly actor: Actor
  readonly ownerId: number
  readonly target: string
}

export interface HookParts {
  readonly db: Database
  readonly sealer: Sealer
  readonly outbound: Outbound
}

/** InputError `hook-url`, `hook-events`, `hook-secret` for what can't be, `too-many-hooks`; each message is for who asks. */
export async function createHook(parts: HookParts, owner: HookOwner, settings: HookSettings, act: HookAct): Promise<Hook> {
  assertSettings(parts, settings)
  return await parts.db.transaction(async (tx) => {
    await lockOwner(tx, owner)
    const { count } = await ofOwner(tx, owner)
      .select((select) => select.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
    if (count >= mostHooks) throw new InputError('too-many-hooks', `There are ${count} hooks already, which is the most that there can be`)
    const { secret, events, isActive: is_active, url, contentType: content_type, insecureSsl: insecure_ssl } = settings
    const sealed = secret === null || secret === '' ? null : parts.sealer.seal(secret, purpose)
    const { id } = await tx
      .insertInto('hook')
      .values({ ...columnsOf(owner), is_active, events: [...events], url, content_type, insecure_ssl, secret: sealed })
      .returning('id')
      .executeTakeFirstOrThrow()
    await note(tx, 'hook.create', owner, act, { id, ...shown(settings) })
    return (await findHook(tx, owner, id)) as Hook
  })
}

/** Null: the owner has no such hook. @throws as `createHook` */
export async function changeHook(parts: HookParts, owner: HookOwner, id: number, change: HookChange, act: HookAct): Promise<Hook | null> {
  assertSettings(parts, change)
  const { secret, events, isActive, url, contentType, insecureSsl } = change
  const set = {
    ...(isActive === undefined ? {} : { is_active: isActive }),
    ...(events === undefined ? {} : { events: [...events] }),
    ...(url === undefined ? {} : { url }),
    ...(contentType === undefined ? {} : { content_type: contentType }),
    ...(insecureSsl === undefined ? {} : { insecure_ssl: insecureSsl }),
    ...(secret === undefined ? {} : { secret: secret === null || secret === '' ? null : parts.sealer.seal(secret, purpose) }),
  }
  return await parts.db.transaction(async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('hook')
      .set({ ...set, updated_at: sql<Date>`now()` })
      .where('id', '=', id)
      .where(ownedBy(owner))
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return null
    await note(tx, 'hook.change', owner, act, { id, ...shown(change) })
    return await findHook(tx, owner, id)
  })
}

/** False: the owner has no such hook. Its deliveries go with it. */
export async function deleteHook(db: Database, owner: HookOwner, id: number, act: HookAct): Promise<boolean> {
  return await db.transaction(async (tx) => {
    const { numDeletedRows } = await tx.deleteFrom('hook').where('id', '=', id).where(ownedBy(owner)).executeTakeFirst()
    if (numDeletedRows === 0n) return false
    await note(tx, 'hook.delete', owner, act, { id })
    return true
  })
}

async function note(
  tx: Queries,
  action: 'hook.create' | 'hook.change' | 'hook.delete',
  owner: HookOwner,
  { actor, ownerId, target }: HookAct,
  details: Readonly<Record<string, unknown>>,
): Promise<void> {
  await audit(tx, actor, { action, ownerId, repositoryId: 'repositoryId' in owner ? owner.repositoryId : null, target, details })
}

/** For the audit: that there is a secret, and of a URL, whose path may be one, only where it leads. */
function shown({ url, secret, isActive, ...change }: HookChange): Readonly<Record<string, unknown>> {
  return {
    ...change,
    ...(isActive === undefined ? {} : { active: isActive }),
    ...(url === undefined ? {} : { host: hostOf(url) }),
    ...(secret === undefined ? {} : { secret: secret === null || secret === '' ? 'taken away' : 'set' }),
  }
}

export async function findHook(queries: Queries, owner: HookOwner, id: number): Promise<Hook | null> {
  const row = await ofOwner(queries, owner).select(hookColumns).where('id', '=', id).executeTakeFirst()
  return row ? hookOf(row) : null
}

export async function listHooks(
  queries: Queries,
  owner: HookOwner,
  { page, perPage }: { readonly page: number; readonly perPage: number },
): Promise<{ readonly hooks: readonly Hook[]; readonly total: number }> {
  const [rows, { total }] = await Promise.all([
    ofOwner(queries, owner)
      .select(hookColumns)
      .orderBy('id')
      .limit(perPage)
      .offset((page - 1) * perPage)
      .execute(),
    ofOwner(queries, owner)
      .select((select) => select.fn.countAll<number>().as('total'))
      .executeTakeFirstOrThrow(),
  ])
  return { hooks: rows.map(hookOf), total }
}

/** Active hooks of those accounts themselves, by account. */
export async function hooksOfAccounts(queries: Queries, accountIds: readonly number[]): Promise<ReadonlyMap<number, readonly Hook[]>> {
  const found = new Map<number, Hook[]>()
  if (accountIds.length === 0) return found
  const rows = await queries
    .selectFrom('hook')
    .select(hookColumns)
    .where('account_id', 'in', [...accountIds])
    .where('is_active', '=', true)
    .orderBy('id')
    .execute()
  for (const row of rows) found.set(row.account_id as number, [...(found.get(row.account_id as number) ?? []), hookOf(row)])
  return found
}

/** Active hooks that hear of what happens in those repositories, by repository. */
export async function hooksAt(queries: Queries, repositoryIds: readonly number[]): Promise<ReadonlyMap<number, readonly Hook[]>> {
  const found = new Map<number, Hook[]>()
  if (repositoryIds.length === 0) return found
  const rows = await queries
    .selectFrom('repository')
    .innerJoin('hook', (join) =>
      join.on((on) =>
        on.or([on('hook.repository_id', '=', on.ref('repository.id')), on('hook.account_id', '=', on.ref('repository.owner_id'))]),
      ),
    )
    .select([...prefixedColumns, sql<boolean>`secret is not null`.as('has_secret'), 'repository.id as at'])
    .where('repository.id', 'in', [...repositoryIds])
    .where('is_active', '=', true)
    .orderBy('hook.id')
    .execute()
  for (const row of rows) found.set(row.at, [...(found.get(row.at) ?? []), hookOf(row)])
  return found
}

/** What a sealed secret is opened for. */
export function openHookSecret(sealer: Sealer, sealed: string | null): string | null {
  return sealed === null ? null : sealer.open(sealed, purpose)
}

/** By which attempts to one receiver are counted: `https://host:port`. */
export function hostOf(url: string): string {
  return new URL(url).origin
}

const columns = [
  'id',
  'repository_id',
  'account_id',
  'is_active',
  'events',
  'url',
  'content_type',
  'insecure_ssl',
  'created_at',
  'updated_at',
] as const
const prefixedColumns = columns.map((name) => `hook.${name}` as const)
const hookColumns = [...columns, sql<boolean>`secret is not null`.as('has_secret')] as const

interface HookRow {
  readonly id: number
  readonly repository_id: number | null
  readonly account_id: number | null
  readonly is_active: boolean
  readonly events: readonly string[]
  readonly url: string
  readonly content_type: string
  readonly insecure_ssl: boolean
  readonly has_secret: boolean
  readonly created_at: Date
  readonly updated_at: Date
}

function hookOf(row: HookRow): Hook {
  return {
    id: row.id,
    owner: row.repository_id === null ? { accountId: row.account_id as number } : { repositoryId: row.repository_id },
    isActive: row.is_active,
    events: row.events,
    url: row.url,
    contentType: row.content_type as ContentType,
    insecureSsl: row.insecure_ssl,
    hasSecret: row.has_secret,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function columnsOf(owner: HookOwner): { readonly repository_id: number } | { readonly account_id: number } {
  return 'repositoryId' in owner ? { repository_id: owner.repositoryId } : { account_id: owner.accountId }
}

function ownedBy(owner: HookOwner) {
  return 'repositoryId' in owner ? sql<boolean>`repository_id = ${owner.repositoryId}` : sql<boolean>`account_id = ${owner.accountId}`
}

function ofOwner(queries: Queries, owner: HookOwner) {
  return queries.selectFrom('hook').where(ownedBy(owner))
}

/** Two that are made at once count each other. */
async function lockOwner(tx: Queries, owner: HookOwner): Promise<void> {
  const table = 'repositoryId' in owner ? 'repository' : 'account'
  const id = 'repositoryId' in owner ? owner.repositoryId : owner.accountId
  const row = await tx.selectFrom(table).select('id').where('id', '=', id).forUpdate().executeTakeFirst()
  if (!row) throw new InputError('hook-owner', 'What the hook is for was deleted')
}

function assertSettings({ outbound }: HookParts, { url, events, contentType, secret }: HookChange): void {
  if (url !== undefined) {
    try {
      outbound.checkUrl(url)
    } catch (cause) {
      throw cause instanceof InputError ? new InputError('hook-url', cause.message, { cause }) : cause
    }
  }
  if (contentType !== undefined && !contentTypes.includes(contentType)) {
    throw new InputError('hook-content-type', `content_type is one of ${contentTypes.join(', ')}`)
  }
  const unknown = events?.find((event) => !knownEvents.has(event))
  if (unknown !== undefined) throw new InputError('hook-events', `there is no event ${JSON.stringify(unknown.slice(0, 40))}`)
  if (secret !== undefined && secret !== null && secret.length > 1000) {
    throw new InputError('hook-secret', 'the secret has more than 1000 characters')
  }
}
