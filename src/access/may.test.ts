import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccountId, Identity } from './identity.ts'
import { type Action, actions, may, type Resource } from './may.ts'

const owner = 1 as AccountId
const account = (accountId: number, isAdmin = false): Identity => ({
  kind: 'account',
  accountId: accountId as AccountId,
  login: 'x',
  isAdmin,
  tokenId: 1,
})
const callers: Record<string, Identity> = {
  anonymous: { kind: 'anonymous' },
  stranger: account(2),
  owner: account(1),
  admin: account(3, true),
}
const resources: Record<string, Resource> = {
  public: { kind: 'repository', ownerId: owner, visibility: 'public' },
  private: { kind: 'repository', ownerId: owner, visibility: 'private' },
  account: { kind: 'account', accountId: owner },
}

// Who may, for each action on each resource; what isn't listed is for nobody.
const everyone = 'anonymous stranger owner admin'
const table: Partial<Record<`${Action} ${string}`, string>> = {
  'account:read account': everyone,
  'self:read account': 'owner',
  'server:read account': 'admin',
  'repository:create account': 'owner admin',
  'repository:read public': everyone,
  'repository:read private': 'owner admin',
  'repository:fork public': 'stranger owner admin',
  'repository:fork private': 'owner admin',
  'repository:push public': 'owner admin',
  'repository:push private': 'owner admin',
  'repository:administer public': 'owner admin',
  'repository:administer private': 'owner admin',
}

test('every action on every resource for every caller', () => {
  for (const action of actions) {
    for (const [what, resource] of Object.entries(resources)) {
      const allowed = Object.keys(callers).filter((who) => may(callers[who] as Identity, action, resource))
      assert.equal(allowed.join(' '), table[`${action} ${what}`] ?? '', `${action} ${what}`)
    }
  }
})
