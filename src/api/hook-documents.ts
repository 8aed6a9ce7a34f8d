// Repositories and accounts as webhooks tell of them: the API's documents, but for what depends on who asks.
import { repositorySizes, anonymous } from '../access/index.ts'
import type { Database } from '../db/index.ts'
import type { HookDocuments } from '../hooks/index.ts'
import { type FormatRoom, roomOf } from '../packages/index.ts'
import { ownerJson, type Places, repositoryJson } from './documents.ts'
import { hookPackage } from './hook-package.ts'
import { organizationJson } from './people-documents.ts'

/** @param places where the server is reached; asked when a document is made */
export function hookDocuments(db: Database, places: () => Places, formats: readonly FormatRoom[]): HookDocuments {
  return {
    repository: async (repository) => {
      const sizes = await repositorySizes(db.queries, [repository])
      const { permissions: _, ...document } = repositoryJson(places(), repository, anonymous, sizes.get(repository.id) ?? 0)
      return document
    },
    account: (account) => ownerJson(places().origin, account),
    organization: (account) => organizationJson(places().origin, account),
    package: (one, told) => hookPackage(db.queries, places().origin, roomOf(formats, one), one, told),
  }
}
