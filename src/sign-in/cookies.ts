// The cookies of signing in.
import type { FastifyRequest } from 'fastify'
import { sessionCookie } from '../access/index.ts'
import { sentFrom } from '../http/index.ts'
import { sessionSeconds, type Visitor } from './sessions.ts'

/** What is kept of where a sign-in comes from. */
export function visitorOf(request: FastifyRequest): Visitor {
  const { id: requestId, headers } = request
  return { ip: sentFrom(request), requestId, userAgent: headers['user-agent'] ?? null, priorSecret: cookieIn(request, sessionCookie) }
}

/** Signs the browser in; with an empty secret, out. */
export function sessionCookieHeader(secret: string, isSecure: boolean): string {
  return cookieHeader(sessionCookie, secret, { maxAgeSeconds: secret === '' ? 0 : sessionSeconds, isSecure, path: '/' })
}

export function cookieHeader(
  name: string,
  value: string,
  { maxAgeSeconds, isSecure, path }: { readonly maxAgeSeconds: number; readonly isSecure: boolean; readonly path: string },
): string {
  return `${name}=${value}; Path=${path}; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`
}

/** Null: the request has none of that name. */
export function cookieIn({ headers }: FastifyRequest, name: string): string | null {
  for (const pair of headers.cookie?.split(';') ?? []) {
    const [key, value = ''] = pair.split('=', 2)
    if (key?.trim() === name && value.trim() !== '') return value.trim()
  }
  return null
}
