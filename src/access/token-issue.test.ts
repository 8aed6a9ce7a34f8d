// Tokens made, replaced, listed and revoked over a real database.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock, systemRandomness } from '../base/index.ts'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import {
  createRepository,
  createToken,
  ensureAdministrator,
  findAccount,
  fullName,
  hashToken,
  hasWorkingToken,
  issueToken,
  listTokens,
  type NewToken,
  operator,
  revokeToken,
  revokeTokensNamed,
} from './index.ts'

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

  test('a repository has one deployment token of a name, also when two are made at once; those that share one from before go together', async () => {
    const admin = await findAccount(db.database.queries, 'admin')
    assert.ok(admin)
    const repository = await createRepository(db.database, { ownerId: admin.id, name: 'deployed', visibility: 'private' })
    const { id: repositoryId, ownerId } = repository
    const wanted = (name: string): NewToken => ({
      kind: 'deploy',
      bearer: { kind: 'repository', repositoryId, ownerId, fullName: fullName(repository) },
      name,
      grant: { scopes: ['repository:read'], ownerIds: null, repositoryIds: [repositoryId] },
      expiresAt: null,
      actor: operator,
    })
    const issue = (name: string) => db.database.transaction((tx) => issueToken(tx, wanted(name), systemRandomness))
    const made = await Promise.allSettled([issue('dup'), issue('dup'), issue('dup')])
    assert.deepEqual(made.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected'])
    await assert.rejects(issue('dup'), { code: 'token-exists' })
    await issue('other')
    await db.database.queries
      .insertInto('token')
      .values({ kind: 'deploy', name: 'dup', repository_id: repositoryId, scopes: ['repository:read'], hash: hashToken('from before') })
      .execute()
    assert.equal(await revokeTokensNamed(db.database, { repositoryId }, 'dup', operator), 2)
    assert.equal(await revokeTokensNamed(db.database, { repositoryId }, 'dup', operator), 0)
    assert.deepEqual(
      (await listTokens(db.database.queries, { repositoryId })).map(({ name }) => name),
      ['other'],
    )
    await issue('dup')
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
