// What the routes of packages have in common: how they are declared, and which package one names.
import type { FastifyRequest } from 'fastify'
import { type Action, onOwnPackage, onPackage, type Package, packageOf } from '../access/index.ts'
import { notFound, type RouteAccess } from '../http/index.ts'
import type { packageParams } from './packages-schemas.ts'
import { ErrorJson } from './schemas.ts'

export const packageTags = ['Package']
export const packageErrors = { 400: ErrorJson, 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

/** Whose packages a route is about: `/user`, `/users/{login}`, `/orgs/{org}`. */
export type PackageOwner = keyof typeof packageParams

export function access(owner: PackageOwner, action: Action): { readonly access: RouteAccess; readonly encodedSlash: true } {
  if (owner === 'user') return { access: onOwnPackage('oci', action, (request) => nameIn(request.params as Named)), encodedSlash: true }
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

/** The package that the gate found. Refusal 404. */
export function packageIn(request: FastifyRequest, owner: PackageOwner): Package {
  const one = packageOf(request)
  if (owner === 'orgs' && one.ownerKind !== 'organization') throw notFound()
  return one
}
