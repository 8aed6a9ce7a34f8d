// Organisations, memberships and collaborators as documents, and the account that a parameter names.
import type { FastifyRequest } from 'fastify'
import { type Account, findAccount, type Role } from '../access/index.ts'
import { notFound } from '../http/index.ts'
import { nodeId, originOf, ownerJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import type { CollaboratorJson, MembershipJson, OrganizationJson } from './people-schemas.ts'

/** Who that parameter names, as the caller stands to him; Refusal 404 when there is nobody. */
export async function accountNamed({ db }: ApiOptions, request: FastifyRequest, login: string): Promise<Account> {
  const account = await findAccount(db.queries, login, request.identity)
  if (account === null) throw notFound()
  return account
}

/** The same, of a user. */
export async function userNamed(options: ApiOptions, request: FastifyRequest, login: string): Promise<Account> {
  const account = await accountNamed(options, request, login)
  if (account.kind !== 'user') throw notFound()
  return account
}

export function organizationJson(origin: string, { id, login }: Pick<Account, 'login'> & { readonly id: number }): OrganizationJson {
  const url = `${origin}/api/v3/orgs/${login}`
  return {
    login,
    id,
    node_id: nodeId('Organization', id),
    url,
    repos_url: `${url}/repos`,
    members_url: `${url}/members{/member}`,
    avatar_url: '',
    description: null,
  }
}

export function membershipJson(
  { publicUrl }: ApiOptions,
  request: FastifyRequest,
  organization: Account,
  user: Account,
  role: Role,
): MembershipJson {
  const origin = originOf(request, publicUrl)
  const document = organizationJson(origin, organization)
  return {
    url: `${document.url}/memberships/${user.login}`,
    state: 'active',
    role: role === 'admin' ? 'admin' : 'member',
    permission: role,
    organization_url: document.url,
    organization: document,
    user: ownerJson(origin, user),
  }
}

export function collaboratorJson(origin: string, account: Account, role: Role): CollaboratorJson {
  const [isWriter, isAdmin] = [role !== 'read', role === 'admin']
  return {
    ...ownerJson(origin, account),
    permissions: { pull: true, triage: isWriter, push: isWriter, maintain: isAdmin, admin: isAdmin },
    role_name: role,
  }
}
