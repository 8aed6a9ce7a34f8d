// `npm access`: who sees a package, who may what with it, and what it asks of whoever publishes it.
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  type Account,
  accountOf,
  actorOf,
  audit,
  auditedAs,
  changePackage,
  listPackages,
  onAccount,
  onOrganization,
  packageOf,
} from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { notFound, type Routes } from '../../http/index.ts'
import { sendJson } from '../protocol/form.ts'
import { readObject } from '../protocol/json-body.ts'
import { onNamed } from '../protocol/targets.ts'
import type { PackageMfa } from './otp.ts'
import { type AccountParts, smallBodyBytes } from './parts.ts'
import { peopleOf, permissionOf } from './people.ts'
import { assertTeam } from './teams.ts'

const pageSize = 500

export function registerAccess(routes: Routes, parts: AccountParts, prefix: string): void {
  const { db, root } = parts
  const path = `${prefix}/-/package/:package`
  const on = (action: Parameters<typeof onNamed>[1]) => ({ config: { access: onNamed(root, action), encodedSlash: true } })
  routes.get(`${path}/visibility`, on('package:read'), async (request, reply) =>
    sendJson(reply, 200, { public: packageOf(request).visibility === 'public', visibility: packageOf(request).visibility }),
  )
  routes.get(`${path}/collaborators`, on('package:administer'), async (request, reply) => {
    const people = await peopleOf(db.queries, packageOf(request))
    return sendJson(reply, 200, Object.fromEntries([...people].map(([login, role]) => [login, permissionOf(role)])))
  })
  routes.post(`${path}/access`, on('package:administer'), (request, reply) => setAccess(parts, request, reply))
  const lists = { config: { access: onAccount('account:read') } }
  routes.get(`${prefix}/-/org/:login/package`, lists, async (request, reply) => {
    if (accountOf(request).kind !== 'organization') throw notFound() // clients ask for the user of that name then
    return sendJson(reply, 200, await packagesOf(parts, request, accountOf(request)))
  })
  routes.get(`${prefix}/-/user/:login/package`, lists, async (request, reply) =>
    sendJson(reply, 200, await packagesOf(parts, request, accountOf(request))),
  )
  const ofTeam = { config: { access: onOrganization('organization:read') } }
  routes.get(`${prefix}/-/team/:org/:team/package`, ofTeam, async (request, reply) => {
    assertTeam(request)
    return sendJson(reply, 200, await packagesOf(parts, request, accountOf(request)))
  })
}

/** Of an owner's, those that the caller may read, with what the owner (or, of an organisation, its members that publish) may: all. */
async function packagesOf({ db }: AccountParts, request: FastifyRequest, { id: ownerId }: Account): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (let page = 1; ; page++) {
    const { packages } = await listPackages(db.queries, request.identity, { ownerId, format: 'npm', page, perPage: pageSize })
    for (const { name } of packages) found[name] = 'write'
    if (packages.length < pageSize) return found
  }
}

/** InputError `bad-access`. */
async function setAccess(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const body = await readObject(request, smallBodyBytes)
  const one = packageOf(request)
  if ('access' in body) {
    const { access } = body
    if (access !== 'public' && access !== 'restricted' && access !== 'private')
      throw new InputError('bad-access', "The access of a package is 'public' or 'restricted'")
    // `internal` is restricted already
    const visibility = access === 'public' ? 'public' : one.visibility === 'internal' ? 'internal' : 'private'
    if (visibility !== one.visibility) await changePackage(parts.db, one.id, { visibility }, actorOf(request))
  }
  if ('publish_requires_tfa' in body) {
    const { publish_requires_tfa: isRequired, automation_token_overrides_tfa: isOverridden } = body
    await setMfa(parts, request, isRequired === true ? (isOverridden === true ? 'automation' : 'publish') : null)
  }
  return sendJson(reply, 200, {})
}

async function setMfa({ db }: AccountParts, request: FastifyRequest, mfa: PackageMfa | null): Promise<void> {
  const one = packageOf(request)
  await db.transaction(async (tx) => {
    const changed = tx.insertInto('npm_package').values({ package_id: one.id, mfa })
    await changed.onConflict((conflict) => conflict.column('package_id').doUpdateSet({ mfa })).execute()
    await audit(tx, actorOf(request), { ...auditedAs(one), action: 'package.change', details: { mfa } })
  })
}
