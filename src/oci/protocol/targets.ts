// What a request is about: its path, read once, by the gate before anything else.
import type { FastifyRequest } from 'fastify'
import { Refusal } from '../../http/index.ts'
import { ociError, ociErrors } from '../format/errors.ts'
import { parseTarget, type Target } from '../format/target.ts'

const targets = new WeakMap<FastifyRequest, Target>()

/** What the path is about: asked by the gate, before anything else. InputErrors of `parseTarget`, 'no-such-path'. */
export function targetOf(request: FastifyRequest): Target {
  const known = targets.get(request)
  if (known !== undefined) return known
  const { owner, '*': rest } = request.params as { owner: string; '*': string }
  const target = parseTarget(`${owner}/${rest}`)
  if (target === null) throw ociError('no-such-path')
  targets.set(request, target)
  return target
}

/** The same where a method is for some kinds alone; Refusal 405. */
export function targetAmong<K extends Target['kind']>(request: FastifyRequest, kinds: readonly K[]): Extract<Target, { kind: K }> {
  const target = targetOf(request)
  if ((kinds as readonly string[]).includes(target.kind)) return target as Extract<Target, { kind: K }>
  const { status } = ociErrors.unsupported
  throw new Refusal(status, 'unsupported', `${request.method} is not for this path`, {
    headers: { allow: methodsFor(target.kind).join(', ') },
  })
}

function methodsFor(kind: Target['kind']): readonly string[] {
  if (kind === 'manifest') return ['GET', 'HEAD', 'PUT', 'DELETE']
  if (kind === 'blob') return ['GET', 'HEAD', 'DELETE']
  if (kind === 'uploads') return ['POST']
  return kind === 'upload' ? ['GET', 'PATCH', 'PUT', 'DELETE'] : ['GET']
}
