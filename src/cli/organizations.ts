// `stemma org`: organisations and their members, straight in the database.
import { allAccounts, createOrganization, listMembers, operator, type Role, setMember } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import type { Config } from '../config.ts'
import { accountNamed } from './account-named.ts'
import { withDatabase } from './database.ts'
import { quietLog } from './rooms.ts'
import { chosen, type Flags, needed, printDone, printRows } from './usage.ts'

const roles: readonly Role[] = ['read', 'write', 'admin']
/** More than an organisation has: all at once. */
const everybody = { page: 1, perPage: 1_000_000 }

export async function runCreateOrganization(config: Config, given: Flags, [login = '']: readonly string[]): Promise<void> {
  const admin = needed(given.account, 'org create', 'account')
  const made = await withDatabase(config, quietLog(config), async (db) => {
    const { id: firstAdmin } = await accountNamed(db, admin, 'user')
    return createOrganization(db, { login, displayName: given.name ?? null, firstAdmin, actor: operator })
  })
  printDone(given.json === true, { login: made.login, name: made.displayName, admin }, `${made.login} is there; ${admin} administers it`)
}

export async function runListOrganizations(config: Config, given: Flags): Promise<void> {
  const all = await withDatabase(config, quietLog(config), async ({ queries }) => allAccounts(queries, 'organization'))
  const rows = all.map(({ login, displayName, createdAt }) => ({ login, name: displayName, createdAt: createdAt.toISOString() }))
  printRows(given.json === true, ['LOGIN', 'NAME', 'CREATED'], rows, ({ login, name, createdAt }) => [login, name, createdAt.slice(0, 10)])
}

export async function runListMembers(config: Config, given: Flags, [login = '']: readonly string[]): Promise<void> {
  const members = await withDatabase(config, quietLog(config), async (db) => {
    const { id } = await accountNamed(db, login, 'organization')
    return (await listMembers(db.queries, id, everybody)).members
  })
  const rows = members.map(({ account, role }) => ({ login: account.login, role }))
  printRows(given.json === true, ['LOGIN', 'ROLE'], rows, (row) => [row.login, row.role])
}

export async function runAddMember(config: Config, given: Flags, [login = '', user = '']: readonly string[]): Promise<void> {
  const role = chosen('role', given.role ?? 'read', roles)
  await setRole(config, login, user, role)
  printDone(given.json === true, { organization: login, login: user, role }, `${user} may ${meaning[role]} in ${login}`)
}

const meaning = { read: 'read everything', write: 'read and push everything', admin: 'do everything' } as const

export async function runRemoveMember(config: Config, given: Flags, [login = '', user = '']: readonly string[]): Promise<void> {
  if (!(await setRole(config, login, user, null))) {
    throw new InputError('no-member', `${user} is no member of ${login}; stemma org members ${login} shows who is`)
  }
  printDone(given.json === true, { organization: login, login: user, role: null }, `${user} is no member of ${login} any more`)
}

async function setRole(config: Config, login: string, user: string, role: Role | null): Promise<boolean> {
  return withDatabase(config, quietLog(config), async (db) => {
    const organization = await accountNamed(db, login, 'organization')
    return setMember(db, organization, await accountNamed(db, user, 'user'), role, operator)
  })
}
