// npm packages as documents of our own: what a package and its versions say of themselves, what needs it, files, differences, downloads.
import Type, { type Static } from 'typebox'
import { DiffJson, LayerFileJson } from './image-schemas.ts'
import { nullable, oneOf, paging, time } from './schemas.ts'

const count = Type.Integer()
const text = nullable(Type.String())
const distTags = Type.Record(Type.String(), Type.String())

export const NpmPackageJson = Type.Object({
  name: Type.String(),
  full_name: Type.String({ description: 'with the owner’s' }),
  visibility: oneOf('public', 'internal', 'private'),
  description: text,
  license: text,
  homepage: text,
  keywords: Type.Array(Type.String()),
  readme: text,
  readme_filename: text,
  dist_tags: distTags,
  versions: count,
  tarball_bytes: Type.Number({ description: 'of all versions, each content once' }),
  downloads: Type.Object({ last_30_days: count }),
  url: Type.String(),
  package_url: Type.String(),
  created_at: time,
  modified_at: time,
})
export type NpmPackageJson = Static<typeof NpmPackageJson>

const version = {
  id: count,
  version: Type.String(),
  published_at: time,
  dist_tags: Type.Array(Type.String()),
  deprecated: nullable(Type.String({ description: 'what users are told' })),
  git_head: text,
  has_install_script: Type.Boolean(),
  file_count: count,
  unpacked_bytes: Type.Number(),
  downloads: count,
  tarball: Type.Object({
    name: Type.String(),
    size_bytes: Type.Number(),
    sha256: Type.String(),
    integrity: nullable(Type.String({ description: '`sha512-` and base64' })),
  }),
  url: Type.String(),
}
export const NpmVersionJson = Type.Object(version)
export type NpmVersionJson = Static<typeof NpmVersionJson>

const kind = oneOf('dependencies', 'peerDependencies', 'optionalDependencies')
export const NpmManifestJson = Type.Object({
  ...version,
  dependencies: Type.Array(Type.Object({ name: Type.String(), kind, range: Type.String() })),
  manifest: Type.Unknown({ description: 'as it was published, without readme and `dist`' }),
})

export const DependantJson = Type.Object({
  name: Type.String(),
  owner: Type.String(),
  version: Type.String({ description: 'its latest' }),
  kind,
  range: Type.String({ description: 'of what is needed' }),
  url: Type.String(),
})

export const NpmFilesJson = Type.Object({
  version: Type.String(),
  total: count,
  total_bytes: Type.Number({ description: 'of files, unpacked' }),
  files: Type.Array(LayerFileJson),
})
export const NpmDiffJson = Type.Object({ ...DiffJson.properties, base: Type.String(), head: Type.String() })

export const NpmDownloadsJson = Type.Object({
  total: count,
  days: Type.Array(Type.Object({ day: Type.String({ description: '`2026-11-27`, UTC' }), downloads: count })),
})

export const NpmParams = Type.Object({ owner: Type.String(), package: Type.String({ description: 'with %2F for the slash of a scope' }) })
export const NpmVersionParams = Type.Object({ ...NpmParams.properties, version: Type.String({ description: 'or a tag' }) })
const reference = Type.String({ minLength: 1, maxLength: 256 })
export const NpmListQuery = Type.Object({ ...paging })
const path = Type.Optional(Type.String({ maxLength: 4096 }))
export const NpmDiffQuery = Type.Object({ ...paging, base: reference, head: reference, path })
export const NpmDownloadsQuery = Type.Object({
  days: Type.Optional(Type.Integer({ minimum: 1, maximum: 366 })),
  version: Type.Optional(reference),
})
