// Conditional requests (RFC 9110 §13): whether the client has what it asks for.
import type { FastifyRequest } from 'fastify'

export function isSame(request: FastifyRequest, etag: string): boolean {
  const sent = request.headers['if-none-match']
  if (sent === undefined) return false
  return sent.trim() === '*' || sent.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)
}
