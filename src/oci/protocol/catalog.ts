// Images of the whole server, in pages: of them those that the caller may read. Not of the specification any more; Docker's tools still ask.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { may, packageFullName, packageOfRow, packageResourceOf, packageRows, packagesReadableBy } from '../../access/index.ts'
import { sql } from '../../db/index.ts'
import { sendJson } from './form.ts'
import { nextLink, parsePage } from '../format/pages.ts'
import type { Registry } from '../registry.ts'

const mostImages = 1000

export async function listImages({ db }: Registry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { limit, last } = parsePage(request.query as Record<string, unknown>, mostImages)
  const name = sql<string>`(lower(account.login) || '/' || package.name) collate "C"`
  const rows =
    limit === 0
      ? []
      : await packageRows(db.queries, request.identity)
          .where('package.format', '=', 'oci')
          .where(packagesReadableBy(request.identity))
          .where(name, '>', last)
          .orderBy(name)
          .limit(limit + 1)
          .execute()
  const page = rows.slice(0, limit).map(packageOfRow)
  const repositories = page.filter((one) => may(request.identity, 'package:read', packageResourceOf(one))).map((one) => nameOf(one))
  const end = page.at(-1)
  if (end !== undefined && rows.length > limit) reply.header('link', nextLink('/v2/_catalog', { n: String(limit), last: nameOf(end) }))
  return sendJson(reply, 200, { repositories })
}

/** As clients write it: owners' names may have capitals, images' may not. */
function nameOf(one: Parameters<typeof packageFullName>[0]): string {
  return packageFullName(one).toLowerCase()
}
