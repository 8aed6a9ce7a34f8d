// What a token may that `npm token create` asks for, in our grants: which scopes, bound to what. npm's words are finer in some ways and coarser in others; what can't be
// said here is refused, rather than given too much.
import {
  type AccountId,
  findAccount,
  findPackage,
  type Grant,
  type Identity,
  mayReadPackage,
  type PackageId,
  type Scope,
} from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import type { Queries } from '../../db/index.ts'
import { parseName } from '../format/names.ts'
import { type JsonObject, textIn, textsIn } from '../protocol/json-body.ts'
import { ownedName } from '../protocol/targets.ts'

export interface Surroundings {
  readonly queries: Queries
  readonly identity: Identity
  /** Whose registry was asked; null: the root's. */
  readonly owner: string | null
  readonly root: string | null
}

const packageScopes: Readonly<Record<string, Scope | null>> = {
  'read-only': 'package:read',
  'read-write-stage-only': 'package:stage',
  'read-write': 'package:admin',
  'no-access': null,
}
const orgScopes: Readonly<Record<string, Scope | null>> = {
  'read-only': 'organization:read',
  'read-write': 'organization:admin',
  'no-access': null,
}

/** InputError `bad-token`. */
export async function grantOfBody(body: JsonObject, around: Surroundings): Promise<Grant> {
  if (textsIn(body, 'cidr_whitelist').length > 0)
    throw refuse('tokens are not bound to addresses here: leave --cidr out, and give the token an end and few packages instead')
  const [packages, scopes, orgs] = [textsIn(body, 'packages'), textsIn(body, 'scopes'), textsIn(body, 'orgs')]
  const onPackages = scopeIn(body, 'packages_and_scopes_permission', packageScopes)
  const onOrgs = scopeIn(body, 'orgs_permission', orgScopes)
  const isForPackages = packages.length + scopes.length > 0 || body.packages_all === true
  if (orgs.length > 0 && isForPackages)
    throw refuse('a token is for packages and scopes, or for organisations: what it may, it may on all that it is bound to. Make two')
  // npm up to 10 says no more than this
  const legacy: Scope = body.readonly === true ? 'package:read' : 'package:admin'
  const ofPackages = onPackages === undefined ? (orgs.length > 0 ? null : legacy) : onPackages
  const ofOrgs = onOrgs ?? (orgs.length > 0 ? 'organization:read' : null)
  if (ofOrgs !== null && orgs.length === 0 && (isForPackages || onPackages !== undefined)) throw refuse('--orgs-permission takes --orgs')
  const granted = [ofPackages, ofOrgs].filter((scope) => scope !== null)
  const owners = [...scopes, ...orgs]
  const isBound = packages.length + owners.length > 0 && body.packages_all !== true
  if (!isBound) return { scopes: granted, ownerIds: null, repositoryIds: null }
  return {
    scopes: granted,
    ownerIds: owners.length === 0 ? null : await ownerIds(owners, around),
    repositoryIds: null,
    packageIds: packages.length === 0 ? null : await packageIds(packages, around),
  }
}

/** Undefined: nothing is said. */
function scopeIn(body: JsonObject, name: string, known: Readonly<Record<string, Scope | null>>): Scope | null | undefined {
  const word = textIn(body, name)
  if (word === null) return undefined
  if (Object.hasOwn(known, word)) return known[word] as Scope | null
  throw refuse(`${name} is one of ${Object.keys(known).join(', ')}`)
}

async function ownerIds(names: readonly string[], { queries }: Surroundings): Promise<AccountId[]> {
  const found = []
  for (const name of names) {
    const account = await findAccount(queries, name.replace(/^@/, ''))
    if (account === null) throw refuse(`there is no owner '${name.slice(0, 100)}'`)
    found.push(account.id)
  }
  return [...new Set(found)]
}

/** Of names in the registry that was asked; those that the caller may not read are as if they weren't there. */
async function packageIds(names: readonly string[], { queries, identity, owner, root }: Surroundings): Promise<PackageId[]> {
  const found = []
  for (const text of names) {
    const name = parseName(text)
    const meant = name === null ? null : ownedName(owner, name, root)
    const one = meant === null ? null : await findPackage(queries, { format: 'npm', ...meant }, identity)
    if (one === null || !mayReadPackage(identity, one)) throw refuse(`there is no package '${text.slice(0, 100)}' that you may read`)
    found.push(one.id)
  }
  return [...new Set(found)]
}

function refuse(why: string): InputError {
  return new InputError('bad-token', `This token can not be made: ${why}`)
}
