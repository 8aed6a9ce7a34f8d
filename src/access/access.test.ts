// Accounts, tokens and repositories over a real database.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { type Clock, systemClock } from '../base/index.ts'
import { makeAccount, type TestAccount } from '../../tests/support/accounts.ts'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import {
  createAccount,
  createRepository,
  deleteRepository,
  findAccount,
  findIdentity,
  hashToken,
  findRepository,
  type Identity,
  listRepositories,
  revokeToken,
  TokenUses,
  type RepositorySettings,
  updateRepository,
} from './index.ts'
import { makeFindCall } from './call.ts'
import { identityOf } from './tokens.ts'

let scratch: TestDatabase
let alice: TestAccount
before(async () => {
  scratch = await testDatabase()
  alice = await makeAccount(scratch.database, 'Alice')
})
after(async () => await scratch?.close())

const as = ({ id, login }: TestAccount): Identity => ({ kind: 'account', accountId: id, login, isAdmin: false, grant: null, tokenId: null })
const sent = (token: string) => ({ hash: hashToken(token), carrier: 'header' }) as const
const kindOf = (identity: Identity | 'suspended' | null) => (typeof identity === 'string' ? identity : identity?.kind)

test('accounts: found in any case, made once, never with a reserved name', async () => {
  const { database: db } = scratch
  const made = await createAccount(db, { login: 'Bob' })
  assert.deepEqual([made.login, made.isAdmin], ['Bob', false])
  assert.equal((await findAccount(db.queries, 'bOB'))?.id, made.id)
  assert.equal(await findAccount(db.queries, 'nobody'), null)
  await assert.rejects(createAccount(db, { login: 'BOB' }), { code: 'account-exists' })
  for (const login of ['api', 'V2', 'admin']) await assert.rejects(createAccount(db, { login }), { code: 'reserved-login' })
})

test('a call: caller, owner and repository by one statement, each of them there or not', async () => {
  const { database: db } = scratch
  const find = makeFindCall()
  const made = await createRepository(db, { ownerId: alice.id, name: 'Called', visibility: 'private' })
  const seen = async (secret: string | null, owner: string, name: string) => {
    const { token, target } = await find(db.queries, secret === null ? null : hashToken(secret), owner, name)
    return [token && kindOf(identityOf(token, 'header', systemClock)), target?.owner.accountId, target?.repository?.id]
  }
  assert.deepEqual(await seen(alice.token, 'ALICE', 'called'), ['account', alice.id, made.id])
  assert.deepEqual(await seen(null, 'alice', 'called'), [null, alice.id, made.id])
  assert.deepEqual(await seen(`${alice.token}0`, 'alice', 'called'), [null, alice.id, made.id])
  assert.deepEqual(await seen(alice.expired, 'alice', 'called'), [undefined, alice.id, made.id])
  assert.deepEqual(await seen(alice.token, 'alice', 'nothing'), ['account', alice.id, undefined])
  assert.deepEqual(await seen(alice.token, 'nobody', 'called'), ['account', undefined, undefined])
  assert.deepEqual((await find(db.queries, null, 'alice', 'called')).target?.repository, made)
})

test('tokens: unknown, expired and revoked ones say nothing; the last use is noted once a minute', async () => {
  const { database: db } = scratch
  assert.equal(kindOf(await findIdentity(db.queries, sent(alice.token), systemClock)), 'account')
  assert.equal(await findIdentity(db.queries, sent(alice.expired), systemClock), null)
  assert.equal(await findIdentity(db.queries, sent(`${alice.token}0`), systemClock), null)
  let nowMs = Date.now()
  const clock: Clock = { now: () => nowMs, monotonic: () => nowMs }
  const uses = new TokenUses(db.queries, clock, pino({ level: 'silent' }))
  const lastUse = async () => {
    await findIdentity(db.queries, sent(alice.token), clock, uses)
    await uses.close()
    const row = await db.queries
      .selectFrom('token')
      .select('last_used_at')
      .where('name', '=', 'test')
      .where('account_id', '=', alice.id)
      .executeTakeFirst()
    return row?.last_used_at?.getTime()
  }
  const first = nowMs
  assert.equal(await lastUse(), first)
  nowMs += 59_000
  assert.equal(await lastUse(), first)
  nowMs += 1_000
  assert.equal(await lastUse(), nowMs)
  await revokeToken(db, 'alice', 'test')
  assert.equal(await findIdentity(db.queries, sent(alice.token), systemClock), null)
})

test('repositories: created with network and outbox row, found in any case, one of each name', async () => {
  const { database: db } = scratch
  const made = await createRepository(db, {
    ownerId: alice.id,
    name: 'Stemma',
    visibility: 'private',
    objectFormat: 'sha256',
    description: 'x',
  })
  const { ownerLogin, name, visibility, head, objectFormat, refsVersion, description } = made
  assert.deepEqual(
    [ownerLogin, name, visibility, head, objectFormat, refsVersion, description],
    ['Alice', 'Stemma', 'private', 'refs/heads/main', 'sha256', 0, 'x'],
  )
  assert.deepEqual(await findRepository(db.queries, 'ALICE', 'stemma'), made)
  assert.equal(await findRepository(db.queries, 'alice', 'other'), null)
  const networksBefore = await countRows('network')
  await assert.rejects(createRepository(db, { ownerId: alice.id, name: 'STEMMA', visibility: 'public' }), { code: 'repository-exists' })
  await assert.rejects(createRepository(db, { ownerId: alice.id, name: 'a/b', visibility: 'public' }), { code: 'bad-repository-name' })
  assert.equal(await countRows('network'), networksBefore)
  const rows = await db.queries.selectFrom('outbox').selectAll().where('repository_id', '=', made.id).execute()
  assert.deepEqual(
    rows.map((row) => row.kind),
    ['repository.created'],
  )
})

test('many at once: one wins each name', async () => {
  const { database: db } = scratch
  const attempts = await Promise.allSettled(
    Array.from({ length: 10 }, () => createRepository(db, { ownerId: alice.id, name: 'race', visibility: 'public' })),
  )
  assert.equal(attempts.filter((attempt) => attempt.status === 'fulfilled').length, 1)
  for (const attempt of attempts) if (attempt.status === 'rejected') assert.equal(attempt.reason.code, 'repository-exists')
})

test('changes: rename, visibility, description, and a HEAD that exists', async () => {
  const { database: db } = scratch
  const { id } = await createRepository(db, { ownerId: alice.id, name: 'before', visibility: 'public' })
  await createRepository(db, { ownerId: alice.id, name: 'taken', visibility: 'public' })
  const renamed = await updateRepository(db, id, { name: 'after', visibility: 'private', description: null })
  assert.deepEqual([renamed?.name, renamed?.visibility, renamed?.refsVersion], ['after', 'private', 0])
  assert.equal(await findRepository(db.queries, 'alice', 'before'), null)
  assert.equal((await updateRepository(db, id, { name: 'AFTER' }))?.name, 'AFTER')
  await assert.rejects(updateRepository(db, id, { name: 'Taken' }), { code: 'repository-exists' })
  await assert.rejects(updateRepository(db, id, { head: 'refs/heads/dev' }), { code: 'no-such-branch' })
  await db.queries
    .insertInto('ref')
    .values({ repository_id: id, name: 'refs/heads/dev', oid: new Uint8Array(20) })
    .execute()
  const moved = await updateRepository(db, id, { head: 'refs/heads/dev' })
  assert.deepEqual([moved?.head, moved?.refsVersion], ['refs/heads/dev', 1])
  assert.equal((await updateRepository(db, id, { head: 'refs/heads/dev' }))?.refsVersion, 1)
})

test('the outbox tells which settings changed, and no values: some are secrets', async () => {
  const db = scratch.database
  const { id } = await createRepository(db, { ownerId: alice.id, name: 'secretive', visibility: 'private' })
  const change = async (settings: RepositorySettings) => {
    await updateRepository(db, id, { settings: () => settings })
    const row = db.queries.selectFrom('outbox').select('payload').where('repository_id', '=', id).orderBy('id', 'desc').limit(1)
    return JSON.stringify((await row.executeTakeFirstOrThrow()).payload)
  }
  const first = await change({ 'receive.certnonceseed': ['sekrit'], 'receive.denydeletes': ['true'] })
  assert.match(first, /"settings":"receive\.certnonceseed receive\.denydeletes"/)
  assert.doesNotMatch(first, /sekrit/)
  assert.match(await change({ 'receive.denydeletes': ['true'] }), /"settings":"receive\.certnonceseed"/)
})

test('deletion: a shared network stays; the last repository takes packs along and queues their keys', async () => {
  const { database: db } = scratch
  const parent = await createRepository(db, { ownerId: alice.id, name: 'parent', visibility: 'public' })
  const fork = await db.queries
    .insertInto('repository')
    .values({ owner_id: alice.id, network_id: parent.networkId, name: 'fork', visibility: 'public' })
    .returning('id')
    .executeTakeFirstOrThrow()
  const pack = { network_id: parent.networkId, size_bytes: 5000, pack_bytes: 4000, object_count: 1 }
  await db.queries
    .insertInto('pack')
    .values([
      { ...pack, key: 'pack/ab/1' },
      { ...pack, key: 'pack/ab/2' },
      { ...pack, tail: new Uint8Array(3) },
    ])
    .execute()
  await db.queries
    .insertInto('history')
    .values({ network_id: parent.networkId, key: 'history/ab/3', size_bytes: 100, object_count: 3, pack_count: 3, last_pack: 3 })
    .execute()
  await db.queries
    .insertInto('ref')
    .values({ repository_id: parent.id, name: 'refs/heads/main', oid: new Uint8Array(20) })
    .execute()
  assert.equal(await deleteRepository(db, parent.id), true)
  assert.equal(await deleteRepository(db, parent.id), false)
  assert.deepEqual([await countRows('pack'), await countRows('key_deletion')], [3, 0])
  assert.equal(await deleteRepository(db, fork.id as typeof parent.id), true)
  assert.equal(await countRows('pack'), 0)
  const keys = await db.queries.selectFrom('key_deletion').selectAll().orderBy('key').execute()
  assert.deepEqual(
    keys.map((row) => row.key),
    ['history/ab/3', 'pack/ab/1', 'pack/ab/2'],
  )
  assert.ok(keys.every((row) => row.not_before.getTime() > Date.now() + 3_600_000))
})

test('deletion waits for a push under way, and takes its pack along', async () => {
  const { database: db } = scratch
  const { id, networkId } = await createRepository(db, { ownerId: alice.id, name: 'busy', visibility: 'public' })
  let deletion: Promise<boolean> | undefined
  await db.transaction(async (tx) => {
    await tx
      .updateTable('repository')
      .set((set) => ({ refs_version: set('refs_version', '+', 1) }))
      .where('id', '=', id)
      .execute()
    deletion = deleteRepository(db, id)
    await sleep(100)
    await tx.insertInto('pack').values({ network_id: networkId, key: 'pack/cd/1', size_bytes: 1, pack_bytes: 1, object_count: 1 }).execute()
  })
  assert.equal(await deletion, true)
  const row = await db.queries.selectFrom('key_deletion').select('key').where('key', '=', 'pack/cd/1').executeTakeFirst()
  assert.equal(row?.key, 'pack/cd/1')
})

test('lists: sorted, paged without gaps, filtered', async () => {
  const { database: db } = scratch
  const carol = await makeAccount(db, 'carol')
  for (const name of ['d', 'B', 'a', 'C', 'e']) {
    await createRepository(db, { ownerId: carol.id, name, visibility: name === 'a' ? 'private' : 'public' })
  }
  const names = async (page: number, more: Partial<Parameters<typeof listRepositories>[2]> = {}) => {
    const list = await listRepositories(db.queries, as(carol), {
      of: { ownerId: carol.id },
      sort: 'full_name',
      direction: 'asc',
      page,
      perPage: 2,
      ...more,
    })
    return [...list.repositories.map((repository) => repository.name), list.total]
  }
  assert.deepEqual([await names(1), await names(2), await names(3), await names(4)], [['a', 'B', 5], ['C', 'd', 5], ['e', 5], [5]])
  assert.deepEqual(await names(1, { sort: 'created', direction: 'desc' }), ['e', 'C', 5])
  assert.deepEqual(await names(1, { visibility: 'private' }), ['a', 1])
  assert.deepEqual(await names(1, { sort: 'pushed', direction: 'desc', perPage: 100 }), ['e', 'C', 'a', 'B', 'd', 5])
})

async function countRows(table: 'network' | 'pack' | 'key_deletion'): Promise<number> {
  const row = await scratch.database.queries
    .selectFrom(table)
    .select((select) => select.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return row.count
}

test('token timing: a secret is compared with nothing; what is looked up is its hash, by the same statement whatever it is', async () => {
  const { database: db } = scratch
  const bob = await makeAccount(db, 'timed')
  const asked: { readonly sql: string; readonly parameters: readonly unknown[] }[] = []
  const watched = new Proxy(db.queries, {
    get: (queries, name) => {
      const own = Reflect.get(queries, name, queries) as unknown
      if (name !== 'executeQuery') return typeof own === 'function' ? (own.bind(queries) as unknown) : own
      return (query: (typeof asked)[number]) => {
        asked.push(query)
        return queries.executeQuery(query as never)
      }
    },
  })
  const find = makeFindCall()
  const nearly = `${bob.token.slice(0, -1)}${bob.token.endsWith('0') ? '1' : '0'}`
  for (const secret of [bob.token, nearly, 'x', '']) await find(watched, hashToken(secret), 'alice', 'called')
  assert.equal(asked.length, 4)
  assert.equal(new Set(asked.map(({ sql }) => sql)).size, 1)
  assert.doesNotMatch(JSON.stringify(asked), new RegExp(bob.token.slice(0, 20)))
  const [right, other] = asked.map(({ parameters }) => Buffer.from(parameters.find((value) => value instanceof Uint8Array) as Uint8Array))
  assert.ok(right && other && right.length === 32)
  assert.notDeepEqual(right.subarray(0, 8), other.subarray(0, 8), 'what is nearly a token is nowhere near it')
})
