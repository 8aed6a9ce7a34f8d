// Where a request was sent to, for URLs in answers, and where it came from, for rows and lines of the log. Both are somebody's words.
import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { Refusal } from './problem.ts'

/** Refusal 400: the Host header (or the proxy's word for it) names no host (RFC 9112 §3.2). None at all is one that is not known. */
export function assertHost(request: FastifyRequest): void {
  const { host } = request
  if (host && !(/^[\w.:[\]-]{1,255}$/.test(host) && URL.canParse(`http://${host}`)))
    throw new Refusal(400, 'bad-host', 'The Host header is malformed')
}

/** `https://git.example.org`, without a path. */
export function sentOrigin(request: FastifyRequest): string {
  return `${request.protocol === 'https' ? 'https' : 'http'}://${request.host || 'localhost'}`
}

/** The caller's address; `unknown` where a proxy says something that is none. */
export function sentFrom(request: FastifyRequest): string {
  return isIP(request.ip) === 0 ? 'unknown' : request.ip
}
