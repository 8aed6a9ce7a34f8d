// Rows as the API's documents.
import type { FastifyRequest } from 'fastify'
import { type Identity, may, type Repository } from '../access/index.ts'
import type { OwnerJson, RepositoryJson } from './schemas.ts'

/** Where clients reach the server: the configured URL, or what this request was sent to. No slash at the end. */
export function originOf(request: FastifyRequest, publicUrl: string | null): string {
  return (publicUrl ?? `${request.protocol}://${request.host}`).replace(/\/+$/, '')
}

export function ownerJson(origin: string, owner: { readonly id: number; readonly login: string; readonly isAdmin: boolean }): OwnerJson {
  const url = `${origin}/api/v3/users/${owner.login}`
  return {
    login: owner.login,
    id: owner.id,
    node_id: nodeId('User', owner.id),
    avatar_url: '',
    gravatar_id: '',
    url,
    html_url: `${origin}/${owner.login}`,
    repos_url: `${url}/repos`,
    type: 'User',
    site_admin: owner.isAdmin,
  }
}

/** As this caller sees it: `permissions` are his. */
export function repositoryJson(origin: string, repository: Repository, caller: Identity, sizeBytes: number): RepositoryJson {
  const fullName = `${repository.ownerLogin}/${repository.name}`
  const resource = { kind: 'repository', ownerId: repository.ownerId, visibility: repository.visibility } as const
  return {
    id: repository.id,
    node_id: nodeId('Repository', repository.id),
    name: repository.name,
    full_name: fullName,
    owner: ownerJson(origin, { id: repository.ownerId, login: repository.ownerLogin, isAdmin: repository.ownerIsAdmin }),
    private: repository.visibility === 'private',
    visibility: repository.visibility,
    html_url: `${origin}/${fullName}`,
    description: repository.description,
    fork: repository.parentId !== null,
    url: `${origin}/api/v3/repos/${fullName}`,
    forks_url: `${origin}/api/v3/repos/${fullName}/forks`,
    clone_url: `${origin}/${fullName}.git`,
    default_branch: repository.head.replace(/^refs\/heads\//, ''),
    object_format: repository.objectFormat,
    size: Math.ceil(sizeBytes / 1024),
    archived: false,
    disabled: false,
    created_at: timeJson(repository.createdAt),
    updated_at: timeJson(repository.updatedAt),
    pushed_at: repository.pushedAt === null ? null : timeJson(repository.pushedAt),
    permissions: {
      admin: may(caller, 'repository:administer', resource),
      push: may(caller, 'repository:push', resource),
      pull: may(caller, 'repository:read', resource),
    },
  }
}

/** `2026-11-23T07:17:00Z`, as GitHub writes it. */
export function timeJson(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z')
}

function nodeId(kind: string, id: number): string {
  return Buffer.from(`${kind}:${id}`).toString('base64')
}
