// What a path below /hooks names: a hook of the repository that the path names, too, and ids.
import type { FastifyRequest } from 'fastify'
import { repositoryOf } from '../access/index.ts'
import { findHook, type Hook } from '../hooks/index.ts'
import { notFound } from '../http/index.ts'
import type { ApiOptions } from './index.ts'

/** The hook that the path names, of the repository that it names; 404 for any other, and for what is no id. */
export async function hookOf({ db }: Pick<ApiOptions, 'db'>, request: FastifyRequest): Promise<Hook> {
  const id = idIn(request, 'hook_id')
  const hook = await findHook(db.queries, { repositoryId: repositoryOf(request).id }, id)
  if (hook === null) throw notFound()
  return hook
}

/** A parameter of the path that is an id; 404 when it is none. */
export function idIn(request: FastifyRequest, name: string): number {
  const text = (request.params as Readonly<Record<string, string>>)[name] ?? ''
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw notFound()
  return Number(text)
}
