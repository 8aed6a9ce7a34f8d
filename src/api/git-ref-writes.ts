// POST, PATCH, DELETE /repos/{owner}/{repo}/git/refs (GitHub REST "Git database", references). Each is a push of one command.
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { onRepository } from '../access/index.ts'
import { kindName, type LocalCommand, type ObjectId, refusalOfPushTo } from '../git/index.ts'
import { Refusal, type Routes } from '../http/index.ts'
import { RepositoryCall, restOf } from './repository-call.ts'
import { refJson } from './git-documents.ts'
import { fullName } from './git-refs.ts'
import { RefJson, RestParams } from './git-schemas.ts'
import { NewRefJson, RefChangeJson } from './git-write-schemas.ts'
import { asRefusal, isLost, refusalOf } from './git-writing.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'

const tags = ['Reference']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 409: ErrorJson, 422: ErrorJson }
const access = onRepository('repository:push')
/** Somebody else may move the ref between two looks; as often it is looked again. */
export const mostTries = 5

export function registerGitRefWrites(routes: Routes, options: ApiOptions): void {
  const creation = { tags, summary: 'Makes a ref', params: RepositoryParams, body: NewRefJson, response: { 201: RefJson, ...errors } }
  routes.post('/repos/:owner/:repo/git/refs', { config: { access }, schema: creation }, async (request, reply) => {
    const { ref, sha } = request.body
    assertRefName(ref)
    const call = await RepositoryCall.of(options, request)
    if (call.view.refs.byName.has(ref)) throw new Refusal(422, 'invalid', 'Reference already exists')
    const { kind } = await targetOf(options, request, call, null, sha as ObjectId)
    await move(options, request, call, { ref, old: null, fresh: sha as ObjectId })
    const document = refJson(call.urls, ref, sha, kindName(kind))
    return reply.code(201).header('location', document.url).send(document)
  })

  const config = { access, encodedSlash: true }
  const change = { tags, summary: 'Moves a ref', params: RestParams, body: RefChangeJson, response: { 200: RefJson, ...errors } }
  routes.patch('/repos/:owner/:repo/git/refs/*', { config, schema: change }, async (request) => {
    const ref = fullName(restOf(request))
    const { force = false, sha } = request.body
    for (let tries = 1; ; tries++) {
      const call = await (tries === 1 ? RepositoryCall.of(options, request) : RepositoryCall.now(options, request))
      const old = call.view.refs.byName.get(ref)
      if (!old) throw new Refusal(422, 'invalid', 'Reference does not exist')
      const { isForward, kind } = await targetOf(options, request, call, old.oid, sha as ObjectId)
      if (!force && !isForward) throw new Refusal(422, 'invalid', 'Update is not a fast forward')
      const isDone = await move(options, request, call, { ref, old: old.oid, fresh: sha as ObjectId }, tries < mostTries)
      if (isDone) return refJson(call.urls, ref, sha, kindName(kind))
    }
  })

  const deletion = { tags, summary: 'Deletes a ref', params: RestParams, response: { 204: Type.Null(), ...errors } }
  routes.delete('/repos/:owner/:repo/git/refs/*', { config, schema: deletion }, async (request, reply) => {
    const ref = fullName(restOf(request))
    for (let tries = 1; ; tries++) {
      const call = await (tries === 1 ? RepositoryCall.of(options, request) : RepositoryCall.now(options, request))
      const old = call.view.refs.byName.get(ref)
      if (!old) throw new Refusal(422, 'invalid', 'Reference does not exist')
      if (await move(options, request, call, { ref, old: old.oid, fresh: null }, tries < mostTries)) return reply.code(204).send(null)
    }
  })
}

export function assertRefName(ref: string): void {
  if (!ref.startsWith('refs/') || ref.split('/').length < 3) {
    throw new Refusal(422, 'invalid', 'Reference name must start with "refs/" and have at least two slashes.')
  }
  if (refusalOfPushTo(ref) !== null || !ref.isWellFormed()) throw new Refusal(422, 'invalid', `${printable(ref)} is not a valid ref name.`)
}

function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.slice(0, 200).replaceAll(/[\u0000-\u001f\u007f]/g, '?')
}

async function targetOf({ git }: ApiOptions, request: FastifyRequest, call: RepositoryCall, old: ObjectId | null, fresh: ObjectId) {
  try {
    const { isForward, kind } = await git.composer.ask(request, call.view, { kind: 'target', task: { old, fresh }, named: [fresh] })
    return { isForward, kind }
  } catch (error) {
    throw asRefusal(error)
  }
}

/** False: somebody else moved it meanwhile, and it may be tried again. */
async function move(
  options: ApiOptions,
  request: FastifyRequest,
  call: RepositoryCall,
  command: LocalCommand,
  mayRetry = false,
): Promise<boolean> {
  const outcome = await options.git.composer
    .move(request, call.view, [command], command.fresh === null ? [] : [command.fresh])
    .catch((error: unknown) => {
      throw asRefusal(error)
    })
  if (mayRetry && isLost(outcome)) return false
  const refusal = refusalOf(outcome)
  if (refusal) throw refusal
  return true
}
