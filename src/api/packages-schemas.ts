// Packages and their versions in the shapes of GitHub's REST API "Packages"; `internal`, and what is about images alone, is ours.
import Type, { type Static } from 'typebox'
import type { PackageType } from '../packages/index.ts'
import { nullable, oneOf, OwnerJson, paging, RepositoryJson, time } from './schemas.ts'

/** GitHub's words, and one of ours. */
export const packageTypes = ['container', 'npm', 'generic'] as const satisfies PackageType[]
const packageType = oneOf(...packageTypes)
const visibility = oneOf('public', 'internal', 'private')

export const PackageJson = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  package_type: packageType,
  owner: OwnerJson,
  version_count: Type.Integer(),
  visibility,
  url: Type.String(),
  html_url: Type.String(),
  created_at: time,
  updated_at: time,
  repository: Type.Optional({ ...RepositoryJson, description: 'what it is linked to, where the caller may read that' }),
})
export type PackageJson = Static<typeof PackageJson>

export const VersionJson = Type.Object({
  id: Type.Integer(),
  name: Type.String({ description: 'the version as published; of an image, the digest of a manifest' }),
  url: Type.String(),
  package_html_url: Type.String(),
  html_url: Type.String(),
  created_at: time,
  updated_at: time,
  metadata: Type.Object({
    package_type: packageType,
    container: Type.Optional(Type.Object({ tags: Type.Array(Type.String()) })),
    npm: Type.Optional(Type.Object({ dist_tags: Type.Array(Type.String()) }, { description: 'Stemma’s own' })),
  }),
})
export type VersionJson = Static<typeof VersionJson>

export const PackageChangeJson = Type.Object(
  {
    visibility: Type.Optional(visibility),
    repository: Type.Optional(
      nullable(Type.String({ minLength: 1, description: 'the name of a repository of the same owner; null: linked to none' })),
    ),
  },
  { minProperties: 1 },
)
export type PackageChangeJson = Static<typeof PackageChangeJson>

// GitHub's other types are no mistake: there are none of them here
const anyType = oneOf(...packageTypes, 'maven', 'rubygems', 'docker', 'nuget')
export const PackageListQuery = Type.Object({
  ...paging,
  package_type: Type.Optional({ ...anyType, description: 'all where it isn’t said' }),
  visibility: Type.Optional(visibility),
})
export const VersionListQuery = Type.Object({ ...paging, state: Type.Optional(oneOf('active', 'deleted')) })

const named = { package_type: anyType, package_name: Type.String({ description: 'with %2F for slashes' }) }
const version = { package_version_id: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }) }
/** By whose packages a route is about. */
export const packageParams = {
  user: Type.Object({ ...named }),
  users: Type.Object({ login: Type.String(), ...named }),
  orgs: Type.Object({ org: Type.String(), ...named }),
}
export const versionParams = {
  user: Type.Object({ ...named, ...version }),
  users: Type.Object({ login: Type.String(), ...named, ...version }),
  orgs: Type.Object({ org: Type.String(), ...named, ...version }),
}
