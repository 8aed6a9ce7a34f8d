// `stemma collaborator`: who may do what in one repository, straight in the database.
import { fullName, listCollaborators, operator, type Role, setCollaborator } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import type { Config } from '../config.ts'
import { accountNamed } from './account-named.ts'
import { withDatabase } from './database.ts'
import { parseRepository, repositoryNamed } from './repository-name.ts'
import { quietLog } from './rooms.ts'
import { chosen, type Flags, printDone, printRows } from './usage.ts'

const roles: readonly Role[] = ['read', 'write', 'admin']

export async function runAddCollaborator(config: Config, given: Flags, [name = '', login = '']: readonly string[]): Promise<void> {
  const role = chosen('role', given.role ?? 'write', roles)
  const { repository } = await setRole(config, name, login, role)
  printDone(given.json === true, { repository, login, role }, `${login} has the role ${role} in ${repository}`)
}

export async function runRemoveCollaborator(config: Config, given: Flags, [name = '', login = '']: readonly string[]): Promise<void> {
  const { repository, isChanged } = await setRole(config, name, login, null)
  if (!isChanged) {
    throw new InputError(
      'no-collaborator',
      `${login} is no collaborator of ${repository}; stemma collaborator list ${repository} shows who is`,
    )
  }
  printDone(given.json === true, { repository, login, role: null }, `${login} is no collaborator of ${repository} any more`)
}

export async function runListCollaborators(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const wanted = parseRepository(name)
  const members = await withDatabase(config, quietLog(config), async (db) => {
    const all = { circle: 'all', page: 1, perPage: 1_000_000 } as const
    return (await listCollaborators(db.queries, await repositoryNamed(db, wanted), all)).members
  })
  const rows = members.map(({ account, role }) => ({ login: account.login, role }))
  printRows(given.json === true, ['LOGIN', 'ROLE'], rows, (row) => [row.login, row.role])
}

async function setRole(
  config: Config,
  name: string,
  login: string,
  role: Role | null,
): Promise<{ readonly repository: string; readonly isChanged: boolean }> {
  const wanted = parseRepository(name)
  return withDatabase(config, quietLog(config), async (db) => {
    const repository = await repositoryNamed(db, wanted)
    const isChanged = await setCollaborator(db, repository, await accountNamed(db, login, 'user'), role, operator)
    return { repository: fullName(repository), isChanged }
  })
}
