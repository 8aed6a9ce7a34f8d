// The rules themselves, as a table that was written by hand, and what credentials take away from them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Grant, holds, isWithin, parseScopes, type Scope, scopes } from './grant.ts'
import type { AccountId, Identity, PackageId, RepositoryId, Role } from './identity.ts'
import { type Action, actions, may, type Resource, type Visibility } from './may.ts'

const owner = 1 as AccountId
const organization = 9 as AccountId
const account = (accountId: number, more: { isAdmin?: boolean; grant?: Grant } = {}): Identity => ({
  kind: 'account',
  accountId: accountId as AccountId,
  login: 'x',
  isAdmin: more.isAdmin ?? false,
  grant: more.grant ?? null,
  tokenId: 1,
})
const everything: Grant = { scopes: [...scopes], ownerIds: null, repositoryIds: null }
const home = (repositoryId: number, granted: readonly Scope[]): Identity => ({
  kind: 'repository',
  repositoryId: repositoryId as RepositoryId,
  ownerId: owner,
  name: 'deploy token',
  grant: { ...everything, scopes: granted },
  tokenId: 1,
})

/** Each with the role that rows give him. */
const callers: Record<string, { readonly identity: Identity; readonly role: Role | null }> = {
  anonymous: { identity: { kind: 'anonymous' }, role: null },
  stranger: { identity: account(2), role: null },
  reader: { identity: account(3), role: 'read' },
  writer: { identity: account(4), role: 'write' },
  maintainer: { identity: account(5), role: 'admin' },
  owner: { identity: account(1), role: null },
  admin: { identity: account(6, { isAdmin: true }), role: null },
  deploy: { identity: home(1, ['repository:write', 'package:write']), role: null },
  elsewhere: { identity: home(2, ['repository:write', 'package:write']), role: null },
}
const repository = (visibility: Visibility, role: Role | null): Resource => ({
  kind: 'repository',
  repositoryId: 1 as RepositoryId,
  ownerId: owner,
  visibility,
  role,
})
/** Linked to that repository. */
const image = (visibility: Visibility, role: Role | null): Resource => ({
  kind: 'package',
  packageId: 1 as PackageId,
  repositoryId: 1 as RepositoryId,
  ownerId: owner,
  visibility,
  role,
  isUpstreams: false,
})
/** What comes from an upstream of that owner's. */
const fetched = (visibility: Visibility, role: Role | null): Resource =>
  ({ ...image(visibility, role), repositoryId: null, isUpstreams: true }) as Resource
const resources: Record<string, (role: Role | null) => Resource> = {
  public: (role) => repository('public', role),
  internal: (role) => repository('internal', role),
  private: (role) => repository('private', role),
  'public image': (role) => image('public', role),
  'internal image': (role) => image('internal', role),
  'private image': (role) => image('private', role),
  'internal fetched': (role) => fetched('internal', role),
  'private fetched': (role) => fetched('private', role),
  registry: () => ({ kind: 'registry' }),
  user: () => ({ kind: 'account', accountId: owner, accountKind: 'user', role: null }),
  organization: (role) => ({ kind: 'account', accountId: organization, accountKind: 'organization', role }),
}

// Who may, for each action on each resource; what isn't listed is for nobody.
const everyone = 'anonymous stranger reader writer maintainer owner admin deploy elsewhere'
const accounts = 'stranger reader writer maintainer owner admin'
const table: Partial<Record<`${Action} ${string}`, string>> = {
  'account:read user': everyone,
  'account:read organization': everyone,
  'account:usage user': 'owner admin',
  'account:usage organization': 'reader writer maintainer admin',
  'self:read user': 'owner',
  'self:administer user': 'owner',
  'organization:create user': 'owner',
  'server:read user': 'admin',
  'server:read organization': 'admin',
  'server:administer user': 'admin',
  'server:administer organization': 'admin',
  'organization:read organization': 'reader writer maintainer admin',
  'organization:administer organization': 'maintainer admin',
  'repository:create user': 'owner admin',
  'repository:create organization': 'writer maintainer admin',
  'repository:read public': everyone,
  'repository:read internal': `${accounts} deploy`,
  'repository:read private': 'reader writer maintainer owner admin deploy',
  'repository:fork public': accounts,
  'repository:fork internal': accounts,
  'repository:fork private': 'reader writer maintainer owner admin',
  'repository:push public': 'writer maintainer owner admin deploy',
  'repository:push internal': 'writer maintainer owner admin deploy',
  'repository:push private': 'writer maintainer owner admin deploy',
  'repository:administer public': 'maintainer owner admin',
  'repository:administer internal': 'maintainer owner admin',
  'repository:administer private': 'maintainer owner admin',
  'registry:read registry': everyone,
  'packages:administer user': 'owner admin',
  'packages:administer organization': 'maintainer admin',
  'package:create user': 'owner admin deploy elsewhere',
  'package:create organization': 'writer maintainer admin',
  'package:read public image': everyone,
  'package:read internal image': `${accounts} deploy`,
  'package:read private image': 'reader writer maintainer owner admin deploy',
  'package:read internal fetched': `${accounts} deploy elsewhere`,
  'package:read private fetched': 'reader writer maintainer owner admin deploy elsewhere',
  'package:stage internal fetched': 'writer maintainer owner admin',
  'package:write internal fetched': 'writer maintainer owner admin',
  'package:stage private fetched': 'writer maintainer owner admin',
  'package:write private fetched': 'writer maintainer owner admin',
  'package:delete internal fetched': 'maintainer owner admin',
  'package:delete private fetched': 'maintainer owner admin',
  'package:administer internal fetched': 'maintainer owner admin',
  'package:administer private fetched': 'maintainer owner admin',
  'package:stage public image': 'writer maintainer owner admin deploy',
  'package:write public image': 'writer maintainer owner admin deploy',
  'package:stage internal image': 'writer maintainer owner admin deploy',
  'package:write internal image': 'writer maintainer owner admin deploy',
  'package:stage private image': 'writer maintainer owner admin deploy',
  'package:write private image': 'writer maintainer owner admin deploy',
  'package:delete public image': 'maintainer owner admin',
  'package:delete internal image': 'maintainer owner admin',
  'package:delete private image': 'maintainer owner admin',
  'package:administer public image': 'maintainer owner admin',
  'package:administer internal image': 'maintainer owner admin',
  'package:administer private image': 'maintainer owner admin',
}

test('every action on every resource for every caller', () => {
  for (const action of actions) {
    for (const [what, resource] of Object.entries(resources)) {
      const allowed = Object.entries(callers).filter(([, { identity, role }]) => may(identity, action, resource(role)))
      assert.equal(allowed.map(([who]) => who).join(' '), table[`${action} ${what}`] ?? '', `${action} ${what}`)
    }
  }
})

describe('what a credential takes away', () => {
  const own = { private: repository('private', null), public: repository('public', null) }
  const user: Resource = { kind: 'account', accountId: owner, accountKind: 'user', role: null }
  const by = (grant: Partial<Grant>) => account(1, { grant: { ...everything, ...grant } })
  const allowed = (identity: Identity, resource: Resource) => [...actions].filter((action) => may(identity, action, resource))

  test('a grant of everything takes away nothing', () => {
    for (const resource of [own.private, own.public, user]) {
      assert.deepEqual(allowed(by({}), resource), allowed(account(1), resource))
    }
  })

  test('no scope: who it is, and what anybody may read', () => {
    assert.deepEqual(allowed(by({ scopes: [] }), own.private), [])
    assert.deepEqual(allowed(by({ scopes: [] }), own.public), ['repository:read'])
    assert.deepEqual(allowed(by({ scopes: [] }), user), ['account:read', 'self:read'])
  })

  test('levels include those before them, and areas nothing of each other', () => {
    assert.deepEqual(allowed(by({ scopes: ['repository:read'] }), own.private), ['repository:read'])
    assert.deepEqual(allowed(by({ scopes: ['repository:write'] }), own.private), ['repository:read', 'repository:fork', 'repository:push'])
    assert.deepEqual(allowed(by({ scopes: ['repository:admin'] }), own.private), [
      'repository:read',
      'repository:fork',
      'repository:push',
      'repository:administer',
    ])
    assert.deepEqual(allowed(by({ scopes: ['account:admin', 'organization:admin', 'server:admin'] }), own.private), [])
    assert.ok(holds(['repository:admin'], 'repository:read') && !holds(['repository:read'], 'repository:write'))
  })

  test('bound to things: those alone, and nothing of the account as a whole', () => {
    const other = { ...own.private, repositoryId: 7 as RepositoryId } as Resource
    const toRepository = by({ repositoryIds: [1 as RepositoryId] })
    assert.deepEqual([allowed(toRepository, own.private).length, allowed(toRepository, other)], [4, []])
    assert.deepEqual(allowed(toRepository, user), ['account:read', 'self:read'])
    const toOwner = by({ ownerIds: [owner] })
    assert.deepEqual([allowed(toOwner, own.private).length, allowed(toOwner, other).length], [4, 4])
    assert.deepEqual(allowed(toOwner, user), ['account:read', 'self:read', 'repository:create', 'package:create'])
    const unlinked = { ...image('private', null), repositoryId: null } as Resource
    assert.deepEqual([allowed(toRepository, image('private', null)).length, allowed(toRepository, unlinked)], [5, []])
    const toPackage = by({ packageIds: [1 as PackageId] })
    const another = { ...unlinked, packageId: 2 as PackageId } as Resource
    assert.deepEqual([allowed(toPackage, unlinked).length, allowed(toPackage, another), allowed(toPackage, own.private)], [5, [], []])
    assert.deepEqual(allowed(toPackage, user), ['account:read', 'self:read'])
    assert.deepEqual(allowed(by({ scopes: ['package:stage'] }), unlinked), ['package:read', 'package:stage'])
    assert.deepEqual(allowed(by({ ownerIds: [8 as AccountId] }), own.private), [])
  })

  test('what is bound to a package makes nothing that is bound to another', () => {
    const of = (packageIds: number[] | null): Grant => ({ ...everything, packageIds: packageIds as PackageId[] | null })
    assert.ok(isWithin(of([1]), of([1, 2])) && isWithin(of([1]), of(null)))
    assert.ok(!isWithin(of([3]), of([1, 2])) && !isWithin(of(null), of([1])))
  })

  test('a repository’s token reads what its owner’s upstreams give, where it may read packages at all', () => {
    const bound = (granted: readonly Scope[], ownerId = owner): Identity => {
      const one = home(1, granted) as Extract<Identity, { kind: 'repository' }>
      return { ...one, ownerId, grant: { ...one.grant, repositoryIds: [1 as RepositoryId] } }
    }
    assert.deepEqual(allowed(bound(['package:read']), fetched('private', null)), ['package:read'])
    assert.deepEqual(allowed(bound(['package:write']), fetched('private', null)), ['package:read'])
    assert.deepEqual(allowed(bound(['repository:write']), fetched('private', null)), [])
    assert.deepEqual(allowed(bound(['package:read'], organization), fetched('private', null)), [], 'another owner’s')
    assert.deepEqual(allowed(bound(['package:read'], organization), fetched('internal', null)), [])
    assert.deepEqual(allowed(bound(['package:read']), { ...image('private', null), repositoryId: null } as Resource), [], 'the owner’s own')
  })

  test('an administrator’s token of few scopes administers nothing', () => {
    const identity = account(6, { isAdmin: true, grant: { ...everything, scopes: ['repository:read'] } })
    assert.deepEqual(allowed(identity, own.private), ['repository:read'])
    assert.equal(may(identity, 'server:read', { ...user, accountId: 6 as AccountId } as Resource), false)
  })

  test('a token makes none that is stronger', () => {
    const read: Grant = { ...everything, scopes: ['repository:read'] }
    assert.ok(isWithin(null, null) && isWithin(read, null) && isWithin(read, everything) && isWithin(read, read))
    assert.equal(isWithin(null, everything), false)
    assert.equal(isWithin({ ...read, scopes: ['repository:write'] }, read), false)
    const bound: Grant = { ...read, repositoryIds: [1 as RepositoryId] }
    assert.ok(isWithin(bound, read) && isWithin(bound, bound))
    assert.equal(isWithin(read, bound), false)
    assert.equal(isWithin({ ...read, repositoryIds: [2 as RepositoryId] }, bound), false)
    assert.equal(isWithin({ ...read, ownerIds: [owner] }, bound), false)
  })

  test('scopes that nobody knows are refused by name', () => {
    assert.deepEqual(parseScopes(['repository:read', 'repository:read']), ['repository:read'])
    assert.throws(() => parseScopes(['repo']), { code: 'bad-scope', message: /'repo'; there are repository:read/ })
  })
})
