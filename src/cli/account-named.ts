// Accounts by the names that a command line gives them, and what to do when there are none.
import { type Account, findAccount } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import type { Database } from '../db/index.ts'

const hints = { user: 'stemma user list shows those that there are', organization: 'stemma org list shows those that there are' }

/** InputError 'no-account' when there is none of that kind. */
export async function accountNamed({ queries }: Database, login: string, kind?: Account['kind']): Promise<Account> {
  const found = await findAccount(queries, login)
  if (found === null) throw new InputError('no-account', `there is no account '${login}'; ${hints[kind ?? 'user']}`)
  if (kind !== undefined && found.kind !== kind) {
    const is = found.kind === 'user' ? 'a user' : 'an organization'
    throw new InputError('no-account', `${found.login} is ${is}; ${hints[kind]}`)
  }
  return found
}
