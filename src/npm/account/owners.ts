// `npm owner`: who may publish a package. There are no rights of a package's own: who may is said by its repository, or by its owner's members (docs/design/npm-access.md).
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  type Account,
  accountResource,
  actorOf,
  findAccount,
  findRepositoryById,
  may,
  type Package,
  packageResourceOf,
  resourceOf,
  setCollaborator,
} from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { Refusal } from '../../http/index.ts'
import { sendJson } from '../protocol/form.ts'
import type { JsonObject } from '../protocol/json-body.ts'
import type { AccountParts } from './parts.ts'
import { peopleOf } from './people.ts'

export interface Maintainer {
  readonly name: string
  readonly email: string
}

/** What npm's client says that it is about. */
export function isOwnerCommand(headers: FastifyRequest['headers']): boolean {
  return headers['npm-command'] === 'owner'
}

/**
 * Everybody who may publish, for one who administers the package and asks by `npm owner`; for others its owner, as in every packument: members and collaborators
 * are not everybody's business. An answer with this in it is for this caller alone.
 */
export async function ownersShown({ db }: Pick<AccountParts, 'db'>, request: FastifyRequest, one: Package): Promise<Maintainer[]> {
  const isShown = isOwnerCommand(request.headers) && may(request.identity, 'package:administer', packageResourceOf(one))
  if (!isShown) return [{ name: one.ownerLogin, email: '' }]
  return (await publishersOf({ db }, one)).map((name) => ({ name, email: '' }))
}

async function publishersOf({ db }: Pick<AccountParts, 'db'>, one: Package): Promise<string[]> {
  const people = await peopleOf(db.queries, one)
  const names = [...people].filter(([, role]) => role !== 'read').map(([login]) => login)
  return names.length === 0 ? [one.ownerLogin] : names
}

/**
 * What a packument that is written back with other `maintainers` changes: the handler of `PUT NAME/-rev/REV` calls this, once the gate has let `package:write` in.
 * Refusal 403 for whoever doesn't administer the package; InputError `owners`, which says how it is done where this is not the way.
 */
export async function changeOwners(
  parts: Pick<AccountParts, 'db'>,
  request: FastifyRequest,
  reply: FastifyReply,
  { one, body }: { readonly one: Package; readonly body: JsonObject },
): Promise<FastifyReply> {
  if (!may(request.identity, 'package:administer', packageResourceOf(one)))
    throw new Refusal(403, 'forbidden', 'Changing who may publish this package takes the role admin in its owner or repository')
  const wanted = namesIn(body.maintainers)
  const present = await publishersOf(parts, one)
  const isIn = (names: readonly string[], name: string) => names.some((other) => other.toLowerCase() === name.toLowerCase())
  const added = wanted.filter((name) => !isIn(present, name))
  const removed = present.filter((name) => !isIn(wanted, name))
  const accounts = await Promise.all([...added, ...removed].map((name) => userNamed(parts, name)))
  for (const account of accounts) await setPublisher(parts, request, one, account, { isAdded: isIn(added, account.login) })
  return sendJson(reply, 200, { ok: true, id: one.name, success: true })
}

async function setPublisher(
  { db }: Pick<AccountParts, 'db'>,
  request: FastifyRequest,
  one: Package,
  account: Account,
  { isAdded }: { readonly isAdded: boolean },
): Promise<void> {
  const { identity } = request
  const { ownerLogin: owner, ownerKind } = one
  const repository = one.repositoryId === null ? null : await findRepositoryById(db.queries, one.repositoryId, identity)
  const organization = ownerKind === 'organization' ? await findAccount(db.queries, owner, identity) : null
  const byMembership = `npm org ${isAdded ? 'set' : 'rm'} ${owner} ${account.login}${isAdded ? ' developer' : ''}`
  if (repository === null) {
    const way =
      organization === null
        ? 'link it to a repository, whose collaborators may publish it'
        : `its members may publish all that it has: ${byMembership}`
    throw new InputError('owners', `Who may publish this package is not said of it alone: it is ${owner}’s; ${way}`)
  }
  if (!may(identity, 'repository:administer', resourceOf(repository)))
    throw new Refusal(
      403,
      'forbidden',
      `Who may publish this package is said of its repository ${owner}/${repository.name}: that takes the role admin there`,
    )
  if (account.id === one.ownerId) throw new InputError('owners', `This package is ${account.login}’s: he stays its owner as long as it is`)
  const isChanged = await setCollaborator(db, repository, account, isAdded ? 'write' : null, actorOf(request))
  if (!isAdded && !isChanged && organization !== null && may(identity, 'organization:read', accountResource(organization)))
    throw new InputError('owners', `${account.login} may publish this package as a member of ${owner}: ${byMembership}`)
}

async function userNamed({ db }: Pick<AccountParts, 'db'>, name: string): Promise<Account> {
  const account = await findAccount(db.queries, name)
  if (account !== null && account.kind === 'user') return account
  throw new InputError('owners', `There is no user '${name.slice(0, 100)}'`)
}

function namesIn(given: unknown): string[] {
  const names =
    Array.isArray(given) && given.length <= 500 ? given.map((one: unknown) => (one as { readonly name?: unknown } | null)?.name) : []
  if (names.length > 0 && names.every((name): name is string => typeof name === 'string' && name.length <= 255)) return names
  throw new InputError('owners', 'A package has one maintainer or more, each with a name')
}
