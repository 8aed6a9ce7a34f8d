// Pages and their Link header (RFC 8288), as GitHub has them: `page` from 1, `per_page` 30, at most 100.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { originOf } from './documents.ts'

export interface Page {
  readonly page: number
  readonly perPage: number
}

/** Numbers out of range are drawn into it, as GitHub does. */
export function pageOf(query: { readonly page?: number; readonly per_page?: number }): Page {
  const { page = 1, per_page: perPage = 30 } = query
  return { page: Math.min(Math.max(page, 1), 1_000_000), perPage: Math.min(Math.max(perPage, 1), 100) }
}

/** The Link header's value; null when there is but one page. `url` is the request's own, query included. */
export function linkHeader(url: string, { page, perPage }: Page, total: number): string | null {
  const last = Math.max(1, Math.ceil(total / perPage))
  const to = (target: number, relation: string): string => {
    const link = new URL(url)
    link.searchParams.set('page', String(target))
    return `<${link.href}>; rel="${relation}"`
  }
  const links: string[] = []
  if (page > 1) links.push(to(Math.min(page - 1, last), 'prev'))
  if (page < last) links.push(to(page + 1, 'next'), to(last, 'last'))
  if (page > 1) links.push(to(1, 'first'))
  return links.length === 0 ? null : links.join(', ')
}

/** Says in the answer's Link header where its neighbours are. */
export function tellPages(request: FastifyRequest, reply: FastifyReply, publicUrl: string | null, page: Page, total: number): void {
  const link = linkHeader(`${originOf(request, publicUrl)}${request.raw.url ?? ''}`, page, total)
  if (link !== null) reply.header('link', link)
}

/** One page of a list that is there as a whole. */
export function cut<T>(all: readonly T[], { page, perPage }: Page): T[] {
  return all.slice((page - 1) * perPage, page * perPage)
}
