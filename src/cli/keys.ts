// `stemma key`: SSH keys of accounts and repositories, straight in the database.
import { readFileSync } from 'node:fs'
import {
  addSshKey,
  deleteSshKey,
  formatFingerprint,
  fullName,
  listSshKeys,
  operator,
  type SshKey,
  type SshKeyOwner,
} from '../access/index.ts'
import { InputError } from '../base/index.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/index.ts'
import { forgetHostKeys } from '../ssh/index.ts'
import { accountNamed } from './account-named.ts'
import { withDatabase } from './database.ts'
import { parseRepository, repositoryNamed } from './repository-name.ts'
import { quietLog } from './rooms.ts'
import { type Flags, printDone, printRows, several, UsageError } from './usage.ts'

const mostListed = 10_000

export async function runAddKey(config: Config, given: Flags, [file = '']: readonly string[]): Promise<void> {
  const line = readLine(file)
  const isReadOnly = given['read-only'] === true
  const added = await withOwner(config, given, 'key add', async (db, owner) => {
    if (isReadOnly && 'accountId' in owner) throw new UsageError('--read-only is for deploy keys: give --repository')
    return db.transaction((tx) => addSshKey(tx, { owner, title: given.name ?? '', line, isReadOnly, actor: operator }))
  })
  printDone(given.json === true, keyJson(added), `added key ${added.id} (${formatFingerprint(added.fingerprint)})`)
}

export async function runListKeys(config: Config, given: Flags): Promise<void> {
  const { keys } = await withOwner(config, given, 'key list', (db, owner) =>
    listSshKeys(db.queries, owner, { page: 1, perPage: mostListed }),
  )
  printRows(given.json === true, ['ID', 'TITLE', 'FINGERPRINT', 'MAY', 'ADDED', 'LAST USED'], keys.map(keyJson), (key) => [
    String(key.id),
    key.title,
    key.fingerprint,
    key.readOnly ? 'read' : 'write',
    day(key.createdAt),
    day(key.lastUsedAt),
  ])
}

export async function runRemoveKey(config: Config, given: Flags, [id = '']: readonly string[]): Promise<void> {
  if (!/^\d{1,15}$/.test(id)) throw new UsageError(`'${id}' is no key's number; stemma key list shows them`)
  await withOwner(config, given, 'key remove', async (db, owner) => {
    const isGone = await db.transaction((tx) => deleteSshKey(tx, owner, Number(id), operator))
    const name = 'accountId' in owner ? owner.login : owner.fullName
    if (!isGone) throw new InputError('no-such-key', `${name} has no key ${id}; stemma key list shows those that there are`)
  })
  printDone(given.json === true, { id: Number(id), removed: true }, `removed key ${id}`)
}

export async function runForgetHostKeys(config: Config, given: Flags): Promise<void> {
  const count = await withDatabase(config, quietLog(config), (db) => forgetHostKeys(db))
  printDone(given.json === true, { forgotten: count }, `forgot ${count} host keys; start the server anew to make others`)
}

async function withOwner<T>(
  config: Config,
  given: Flags,
  command: string,
  run: (db: Database, owner: SshKeyOwner) => Promise<T>,
): Promise<T> {
  const repositories = several(given.repository)
  if (repositories.length + (given.account === undefined ? 0 : 1) !== 1) {
    throw new UsageError(`'stemma ${command}' needs --account USER, or --repository OWNER/REPO for deploy keys`)
  }
  return await withDatabase(config, quietLog(config), async (db) => run(db, await ownerOf(db, given.account, repositories[0])))
}

async function ownerOf(db: Database, account: string | undefined, repository: string | undefined): Promise<SshKeyOwner> {
  if (account !== undefined) {
    const { id: accountId, login } = await accountNamed(db, account, 'user')
    return { accountId, login }
  }
  const found = await repositoryNamed(db, parseRepository(repository ?? ''))
  return { repositoryId: found.id, ownerId: found.ownerId, fullName: fullName(found) }
}

/** `-`: what comes on standard input. */
function readLine(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw new UsageError(`the key ${file} can't be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function keyJson({ addedBy, createdAt, fingerprint, id, isReadOnly, lastUsedAt, line, title }: SshKey) {
  return { id, title, key: line, fingerprint: formatFingerprint(fingerprint), readOnly: isReadOnly, addedBy, createdAt, lastUsedAt }
}

function day(at: Date | null): string {
  return at === null ? 'never' : at.toISOString().slice(0, 10)
}
