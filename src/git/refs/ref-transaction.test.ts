// Refs against a real PostgreSQL: compare and swap, atomic pushes, directory/file conflicts, races, and the snapshot that follows.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { testDatabase, type TestDatabase } from '../../../tests/support/test-database.ts'
import type { AccountId } from '../../access/index.ts'
import { makeLog, UnavailableError } from '../../base/index.ts'
import type { BlockReader } from '../../bucket/index.ts'
import { sql } from '../../db/index.ts'
import type { ObjectId } from '../format/index.ts'
import { PackStore } from '../odb/index.ts'
import { moveRefs, type NewPack, type RefChange, RefStore } from './index.ts'

let test_: TestDatabase
let ownerId: AccountId
let names = 0
before(async () => {
  test_ = await testDatabase()
  const account = await test_.database.queries.insertInto('account').values({ login: 'someone' }).returning('id').executeTakeFirstOrThrow()
  ownerId = account.id as AccountId
})
after(() => test_.close())

const id = (n: number) => n.toString(16).padStart(40, '0') as ObjectId
const create = (name: string, n: number): RefChange => ({ name, oldOid: null, newOid: id(n), peeled: null })
const move = (name: string, from: number, to: number): RefChange => ({ name, oldOid: id(from), newOid: id(to), peeled: null })
const remove = (name: string, from: number): RefChange => ({ name, oldOid: id(from), newOid: null, peeled: null })

async function repository() {
  const { queries } = test_.database
  const network = await queries.insertInto('network').values({ object_format: 'sha1' }).returning('id').executeTakeFirstOrThrow()
  const row = await queries
    .insertInto('repository')
    .values({ owner_id: ownerId, network_id: network.id, name: `r${names++}`, visibility: 'public' })
    .returning('id')
    .executeTakeFirstOrThrow()
  const store = new RefStore(test_.database)
  return {
    id: row.id,
    networkId: network.id,
    store,
    push: async (changes: readonly RefChange[], more: { atomic?: boolean; pack?: NewPack } = {}) =>
      moveRefs(test_.database, store, {
        repositoryId: row.id,
        networkId: network.id,
        by: { kind: 'account', accountId: ownerId, role: 'write' },
        changes,
        atomic: more.atomic ?? false,
        pack: more.pack ?? null,
      }),
    refs: async () => Object.fromEntries((await store.read(row.id)).refs.map((ref) => [ref.name, Number.parseInt(ref.oid, 16)])),
  }
}

test('a repository that is deleted under a request is gone, which is no alarm', async () => {
  const r = await repository()
  const { queries } = test_.database
  const packs = new PackStore(test_.database, {} as BlockReader, 1 << 20, makeLog('silent'))
  await queries.deleteFrom('repository').where('id', '=', r.id).execute()
  await queries.deleteFrom('network').where('id', '=', r.networkId).execute()
  const isGone = { name: 'InputError', code: 'repository-deleted' }
  await assert.rejects(r.store.read(r.id), isGone)
  await assert.rejects(r.store.read(r.id, 0), isGone)
  await assert.rejects(packs.open(r.networkId), isGone)
  assert.deepEqual([...(await r.push([create('refs/heads/main', 1)])).values()], ['the repository was deleted'])
})

test('refs are created, moved and deleted; each snapshot follows', async () => {
  const r = await repository()
  assert.deepEqual(await r.refs(), {})
  assert.deepEqual([...(await r.push([create('refs/heads/main', 1), create('refs/tags/v1', 2)])).values()], [null, null])
  assert.deepEqual(await r.refs(), { 'refs/heads/main': 1, 'refs/tags/v1': 2 })
  await r.push([move('refs/heads/main', 1, 3), remove('refs/tags/v1', 2)])
  assert.deepEqual(await r.refs(), { 'refs/heads/main': 3 })
  const log = await test_.database.queries.selectFrom('reflog').select('name').where('repository_id', '=', r.id).execute()
  assert.equal(log.length, 4)
})

test('a ref that is not where the client thinks stays, and the others of the push move', async () => {
  const r = await repository()
  await r.push([create('refs/heads/a', 1), create('refs/heads/b', 1)])
  const outcomes = await r.push([
    move('refs/heads/a', 9, 2),
    move('refs/heads/b', 1, 2),
    create('refs/heads/a2', 1),
    move('refs/heads/none', 1, 2),
  ])
  assert.deepEqual(Object.fromEntries(outcomes), {
    'refs/heads/a': 'incorrect old value provided',
    'refs/heads/b': null,
    'refs/heads/a2': null,
    'refs/heads/none': 'reference does not exist',
  })
  assert.deepEqual(await r.refs(), { 'refs/heads/a': 1, 'refs/heads/a2': 1, 'refs/heads/b': 2 })
  assert.equal((await r.push([create('refs/heads/a', 5)])).get('refs/heads/a'), 'reference already exists')
})

test('an atomic push is all or nothing', async () => {
  const r = await repository()
  await r.push([create('refs/heads/a', 1)])
  const outcomes = await r.push([move('refs/heads/a', 1, 2), move('refs/heads/b', 1, 2)], { atomic: true })
  assert.deepEqual([...outcomes.values()], ['atomic transaction failed', 'atomic transaction failed'])
  assert.deepEqual(await r.refs(), { 'refs/heads/a': 1 })
})

test('a name and a folder of that name do not both become refs', async () => {
  const r = await repository()
  await r.push([create('refs/heads/a/b', 1), create('refs/heads/z', 1), create('refs/heads/a-b', 1)])
  const refused = async (...changes: RefChange[]) => {
    const outcomes = await r.push(changes)
    return changes.filter((change) => outcomes.get(change.name) !== null).map((change) => change.name)
  }
  assert.deepEqual(await refused(create('refs/heads/a', 1)), ['refs/heads/a'])
  assert.deepEqual(await refused(create('refs/heads/a/b/c', 1)), ['refs/heads/a/b/c'])
  assert.deepEqual(await refused(create('refs/heads/z/y/x', 1)), ['refs/heads/z/y/x'])
  assert.deepEqual(await refused(create('refs/heads/a/c', 1)), [])
  assert.deepEqual(await refused(create('refs/heads/n', 1), create('refs/heads/n/m', 1)), ['refs/heads/n/m'])
  const [p, pq, pqr] = ['refs/heads/p', 'refs/heads/p/q', 'refs/heads/p/q/r'] as const
  assert.deepEqual(await refused(create(pqr, 1), create(p, 1), create(pq, 1)), [pqr, pq])
  assert.deepEqual(await refused(remove('refs/heads/z', 1), create('refs/heads/z/y', 1)), [])
})

test('names are compared by bytes, whatever the database thinks of their language', async () => {
  const r = await repository()
  const unicode = [
    'refs/heads/ä',
    'refs/heads/z',
    'refs/heads/Z',
    'refs/heads/é',
    'refs/heads/日本',
    'refs/heads/\u{1f600}',
    'refs/heads/\ufb01',
  ]
  await r.push(unicode.map((name) => create(name, 1)))
  const order = unicode.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  assert.deepEqual(
    (await r.store.read(r.id)).refs.map((ref) => ref.name),
    order,
  )
})

test('of two pushes from the same value exactly one wins', async () => {
  const r = await repository()
  await r.push([create('refs/heads/main', 1)])
  for (let round = 1; round <= 10; round++) {
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => r.push([move('refs/heads/main', round, round + 1)])))
    assert.equal(outcomes.filter((outcome) => outcome.get('refs/heads/main') === null).length, 1)
  }
})

test('HEAD finds the first branch, and its branch is not deleted', async () => {
  const r = await repository()
  await r.push([create('refs/heads/topic', 1), create('refs/heads/master', 2)])
  assert.equal((await r.store.read(r.id)).head, 'refs/heads/master')
  await r.push([create('refs/heads/main', 3)])
  assert.equal((await r.store.read(r.id)).head, 'refs/heads/master')
  assert.equal((await r.push([remove('refs/heads/master', 2)])).get('refs/heads/master'), 'deletion of the current branch prohibited')
})

test('a pack becomes visible with the refs, and only with them', async () => {
  const r = await repository()
  const tail = new Uint8Array(100)
  const pack: NewPack = { key: null, tail, valueBytes: 100, packBytes: 32, objectCount: 1 }
  await r.push([move('refs/heads/main', 1, 2)], { pack })
  const packs = () => test_.database.queries.selectFrom('pack').select('size_bytes').where('network_id', '=', r.networkId).execute()
  assert.equal((await packs()).length, 0)
  await r.push([create('refs/heads/main', 1)], { pack })
  assert.equal((await packs()).length, 1)
})

test('a pack whose intent the sweeper took is not made visible', async () => {
  const r = await repository()
  const pack: NewPack = { key: 'pack/00/swept', tail: null, valueBytes: 100, packBytes: 32, objectCount: 1 }
  await assert.rejects(
    r.push([create('refs/heads/main', 1)], { pack }),
    (error) => error instanceof UnavailableError && error.code === 'intent-gone',
  )
  assert.deepEqual(await r.refs(), {})
  const expires_at = new Date(Date.UTC(2100, 0))
  await test_.database.queries.insertInto('upload_intent').values({ key: 'pack/00/kept', expires_at }).execute()
  await r.push([create('refs/heads/main', 1)], { pack: { ...pack, key: 'pack/00/kept' } })
  const left = await sql`select 1 from upload_intent where key = 'pack/00/kept'`.execute(test_.database.queries)
  assert.equal(left.rows.length, 0)
})

test('names of very many folders cost no more than their length', async () => {
  const r = await repository()
  const deep = Array.from({ length: 2000 }, (_, i) => `refs/heads/${'a/'.repeat(480)}${i}`)
  const outcomes = await r.push(deep.map((name) => create(name, 1)))
  assert.ok([...outcomes.values()].every((outcome) => outcome === null))
  const above = `refs/heads/${'a/'.repeat(200)}a`
  assert.equal((await r.push([create(above, 1)])).get(above), 'refname conflict')
})

test('10,000 refs in one push', async () => {
  const r = await repository()
  const outcomes = await r.push(Array.from({ length: 10_000 }, (_, i) => create(`refs/tags/t/${i}`, i + 1)))
  assert.ok([...outcomes.values()].every((outcome) => outcome === null))
  assert.equal((await r.store.read(r.id)).refs.length, 10_000)
})
