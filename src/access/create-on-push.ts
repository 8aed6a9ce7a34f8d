// The first push to a repository makes it, where the gate has found that the caller may.
import { InputError } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import type { AccountId } from './identity.ts'
import { createRepository, type NewRepository } from './repositories.ts'
import { findRepository, type Repository } from './repository-rows.ts'

/** Two first pushes at once: one creates the repository, the other finds it. It is private: nobody said that it may be seen. */
export async function createOrFind(
  db: Database,
  wanted: Pick<NewRepository, 'ownerId' | 'name' | 'networkId' | 'actor'>,
): Promise<Repository> {
  try {
    return await createRepository(db, { ...wanted, visibility: 'private' })
  } catch (error) {
    const found = error instanceof InputError && error.code === 'repository-exists' ? await findOwned(db, wanted) : null
    if (!found) throw error
    return found
  }
}

async function findOwned({ queries }: Database, { ownerId, name }: { ownerId: AccountId; name: string }): Promise<Repository | null> {
  const owner = await queries.selectFrom('account').select('login').where('id', '=', ownerId).executeTakeFirst()
  return owner ? findRepository(queries, owner.login, name) : null
}
