// Images as documents of our own: tags, manifests as a tree, history, files, differences, pulls.
import Type, { type Static } from 'typebox'
import { nullable, oneOf, paging, time } from './schemas.ts'

const count = Type.Integer()
const annotations = Type.Record(Type.String(), Type.String())
const digest = Type.String({ description: '`sha256:` and 64, or `sha512:` and 128 hexadecimal digits' })
const visibility = oneOf('public', 'internal', 'private')

export const ImageJson = Type.Object({
  name: Type.String(),
  full_name: Type.String(),
  visibility,
  url: Type.String(),
  package_url: Type.String(),
  tags_url: Type.String(),
  tags: count,
  versions: count,
  size: Type.Object({
    blobs: count,
    blob_bytes: Type.Number({ description: 'as they were pushed, each once' }),
    manifests: count,
    manifest_bytes: Type.Number(),
    shared_blobs: count,
    shared_bytes: Type.Number({ description: 'of the blobs: what other images of the owner have, too, of those that the caller may read' }),
    own_bytes: Type.Number({ description: 'of the blobs: what none of those has' }),
  }),
  pulls: Type.Object({ last_30_days: count }),
  created_at: time,
  updated_at: time,
})
export type ImageJson = Static<typeof ImageJson>

export const TagJson = Type.Object({
  name: Type.String(),
  digest,
  media_type: Type.String(),
  artifact_type: nullable(Type.String()),
  total_bytes: Type.Number({ description: 'the manifest and all below it, each once' }),
  manifest_url: Type.String(),
  created_at: time,
  updated_at: { ...time, description: 'since when it is at this manifest' },
  pulls: count,
  pulled_at: nullable(time),
})
export type TagJson = Static<typeof TagJson>

export const PlatformJson = Type.Object({
  name: Type.String({ description: '`os/architecture/variant`' }),
  os: Type.String(),
  architecture: Type.String(),
  variant: nullable(Type.String()),
  os_version: nullable(Type.String()),
})
export type PlatformJson = Static<typeof PlatformJson>

const descriptor = {
  digest,
  media_type: Type.String(),
  size_bytes: Type.Number(),
  annotations,
}
export const DescriptorJson = Type.Object(descriptor)

const manifestFacts = {
  digest,
  media_type: Type.String(),
  artifact_type: nullable(Type.String()),
  size_bytes: Type.Number({ description: 'of the manifest itself' }),
  version_id: count,
  tags: Type.Array(Type.String()),
  pushed_at: time,
  pulls: count,
  pulled_at: nullable(time),
  annotations,
}
export const ReferrerJson = Type.Object(manifestFacts)
export type ReferrerJson = Static<typeof ReferrerJson>

/** What stands in an index, and may be missing. */
const listed = {
  digest,
  media_type: Type.String(),
  size_bytes: Type.Number(),
  platform: nullable(PlatformJson),
  annotations,
}

const ManifestJson = Type.Object({
  ...manifestFacts,
  kind: oneOf('index', 'image', 'artifact'),
  subject: nullable(Type.String()),
  config: nullable(DescriptorJson),
  layers: Type.Array(DescriptorJson),
  manifests: Type.Array(Type.Object(listed), { description: 'of an index: what it names' }),
  referrers: Type.Array(Type.String(), { description: 'digests of manifests whose subject it is' }),
})
export type ManifestJson = Static<typeof ManifestJson>

export const ManifestTreeJson = Type.Object({
  digest,
  total_bytes: Type.Number({ description: 'the manifest and all below it, each once; without what refers to it' }),
  truncated: Type.Boolean({ description: 'there is more below than is told' }),
  manifests: Type.Array(ManifestJson, {
    description:
      'the one that was asked for, then what is below and beside it: each once, named by digest in `manifests` and `referrers` of others',
  }),
})

export const PlatformsJson = Type.Array(
  Type.Object({ ...listed, total_bytes: nullable(Type.Number({ description: 'null: the image does not have it' })) }),
)

export const HistoryJson = Type.Array(
  Type.Object({
    created_at: nullable(Type.String({ description: 'as the configuration says' })),
    created_by: nullable(Type.String()),
    comment: nullable(Type.String()),
    author: nullable(Type.String()),
    layer: nullable(
      Type.Object({ ...descriptor, diff_id: nullable(Type.String({ description: 'digest of the tar in it' })), files_url: Type.String() }),
    ),
  }),
)

const fileTypes = ['file', 'directory', 'symlink', 'hardlink', 'character-device', 'block-device', 'fifo'] as const
const file = {
  path: Type.String(),
  mode: Type.String({ description: 'four octal digits' }),
  size_bytes: Type.Number(),
  link: nullable(Type.String({ description: 'of links: where to, as the layer says' })),
  sha256: nullable(Type.String()),
  git_blob: nullable(Type.String({ description: 'SHA-1 that Git names the same bytes by' })),
}
export const LayerFileJson = Type.Object({ type: oneOf(...fileTypes, 'whiteout', 'opaque'), ...file })
export const LayerFilesJson = Type.Object({
  digest,
  total: count,
  total_bytes: Type.Number({ description: 'of files, unpacked' }),
  files: Type.Array(LayerFileJson),
})
export const ImageFileJson = Type.Object({ type: oneOf(...fileTypes), ...file, layer: nullable(digest) })
export type ImageFileJson = Static<typeof ImageFileJson>
export const ImageFilesJson = Type.Object({
  digest: { ...digest, description: 'of the image that was looked into' },
  file: ImageFileJson,
  total: count,
  entries: Type.Array(ImageFileJson),
})

const side = nullable(Type.Object({ type: oneOf(...fileTypes), ...file }))
export const DiffJson = Type.Object({
  base: digest,
  head: digest,
  added: count,
  removed: count,
  changed: count,
  grown_bytes: Type.Number({ description: 'of files: what was added, less what was removed' }),
  total: count,
  files: Type.Array(
    Type.Object({
      path: Type.String(),
      status: oneOf('added', 'removed', 'changed'),
      differs: Type.Array(oneOf('type', 'mode', 'content', 'link')),
      before: side,
      after: side,
    }),
  ),
})

export const PullsJson = Type.Object({
  total: count,
  days: Type.Array(Type.Object({ day: Type.String({ description: '`2026-11-27`, UTC' }), pulls: count })),
})

export const UnreadJson = Type.Object({ message: Type.String() })

const platform = Type.Optional(
  Type.String({
    pattern: '^[A-Za-z0-9._-]{1,64}/[A-Za-z0-9._-]{1,64}(?:/[A-Za-z0-9._-]{1,64})?$',
    description: '`linux/arm64`; without it `linux/amd64` where there is one, else the first',
  }),
)
const path = Type.Optional(Type.String({ maxLength: 4096 }))
const perPage = { ...paging, per_page: Type.Optional(Type.Integer({ description: '30; at most 1000' })) }

export const ImageParams = Type.Object({ owner: Type.String(), image: Type.String({ description: 'with %2F for slashes' }) })
const image = { owner: Type.String(), image: Type.String() }
export const TagParams = Type.Object({ ...image, tag: Type.String() })
export const ManifestParams = Type.Object({ ...image, reference: Type.String({ description: 'a tag or a digest' }) })
export const LayerParams = Type.Object({ ...image, digest: Type.String() })
export const PlatformQuery = Type.Object({ platform })
export const ReferrersQuery = Type.Object({ ...paging, artifact_type: Type.Optional(Type.String({ maxLength: 255 })) })
export const LayerFilesQuery = Type.Object({ ...perPage, below: path })
export const FileQuery = Type.Object({ path: Type.String({ minLength: 1, maxLength: 4096 }) })
export const ImageFilesQuery = Type.Object({ ...perPage, platform, path, follow: Type.Optional(Type.Boolean()) })
export const ImageFileQuery = Type.Object({ platform, path: Type.String({ minLength: 1, maxLength: 4096 }) })
const reference = Type.String({ maxLength: 150 })
export const DiffQuery = Type.Object({ ...perPage, base: reference, head: reference, platform, path })
export const PullsQuery = Type.Object({
  days: Type.Optional(Type.Integer({ minimum: 1, maximum: 366 })),
  reference: Type.Optional(reference),
})
