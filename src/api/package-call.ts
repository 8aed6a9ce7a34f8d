// What the routes of packages have in common: how they are declared, and which package one names.
import type { FastifyRequest } from 'fastify'
import { type Action, onOwnPackage, onPackage, type Package, packageOf } from '../access/index.ts'
import { notFound, type RouteAccess } from '../http/index.ts'
import type { FormatRoom } from '../packages/index.ts'
import type { packageParams } from './packages-schemas.ts'
import { ErrorJson } from './schemas.ts'

export const packageTags = ['Package']
export const packageErrors = { 400: ErrorJson, 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }

/** Whose packages a route is about: `/user`, `/users/{login}`, `/orgs/{org}`. */
export type PackageOwner = keyof typeof packageParams

/** @param formats whose packages the route is for; of all others there are none */
export function access(
  formats: readonly FormatRoom[],
  owner: PackageOwner,
  action: Action,
): { readonly access: RouteAccess; readonly encodedSlash: true } {
  const roomIn = ({ package_type: type }: Named) => formats.find((room) => room.type === type)
  const formatOf = ({ params }: FastifyRequest) => roomIn(params as Named)?.format ?? 'generic'
  // no package has the empty name
  const nameIn = (params: Named): string => (roomIn(params) === undefined ? '' : params.package_name)
  if (owner === 'user') return { access: onOwnPackage(formatOf, action, ({ params }) => nameIn(params as Named)), encodedSlash: true }
  const nameOf = ({ params }: FastifyRequest) => {
    const { login, org, ...named } = params as Named & { readonly login?: string; readonly org?: string }
    return { owner: login ?? org ?? '', name: nameIn(named) }
  }
  return { access: onPackage(formatOf, action, nameOf), encodedSlash: true }
}

interface Named {
  readonly package_type: string
  readonly package_name: string
}

/** The package that the gate found. Refusal 404. */
export function packageIn(request: FastifyRequest, owner: PackageOwner): Package {
  const one = packageOf(request)
  if (owner === 'orgs' && one.ownerKind !== 'organization') throw notFound()
  return one
}
