// Rows of SSH keys: a user's, or a repository's (deploy keys). A key is somebody's alone: by it the server knows who calls, and nothing else says it.
import { type Clock, InputError, type Log } from '../base/index.ts'
import { type Queries, sqlState, type Tx } from '../db/index.ts'
import { type Actor, audit, type AuditEntry } from './audit.ts'
import type { AuditAction } from './audit-actions.ts'
import type { AccountId, RepositoryId } from './identity.ts'
import type { KeyBearer } from './key-call.ts'
import { formatFingerprint, formatSshKey, parseSshKeyLine, type SshKeyType } from './ssh-public-key.ts'

/** A user, by his login; or a repository, by its full name: names are for the audit. */
export type SshKeyOwner =
  | { readonly accountId: AccountId; readonly login: string }
  | { readonly repositoryId: RepositoryId; readonly ownerId: AccountId; readonly fullName: string }

export interface SshKey {
  readonly id: number
  readonly title: string
  /** `ssh-ed25519 AAAA…` */
  readonly line: string
  readonly fingerprint: Uint8Array
  readonly isReadOnly: boolean
  /** Login of who added it, while that account exists. */
  readonly addedBy: string | null
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
}

export interface NewSshKey {
  readonly owner: SshKeyOwner
  /** Empty: the key's comment, or its type. */
  readonly title: string
  /** As in a file that ends in .pub. */
  readonly line: string
  /** A deploy key that may fetch alone; of a user's key nothing is asked. */
  readonly isReadOnly: boolean
  readonly actor: Actor
}

/** How exact `last_used_at` is. */
const usePrecisionMs = 60_000
const mostTitleCharacters = 255

/** In the caller's transaction. InputError `bad-key`, `weak-key`, `key-in-use` (by anybody) or `key-title`. */
export async function addSshKey(tx: Tx, wanted: NewSshKey): Promise<SshKey> {
  const { key, comment } = parseSshKeyLine(wanted.line)
  const title = (wanted.title.trim() || comment || key.type).slice(0, mostTitleCharacters)
  if (/[\p{Cc}\p{Cs}]/u.test(title)) throw new InputError('key-title', 'a title is one line, without control characters')
  const row = await tx
    .insertInto('ssh_key')
    .values({
      ...columnsOf(wanted.owner),
      title,
      type: key.type,
      blob: Buffer.from(key.blob),
      fingerprint: Buffer.from(key.fingerprint),
      is_read_only: wanted.isReadOnly,
      added_by: wanted.actor.accountId,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
    .catch(keyInUse)
  await audit(tx, wanted.actor, entryOf('ssh-key.create', wanted.owner, { title, key: formatFingerprint(key.fingerprint) }))
  const made = await findSshKey(tx, wanted.owner, row.id)
  if (made === null) throw new InputError('key-gone', 'the key was deleted meanwhile')
  return made
}

function keyInUse(error: unknown): never {
  if (sqlState(error) !== '23505') throw error
  throw new InputError('key-in-use', 'key is already in use', { cause: error })
}

/** One page of an owner's keys, the oldest first, and how many there are. */
export async function listSshKeys(
  queries: Queries,
  owner: SshKeyOwner,
  { page, perPage }: { readonly page: number; readonly perPage: number },
): Promise<{ readonly keys: readonly SshKey[]; readonly total: number }> {
  const rows = await keyRows(queries, owner)
    .orderBy('ssh_key.id')
    .limit(perPage)
    .offset((page - 1) * perPage)
    .execute()
  const counted = queries.selectFrom('ssh_key').select((of) => of.fn.countAll<string>().as('total'))
  const { total } = await ('accountId' in owner
    ? counted.where('account_id', '=', owner.accountId)
    : counted.where('repository_id', '=', owner.repositoryId)
  ).executeTakeFirstOrThrow()
  return { keys: rows.map(keyOf), total: Number(total) }
}

/** That owner's key of that id; null when he has none. */
export async function findSshKey(queries: Queries, owner: SshKeyOwner, id: number): Promise<SshKey | null> {
  const row = await keyRows(queries, owner).where('ssh_key.id', '=', id).executeTakeFirst()
  return row ? keyOf(row) : null
}

/** From now on nobody is known by it. In the caller's transaction. False: that owner has no such key. */
export async function deleteSshKey(tx: Tx, owner: SshKeyOwner, id: number, actor: Actor): Promise<boolean> {
  const going = tx.deleteFrom('ssh_key').where('id', '=', id).returning(['title', 'fingerprint'])
  const gone = await ('accountId' in owner
    ? going.where('account_id', '=', owner.accountId)
    : going.where('repository_id', '=', owner.repositoryId)
  ).executeTakeFirst()
  if (gone === undefined) return false
  await audit(tx, actor, entryOf('ssh-key.delete', owner, { title: gone.title, key: formatFingerprint(gone.fingerprint) }))
  return true
}

function entryOf(action: AuditAction, owner: SshKeyOwner, details: Readonly<Record<string, unknown>>): AuditEntry {
  if ('accountId' in owner) return { action, ownerId: owner.accountId, target: owner.login, details }
  return { action, ownerId: owner.ownerId, repositoryId: owner.repositoryId, target: owner.fullName, details }
}

function columnsOf(owner: SshKeyOwner) {
  return 'accountId' in owner
    ? { account_id: owner.accountId, repository_id: null }
    : { account_id: null, repository_id: owner.repositoryId }
}

function keyRows(queries: Queries, owner: SshKeyOwner) {
  const rows = queries
    .selectFrom('ssh_key')
    .leftJoin('account as adder', 'adder.id', 'ssh_key.added_by')
    .select(['ssh_key.id', 'ssh_key.title', 'ssh_key.type', 'ssh_key.blob', 'ssh_key.fingerprint', 'ssh_key.is_read_only'])
    .select(['ssh_key.created_at', 'ssh_key.last_used_at', 'adder.login as added_by'])
  return 'accountId' in owner
    ? rows.where('ssh_key.account_id', '=', owner.accountId)
    : rows.where('ssh_key.repository_id', '=', owner.repositoryId)
}

type KeyRow = Awaited<ReturnType<ReturnType<typeof keyRows>['executeTakeFirstOrThrow']>>

function keyOf(row: KeyRow): SshKey {
  return {
    id: row.id,
    title: row.title,
    line: formatSshKey({ type: row.type as SshKeyType, blob: row.blob }),
    fingerprint: row.fingerprint,
    isReadOnly: row.is_read_only,
    addedBy: row.added_by,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
  }
}

/** Writes that the key was used, at most once a minute; what fails is logged and nothing else. */
export async function touchSshKey(queries: Queries, { keyId, lastUsedAt }: KeyBearer, clock: Clock, log: Log): Promise<void> {
  const now = clock.now()
  if (lastUsedAt !== null && now - lastUsedAt.getTime() < usePrecisionMs) return
  try {
    await queries
      .updateTable('ssh_key')
      .set({ last_used_at: new Date(now) })
      .where('id', '=', keyId)
      .execute()
  } catch (error) {
    log.warn({ err: error, key: keyId }, 'the use of an SSH key could not be written down')
  }
}
