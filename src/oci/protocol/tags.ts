// Tags of an image, in pages (distribution-spec, Listing Tags), in the order of their bytes.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { momentOf, packageOf } from '../../access/index.ts'
import { rememberedQuery } from '../../db/index.ts'
import { sendJson } from './form.ts'
import type { ImageName } from '../format/names.ts'
import { nextLink, parsePage } from '../format/pages.ts'

/** At once, whatever is asked for. */
export const mostTags = 10_000

const findTags = rememberedQuery(
  (queries, packageId: number, last: string, limit: number) =>
    queries.selectFrom('oci_tag').select('name').where('package_id', '=', packageId).where('name', '>', last).orderBy('name').limit(limit),
  { types: ['bigint', 'text', 'bigint'], most: 50_000 },
)

export async function listTags(request: FastifyRequest, reply: FastifyReply, name: ImageName): Promise<FastifyReply> {
  const { limit, last } = parsePage(request.query as Record<string, unknown>, mostTags)
  const found = limit === 0 ? [] : await findTags(momentOf(request), packageOf(request).id, last, limit + 1)
  const tags = found.slice(0, limit).map((row) => row.name)
  if (found.length > limit) reply.header('link', nextLink(`/v2/${name.text}/tags/list`, { n: String(limit), last: tags.at(-1) as string }))
  return sendJson(reply, 200, { name: name.text, tags })
}
