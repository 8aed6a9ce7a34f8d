// What images are to all that is about packages of every format.
import type { Package, PackageId } from '../access/index.ts'
import { type Queries, sql } from '../db/index.ts'
import type { FormatRoom, FormatVersion, PackageFigures, ToldFacts } from '../packages/index.ts'
import { deleteVersion } from './browse/image-deletion.ts'
import { imagePulls, imageSizes } from './browse/image-figures.ts'
import { countTags, countVersions, listManifests, manifestById, type ManifestRow } from './browse/image-rows.ts'
import { checkBlobs, holdBlobs } from './keeping/kept-content.ts'
import { emptyPackage } from './keeping/removal.ts'
import { ociUpstreams } from './upstream/oci-upstreams.ts'

/** Its versions are manifests, with or without a tag. */
export const ociFormat: FormatRoom = {
  format: 'oci',
  type: 'container',
  registry: { name: 'Stemma container registry', type: 'containers', path: '' },
  words: { file: 'blob', download: 'pull' },
  countVersions,
  async listVersions(queries, id, wanted) {
    const { manifests, total } = await listManifests(queries, id, wanted)
    return { versions: manifests.map(versionOf), total }
  },
  async findVersion(queries, id, version) {
    const manifest = await manifestById(queries, id, version)
    return manifest && versionOf(manifest)
  },
  deleteVersion: (db, one, { name }, actor) => deleteVersion(db, one, name, actor),
  empty: emptyPackage,
  figures,
  toldVersion,
  contents: { check: checkBlobs, holdAgain: holdBlobs },
  upstream: ociUpstreams,
}

function versionOf({ id, digest, tags, pushedAt }: ManifestRow): FormatVersion {
  return { id, name: digest, tags, publishedAt: pushedAt }
}

async function figures(queries: Queries, id: PackageId): Promise<PackageFigures> {
  const [sizes, tags, pulls] = await Promise.all([imageSizes(queries, id, []), countTags(queries, id), imagePulls(queries, id, 30, null)])
  return { versions: sizes.manifestCount, tags, files: sizes.blobCount, fileBytes: sizes.blobBytes, downloadsIn30Days: pulls.total }
}

async function toldVersion(queries: Queries, origin: string, one: Package, told: ToldFacts) {
  const { digest, tag, tags, mediaType } = told
  if (typeof digest !== 'string') return null
  const names = typeof tag === 'string' ? [tag] : typeof tags === 'string' && tags !== '' ? tags.split(' ') : []
  const { rows } = await sql<{ id: number; pushedAt: string }>`
    select id, to_char(pushed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "pushedAt" from oci_manifest
    where package_id = ${one.id} and digest = ${Buffer.from(digest.slice(digest.indexOf(':') + 1), 'hex')}`.execute(queries)
  const [row] = rows
  const [first] = names
  const name = `${one.ownerLogin}/${one.name}`
  const at = `${new URL(origin).host}/${name}`
  return {
    id: row?.id ?? null,
    version: digest,
    name: digest,
    created_at: row?.pushedAt ?? null,
    package_url: first === undefined ? `${at}@${digest}` : `${at}:${first}`,
    container_metadata: {
      tag: first === undefined ? null : { name: first, digest },
      tags: names,
      manifest: { digest, media_type: typeof mediaType === 'string' ? mediaType : null, uri: `${origin}/v2/${name}/manifests/${digest}` },
    },
  }
}
