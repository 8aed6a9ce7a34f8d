// What routes say of themselves: what they do to what (`on…`), and what handlers find afterwards (`…Of`), when the gate has let the request through.
import type { FastifyRequest } from 'fastify'
import type { Database, Moment } from '../db/index.ts'
import { type Declaration, notFound, Refusal } from '../http/index.ts'
import type { Account } from './accounts.ts'
import type { RepositoryToCreate } from './admission.ts'
import { actorOf } from './audit.ts'
import type { AccountIdentity, Identity } from './identity.ts'
import type { Action } from './may.ts'
import type { PackageName, PackageToCreate, PackageToFetch } from './package-call.ts'
import type { Package, PackageFormat } from './package-rows.ts'
import { createOrFindPackage } from './packages.ts'
import type { Repository } from './repository-rows.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before every handler of every room. */
    identity: Identity
    /** The repository that the route names; null where it names none, or one that the push is about to create. */
    repository: Repository | null
    /** On a push to a repository that doesn't exist and that the caller may create: whose it will be, and its name. */
    repositoryToCreate: RepositoryToCreate | null
    /** The package that the route names; null where it names none, or one that what is published is about to make. */
    package: Package | null
    packageToCreate: PackageToCreate | null
    /** When the gate looked at a package: what a handler that only reads asks as of that costs no further look. */
    moment: Moment | null
    /** A package that isn't here yet, and that an upstream has or hasn't got: whoever asks may ask for it. */
    packageToFetch: PackageToFetch | null
    /** The account that the route names. */
    account: Account | null
  }
}

/** What a route may name: the caller himself, a registry as a whole, an account, an organisation, a repository, a package, or one of the caller's own by its name alone. */
export type ResourceName =
  | { readonly kind: 'self' }
  | { readonly kind: 'registry' }
  /** `takesPass`: a registry's own client asks, who may show a pass. */
  | ({ readonly kind: 'package'; readonly takesPass?: true } & PackageName)
  | ({ readonly kind: 'own-package' } & Omit<PackageName, 'owner'>)
  | { readonly kind: 'account' | 'organization'; readonly login: string }
  | { readonly kind: 'repository'; readonly owner: string; readonly name: string }

type ActionChoice = { readonly of: (request: FastifyRequest) => Action; readonly examples: Readonly<Partial<Record<Action, string>>> }

/**
 * For a route with the parameters `:owner` and `:repo`; handlers then use `repositoryOf(request)`.
 * @param after `body`: the action is chosen by what stands in the body
 */
export function onRepository(action: Action | ActionChoice, after?: 'body'): Declaration {
  const resource = (request: FastifyRequest): ResourceName => {
    const { owner, repo } = request.params as { owner: string; repo: string }
    return { kind: 'repository', owner, name: repo }
  }
  return { action: action as Declaration['action'], resource, ...(after === undefined ? {} : { after }) }
}

/** For a route with the parameter `:login`; handlers then use `accountOf(request)`. */
export function onAccount(action: Action): Declaration {
  return { action, resource: (request): ResourceName => ({ kind: 'account', login: (request.params as { login: string }).login }) }
}

/** For a route with the parameter `:org`, which names no user; handlers then use `accountOf(request)`. */
export function onOrganization(action: Action): Declaration {
  return { action, resource: (request): ResourceName => ({ kind: 'organization', login: (request.params as { org: string }).org }) }
}

/** For a route about the caller himself, or about the server as a whole. */
export function onSelf(action: Action): Declaration {
  return { action, resource: (): ResourceName => ({ kind: 'self' }) }
}

/** For a route that names a package: `nameOf` reads it out of the path. Handlers use `packageOf(request)`, or make `request.packageToCreate`. */
export function onPackage(
  format: PackageFormat | FormatOf,
  action: Action | ActionChoice,
  nameOf: (request: FastifyRequest) => { readonly owner: string; readonly name: string },
): Declaration {
  const resource = (request: FastifyRequest): ResourceName => ({ kind: 'package', format: formatIn(format, request), ...nameOf(request) })
  return { action: action as Declaration['action'], resource }
}

/** The same for a route of a registry, whose clients show passes. */
export function onRegistryPackage(...declared: Parameters<typeof onPackage>): Declaration {
  const { resource, ...declaration } = onPackage(...declared)
  return { ...declaration, resource: (request) => ({ ...(resource(request) as object), takesPass: true }) }
}

/** For a route that names a package of the caller's own account: `nameOf` reads it out of the path. Nobody is anonymous there. Handlers use `packageOf(request)`. */
export function onOwnPackage(format: PackageFormat | FormatOf, action: Action, nameOf: (request: FastifyRequest) => string): Declaration {
  const resource = (request: FastifyRequest): ResourceName => ({
    kind: 'own-package',
    format: formatIn(format, request),
    name: nameOf(request),
  })
  return { action, resource, isOwn: true }
}

/** Where the path says which format it is about. */
type FormatOf = (request: FastifyRequest) => PackageFormat

function formatIn(format: PackageFormat | FormatOf, request: FastifyRequest): PackageFormat {
  return typeof format === 'string' ? format : format(request)
}

/** For a route about all packages of a format, which shows of them what the caller may read. */
export function onRegistry(action: Action): Declaration {
  return { action, resource: (): ResourceName => ({ kind: 'registry' }) }
}

/** The package that the gate found; Refusal 404 when what is published would make it first. */
export function packageOf(request: FastifyRequest): Package {
  if (request.package === null) throw notFound()
  return request.package
}

/** When the gate looked at the package: for handlers that read soon after it. */
export function momentOf(request: FastifyRequest): Moment {
  if (request.moment === null) throw new Error('a route that names no package asked for its moment')
  return request.moment
}

/** The package that is published to; made now where the gate has found that the caller may. */
export async function packageToWrite(db: Database, request: FastifyRequest): Promise<Package> {
  const { packageToCreate } = request
  if (request.package !== null || packageToCreate === null) return packageOf(request)
  return createOrFindPackage(db, packageToCreate, actorOf(request))
}

/** The repository that the gate found; Refusal 404 when the route's push would create it first. */
export function repositoryOf(request: FastifyRequest): Repository {
  if (request.repository === null) throw notFound()
  return request.repository
}

/** The account that the gate found. */
export function accountOf(request: FastifyRequest): Account {
  if (request.account === null) throw notFound()
  return request.account
}

/** The account that calls, on a route that lets nobody be anonymous. Refusal 403 where a deployment's or a CI job's token calls: it is no account's. */
export function callerOf(request: FastifyRequest): AccountIdentity {
  const { identity } = request
  if (identity.kind === 'anonymous') throw new Error('a route that needs an account let an anonymous caller in')
  if (identity.kind === 'repository')
    throw new Refusal(403, 'forbidden', 'This needs a user’s token: the token that was sent is a repository’s')
  return identity
}
