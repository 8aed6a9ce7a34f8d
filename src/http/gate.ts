// What stands between the router and every handler. This room knows neither accounts nor repositories: the access room implements
// Gate, and this room sees to it that no route is without a declaration and no handler runs without a verdict.
import type { FastifyRequest } from 'fastify'
import { Refusal } from './problem.ts'

/**
 * What a route does to what. `action` is a word that the gate knows, or is chosen by the request among those that `examples` names
 * (each with a query string that leads to it: `?service=git-receive-pack`). `resource` names what is acted on, in the gate's own type.
 */
export interface Declaration {
  readonly action: string | { readonly of: (request: FastifyRequest) => string; readonly examples: Readonly<Record<string, string>> }
  readonly resource: (request: FastifyRequest) => unknown
  /** The action stands in the body, which is small: the gate is asked when that is parsed, instead of before it is read. */
  readonly after?: 'body'
  /** Of the caller's own: nobody is anonymous there, whatever the action. */
  readonly isOwn?: true
}

/** `public`: anyone, and no identity is needed — but a token that is sent must still be good. */
export type RouteAccess = 'public' | Declaration

export type Verdict =
  | 'allowed'
  | 'bad-credentials' // something was sent that is no valid token
  | 'unauthenticated' // nothing was sent, and no anonymous caller may do this to anything
  | 'not-in-pass' // what was sent is good, but was given out for something else: the client asks for another
  | 'suspended' // the account may do nothing at present
  | 'cross-site' // a browser sent its session from a page of another site
  | 'hidden' // there is no such thing, or the caller may not know of it: one and the same answer
  | 'forbidden' // the caller may see it, but not do this

export interface Gate {
  /** Actions that may be declared. */
  readonly actions: ReadonlySet<string>
  /** What whoever may not do that is told: what it takes. */
  refusalOf(action: string): string
  /** Names of request properties that `admit` sets, with their value before it. */
  readonly properties: Readonly<Record<string, null>>
  /** Who calls, for the log; null: nobody in particular. Asked when `admit` has run. */
  nameOf(request: FastifyRequest): string | null
  /** The same for the same caller, whichever credential he shows; null: nobody in particular. Asked when `admit` has run. */
  keyOf(request: FastifyRequest): string | null
  /**
   * Finds out who calls and whether that may be; `action` is null on public routes. UnavailableError when it can't know; Refusal 429 when too much that
   * is no good was sent from where this comes from.
   */
  admit(request: FastifyRequest, action: string | null, resource: unknown): Promise<Verdict>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess
    /** The path may hold `%2f` inside a parameter (npm's `@scope%2fname`). */
    encodedSlash?: boolean
    /** Requests to it don't count towards the caller's limits. */
    isUncounted?: boolean
    /** A client asks here for new credentials, or gives back what it has: the header that it sends along may have ended, and isn't looked at. */
    isSigningIn?: boolean
  }
}

const asides = new WeakMap<FastifyRequest, string>()

function setAside(request: FastifyRequest): void {
  const { authorization } = request.headers
  if (authorization !== undefined) asides.set(request, authorization)
  delete request.headers.authorization
}

/** The Authorization header of a request that signs somebody in; null: none was sent. */
export function asideOf(request: FastifyRequest): string | null {
  return asides.get(request) ?? null
}

/** Called at registration: throws, so that a server with an undeclared route doesn't start. */
export function assertDeclared(
  gate: Gate,
  route: { readonly method: unknown; readonly url: string },
  access: RouteAccess | undefined,
): void {
  const name = `${String(route.method)} ${route.url}`
  if (access === undefined) throw new Error(`route ${name} declares no access: give config.access an action and a resource, or 'public'`)
  if (access === 'public') return
  for (const action of actionsOf(access)) {
    if (!gate.actions.has(action)) throw new Error(`route ${name} declares the unknown action '${action}'`)
  }
}

export function actionsOf(declaration: Declaration): readonly string[] {
  return typeof declaration.action === 'string' ? [declaration.action] : Object.keys(declaration.action.examples)
}

export function waitsForBody(request: FastifyRequest): boolean {
  const access = request.routeOptions.config.access
  return typeof access === 'object' && access.after === 'body'
}

/** How a room lets callers in. */
export interface Door {
  /** Clients ask for credentials only on 401 (git). */
  readonly challenge: boolean
  /** Counts one request of the caller (`keyOf`); Refusal 429 when that is too many. */
  readonly charge: (caller: string | null) => void
}

/**
 * Resolves when the handler may run; else throws the Refusal. A request counts whatever comes of it, so that nothing can be told from that; of whoever shows
 * nothing, it counts before anything is looked up.
 */
export async function admit(gate: Gate, request: FastifyRequest, { challenge, charge }: Door): Promise<void> {
  const access = request.routeOptions.config.access
  if (access === undefined) throw new Error('a route without a declaration was reached')
  if (request.routeOptions.config.isSigningIn === true) setAside(request)
  const isNobody = request.headers.authorization === undefined && request.headers.cookie === undefined
  if (isNobody) charge(null)
  const action = actionOf(request, access)
  const verdict = await gate.admit(request, action, access === 'public' ? null : access.resource(request))
  if (!isNobody && verdict !== 'bad-credentials') charge(gate.keyOf(request))
  if (verdict === 'forbidden') throw new Refusal(403, verdict, gate.refusalOf(action ?? ''))
  refuse(verdict, gate, request, challenge)
}

function actionOf(request: FastifyRequest, access: RouteAccess): string | null {
  if (access === 'public') return null
  const action = typeof access.action === 'string' ? access.action : access.action.of(request)
  if (!actionsOf(access).includes(action)) throw new Error(`undeclared action '${action}'`)
  return action
}

function refuse(verdict: Exclude<Verdict, 'forbidden'>, gate: Gate, request: FastifyRequest, challenge: boolean): void {
  if (verdict === 'allowed') return
  if (verdict === 'bad-credentials') throw new Refusal(401, verdict, 'Bad credentials')
  if (verdict === 'unauthenticated') throw new Refusal(401, verdict, 'Requires authentication')
  if (verdict === 'not-in-pass') throw new Refusal(401, verdict, 'The token that was sent was not given out for this')
  if (verdict === 'suspended') throw new Refusal(403, verdict, 'Your account is suspended; ask the administrator of this server')
  if (verdict === 'cross-site') throw new Refusal(403, verdict, 'A page of another site sent this; sign in and send it from here')
  if (challenge && gate.nameOf(request) === null) throw new Refusal(401, 'unauthenticated', 'Requires authentication')
  throw notFound()
}

/** The one answer for what doesn't exist and for what the caller may not know of. */
export function notFound(): Refusal {
  return new Refusal(404, 'not-found', 'Not Found')
}
