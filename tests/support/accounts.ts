// Accounts with tokens for tests that work on the database directly.
import { type AccountId, createToken } from '../../src/access/index.ts'
import { systemRandomness } from '../../src/base/index.ts'
import type { Database } from '../../src/db/index.ts'

export interface TestAccount {
  readonly id: AccountId
  readonly login: string
  /** A token that works. */
  readonly token: string
  /** One that has expired. */
  readonly expired: string
}

export async function makeAccount(db: Database, login: string, isAdmin = false): Promise<TestAccount> {
  const row = await db.queries.insertInto('account').values({ login, is_admin: isAdmin }).returning('id').executeTakeFirstOrThrow()
  const token = await createToken(db, { account: login, name: 'test', expiresAt: null }, systemRandomness)
  const expired = await createToken(db, { account: login, name: 'old', expiresAt: new Date(Date.now() - 1000) }, systemRandomness)
  return { id: row.id as AccountId, login, token, expired }
}
