// A version becomes visible: one statement writes it with its file, its hold, its tags, its attestation and what webhooks are told, in the transaction that makes its
// tarball content. docs/design/npm.md, Invariants.
import { type Actor, type Package, packageFacts } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { fixedQuery, sql, sqlState, type Tx } from '../../db/index.ts'
import { chargeContent, packageReference } from '../../packages/index.ts'
import { type ContentInfo, digestBytes } from '../../store/index.ts'
import { type NpmName, tarballName } from '../format/names.ts'
import type { Attestation } from './provenance.ts'
import type { Publication } from './publication.ts'

export interface NewPublication {
  readonly one: Package
  readonly name: NpmName
  readonly publication: Publication
  readonly attestation: Attestation | null
  readonly content: ContentInfo
  readonly actor: Actor
  /** The owner has a quota: what comes is charged to it. */
  readonly isLimited: boolean
}

/** What the database says of a version that was there once (a trigger). */
const removedState = 'SV001'

/** The content is locked already. InputError 'version-exists', 'version-removed', 'quota-exceeded'. */
export async function insertPublication(
  tx: Tx,
  { one, name, publication, attestation, content, actor, isLimited }: NewPublication,
): Promise<void> {
  const { version, key, tags, tarball } = publication
  const digest = digestBytes(content.digest)
  const reference = packageReference(one)
  const [tag = 'latest'] = tags
  const rows = await insert(
    tx,
    one.id,
    version,
    key,
    actor.name,
    tarballName(name, version),
    digest,
    content.sizeBytes,
    tarball.sha1,
    tarball.sha512,
    reference.kind,
    reference.id,
    publication.readme,
    publication.readmeFilename,
    tags.includes('latest'),
    JSON.stringify(publication.manifest),
    tarball.files.unpackedBytes,
    tarball.files.fileCount,
    publication.hasInstallScript,
    publication.deprecated,
    publication.gitHead,
    tags,
    attestation?.predicateType ?? null,
    attestation?.bundle ?? null,
    attestation?.verified ?? null,
    attestation?.signer ?? null,
    one.repositoryId,
    JSON.stringify({ ...packageFacts(one, actor), version, tag, gitHead: publication.gitHead }),
  ).catch((error: unknown) => {
    if (sqlState(error) !== removedState) throw error
    throw new InputError(
      'version-removed',
      `${name.full}@${version} was unpublished; a version never comes again: publish it under another number`,
    )
  })
  if (rows.length === 0) throw new InputError('version-exists', `You cannot publish over the previously published versions: ${version}.`)
  if (isLimited) await chargeContent(tx, one, digest, content.sizeBytes)
}

type Parameters = readonly [
  packageId: number,
  version: string,
  key: string,
  publishedBy: string,
  file: string,
  content: Uint8Array,
  sizeBytes: number,
  sha1: Uint8Array,
  sha512: Uint8Array,
  kind: string,
  reference: string,
  readme: string | null,
  readmeFilename: string | null,
  isLatest: boolean,
  manifest: string,
  unpackedBytes: number,
  fileCount: number,
  hasInstallScript: boolean,
  deprecated: string | null,
  gitHead: string | null,
  tags: readonly string[],
  predicateType: string | null,
  bundle: string | null,
  verified: string | null,
  signer: string | null,
  repositoryId: number | null,
  event: string,
]

/** No row where the version is there already: then nothing is written. */
const insert = fixedQuery<Parameters, { id: number }>((queries, packageId, version, key, publishedBy, file, content, ...more) => {
  const [sizeBytes, sha1, sha512, kind, reference, readme, readmeFilename, isLatest, manifest, unpackedBytes, fileCount, ...rest] = more
  const [hasInstallScript, deprecated, gitHead, tags, predicateType, bundle, verified, signer, repositoryId, event] = rest
  const statement = sql<{ id: number }>`
    with made as (
        insert into package_version (package_id, version, version_key, published_by)
        values (${packageId}::bigint, ${version}::text, ${key}::text, ${publishedBy}::text)
        on conflict (package_id, version_key) do nothing returning id, package_id),
      filed as (
        insert into package_file (version_id, package_id, name, content, size_bytes, sha1, sha512)
        select id, package_id, ${file}::text, ${content}::bytea, ${sizeBytes}::bigint, ${sha1}::bytea, ${sha512}::bytea from made
        returning content),
      held as (
        insert into content_reference (kind, id, digest) select ${kind}::text, ${reference}::text, content from filed on conflict do nothing),
      raised as (
        insert into npm_package (package_id, readme, readme_filename) select package_id, ${readme}::text, ${readmeFilename}::text from made
        on conflict (package_id) do update set revision = npm_package.revision + 1, modified_at = now(),
          readme = case when ${isLatest}::boolean then excluded.readme else npm_package.readme end,
          readme_filename = case when ${isLatest}::boolean then excluded.readme_filename else npm_package.readme_filename end),
      described as (
        insert into npm_version (version_id, package_id, manifest, unpacked_bytes, file_count, has_install_script, deprecated, git_head)
        select id, package_id, ${manifest}::text, ${unpackedBytes}::bigint, ${fileCount}::integer, ${hasInstallScript}::boolean, ${deprecated}::text,
          ${gitHead}::text from made),
      tagged as (
        insert into npm_tag (package_id, tag, version_id) select package_id, t, id from made, unnest(${tags}::text[]) t
        on conflict (package_id, tag) do update set version_id = excluded.version_id, updated_at = now()),
      first as ( -- what is published first is the latest, whatever else it is called
        insert into npm_tag (package_id, tag, version_id) select package_id, 'latest', id from made where not ${isLatest}::boolean
        on conflict (package_id, tag) do nothing),
      attested as (
        insert into npm_attestation (version_id, predicate_type, bundle, verified, signer)
        select id, ${predicateType}::text, ${bundle}::text, ${verified}::text, ${signer}::text from made where ${predicateType}::text is not null),
      told as (
        insert into outbox (kind, repository_id, payload) select 'package.published', ${repositoryId}::bigint, ${event}::jsonb from made)
    select id from made`
  return { compile: () => statement.compile(queries) }
})
