// ETags over whole answers: a client that has the same bytes already gets 304 (RFC 9110 §13.1.2). Saves transfer, not work.
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** An onSend hook. Answers depend on the caller, so no shared cache may keep them. */
export async function tagAnswer(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
  reply.header('cache-control', 'private, no-cache').header('vary', 'Accept, Authorization')
  if ((request.method !== 'GET' && request.method !== 'HEAD') || reply.statusCode !== 200 || typeof payload !== 'string') return payload
  if (reply.hasHeader('etag')) return payload // the handler knew one before the work was done
  const tag = `"${createHash('sha256').update(payload).digest('base64url')}"`
  reply.header('etag', `W/${tag}`)
  const known = request.headers['if-none-match']
  if (known === undefined) return payload
  const isKnown = known.trim() === '*' || known.split(',').some((entry) => entry.trim().replace(/^W\//, '') === tag)
  if (!isKnown) return payload
  reply.code(304).removeHeader('content-type').removeHeader('content-length')
  return ''
}
