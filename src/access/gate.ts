// The gate before every handler: who calls (token), what is meant (row), and whether that may be (may.ts). What it found stands on the
// request for the handler: `identity`, `repository`, `package`, `account`.
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { Clock, Log } from '../base/index.ts'
import { type Database, Moment } from '../db/index.ts'
import { type Gate, Refusal, type Verdict } from '../http/index.ts'
import { accountResource, findAccount, findAccountById } from './accounts.ts'
import { admitToRepository } from './admission.ts'
import { type Call, type FindCall, makeFindCall } from './call.ts'
import { isCrossSite, sentToken } from './credentials.ts'
import { Failures } from './failures.ts'
import { type AccountIdentity, anonymous, identityKey } from './identity.ts'
import type { PackageAccess } from './grant.ts'
import { type Action, actions, isOpenToAnonymous, may } from './may.ts'
import { admitToPackage, type FindPackageCall, makeFindPackageCall, type PackageCall, type PackageName } from './package-call.ts'
import { refusalOf } from './refusals.ts'
import { isPassFor, isRegistryToken, narrowed, type RegistryTokens } from './registry-token.ts'
import type { ResourceName } from './route-access.ts'
import { hashToken } from './token-issue.ts'
import { type Carrier, findIdentity, identityOf, TokenUses } from './tokens.ts'

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

/** Passes of a registry are for its own routes, and good for nothing else. */
function credentialOf(parts: GateParts, headers: IncomingHttpHeaders, name: ResourceName | null): Credential | 'malformed' | null {
  const sent = sentToken(headers)
  if (sent === null || sent === 'malformed') return sent
  const { token: secret, carrier } = sent
  if (!isRegistryToken(secret)) return { secret, carrier, hash: hashToken(secret), packages: null }
  const isTaken =
    carrier === 'header' && (name === null || name.kind === 'registry' || (name.kind === 'package' && name.takesPass === true))
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
  if (name.kind === 'own-package') return admitToOwnPackage(parts, request, action, { hash: sent?.hash ?? null, name })
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

/** Whose it is says the identity: the gate knows it now, and asks as for any other package. */
async function admitToOwnPackage(
  { db, findPackageCall }: GateParts,
  request: FastifyRequest,
  action: Action,
  {
    hash,
    name: { format, name },
  }: { readonly hash: Uint8Array | null; readonly name: Extract<ResourceName, { readonly kind: 'own-package' }> },
): Promise<Verdict> {
  const { identity } = request
  if (identity.kind === 'anonymous') return 'unauthenticated'
  if (identity.kind === 'repository') return 'forbidden' // its token is nobody's account
  request.moment = new Moment(db)
  const named = { format, name, owner: identity.login }
  return admitCallToPackage(request, action, { ...(await findPackageCall(request.moment, hash, named)), name: named })
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
