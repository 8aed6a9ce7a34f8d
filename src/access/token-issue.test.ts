// Tokens made, replaced, listed and revoked over a real database.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock, systemRandomness } from '../base/index.ts'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import { createToken, ensureAdministrator, hashToken, hasWorkingToken, listTokens, revokeToken } from './index.ts'

let db: TestDatabase
before(async () => {
  db = await testDatabase()
})
after(() => db.close())

describe('the administrator and tokens', () => {
  const hashes = async (): Promise<string[]> =>
    (await db.database.queries.selectFrom('token').select('name').orderBy('name').execute()).map((row) => row.name)

  test('the first start makes a token once, also when nodes start together; only its hash is stored', async () => {
    const secrets = await Promise.all([1, 2, 3].map(() => ensureAdministrator(db.database, null, systemRandomness)))
    const made = secrets.filter((secret) => secret !== null)
    assert.equal(made.length, 1)
    assert.match(made[0] ?? '', /^stm_[0-9a-f]{40}$/)
    const row = await db.database.queries.selectFrom('token').select('hash').executeTakeFirstOrThrow()
    assert.deepEqual(new Uint8Array(row.hash), new Uint8Array(hashToken(made[0] ?? '')))
  })

  test('a configured token replaces the one before it, even when the secret stood under another name', async () => {
    for (const secret of ['a', 'b', 'b', 'a']) assert.equal(await ensureAdministrator(db.database, secret, systemRandomness), null)
    assert.deepEqual(await hashes(), ['STEMMA_ADMIN_TOKEN', 'first start'])
    const other = await createToken(db.database, { account: 'Admin', name: 'ci', expiresAt: null }, systemRandomness)
    await ensureAdministrator(db.database, other, systemRandomness)
    assert.deepEqual(await hashes(), ['STEMMA_ADMIN_TOKEN', 'first start'])
  })

  test('make, list, revoke', async () => {
    const wanted = { account: 'admin', name: 'ci', expiresAt: new Date(4e12) }
    await createToken(db.database, wanted, systemRandomness)
    await assert.rejects(createToken(db.database, wanted, systemRandomness), { code: 'token-exists' })
    await assert.rejects(createToken(db.database, { ...wanted, name: 'a\tb' }, systemRandomness), { code: 'token-name' })
    assert.deepEqual(
      (await listTokens(db.database.queries, { account: 'admin' })).map((token) => [token.name, token.expiresAt]).slice(1, 2),
      [['ci', new Date(4e12)]],
    )
    await revokeToken(db.database, 'admin', 'ci')
    await assert.rejects(revokeToken(db.database, 'admin', 'ci'), { code: 'no-such-token' })
    await assert.rejects(listTokens(db.database.queries, { account: 'who' }), { code: 'no-such-account' })
  })

  test('an administrator who is left without a working token is found, and gets a new one', async () => {
    const { queries } = db.database
    for (const { name } of await listTokens(queries, { account: 'admin' })) await revokeToken(db.database, 'admin', name)
    assert.equal(await hasWorkingToken(queries, 'admin', systemClock), false)
    await createToken(db.database, { account: 'admin', name: 'old', expiresAt: new Date(systemClock.now() - 1000) }, systemRandomness)
    assert.equal(await hasWorkingToken(queries, 'admin', systemClock), false)
    await createToken(db.database, { account: 'admin', name: 'new', expiresAt: null }, systemRandomness)
    assert.equal(await hasWorkingToken(queries, 'admin', systemClock), true)
  })
})
