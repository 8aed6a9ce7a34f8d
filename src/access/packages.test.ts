// Packages as they are made by whoever publishes first.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '../../tests/support/test-database.ts'
import type { Database, Queries } from '../db/index.ts'
import { createAccount } from './accounts.ts'
import { operator } from './audit.ts'
import { createOrFindPackage } from './packages.ts'

test('a package that is deleted between finding that it is there and looking for it is made anew', async () => {
  const opened = await testDatabase()
  const { database } = opened
  try {
    const { id: ownerId } = await createAccount(database, { login: 'olive' })
    const wanted = { ownerId, ownerLogin: 'olive', format: 'oci', name: 'web', repositoryId: null, visibility: 'private' } as const
    const before = await createOrFindPackage(database, wanted, operator)
    let deletions = 0
    const deletedFirst = {
      transformQuery: ({ node }: { node: unknown }) => node,
      transformResult: async ({ result }: { result: { rows: unknown[] } }) => {
        if (deletions++ > 0) return result
        await database.queries.deleteFrom('package').where('id', '=', before.id).execute()
        return { ...result, rows: [] }
      },
    } as unknown as Parameters<Queries['withPlugin']>[0]
    const beside = { queries: database.queries.withPlugin(deletedFirst), transaction: database.transaction.bind(database) }
    const made = await createOrFindPackage(beside as unknown as Database, wanted, operator)
    assert.ok(deletions > 0)
    assert.notEqual(made.id, before.id)
    assert.deepEqual(await createOrFindPackage(database, wanted, operator), made)
  } finally {
    await opened.close()
  }
})
