// Rows as the API's documents.
import type { FastifyRequest } from 'fastify'
import { type AccountKind, fullName, type Identity, may, type Repository, resourceOf } from '../access/index.ts'
import { sentOrigin } from '../http/index.ts'
import type { ApiOptions } from './index.ts'
import type { OwnerJson, RepositoryJson } from './schemas.ts'

/** Where clients reach the server: the configured URL, or what this request was sent to. No slash at the end. */
export function originOf(request: FastifyRequest, publicUrl: string | null): string {
  return (publicUrl ?? sentOrigin(request)).replace(/\/+$/, '')
}

/** Where this client reaches the server, by each way. */
export interface Places {
  readonly origin: string
  readonly sshUrl: (fullName: string) => string | null
}

export function placesOf(request: FastifyRequest, { publicUrl, sshUrl }: Pick<ApiOptions, 'publicUrl' | 'sshUrl'>): Places {
  const origin = originOf(request, publicUrl)
  return { origin, sshUrl: (name) => sshUrl?.(origin, name) ?? null }
}

interface Owner {
  readonly id: number
  readonly login: string
  readonly kind: AccountKind
  readonly isAdmin: boolean
}

export function ownerJson(origin: string, owner: Owner): OwnerJson {
  const url = `${origin}/api/v3/users/${owner.login}`
  return {
    login: owner.login,
    id: owner.id,
    node_id: nodeId(typeWords[owner.kind], owner.id),
    avatar_url: '',
    gravatar_id: '',
    url,
    html_url: `${origin}/${owner.login}`,
    repos_url: `${url}/repos`,
    type: typeWords[owner.kind],
    site_admin: owner.isAdmin,
  }
}

const typeWords = { user: 'User', organization: 'Organization' } as const

/** As this caller sees it: `permissions` are his. The repository was found for him. */
export function repositoryJson({ origin, sshUrl }: Places, repository: Repository, caller: Identity, sizeBytes: number): RepositoryJson {
  const name = fullName(repository)
  const resource = resourceOf(repository)
  const { ownerId: id, ownerLogin: login, ownerKind: kind, ownerIsAdmin: isAdmin } = repository
  return {
    id: repository.id,
    node_id: nodeId('Repository', repository.id),
    name: repository.name,
    full_name: name,
    owner: ownerJson(origin, { id, login, kind, isAdmin }),
    private: repository.visibility !== 'public',
    visibility: repository.visibility,
    html_url: `${origin}/${name}`,
    description: repository.description,
    fork: repository.parentId !== null,
    url: `${origin}/api/v3/repos/${name}`,
    forks_url: `${origin}/api/v3/repos/${name}/forks`,
    clone_url: `${origin}/${name}.git`,
    ssh_url: sshUrl(name),
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

export function nodeId(kind: string, id: number): string {
  return Buffer.from(`${kind}:${id}`).toString('base64')
}
