// The gate before every handler: who calls (token), what is meant (row), and whether that may be (may.ts). What it found stands on the
// request for the handler: `identity`, `repository`, `account`.
import type { FastifyRequest } from 'fastify'
import type { Clock, Log } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import { type Declaration, type Gate, notFound, Refusal, type Verdict } from '../http/index.ts'
import { type Account, accountResource, findAccount, findAccountById } from './accounts.ts'
import { admitToRepository, type RepositoryToCreate } from './admission.ts'
import { type FindCall, makeFindCall } from './call.ts'
import { isCrossSite, sentToken } from './credentials.ts'
import { Failures } from './failures.ts'
import { type AccountIdentity, anonymous, type Identity, identityKey } from './identity.ts'
import { type Action, actions, isOpenToAnonymous, may } from './may.ts'
import { refusalOf } from './refusals.ts'
import type { Repository } from './repository-rows.ts'
import { findIdentity, identityOf, TokenUses } from './tokens.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before every handler of every room. */
    identity: Identity
    /** The repository that the route names; null where it names none, or one that the push is about to create. */
    repository: Repository | null
    /** On a push to a repository that doesn't exist and that the caller may create: whose it will be, and its name. */
    repositoryToCreate: RepositoryToCreate | null
    /** The account that the route names. */
    account: Account | null
  }
}

/** What a route may name: the caller himself, an account, an organisation, a repository. */
type ResourceName =
  | { readonly kind: 'self' }
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
}

/** The gate over the database. `close` waits for what it still writes. */
export function makeGate(options: GateOptions): Gate & { close(): Promise<void> } {
  const uses = new TokenUses(options.db.queries, options.clock, options.log)
  const parts = { ...options, uses, findCall: makeFindCall() }
  return {
    actions,
    refusalOf: (action) => refusalOf(action as Action),
    properties: { identity: null, repository: null, repositoryToCreate: null, account: null },
    keyOf: ({ identity }) => (identity ? identityKey(identity) : null),
    nameOf: ({ identity }) => (identity?.kind === 'account' ? identity.login : identity?.kind === 'repository' ? identity.name : null),
    admit: (request, action, resource) => admit(parts, request, action as Action | null, resource as ResourceName | null),
    close: () => uses.close(),
  }
}

interface GateParts extends GateOptions {
  readonly uses: TokenUses
  readonly findCall: FindCall
}

async function admit(parts: GateParts, request: FastifyRequest, action: Action | null, name: ResourceName | null): Promise<Verdict> {
  const sent = sentToken(request.headers)
  const { clock, db, failures, findCall, uses } = parts
  if (sent === 'malformed') {
    failures?.tokenFailed(request.ip)
    return 'bad-credentials'
  }
  if (sent !== null) failures?.assertMayTryToken(request.ip, sent.token)
  const { queries } = db
  if (sent === null) request.identity = anonymous
  if (sent === null && action !== null && !isOpenToAnonymous(action)) return 'unauthenticated'
  if (sent?.carrier === 'cookie' && isCrossSite(request.method, request.headers, request.host)) return 'cross-site'
  // The verdict needs both, and to ask for one costs as much as to ask for both.
  const call = name?.kind === 'repository' ? await findCall(queries, sent && sent.token, name.owner, name.name) : null
  const found =
    sent === null
      ? anonymous
      : call
        ? call.token && identityOf(call.token, sent.carrier, clock, uses)
        : await findIdentity(queries, sent, clock, uses)
  if (found === 'suspended') return found
  if (found === null && sent?.carrier === 'header') {
    failures?.tokenFailed(request.ip)
    return 'bad-credentials'
  }
  if (found !== null && sent !== null) failures?.tokenSucceeded(request.ip, sent.token)
  // a browser sends the cookie of a session that has ended by itself: then nobody in particular calls, and nobody tries anything
  request.identity = found ?? anonymous
  if (found === null && action !== null && !isOpenToAnonymous(action)) return 'unauthenticated'
  if (action === null || name === null) return 'allowed'
  if (name.kind !== 'repository') return admitToAccount(db, request, action, name)
  const { isCreatingOnPush } = parts
  const admission = admitToRepository(request.identity, action, { target: call && call.target, name: name.name, isCreatingOnPush })
  if (admission.verdict !== 'allowed') return admission.verdict
  request.repository = admission.repository
  request.repositoryToCreate = admission.repository === null ? admission.toCreate : null
  return 'allowed'
}

async function admitToAccount(
  db: Database,
  request: FastifyRequest,
  action: Action,
  name: Exclude<ResourceName, { readonly kind: 'repository' }>,
): Promise<Verdict> {
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
