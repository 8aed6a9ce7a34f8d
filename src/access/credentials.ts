// What a request shows of who sends it: the Authorization header (RFC 9110 §11.6.2, RFC 7617, RFC 6750), or a browser's session cookie (RFC 6265).
import type { IncomingHttpHeaders } from 'node:http'
import type { Carrier } from './tokens.ts'

/** Of a browser that signed in. */
export const sessionCookie = 'stemma_session'

/**
 * The token that was sent: after `Bearer` or `token`, or as the password of `Basic`, whatever the user name is (git and npm send what their
 * user typed; the token alone says who it is), or, where there is no such header, the session cookie's. null: an anonymous call. `malformed`:
 * there is a header, but no token in it — never taken for anonymous, or a broken credential helper would show a public face of things to its user.
 */
export function sentToken(headers: IncomingHttpHeaders): { readonly token: string; readonly carrier: Carrier } | 'malformed' | null {
  if (headers.authorization !== undefined) {
    const token = tokenOf(headers.authorization)
    return token === null ? 'malformed' : { token, carrier: 'header' }
  }
  const token = cookieOf(headers.cookie, sessionCookie)
  return token === null ? null : { token, carrier: 'cookie' }
}

/** Null: there is none in it. */
function tokenOf(header: string): string | null {
  const [, scheme = '', value = ''] = /^([A-Za-z]+) +(\S+)$/.exec(header.trim()) ?? []
  switch (scheme.toLowerCase()) {
    case 'bearer':
    case 'token':
      return value
    case 'basic':
      return basicToken(value)
    default:
      return null
  }
}

function basicToken(value: string): string | null {
  const text = Buffer.from(value, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  const password = colon < 0 ? '' : text.slice(colon + 1)
  return password === '' ? null : password
}

function cookieOf(header: string | undefined, name: string): string | null {
  for (const pair of header?.split(';') ?? []) {
    const [key, value = ''] = pair.split('=', 2)
    if (key?.trim() === name && value.trim() !== '') return value.trim()
  }
  return null
}

/**
 * Whether a browser sent this from a page of another site: then its cookie isn't its user's word. By what browsers say of it (Fetch Metadata), else by
 * Origin; what says neither is no browser that keeps cookies.
 */
export function isCrossSite(method: string, headers: IncomingHttpHeaders, host: string): boolean {
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return false
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const { origin } = headers
  if (origin === undefined) return false
  return !URL.canParse(origin) || new URL(origin).host !== host
}
