// The gate before every handler: who calls (token), what is meant (row), and whether that may be (may.ts). What it found stands on the
// request for the handler: `identity`, `repository`, `package`, `account`.
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { Clock, Log } from '../base/index.ts'
import { type Database, Moment } from '../db/index.ts'
import { type Declaration, type Gate, notFound, Refusal, type Verdict } from '../http/index.ts'
import { type Account, accountResource, findAccount, findAccountById } from './accounts.ts'
import { admitToRepository, type RepositoryToCreate } from './admission.ts'
import { actorOf } from './audit.ts'
import { type Call, type FindCall, makeFindCall } from './call.ts'
import { isCrossSite, sentToken } from './credentials.ts'
import { Failures } from './failures.ts'
import { type AccountIdentity, anonymous, type Identity, identityKey } from './identity.ts'
import type { PackageAccess } from './grant.ts'
import { type Action, actions, isOpenToAnonymous, may } from './may.ts'
import {
  admitToPackage,
  type FindPackageCall,
  makeFindPackageCall,
  type PackageCall,
  type PackageName,
  type PackageToCreate,
  type PackageToFetch,
} from './package-call.ts'
import type { Package, PackageFormat } from './package-rows.ts'
import { createOrFindPackage } from './packages.ts'
import { refusalOf } from './refusals.ts'
import { isPassFor, isRegistryToken, narrowed, type RegistryTokens } from './registry-token.ts'
import type { Repository } from './repository-rows.ts'
import { hashToken } from './token-issue.ts'
import { type Carrier, findIdentity, identityOf, TokenUses } from './tokens.ts'

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

/** What a route may name: the caller himself, a registry as a whole, an account, an organisation, a repository, a package. */
type ResourceName =
  | { readonly kind: 'self' }
  | { readonly kind: 'registry' }
  | ({ readonly kind: 'package' } & PackageName)
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
  format: PackageFormat,
  action: Action | ActionChoice,
  nameOf: (request: FastifyRequest) => { readonly owner: string; readonly name: string },
): Declaration {
  const resource = (request: FastifyRequest): ResourceName => ({ kind: 'package', format, ...nameOf(request) })
  return { action: action as Declaration['action'], resource }
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

export interface GateOptions {
  readonly db: Database
  readonly clock: Clock
  readonly log: Log
  /** A push to a repository that doesn't exist creates it, when the caller may. */
  readonly isCreatingOnPush: boolean
  /** Counts credentials that are no good; nobody does without it. */
  readonly failures?: Failures
  /** What a registry's clients show; without it they show credentials. */
  readonly registryTokens?: RegistryTokens
}

/** The gate over the database. `close` waits for what it still writes. */
export function makeGate(options: GateOptions): Gate & { close(): Promise<void> } {
  const uses = new TokenUses(options.db.queries, options.clock, options.log)
  const parts = { ...options, uses, findCall: makeFindCall(), findPackageCall: makeFindPackageCall() }
  return {
    actions,
    refusalOf: (action) => refusalOf(action as Action),
    properties: {
      identity: null,
      repository: null,
      repositoryToCreate: null,
      package: null,
      packageToCreate: null,
      moment: null,
      packageToFetch: null,
      account: null,
    },
    keyOf: ({ identity }) => (identity ? identityKey(identity) : null),
    nameOf: ({ identity }) => (identity?.kind === 'account' ? identity.login : identity?.kind === 'repository' ? identity.name : null),
    admit: (request, action, resource) => admit(parts, request, action as Action | null, resource as ResourceName | null),
    close: () => uses.close(),
  }
}

interface GateParts extends GateOptions {
  readonly uses: TokenUses
  readonly findCall: FindCall
  readonly findPackageCall: FindPackageCall
}

/** What was sent to show who calls. */
interface Credential {
  readonly secret: string
  readonly carrier: Carrier
  /** Null: a registry's pass that stands for nobody. */
  readonly hash: Uint8Array | null
  /** Of a registry's pass. */
  readonly packages: readonly PackageAccess[] | null
}

/** Passes of the registry are for packages, and good for nothing else. */
function credentialOf(parts: GateParts, headers: IncomingHttpHeaders, name: ResourceName | null): Credential | 'malformed' | null {
  const sent = sentToken(headers)
  if (sent === null || sent === 'malformed') return sent
  const { token: secret, carrier } = sent
  if (!isRegistryToken(secret)) return { secret, carrier, hash: hashToken(secret), packages: null }
  const isTaken = carrier === 'header' && (name === null || name.kind === 'package' || name.kind === 'registry')
  const pass = isTaken ? (parts.registryTokens?.open(secret) ?? null) : null
  return pass === null ? 'malformed' : { secret, carrier, ...pass }
}

async function admit(parts: GateParts, request: FastifyRequest, action: Action | null, name: ResourceName | null): Promise<Verdict> {
  const sent = credentialOf(parts, request.headers, name)
  const { clock, db, failures, uses } = parts
  if (sent === 'malformed') {
    failures?.tokenFailed(request.ip)
    return 'bad-credentials'
  }
  if (sent !== null) failures?.assertMayTryToken(request.ip, sent.secret)
  const isNobody = sent === null || sent.hash === null
  if (isNobody) request.identity = anonymous
  if (isNobody && action !== null && !isOpenToAnonymous(action)) return 'unauthenticated'
  if (sent?.carrier === 'cookie' && isCrossSite(request.method, request.headers, request.host)) return 'cross-site'
  if (sent?.packages && name?.kind === 'package' && !isPassFor(sent.packages, action ?? '', name)) return 'not-in-pass'
  // The verdict needs both, and to ask for one costs as much as to ask for both.
  if (name?.kind === 'package') request.moment = new Moment(db)
  const call = await findMeant(parts, sent?.hash ?? null, name, request.moment)
  const found = isNobody
    ? anonymous
    : call
      ? call.token && identityOf(call.token, sent.carrier, clock, uses)
      : await findIdentity(db.queries, { hash: sent.hash as Uint8Array, carrier: sent.carrier }, clock, uses)
  if (found === 'suspended') return found
  if (found === null && sent?.carrier === 'header') {
    failures?.tokenFailed(request.ip)
    return 'bad-credentials'
  }
  if (found !== null && !isNobody) failures?.tokenSucceeded(request.ip, sent.secret)
  // a browser sends the cookie of a session that has ended by itself: then nobody in particular calls, and nobody tries anything
  const identity = found ?? anonymous
  request.identity = sent?.packages ? narrowed(identity, sent.packages) : identity
  if (found === null && action !== null && !isOpenToAnonymous(action)) return 'unauthenticated'
  if (action === null || name === null) return 'allowed'
  if (call?.kind === 'package') return admitCallToPackage(request, action, call)
  if (call?.kind === 'repository') return admitCallToRepository(parts, request, action, call)
  if (name.kind === 'registry') return may(request.identity, action, { kind: 'registry' }) ? 'allowed' : 'forbidden'
  return admitToAccount(db, request, action, name as AccountName)
}

type FoundCall =
  | (Call & { readonly kind: 'repository'; readonly name: string })
  | (PackageCall & { readonly kind: 'package'; readonly name: PackageName })

/** Null: the route names neither a repository nor a package. */
async function findMeant(
  parts: GateParts,
  hash: Uint8Array | null,
  name: ResourceName | null,
  moment: Moment | null,
): Promise<FoundCall | null> {
  const { queries } = parts.db
  if (name?.kind === 'repository') {
    return { ...(await parts.findCall(queries, hash, name.owner, name.name)), kind: 'repository', name: name.name }
  }
  if (name?.kind === 'package') return { ...(await parts.findPackageCall(moment ?? parts.db, hash, name)), kind: 'package', name }
  return null
}

function admitCallToRepository(
  { isCreatingOnPush }: GateParts,
  request: FastifyRequest,
  action: Action,
  { target, name }: Call & { readonly name: string },
): Verdict {
  const admission = admitToRepository(request.identity, action, { target, name, isCreatingOnPush })
  if (admission.verdict !== 'allowed') return admission.verdict
  request.repository = admission.repository
  request.repositoryToCreate = admission.repository === null ? admission.toCreate : null
  return 'allowed'
}

function admitCallToPackage(request: FastifyRequest, action: Action, call: PackageCall & { readonly name: PackageName }): Verdict {
  const admission = admitToPackage(request.identity, action, call)
  if (admission.verdict === 'forbidden' && admission.reason !== null) throw new Refusal(403, 'forbidden', admission.reason)
  if (admission.verdict !== 'allowed') return admission.verdict
  request.package = admission.package
  request.packageToCreate = admission.toCreate
  request.packageToFetch = admission.toFetch
  return 'allowed'
}

type AccountName = Extract<ResourceName, { readonly kind: 'self' | 'account' | 'organization' }>

async function admitToAccount(db: Database, request: FastifyRequest, action: Action, name: AccountName): Promise<Verdict> {
  const { identity } = request
  if (name.kind === 'self' && identity.kind !== 'account') return 'forbidden' // a repository's token is nobody's account
  const account =
    name.kind === 'self'
      ? await findAccountById(db.queries, (identity as AccountIdentity).accountId)
      : await findAccount(db.queries, name.login, identity)
  if (account === null || (name.kind === 'organization' && account.kind !== 'organization')) return 'hidden'
  request.account = account
  return may(identity, action, accountResource(account)) ? 'allowed' : 'forbidden'
}
