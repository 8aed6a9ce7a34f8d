// Forks over a real database: what they get, who sees whom, and what stays when one goes.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { makeAccount, type TestAccount } from '../../tests/support/accounts.ts'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import {
  anonymous,
  createRepository,
  deleteRepository,
  forkRepository,
  type Identity,
  readableSiblings,
  type Repository,
  updateRepository,
} from './index.ts'

let scratch: TestDatabase
let alice: TestAccount
let bob: TestAccount
let source: Repository
before(async () => {
  scratch = await testDatabase()
  const { database: db } = scratch
  alice = await makeAccount(db, 'alice')
  bob = await makeAccount(db, 'bob')
  source = await createRepository(db, { ownerId: alice.id, name: 'source', visibility: 'public', head: 'refs/heads/trunk' })
  const refs = ['refs/heads/trunk', 'refs/heads/hidden/x', 'refs/tags/v1', 'refs/pull/1/head']
  await db.queries
    .insertInto('ref')
    .values(
      refs.map((name, i) => ({
        repository_id: source.id,
        name,
        oid: Buffer.alloc(20, i + 1),
        peeled: i === 2 ? Buffer.alloc(20, 9) : null,
      })),
    )
    .execute()
})
after(async () => await scratch?.close())

const as = ({ id, login }: TestAccount, isAdmin = false): Identity => ({
  kind: 'account',
  accountId: id,
  login,
  isAdmin,
  grant: null,
  tokenId: null,
})
const fork = (from: Repository, owner: TestAccount, name: string, visibility?: 'public' | 'private') =>
  forkRepository(scratch.database, {
    sourceId: from.id,
    ownerId: owner.id,
    name,
    takesRef: (ref) => !ref.startsWith('refs/pull/') && !ref.startsWith('refs/heads/hidden/'),
    ...(visibility ? { visibility } : {}),
  })

test('a fork has the network, HEAD and chosen refs of its source, and no object of its own', async () => {
  const made = await fork(source, bob, 'fork')
  assert.ok(made)
  assert.deepEqual([made.networkId, made.head, made.visibility, made.isShared], [source.networkId, 'refs/heads/trunk', 'public', true])
  const refs = await scratch.database.queries.selectFrom('ref').selectAll().where('repository_id', '=', made.id).orderBy('name').execute()
  assert.deepEqual(
    refs.map((ref) => [ref.name, ref.oid[0], ref.peeled?.[0]]),
    [
      ['refs/heads/trunk', 1, undefined],
      ['refs/tags/v1', 3, 9],
    ],
  )
  await assert.rejects(fork(source, bob, 'FORK'), { code: 'repository-exists' })
  await assert.rejects(fork(source, bob, '..'), { code: 'bad-repository-name' })
})

test('a fork of a private repository is private', async () => {
  const closed = await createRepository(scratch.database, { ownerId: alice.id, name: 'closed', visibility: 'private' })
  assert.equal(closed.isShared, false)
  assert.equal((await fork(closed, bob, 'closed-fork', 'public'))?.visibility, 'private')
})

test('of a source that is cut off the fork is, too; other settings stay the source’s', async () => {
  const settings = { 'stemma.shallow': ['ab'.repeat(20)], 'receive.denyDeletes': ['true'] }
  const cut = await createRepository(scratch.database, { ownerId: alice.id, name: 'cut', visibility: 'public' })
  await updateRepository(scratch.database, cut.id, { settings: () => settings })
  assert.deepEqual((await fork(cut, bob, 'cut-fork'))?.settings, { 'stemma.shallow': settings['stemma.shallow'] })
})

test('siblings are shown to those who may read them, the source first', async () => {
  const own = await createRepository(scratch.database, { ownerId: alice.id, name: 'own', visibility: 'public' })
  const open = (await fork(own, bob, 'open')) as Repository
  const secret = (await fork(own, bob, 'secret', 'private')) as Repository
  await scratch.database.queries.updateTable('repository').set({ pushed_at: new Date() }).where('id', '=', secret.id).execute()
  const names = async (identity: Identity, of: Repository, most = 10) =>
    (await readableSiblings(scratch.database.queries, identity, of, most)).map((repository) => repository.name)
  assert.deepEqual(await names(anonymous, own), ['open'])
  assert.deepEqual(await names(as(alice), own), ['open'])
  assert.deepEqual(await names(as(bob), own), ['secret', 'open'])
  assert.deepEqual(await names(as(alice, true), own), ['secret', 'open'])
  assert.deepEqual(await names(as(bob), open), ['own', 'secret'])
  assert.deepEqual(await names(as(bob), open, 1), ['own'])
  assert.deepEqual(await names(as(alice), source), ['fork'])
})

test('a network was shared once it was, whoever is left', async () => {
  const lone = await createRepository(scratch.database, { ownerId: alice.id, name: 'lone', visibility: 'public' })
  const gone = (await fork(lone, bob, 'gone')) as Repository
  assert.equal(await deleteRepository(scratch.database, gone.id), true)
  const again = await forkRepository(scratch.database, { sourceId: gone.id, ownerId: bob.id, name: 'x', takesRef: () => true })
  assert.equal(again, null)
  const network = await scratch.database.queries
    .selectFrom('network')
    .select('is_shared')
    .where('id', '=', lone.networkId)
    .executeTakeFirst()
  assert.equal(network?.is_shared, true)
  const child = (await fork(lone, bob, 'child')) as Repository
  assert.equal(await deleteRepository(scratch.database, lone.id), true)
  const row = await scratch.database.queries.selectFrom('repository').select('parent_id').where('id', '=', child.id).executeTakeFirst()
  assert.equal(row?.parent_id, null)
})
