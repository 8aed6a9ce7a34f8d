// What the routes of packages have in common: how they are declared, and which package one names.
import type { FastifyRequest } from 'fastify'
import {
  accountOf,
  type Action,
  findPackage,
  may,
  mayReadPackage,
  onPackage,
  onSelf,
  type Package,
  packageOf,
  packageResourceOf,
} from '../access/index.ts'
import { notFound, Refusal, type RouteAccess } from '../http/index.ts'
import type { ApiOptions } from './index.ts'
import type { packageParams } from './packages-schemas.ts'
import { ErrorJson } from './schemas.ts'

export const packageTags = ['Package']
export const packageErrors = { 400: ErrorJson, 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

/** Whose packages a route is about: `/user`, `/users/{login}`, `/orgs/{org}`. */
export type PackageOwner = keyof typeof packageParams

/** Of the caller's own the gate can't know the owner before it knows the caller: `packageIn` asks what the gate asks of the others. */
export function access(owner: PackageOwner, action: Action): { readonly access: RouteAccess; readonly encodedSlash: true } {
  if (owner === 'user') return { access: onSelf('self:read'), encodedSlash: true }
  const nameOf = (request: FastifyRequest) => {
    const { login, org, ...named } = request.params as Named & { readonly login?: string; readonly org?: string }
    return { owner: login ?? org ?? '', name: nameIn(named) }
  }
  return { access: onPackage('oci', action, nameOf), encodedSlash: true }
}

interface Named {
  readonly package_type: string
  readonly package_name: string
}

/** No package has the empty name. */
function nameIn({ package_type: type, package_name: name }: Named): string {
  return type === 'container' ? name : ''
}

/** The package that the route names. Refusal 404, 403. */
export async function packageIn(options: ApiOptions, request: FastifyRequest, owner: PackageOwner, action: Action): Promise<Package> {
  if (owner !== 'user') {
    const one = packageOf(request)
    if (owner === 'orgs' && one.ownerKind !== 'organization') throw notFound()
    return one
  }
  const { identity } = request
  const named = { format: 'oci', owner: accountOf(request).login, name: nameIn(request.params as Named) } as const
  const one = await findPackage(options.db.queries, named, identity)
  if (one === null || !mayReadPackage(identity, one)) throw notFound()
  if (!may(identity, action, packageResourceOf(one)))
    throw new Refusal(403, 'forbidden', 'Resource not accessible by personal access token')
  return one
}
