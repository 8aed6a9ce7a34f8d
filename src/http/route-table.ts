// The routes that were registered, with what they declared: for answers to OPTIONS and wrong methods, for the completeness tests,
// and for the API document.
import type { FastifySchema } from 'fastify'
import type { RouteAccess } from './gate.ts'

export interface RouteFacts {
  readonly method: string
  /** Fastify's pattern with the room's prefix: `/api/v3/repos/:owner/:repo`. */
  readonly url: string
  readonly access: RouteAccess
  readonly schema: FastifySchema | undefined
  /** True where an anonymous caller is asked for credentials instead of being told that there is nothing. */
  readonly challenge: boolean
  /** The Authorization header is not looked at. */
  readonly isSigningIn: boolean
}

/** Methods that some route takes at this path (without query), sorted; empty when nothing is there. */
export function methodsAt(routes: readonly RouteFacts[], path: string): string[] {
  const methods = new Set<string>()
  for (const route of routes) {
    if (patternOf(route.url).test(path)) methods.add(route.method)
  }
  return [...methods].sort()
}

// `:name` is at least one character of one segment, `*` is anything; `:name.git` keeps its literal tail.
function patternOf(url: string): RegExp {
  const source = url
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/:\w+/g, '[^/]+')
    .replace(/\*/g, '.*')
  return new RegExp(`^${source}$`)
}
