// Keys that users sign commits and tags with: SSH and OpenPGP. They let nobody in. Each change stands in the audit.
import { InputError } from '../base/index.ts'
import { type Database, type Queries, sql, sqlState, type Tx } from '../db/index.ts'
import type { Account } from './accounts.ts'
import { type Actor, audit } from './audit.ts'
import type { AccountId } from './identity.ts'
import { raiseSigningVersion } from './signing-version.ts'
import { decodeSshKey, formatFingerprint, formatSshKey, parseSshKeyLine } from './ssh-public-key.ts'

/** Of a key or one of its subkeys; ids and fingerprints in hex, times in ISO 8601. */
export interface GpgPart {
  readonly keyId: string
  readonly fingerprint: string
  /** Base64, without armor. */
  readonly publicKey: string
  readonly canSign: boolean
  readonly canEncryptComms: boolean
  readonly canEncryptStorage: boolean
  readonly canCertify: boolean
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly isRevoked: boolean
}

export interface GpgFacts extends GpgPart {
  /** Of its user ids. */
  readonly emails: readonly string[]
  readonly subkeys: readonly GpgPart[]
}

export interface SshSigningKey {
  readonly id: number
  readonly title: string
  /** `ssh-ed25519 AAAA…` */
  readonly line: string
  readonly createdAt: Date
}

export interface GpgKey {
  readonly id: number
  readonly name: string
  readonly armored: string
  readonly facts: GpgFacts
  readonly createdAt: Date
}

const mostKeys = 100
const mostTitleCharacters = 255

type Owner = Pick<Account, 'id' | 'login'>

/** InputError `bad-key`, `weak-key`, `key-title`, `key-in-use` (by the same user), `too-many-keys`. */
export async function addSshSigningKey(
  db: Database,
  owner: Owner,
  { title: given, line }: { readonly title: string; readonly line: string },
  actor: Actor,
): Promise<SshSigningKey> {
  const { key, comment } = parseSshKeyLine(line)
  const title = titleOf(given, comment || key.type)
  return await adding(db, owner, 'ssh_signing_key', async (tx) => {
    const values = { account_id: owner.id, title, blob: Buffer.from(key.blob), fingerprint: Buffer.from(key.fingerprint) }
    const row = await tx.insertInto('ssh_signing_key').values(values).returningAll().executeTakeFirstOrThrow()
    const details = { kind: 'ssh', key: row.id, title, fingerprint: formatFingerprint(key.fingerprint) }
    await audit(tx, actor, { action: 'signing-key.create', ownerId: owner.id, target: owner.login, details })
    return sshKeyIn(row)
  })
}

/** @param key as it was read; InputError `key-title`, `key-in-use`, `too-many-keys` */
export async function addGpgKey(
  db: Database,
  owner: Owner,
  { name: given, armored, facts }: { readonly name: string; readonly armored: string; readonly facts: GpgFacts },
  actor: Actor,
): Promise<GpgKey> {
  const name = titleOf(given, facts.keyId.toUpperCase())
  return await adding(db, owner, 'gpg_key', async (tx) => {
    const { fingerprint } = facts
    const ids = [facts, ...facts.subkeys].map(({ keyId }) => keyId)
    const values = { account_id: owner.id, name, fingerprint, key_ids: ids, armored, facts: JSON.stringify(facts) }
    const row = await tx.insertInto('gpg_key').values(values).returningAll().executeTakeFirstOrThrow()
    const details = { kind: 'gpg', key: row.id, name, fingerprint }
    await audit(tx, actor, { action: 'signing-key.create', ownerId: owner.id, target: owner.login, details })
    return gpgKeyIn(row)
  })
}

function titleOf(given: string, otherwise: string): string {
  const title = (given.trim() || otherwise).slice(0, mostTitleCharacters)
  if (/[\p{Cc}\p{Cs}]/u.test(title)) throw new InputError('key-title', 'a title is one line, without control characters')
  return title
}

type KeyTable = 'ssh_signing_key' | 'gpg_key'

async function adding<T>(db: Database, { id }: Owner, table: KeyTable, add: (tx: Tx) => Promise<T>): Promise<T> {
  try {
    return await db.transaction(
      async (tx) => {
        // one after the other, so that the count counts
        await tx.selectFrom('account').select('id').where('id', '=', id).forUpdate().executeTakeFirst()
        const { count } = await tx
          .selectFrom(table)
          .select((of) => of.fn.countAll<number>().as('count'))
          .where('account_id', '=', id)
          .executeTakeFirstOrThrow()
        if (Number(count) >= mostKeys)
          throw new InputError('too-many-keys', `A user has at most ${mostKeys} keys of a kind; delete old ones`)
        await raiseSigningVersion(tx)
        return await add(tx)
      },
      { mayRetry: true },
    )
  } catch (error) {
    if (sqlState(error) !== '23505') throw error
    throw new InputError('key-in-use', 'key is already in use', { cause: error })
  }
}

/** False: the user has no such key. */
export async function deleteSigningKey(db: Database, owner: Owner, kind: 'ssh' | 'gpg', id: number, actor: Actor): Promise<boolean> {
  return await db.transaction(
    async (tx) => {
      const table = kind === 'ssh' ? 'ssh_signing_key' : 'gpg_key'
      const { numDeletedRows } = await tx.deleteFrom(table).where('id', '=', id).where('account_id', '=', owner.id).executeTakeFirst()
      if (numDeletedRows === 0n) return false
      await raiseSigningVersion(tx)
      await audit(tx, actor, { action: 'signing-key.delete', ownerId: owner.id, target: owner.login, details: { kind, key: id } })
      return true
    },
    { mayRetry: true },
  )
}

/** All of a user's, the oldest first: there are few. */
export async function listSshSigningKeys(queries: Queries, owner: AccountId): Promise<SshSigningKey[]> {
  const rows = await queries.selectFrom('ssh_signing_key').selectAll().where('account_id', '=', owner).orderBy('id').execute()
  return rows.map(sshKeyIn)
}

export async function listGpgKeys(queries: Queries, owner: AccountId): Promise<GpgKey[]> {
  const rows = await queries.selectFrom('gpg_key').selectAll().where('account_id', '=', owner).orderBy('id').execute()
  return rows.map(gpgKeyIn)
}

function sshKeyIn(row: { id: number; title: string; blob: Uint8Array; created_at: Date }): SshSigningKey {
  return { id: row.id, title: row.title, line: formatSshKey(decodeSshKey(row.blob)), createdAt: row.created_at }
}

function gpgKeyIn(row: { id: number; name: string; armored: string; facts: unknown; created_at: Date }): GpgKey {
  return { id: row.id, name: row.name, armored: row.armored, facts: row.facts as GpgFacts, createdAt: row.created_at }
}

/** A key that somebody may have signed with, and its user's address. */
export interface SigningCandidate {
  readonly id: number
  readonly addedAt: Date
  readonly email: string | null
  readonly isEmailVerified: boolean
  readonly material: { readonly kind: 'ssh'; readonly blob: Uint8Array } | { readonly kind: 'gpg'; readonly armored: string }
}

/** Every key that one of them names: by the SHA-256 of an SSH key (hex), by an OpenPGP key id. Several users may have the same. */
export async function findSigningKeys(
  queries: Queries,
  wanted: { readonly fingerprints: readonly string[]; readonly keyIds: readonly string[] },
): Promise<{ readonly byFingerprint: ReadonlyMap<string, SigningCandidate[]>; readonly byKeyId: ReadonlyMap<string, SigningCandidate[]> }> {
  const { fingerprints, keyIds } = wanted
  const [ssh, gpg] = await Promise.all([
    fingerprints.length === 0
      ? []
      : queries
          .selectFrom('ssh_signing_key as key')
          .innerJoin('account', 'account.id', 'key.account_id')
          .select(['key.id', 'key.blob', 'key.fingerprint', 'key.created_at', 'account.email', 'account.email_is_verified'])
          .where(
            'key.fingerprint',
            'in',
            fingerprints.map((hex) => Buffer.from(hex, 'hex')),
          )
          .orderBy('key.id')
          .execute(),
    keyIds.length === 0
      ? []
      : queries
          .selectFrom('gpg_key as key')
          .innerJoin('account', 'account.id', 'key.account_id')
          .select(['key.id', 'key.armored', 'key.key_ids', 'key.created_at', 'account.email', 'account.email_is_verified'])
          .where(sql<boolean>`key.key_ids && ${[...keyIds]}::text[]`)
          .orderBy('key.id')
          .execute(),
  ])
  const byFingerprint = new Map<string, SigningCandidate[]>()
  const byKeyId = new Map<string, SigningCandidate[]>()
  const add = (map: Map<string, SigningCandidate[]>, key: string, candidate: SigningCandidate) => {
    const others = map.get(key)
    if (others) others.push(candidate)
    else map.set(key, [candidate])
  }
  for (const row of ssh) add(byFingerprint, Buffer.from(row.fingerprint).toString('hex'), candidateIn(row, { kind: 'ssh', blob: row.blob }))
  for (const row of gpg) for (const id of row.key_ids) add(byKeyId, id, candidateIn(row, { kind: 'gpg', armored: row.armored }))
  return { byFingerprint, byKeyId }
}

function candidateIn(
  row: { id: number; created_at: Date; email: string | null; email_is_verified: boolean },
  material: SigningCandidate['material'],
): SigningCandidate {
  return { id: row.id, addedAt: row.created_at, email: row.email, isEmailVerified: row.email_is_verified, material }
}
