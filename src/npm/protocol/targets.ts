// What a request is about: its path, read once, by the gate before anything else; and which package that is.
import type { FastifyRequest } from 'fastify'
import { type Action, onPackage, type PackageName } from '../../access/index.ts'
import { notFound, Refusal } from '../../http/index.ts'
import { parseName } from '../format/names.ts'
import { type NpmTarget, parsePath } from '../format/path.ts'

/** Every registry has its fixed endpoints (`-/…`) below these. */
export const registryPrefixes = ['', '/:owner'] as const

const targets = new WeakMap<FastifyRequest, NpmTarget>()

/** Of a path that names a package first. Refusal 404. */
export function targetOf(request: FastifyRequest): NpmTarget {
  const known = targets.get(request)
  if (known !== undefined) return known
  const target = parsePath((request.params as { '*': string })['*'])
  if (target === null) throw notFound()
  targets.set(request, target)
  return target
}

/** The same where a method is for some kinds alone; Refusal 405. */
export function targetAmong<K extends NpmTarget['kind']>(request: FastifyRequest, kinds: readonly K[]): Extract<NpmTarget, { kind: K }> {
  const target = targetOf(request)
  if ((kinds as readonly string[]).includes(target.kind)) return target as Extract<NpmTarget, { kind: K }>
  throw new Refusal(405, 'unsupported', `${request.method} is not for this path`, {
    headers: { allow: methodsFor(target.kind).join(', ') },
  })
}

function methodsFor(kind: NpmTarget['kind']): readonly string[] {
  if (kind === 'packument') return ['GET', 'HEAD', 'PUT']
  if (kind === 'revision') return ['PUT', 'DELETE']
  return kind === 'tarball-revision' ? ['DELETE'] : ['GET', 'HEAD']
}

type OwnedName = Omit<PackageName, 'format'>

/** A scoped name of the root registry is its scope's, or the root's; any other is the root's. */
export function ownedName(owner: string | null, { full: name, scope }: NpmTarget['name'], root: string | null): OwnedName {
  if (owner !== null) return { owner, name }
  return scope === null ? { owner: root ?? '', name } : { owner: scope, otherOwner: root, name }
}

/** For the routes whose path names a package first. */
export function onTarget(root: string | null, action: Action) {
  return onPackage('npm', action, (request) => {
    const { owner, name } = targetOf(request)
    return ownedName(owner, name, root)
  })
}

/** For the fixed endpoints with a package in their path (`:package`, with its scope encoded or not), below both prefixes. */
export function onNamed(root: string | null, action: Action) {
  return onPackage('npm', action, (request) => {
    const { owner, package: text } = request.params as { readonly owner?: string; readonly package: string }
    const name = parseName(text)
    if (name === null) throw notFound()
    return ownedName(owner ?? null, name, root)
  })
}
