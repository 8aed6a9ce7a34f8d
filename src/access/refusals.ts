// What whoever may not do something is told: what it takes. `may` knows an account's standing and its credential's grant; either may be what is lacking.
import { type Action, neededScope } from './may.ts'

const standings: Readonly<Record<Action, string>> = {
  'account:read': 'This takes an account',
  'account:usage': 'This takes the account itself, or membership of the organization',
  'self:read': 'This takes a user’s token',
  'self:administer': 'This takes a user’s token',
  'server:read': 'This takes an administrator of the server',
  'server:administer': 'This takes an administrator of the server',
  'organization:create': 'This takes a user’s token',
  'organization:read': 'This takes membership of the organization',
  'organization:administer': 'This takes the role admin in the organization',
  'repository:create': 'This takes the account itself, or the role write in the organization',
  'repository:read': 'This takes the role read in the repository',
  'repository:fork': 'This takes a user’s token',
  'repository:push': 'You may read this repository, but not push to it: this takes the role write',
  'registry:read': 'This is open to anybody',
  'packages:administer': 'This takes the account itself, or the role admin in the organization',
  'package:create': 'This takes the account itself, or the role write in the organization',
  'package:read': 'This takes the role read in the package’s owner or repository',
  'package:stage': 'You may read this package, but not publish it: this takes the role write',
  'package:write': 'You may read this package, but not publish it: this takes the role write',
  'package:delete': 'This takes the role admin in the package’s owner or repository',
  'package:administer': 'This takes the role admin in the package’s owner or repository',
  'repository:administer': 'Must have admin rights to Repository.', // GitHub's words
}

export function refusalOf(action: Action): string {
  const scope = neededScope[action]
  if (action === 'repository:administer' || scope === null) return standings[action]
  return `${standings[action]}, and a token that isn’t limited or has the scope ${scope}`
}
