// What changes a package: its own paths, PUT and DELETE; and the document that is asked for to be written back.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { packageOf } from '../../access/index.ts'
import { notFound, sentOrigin, type Routes } from '../../http/index.ts'
import { isOwnerCommand, ownersShown } from '../account/owners.ts'
import type { NpmTarget } from '../format/path.ts'
import { sendJson } from '../protocol/form.ts'
import { onTarget } from '../protocol/targets.ts'
import type { NpmRegistry } from '../registry.ts'
import { dropPackument, putPackument } from './requests.ts'
import { packumentToWrite } from './write-packument.ts'

export function registerWrites(routes: Routes, registry: NpmRegistry): void {
  const on = (action: Parameters<typeof onTarget>[1]) => ({ config: { access: onTarget(registry.root, action), encodedSlash: true } })
  routes.put('/*', on('package:write'), (request, reply) => putPackument(registry, request, reply))
  routes.delete('/*', on('package:delete'), (request, reply) => dropPackument(registry, request, reply))
}

/** `?write=true`, or `npm owner`, which doesn't say so. */
export function isToWrite({ query, headers }: FastifyRequest): boolean {
  return (query as { write?: unknown }).write === 'true' || isOwnerCommand(headers)
}

/** Never out of anybody's cache. */
export async function sendToWrite(
  registry: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  { owner }: Extract<NpmTarget, { kind: 'packument' }>,
): Promise<FastifyReply> {
  const one = packageOf(request)
  const base = `${registry.publicUrl ?? sentOrigin(request)}/npm${owner === null ? '' : `/${one.ownerLogin}`}`
  const document = await packumentToWrite(registry.db, one, base)
  if (document === null) throw notFound()
  const maintainers = await ownersShown(registry, request, one)
  return sendJson(reply, 200, { ...document, maintainers })
}
