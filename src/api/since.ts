// Lists that go by id: `since` is the last id that was seen, and the next page begins after it.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { originOf } from './documents.ts'

/** Names the next page in the Link header, if this one is full. */
export function tellNext(
  request: FastifyRequest,
  reply: FastifyReply,
  publicUrl: string | null,
  found: readonly { readonly id: number }[],
  perPage: number,
): void {
  const last = found.at(-1)
  if (last === undefined || found.length < perPage) return
  const next = new URL(`${originOf(request, publicUrl)}${request.raw.url ?? ''}`)
  next.searchParams.set('since', String(last.id))
  reply.header('link', `<${next.href}>; rel="next"`)
}
