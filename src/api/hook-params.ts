// Hooks hang on a repository or on an organisation: what is different about the two, and what a path below /hooks names.
import type { FastifyRequest } from 'fastify'
import Type, { type TSchema } from 'typebox'
import { accountOf, actorOf, fullName, onOrganization, onRepository, repositoryOf } from '../access/index.ts'
import { findHook, type Hook, type HookAct, type HookOwner, type HookSubject } from '../hooks/index.ts'
import { type Declaration, notFound } from '../http/index.ts'
import { originOf } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { OrganizationParams, RepositoryParams } from './schemas.ts'

/** One of the two things that hooks hang on. */
export interface HookHome {
  /** `/repos/:owner/:repo/hooks` */
  readonly url: string
  readonly noun: string
  readonly access: Declaration
  readonly params: TSchema
  owner(request: FastifyRequest): HookOwner
  /** Its own URL in the API. */
  apiUrl(request: FastifyRequest): string
  /** What pings tell of. */
  subject(request: FastifyRequest): HookSubject
  /** For the audit. */
  act(request: FastifyRequest): HookAct
}

export function repositoryHome({ publicUrl }: Pick<ApiOptions, 'publicUrl'>): HookHome {
  return {
    url: '/repos/:owner/:repo/hooks',
    noun: 'repository',
    access: onRepository('repository:administer'),
    params: RepositoryParams,
    owner: (request) => ({ repositoryId: repositoryOf(request).id }),
    apiUrl: (request) => `${originOf(request, publicUrl)}/api/v3/repos/${fullName(repositoryOf(request))}`,
    subject: (request) => ({ repository: repositoryOf(request) }),
    act: (request) => ({ actor: actorOf(request), ownerId: repositoryOf(request).ownerId, target: fullName(repositoryOf(request)) }),
  }
}

export function organizationHome({ publicUrl }: Pick<ApiOptions, 'publicUrl'>): HookHome {
  return {
    url: '/orgs/:org/hooks',
    noun: 'organization',
    access: onOrganization('organization:administer'),
    params: OrganizationParams,
    owner: (request) => ({ accountId: accountOf(request).id }),
    apiUrl: (request) => `${originOf(request, publicUrl)}/api/v3/orgs/${accountOf(request).login}`,
    subject: (request) => ({ organization: accountOf(request) }),
    act: (request) => ({ actor: actorOf(request), ownerId: accountOf(request).id, target: accountOf(request).login }),
  }
}

/** Parameters of the path, with more of them. */
export function withParams(home: HookHome, ...names: readonly string[]): TSchema {
  return Type.Intersect([home.params, Type.Object(Object.fromEntries(names.map((name) => [name, Type.String()])))])
}

/** The hook that the path names, of whoever the path names, too; 404 for any other, and for what is no id. */
export async function hookOf({ db }: Pick<ApiOptions, 'db'>, home: HookHome, request: FastifyRequest): Promise<Hook> {
  const hook = await findHook(db.queries, home.owner(request), idIn(request, 'hook_id'))
  if (hook === null) throw notFound()
  return hook
}

/** A parameter of the path that is an id; 404 when it is none. */
export function idIn(request: FastifyRequest, name: string): number {
  const text = (request.params as Readonly<Record<string, string>>)[name] ?? ''
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw notFound()
  return Number(text)
}
