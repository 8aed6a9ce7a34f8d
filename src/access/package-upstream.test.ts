// Names that an upstream is declared for: who may ask for what isn't here, and that nobody publishes there.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type TestDatabase, testDatabase } from '../../tests/support/test-database.ts'
import { createAccount } from './accounts.ts'
import { operator } from './audit.ts'
import { type AccountId, anonymous, type Identity, type Role, type UpstreamId } from './identity.ts'
import type { Action, Visibility } from './may.ts'
import { admitToPackage, makeFindPackageCall, type PackageTarget } from './package-call.ts'
import { changePackage, createOrFindPackage } from './packages.ts'

let opened: TestDatabase
let owner: AccountId
before(async () => {
  opened = await testDatabase()
  owner = (await createAccount(opened.database, { login: 'Hub' })).id
})
after(async () => await opened.close())

const find = makeFindPackageCall()
const nameOf = (name: string) => ({ format: 'oci', owner: 'hub', name }) as const
const targetOf = async (name: string) => (await find(opened.database, null, nameOf(name))).target as PackageTarget

async function declare(path: string, visibility: Visibility): Promise<UpstreamId> {
  const { id } = await opened.database.queries
    .insertInto('package_upstream')
    .values({ owner_id: owner, format: 'oci', path, url: 'https://registry.example', visibility, fresh_s: 300, keep_s: 300 })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id as UpstreamId
}

test('the longest place counts, by whole segments; a package that is there is whose its row says', async () => {
  assert.equal((await targetOf('mirror/a')).upstream, null)
  const mirror = await declare('mirror', 'public')
  const inner = await declare('mirror/inner', 'private')
  assert.deepEqual((await targetOf('mirror/a')).upstream, { id: mirror, visibility: 'public' })
  assert.deepEqual((await targetOf('Mirror/inner/b')).upstream, { id: inner, visibility: 'private' })
  for (const name of ['mirror/inner', 'mirror/inner-x']) assert.equal((await targetOf(name)).upstream?.id, mirror)
  for (const name of ['mirror', 'mirrors/a', 'a']) assert.equal((await targetOf(name)).upstream, null)

  const one = { ownerId: owner, ownerLogin: 'hub', format: 'oci', name: 'mirror/a', repositoryId: null, visibility: 'public' } as const
  const own = await createOrFindPackage(opened.database, one, operator)
  const ownerIdentity: Identity = { kind: 'account', accountId: owner, login: 'hub', isAdmin: false, grant: null, tokenId: 1 }
  const admitted = async (action: Action) =>
    admitToPackage(ownerIdentity, action, { target: await targetOf('mirror/a'), name: nameOf('mirror/a') })
  assert.equal((await admitted('package:write')).verdict, 'allowed')
  await opened.database.queries.updateTable('package').set({ upstream_id: mirror }).where('id', '=', own.id).execute()
  for (const action of ['package:read', 'package:delete'] as const) assert.equal((await admitted(action)).verdict, 'allowed', action)
  for (const action of ['package:write', 'package:administer'] as const) {
    const admission = await admitted(action)
    assert.ok(admission.verdict === 'forbidden' && admission.reason !== null, action)
  }
  // whoever asks, also the operator on the server's machine
  for (const change of [{ visibility: 'private' }, { repositoryId: null }] as const)
    await assert.rejects(changePackage(opened.database, own.id, change, operator), { code: 'upstreams-package' })
})

test('of npm’s names a whole one is a place; a claim is as if nothing were declared; a joined registry gives a scope to its account only where it has no upstream for it', async () => {
  await createAccount(opened.database, { login: 'Acme' })
  const place = { owner_id: owner, format: 'npm', visibility: 'public', fresh_s: 300, keep_s: 300 }
  const put = (path: string, url: string | null) =>
    opened.database.queries
      .insertInto('package_upstream')
      .values({ ...place, path, url })
      .execute()
  const found = async (name: string, from: string, otherOwner: string | null = null) => {
    const { target } = await find(opened.database, null, { format: 'npm', owner: from, otherOwner, name })
    return target && { owner: target.ownerLogin, isUpstreams: target.upstream !== null }
  }
  const joined = (name: string) => found(name, name.slice(1, name.indexOf('/')), 'hub')
  assert.deepEqual(await joined('@acme/a'), { owner: 'Acme', isUpstreams: false })
  assert.deepEqual(await joined('@nobody/a'), { owner: 'Hub', isUpstreams: false })
  await put('', 'https://registry.example')
  assert.deepEqual(await joined('@acme/a'), { owner: 'Hub', isUpstreams: true })
  await put('@acme', null)
  assert.deepEqual(await joined('@acme/a'), { owner: 'Acme', isUpstreams: false })
  await put('@acme/b', 'https://registry.example')
  assert.deepEqual(await joined('@acme/b'), { owner: 'Hub', isUpstreams: true })
  assert.deepEqual(await found('b', 'hub'), { owner: 'Hub', isUpstreams: true })
  await put('b', null)
  assert.deepEqual(await found('b', 'hub'), { owner: 'Hub', isUpstreams: false })
  assert.deepEqual(await found('b', 'acme'), { owner: 'Acme', isUpstreams: false })
  assert.equal(await found('b', 'nobody'), null)
})

test('who may ask for what isn’t here is who may read what comes from there; nobody publishes', () => {
  const account = (accountId: number, isAdmin = false): Identity => {
    return { kind: 'account', accountId: accountId as AccountId, login: 'x', isAdmin, grant: null, tokenId: 1 }
  }
  const callers: readonly (readonly [string, Identity, Role | null, readonly Visibility[]])[] = [
    ['anonymous', anonymous, null, ['public']],
    ['stranger', account(2), null, ['public', 'internal']],
    ['reader', account(3), 'read', ['public', 'internal', 'private']],
    ['writer', account(4), 'write', ['public', 'internal', 'private']],
    ['owner', account(1), null, ['public', 'internal', 'private']],
    ['administrator', account(5, true), null, ['public', 'internal', 'private']],
  ]
  for (const [who, identity, role, readable] of callers) {
    for (const visibility of ['public', 'internal', 'private'] as const) {
      const target: PackageTarget = {
        owner: { kind: 'account', accountId: 1 as AccountId, accountKind: 'organization', role },
        ownerLogin: 'hub',
        package: null,
        upstream: { id: 7 as UpstreamId, visibility },
        homeVisibility: null,
      }
      const admitted = (action: Action) => admitToPackage(identity, action, { target, name: nameOf('library/x') })
      const read = admitted('package:read')
      assert.equal(read.verdict, readable.includes(visibility) ? 'allowed' : 'hidden', `${who} ${visibility}`)
      if (read.verdict === 'allowed') assert.equal(read.toFetch?.upstreamId, 7)
      for (const action of ['package:write', 'package:delete', 'package:administer'] as const) {
        const expected = readable.includes(visibility) ? 'forbidden' : 'hidden'
        assert.equal(admitted(action).verdict, expected, `${who} ${visibility} ${action}`)
      }
    }
  }
})
