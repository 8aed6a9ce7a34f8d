// `stemma user`: users made, shown, changed and deleted, straight in the database; `org delete` is here, too.
import {
  type Account,
  allAccounts,
  changeAccount,
  createAccount,
  deleteAccount,
  listMemberships,
  listTokens,
  operator,
} from '../access/index.ts'
import { systemRandomness } from '../base/index.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/index.ts'
import { assertPassword, dropSecondFactor, Passwords, setPassword } from '../sign-in/index.ts'
import { accountNamed } from './account-named.ts'
import { withDatabase } from './database.ts'
import { quietLog } from './rooms.ts'
import { type Flags, needed, print, printDone, printRows, readToken, UsageError } from './usage.ts'

export async function runCreateUser(config: Config, given: Flags, [login = '']: readonly string[]): Promise<void> {
  const password = given['password-file'] === undefined ? null : readToken(given['password-file'], 'password-file')
  if (password !== null) assertPassword(password, login)
  const made = await withDatabase(config, quietLog(config), async (db) => {
    const { name: displayName = null, email = null, admin: isAdmin = false } = given
    const account = await createAccount(db, { login, displayName, email, isAdmin })
    if (password !== null) await change(db, account, password)
    return account
  })
  const next = `stemma token create --account ${made.login} --name NAME makes a token for it`
  printDone(given.json === true, userJson(made), `${made.login} is there${password === null ? `; ${next}` : ', and may sign in'}`)
}

export async function runListUsers(config: Config, given: Flags): Promise<void> {
  const all = await withDatabase(config, quietLog(config), async ({ queries }) => allAccounts(queries, 'user'))
  const heads = ['LOGIN', 'NAME', 'EMAIL', 'STATE', 'CREATED']
  printRows(given.json === true, heads, all.map(userJson), ({ login, name, email, admin, suspendedAt, createdAt }) => [
    login,
    name,
    email,
    suspendedAt === null ? (admin ? 'administrator' : 'active') : 'suspended',
    createdAt.slice(0, 10),
  ])
}

export async function runShowUser(config: Config, given: Flags, [login = '']: readonly string[]): Promise<void> {
  const shown = await withDatabase(config, quietLog(config), async (db) => {
    const account = await accountNamed(db, login, 'user')
    const { id: accountId, isAdmin } = account
    const self = { kind: 'account', accountId, login: account.login, isAdmin, grant: null, tokenId: null } as const
    const memberships = await listMemberships(db.queries, self, accountId)
    const tokens = await listTokens(db.queries, { account: account.login })
    return {
      ...userJson(account),
      organizations: memberships.map(({ organization, role }) => ({ organization: organization.login, role })),
      tokens: tokens.length,
    }
  })
  if (given.json === true) return print(JSON.stringify(shown))
  const { organizations, ...plain } = shown
  for (const [key, value] of Object.entries(plain)) print(`${key}\t${value ?? '-'}`)
  for (const { organization, role } of organizations) print(`member of\t${organization} (${role})`)
}

const switches = {
  suspend: [{ isSuspended: true }, 'may do nothing until stemma user unsuspend'],
  unsuspend: [{ isSuspended: false }, 'may act again'],
  promote: [{ isAdmin: true }, 'is an administrator of the server'],
  demote: [{ isAdmin: false }, 'is no administrator of the server'],
} as const

export async function runSwitch(word: keyof typeof switches, config: Config, given: Flags, [login = '']: readonly string[]): Promise<void> {
  const [wanted, words] = switches[word]
  const changed = await withDatabase(config, quietLog(config), async (db) => {
    const account = await accountNamed(db, login, 'user')
    return (await changeAccount(db, account.id, wanted, operator)) ?? account
  })
  printDone(given.json === true, userJson(changed), `${changed.login} ${words}`)
}

export async function runRename(
  kind: Account['kind'],
  config: Config,
  given: Flags,
  [before = '', login = '']: readonly string[],
): Promise<void> {
  const changed = await withDatabase(config, quietLog(config), async (db) => {
    const account = await accountNamed(db, before, kind)
    return (await changeAccount(db, account.id, { login }, operator)) ?? account
  })
  printDone(given.json === true, userJson(changed), `${before} is ${changed.login} now; its repositories answer as ${changed.login}/… only`)
}

export async function runPassword(config: Config, given: Flags, [login = '']: readonly string[]): Promise<void> {
  const password = readToken(needed(given['password-file'], 'user password', 'password-file'), 'password-file')
  const account = await withDatabase(config, quietLog(config), async (db) => {
    const found = await accountNamed(db, login, 'user')
    await change(db, found, password)
    return found
  })
  printDone(given.json === true, userJson(account), `${account.login} has a new password; sessions under the old one have ended`)
}

async function change(db: Database, account: Account, password: string): Promise<void> {
  await setPassword({ db, passwords: new Passwords(systemRandomness) }, account, { password }, operator)
}

/** For who has lost his app and his recovery codes. */
export async function runDisableOtp(config: Config, given: Flags, [login = '']: readonly string[]): Promise<void> {
  const { account, isGone } = await withDatabase(config, quietLog(config), async (db) => {
    const found = await accountNamed(db, login, 'user')
    return { account: found, isGone: await dropSecondFactor(db, found, operator) }
  })
  const words = isGone ? 'has no second factor any more' : 'has none'
  printDone(given.json === true, userJson(account), `${account.login} ${words}`)
}

export async function runDelete(kind: Account['kind'], config: Config, given: Flags, [login = '']: readonly string[]): Promise<void> {
  if (given.yes !== true) throw new UsageError(`this deletes ${login} for good, with its tokens, keys and memberships: --yes does it`)
  const gone = await withDatabase(config, quietLog(config), async (db) => {
    const account = await accountNamed(db, login, kind)
    await deleteAccount(db, account.id, operator)
    return account
  })
  printDone(given.json === true, { login: gone.login, deleted: true }, `${gone.login} is gone`)
}

export function userJson({ login, displayName, email, isAdmin, createdAt, suspendedAt }: Account) {
  return {
    login,
    name: displayName,
    email,
    admin: isAdmin,
    createdAt: createdAt.toISOString(),
    suspendedAt: suspendedAt && suspendedAt.toISOString(),
  }
}
