// The gate before every handler: who calls (token), what is meant (row), and whether that may be (may.ts). What it found stands on the
// request for the handler: `identity`, `repository`, `account`.
import type { FastifyRequest } from 'fastify'
import type { Clock, Log } from '../base/index.ts'
import type { Database } from '../db/index.ts'
import { type Declaration, type Gate, notFound, type Verdict } from '../http/index.ts'
import { type Account, findAccount } from './accounts.ts'
import { type Call, type FindCall, makeFindCall } from './call.ts'
import { tokenOf } from './credentials.ts'
import { type AccountId, anonymous, type Identity } from './identity.ts'
import { type Action, actions, isOpenToAnonymous, may, type Resource } from './may.ts'
import { isRepositoryName } from './names.ts'
import type { Repository } from './repositories.ts'
import { findIdentity, identityOf, TokenUses } from './tokens.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before every handler of every room. */
    identity: Identity
    /** The repository that the route names; null where it names none, or one that the push is about to create. */
    repository: Repository | null
    /** On a push to a repository that doesn't exist and that the caller may create: whose it will be, and its name. */
    repositoryToCreate: { readonly ownerId: AccountId; readonly name: string } | null
    /** The account that the route names. */
    account: Account | null
  }
}

/** What a route may name: the caller himself, an account, a repository. */
type ResourceName =
  | { readonly kind: 'self' }
  | { readonly kind: 'account'; readonly login: string }
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

/** For a route about the caller himself. */
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

/** The caller on a route that lets nobody be anonymous. */
export function callerOf(request: FastifyRequest): Extract<Identity, { kind: 'account' }> {
  if (request.identity.kind !== 'account') throw new Error('a route that needs an account let an anonymous caller in')
  return request.identity
}

export interface GateOptions {
  readonly db: Database
  readonly clock: Clock
  readonly log: Log
  /** A push to a repository that doesn't exist creates it, when the caller may. */
  readonly isCreatingOnPush: boolean
}

/** The gate over the database. `close` waits for what it still writes. */
export function makeGate(options: GateOptions): Gate & { close(): Promise<void> } {
  const uses = new TokenUses(options.db.queries, options.clock, options.log)
  const parts = { ...options, uses, findCall: makeFindCall() }
  return {
    actions,
    properties: { identity: null, repository: null, repositoryToCreate: null, account: null },
    nameOf: ({ identity }) => (identity?.kind === 'account' ? identity.login : null),
    admit: (request, action, resource) => admit(parts, request, action as Action | null, resource as ResourceName | null),
    close: () => uses.close(),
  }
}

interface GateParts extends GateOptions {
  readonly uses: TokenUses
  readonly findCall: FindCall
}

async function admit(parts: GateParts, request: FastifyRequest, action: Action | null, name: ResourceName | null): Promise<Verdict> {
  const sent = tokenOf(request.headers.authorization)
  if (sent === 'malformed') return 'bad-credentials'
  const { clock, db, findCall, uses } = parts
  const { queries } = db
  if (sent === null) request.identity = anonymous
  if (sent === null && action !== null && !isOpenToAnonymous(action)) return 'unauthenticated'
  // The verdict needs both, and to ask for one costs as much as to ask for both.
  const call = name?.kind === 'repository' ? await findCall(queries, sent && sent.token, name.owner, name.name) : null
  const identity = sent === null ? anonymous : call ? callerIn(call, parts) : await findIdentity(queries, sent.token, clock, uses)
  if (identity === null) return 'bad-credentials'
  request.identity = identity
  if (action === null || name === null) return 'allowed'
  if (name.kind === 'repository') return admitToRepository(parts, request, action, name, call && call.target)
  const account = name.kind === 'self' ? await ownAccount(db, identity) : await findAccount(queries, name.login)
  if (account === null) return 'hidden'
  request.account = account
  return may(identity, action, { kind: 'account', accountId: account.id }) ? 'allowed' : 'forbidden'
}

function callerIn({ token }: Call, { clock, uses }: GateParts): Identity | null {
  return token && identityOf(token, clock, uses)
}

async function ownAccount(db: Database, identity: Identity): Promise<Account | null> {
  return identity.kind === 'account' ? findAccount(db.queries, identity.login) : null
}

function admitToRepository(
  options: GateOptions,
  request: FastifyRequest,
  action: Action,
  name: { readonly name: string },
  target: Call['target'],
): Verdict {
  const { identity } = request
  if (target === null) return 'hidden'
  const { ownerId, repository } = target
  if (repository === null) {
    const mayCreate = action === 'repository:push' && may(identity, 'repository:create', { kind: 'account', accountId: ownerId })
    if (!mayCreate || !options.isCreatingOnPush || !isRepositoryName(name.name)) return 'hidden'
    request.repositoryToCreate = { ownerId, name: name.name }
    return 'allowed'
  }
  const resource: Resource = { kind: 'repository', ownerId, visibility: repository.visibility }
  if (!may(identity, action, resource)) return may(identity, 'repository:read', resource) ? 'forbidden' : 'hidden'
  request.repository = repository
  return 'allowed'
}
