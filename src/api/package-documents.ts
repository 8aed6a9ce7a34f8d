// Packages and versions as GitHub's documents.
import type { FastifyRequest } from 'fastify'
import {
  type Account,
  findAccountById,
  findRepositoryById,
  mayRead,
  type Package,
  type PackageId,
  type Repository,
  type RepositoryId,
  repositorySizes,
} from '../access/index.ts'
import { type FormatRoom, type FormatVersion, roomOf } from '../packages/index.ts'
import { ownerJson, placesOf, repositoryJson, timeJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import type { PackageJson, VersionJson } from './packages-schemas.ts'

const owners = { user: 'users', organization: 'orgs' } as const

/** Every URL of a package. */
export class PackageUrls {
  readonly api: string
  readonly html: string

  readonly type: FormatRoom['type']

  constructor(origin: string, { type }: FormatRoom, { ownerLogin, ownerKind, name }: Pick<Package, 'ownerLogin' | 'ownerKind' | 'name'>) {
    const ofOwner = `packages/${type}/${encodeURIComponent(name)}`
    this.type = type
    this.api = `${origin}/api/v3/${owners[ownerKind]}/${ownerLogin}/${ofOwner}`
    this.html = `${origin}/${ownerLogin}/${ofOwner}`
  }

  version(id: number): string {
    return `${this.api}/versions/${id}`
  }
}

/** As this caller sees them: a linked repository stands in a document if he may read it. The packages were found for him. */
export async function packagesJson(options: ApiOptions, request: FastifyRequest, packages: readonly Package[]): Promise<PackageJson[]> {
  const { queries } = options.db
  const places = placesOf(request, options)
  const [counts, accounts, repositories] = await Promise.all([
    countVersions(options, packages),
    byId(unique(packages.map(({ ownerId }) => ownerId)), (id) => findAccountById(queries, id)),
    readableRepositories(options, request, packages),
  ])
  const sizes = await repositorySizes(queries, [...repositories.values()])
  return packages.map((one) => {
    const { id, ownerId, name, repositoryId, visibility } = one
    const urls = new PackageUrls(places.origin, roomOf(options.packageFormats, one), one)
    const repository = repositoryId === null ? undefined : repositories.get(repositoryId)
    return {
      id,
      name,
      package_type: urls.type,
      owner: ownerJson(places.origin, accounts.get(ownerId) as Account),
      version_count: counts.get(id) ?? 0,
      visibility,
      url: urls.api,
      html_url: urls.html,
      created_at: timeJson(one.createdAt),
      updated_at: timeJson(one.updatedAt),
      ...(repository === undefined
        ? {}
        : { repository: repositoryJson(places, repository, request.identity, sizes.get(repository.id) ?? 0) }),
    }
  })
}

async function countVersions({ db, packageFormats }: ApiOptions, packages: readonly Package[]): Promise<ReadonlyMap<PackageId, number>> {
  const counts = await Promise.all(
    packageFormats.map((room) => {
      const ids = packages.filter(({ format }) => format === room.format).map(({ id }) => id)
      return room.countVersions(db.queries, ids)
    }),
  )
  return new Map(counts.flatMap((found) => [...found]))
}

async function readableRepositories(
  { db }: ApiOptions,
  { identity }: FastifyRequest,
  packages: readonly Package[],
): Promise<ReadonlyMap<RepositoryId, Repository>> {
  const ids = unique(packages.flatMap(({ repositoryId }) => (repositoryId === null ? [] : [repositoryId])))
  const found = await byId(ids, (id) => findRepositoryById(db.queries, id, identity))
  return new Map([...found].filter(([, repository]) => mayRead(identity, repository)))
}

async function byId<I, T>(ids: readonly I[], find: (id: I) => Promise<T | null>): Promise<Map<I, T>> {
  const found = new Map<I, T>()
  await Promise.all(
    ids.map(async (id) => {
      const one = await find(id)
      if (one !== null) found.set(id, one)
    }),
  )
  return found
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}

export function versionJson(urls: PackageUrls, { id, name, tags, publishedAt }: FormatVersion): VersionJson {
  const { type } = urls
  return {
    id,
    name,
    url: urls.version(id),
    package_html_url: urls.html,
    html_url: `${urls.html}/${id}`,
    created_at: timeJson(publishedAt),
    updated_at: timeJson(publishedAt),
    metadata: {
      package_type: type,
      ...(type === 'container' ? { container: { tags: [...tags] } } : {}),
      ...(type === 'npm' ? { npm: { dist_tags: [...tags] } } : {}),
    },
  }
}
