// The statement that makes a version visible, with all that belongs to it: the package where it is the first one, its file and the hold on its bytes, tags, attestation,
// the package's revision, and what webhooks are told.
import { ownerLimit, packageMade, type PackageMade } from '../../access/index.ts'
import { fixedQuery, sql } from '../../db/index.ts'

/** Everything in the order in which the statement takes it. */
export type PublicationParameters = readonly [
  ...PackageMade,
  /** Null: it is made. */
  packageId: number | null,
  linkedTo: number | null,
  /** `translate(lower(name), '-_.', '')`; null: names that are alike don't matter. */
  alikeKey: string | null,
  /** The owner's limit, if he has one, is looked at by the caller, in the same transaction. */
  isCharged: boolean,
  version: string,
  key: string,
  publishedBy: string,
  file: string,
  content: Uint8Array,
  sizeBytes: number,
  sha1: Uint8Array,
  sha512: Uint8Array,
  kind: string,
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
  /** What it needs: names, kinds, ranges. */
  neededNames: readonly string[],
  neededKinds: readonly string[],
  neededRanges: readonly string[],
  event: string,
]

/** Nothing is written where there is no version. */
export interface Outcome {
  readonly versionId: number | null
  /** Null: nothing is written, or there is a package of that name by now. */
  readonly packageId: number | null
  /** The bytes aren't there any more. */
  readonly isGone: boolean
  readonly isAlike: boolean
  readonly isLimited: boolean
}

export const insertRows = fixedQuery<PublicationParameters, Outcome>((queries, ...parameters) => {
  const [ownerId, format, name, visibility, repositoryId, actorId, actor, target, details, ip, requestId, facts, ...others] = parameters
  const [packageId, linkedTo, alikeKey, isCharged, version, key, publishedBy, file, content, sizeBytes, sha1, sha512, kind, ...more] =
    others
  const [readme, readmeFilename, isLatest, manifest, unpackedBytes, fileCount, hasInstallScript, deprecated, gitHead, ...rest] = more
  const [tags, predicateType, bundle, verified, signer, neededNames, neededKinds, neededRanges, event] = rest
  const making: PackageMade = [ownerId, format, name, visibility, repositoryId, actorId, actor, target, details, ip, requestId, facts]
  const statement = sql<Outcome>`
    with there as materialized (select digest from content where digest = ${content}::bytea for key share),
      alike as materialized (
        select p.id from package p where ${packageId}::bigint is null and p.owner_id = ${ownerId}::bigint and p.format = 'npm' and p.upstream_id is null
          and translate(lower(p.name), '-_.', '') = ${alikeKey}::text and lower(p.name) <> lower(${name}::text) limit 1),
      limited as materialized (
        select from (select ${ownerId}::bigint as owner_id) who where not ${isCharged}::boolean and ${ownerLimit('who.owner_id')} is not null),
      ok as materialized (select digest from there where not exists (select from alike) and not exists (select from limited)),
      ${packageMade(making, sql`ok where ${packageId}::bigint is null`)},
      one as (
        select id, repository_id, digest from package_made, ok
        union all select ${packageId}::bigint, ${linkedTo}::bigint, digest from ok where ${packageId}::bigint is not null),
      made as (
        insert into package_version (package_id, version, version_key, published_by)
        select id, ${version}::text, ${key}::text, ${publishedBy}::text from one
        on conflict (package_id, version_key) do nothing returning id, package_id),
      filed as (
        insert into package_file (version_id, package_id, name, content, size_bytes, sha1, sha512)
        select id, package_id, ${file}::text, ${content}::bytea, ${sizeBytes}::bigint, ${sha1}::bytea, ${sha512}::bytea from made),
      held as (
        insert into content_reference (kind, id, digest) select ${kind}::text, package_id::text, ${content}::bytea from made on conflict do nothing),
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
      needing as (
        insert into npm_dependency (version_id, name, kind, range)
        select id, n.name, n.kind, n.range from made,
          unnest(${neededNames}::text[], ${neededKinds}::text[], ${neededRanges}::text[]) as n (name, kind, range)),
      told as (
        insert into outbox (kind, repository_id, payload)
        select 'package.published', one.repository_id, ${event}::jsonb || jsonb_build_object('packageId', made.package_id) from made, one
        where (select count(*) from package_told) >= 0) -- behind it
    select (select id from made) as "versionId", (select id from one) as "packageId", not exists (select from there) as "isGone",
      exists (select from alike) as "isAlike", exists (select from limited) as "isLimited"`
  return { compile: () => statement.compile(queries) }
})
