// Packages of the caller, of users and of organizations (GitHub REST "Packages"). PATCH is ours: GitHub changes visibility on its pages alone. Nothing that was
// deleted is restored: its bytes are on their way out.
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  accountOf,
  actorOf,
  changePackage,
  findPackageById,
  findRepository,
  listPackages,
  mayRead,
  onAccount,
  onOrganization,
  onSelf,
  type Package,
  type PackageChange,
} from '../access/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { deleteWhole } from '../packages/index.ts'
import { rethrowAsFault } from './faults.ts'
import type { ApiOptions } from './index.ts'
import { access, packageErrors, packageIn, type PackageOwner, packageTags } from './package-call.ts'
import { packagesJson } from './package-documents.ts'
import { pageOf, tellPages } from './paging.ts'
import { PackageChangeJson, PackageJson, PackageListQuery, packageParams } from './packages-schemas.ts'
import { LoginParams, OrganizationParams } from './schemas.ts'
import { registerPackageVersions } from './package-versions.ts'

const prefixes = { user: '/user', users: '/users/:login', orgs: '/orgs/:org' } as const

export function registerPackages(routes: Routes, options: ApiOptions): void {
  for (const owner of ['user', 'users', 'orgs'] as const) {
    registerList(routes, options, owner)
    registerPackage(routes, options, owner)
    if (owner !== 'user') registerChange(routes, options, owner)
    registerPackageVersions(routes, options, owner, packageUrl(owner))
  }
}

function registerList(routes: Routes, options: ApiOptions, owner: PackageOwner): void {
  const access = {
    user: onSelf('self:read'),
    users: onAccount('account:read'),
    orgs: onOrganization('account:read'),
  }[owner]
  const params = { user: Type.Object({}), users: LoginParams, orgs: OrganizationParams }[owner]
  const schema = {
    tags: packageTags,
    summary: 'Packages of an owner that the caller may read',
    params,
    querystring: PackageListQuery,
    response: { 200: Type.Array(PackageJson), ...packageErrors },
  }
  routes.get(`${prefixes[owner]}/packages`, { config: { access }, schema }, async (request, reply) => {
    const { package_type: type, visibility, ...query } = request.query
    const room = type === undefined ? null : options.packageFormats.find((one) => one.type === type)
    if (room === undefined) return []
    const page = pageOf(query)
    const { packages, total } = await listPackages(options.db.queries, request.identity, {
      ownerId: accountOf(request).id,
      ...(room === null ? {} : { format: room.format }),
      ...(visibility === undefined ? {} : { visibility }),
      ...page,
    })
    tellPages(request, reply, options.publicUrl, page, total)
    return packagesJson(options, request, packages)
  })
}

function registerPackage(routes: Routes, options: ApiOptions, owner: PackageOwner): void {
  const { db, packageFormats } = options
  const url = packageUrl(owner)
  const common = { tags: packageTags, params: packageParams[owner] }

  const reading = { ...common, summary: 'A package', response: { 200: PackageJson, ...packageErrors } }
  routes.get(url, { config: access(packageFormats, owner, 'package:read'), schema: reading }, async (request) =>
    packageJson(options, request, packageIn(request, owner)),
  )

  const deletion = { ...common, summary: 'Deletes a package with all its versions', response: { 204: Type.Null(), ...packageErrors } }
  routes.delete(url, { config: access(packageFormats, owner, 'package:delete'), schema: deletion }, async (request, reply) => {
    const one = packageIn(request, owner)
    if (!(await deleteWhole(db, packageFormats, one, actorOf(request)))) throw notFound()
    return reply.code(204).send(null)
  })
}

function registerChange(routes: Routes, options: ApiOptions, owner: PackageOwner): void {
  const { db } = options
  const schema = {
    tags: packageTags,
    params: packageParams[owner],
    summary: 'Shows a package to others, or links it to a repository (Stemma’s own)',
    body: PackageChangeJson,
    response: { 200: PackageJson, ...packageErrors },
  }
  routes.patch(packageUrl(owner), { config: access(options.packageFormats, owner, 'package:administer'), schema }, async (request) => {
    const one = packageIn(request, owner)
    const change = await changeOf(options, request, one, request.body)
    const changed = await changePackage(db, one.id, change, actorOf(request)).catch(rethrowAsFault())
    const fresh = changed && (await findPackageById(db.queries, one.id, request.identity))
    if (fresh === null) throw notFound()
    return packageJson(options, request, fresh)
  })
}

async function packageJson(options: ApiOptions, request: FastifyRequest, one: Package): Promise<PackageJson> {
  const [document] = await packagesJson(options, request, [one])
  return document as PackageJson
}

function packageUrl(owner: PackageOwner) {
  return `${prefixes[owner]}/packages/:package_type/:package_name` as const
}

async function changeOf(
  { db }: ApiOptions,
  { identity }: FastifyRequest,
  { ownerLogin }: Package,
  { visibility, repository }: PackageChangeJson,
): Promise<PackageChange> {
  const shown = visibility === undefined ? {} : { visibility }
  if (repository === undefined || repository === null) return repository === null ? { ...shown, repositoryId: null } : shown
  const found = await findRepository(db.queries, ownerLogin, repository, identity)
  // what there isn't and what he may not know of are told the same
  if (found === null || !mayRead(identity, found)) {
    const message = `${ownerLogin} has no repository ${repository}; a package can be linked to one of its owner’s alone`
    throw validationFailed([{ field: 'repository', code: 'invalid', message }])
  }
  return { ...shown, repositoryId: found.id }
}
