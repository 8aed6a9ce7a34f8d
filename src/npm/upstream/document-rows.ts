// Rows of upstreams' documents: what is here of a package, how old it is, and what came.
import type { PackageId } from '../../access/index.ts'
import { type Database, type Moment, type Queries, rememberedQuery, sql } from '../../db/index.ts'
import type { DocumentForm, FetchedDocument } from './client/npm-client.ts'
import type { PackedDocument, TakenDocument } from './document-jobs.ts'

/** A document that is here. */
export interface DocumentState {
  readonly form: DocumentForm
  /** Another one each time that it changes. */
  readonly revision: number
  readonly hasTime: boolean
  readonly checkedAtMs: number
  /** Of its upstream. */
  readonly freshS: number
  readonly minAgeS: number
}

const states = rememberedQuery(
  (queries, packageId: number) =>
    queries
      .selectFrom('npm_upstream_document as d')
      .innerJoin('package', 'package.id', 'd.package_id')
      .innerJoin('package_upstream', 'package_upstream.id', 'package.upstream_id')
      .where('d.package_id', '=', packageId)
      .select(['d.form', 'd.revision', 'd.has_time', 'd.checked_at', 'package_upstream.fresh_s', 'package_upstream.min_age_s']),
  { types: ['bigint'], most: 20_000 },
)

/** Which are here. */
export async function documentStates(at: Database | Moment, packageId: PackageId): Promise<readonly DocumentState[]> {
  const rows = await states(at, packageId)
  return rows.map((row) => ({
    form: row.form as DocumentForm,
    revision: row.revision,
    hasTime: row.has_time,
    checkedAtMs: row.checked_at.getTime(),
    freshS: row.fresh_s,
    minAgeS: row.min_age_s,
  }))
}

/** Null: it is gone. */
export async function readDocument(
  { queries }: Database,
  packageId: PackageId,
  form: DocumentForm,
): Promise<{ readonly bytes: Uint8Array; readonly revision: number } | null> {
  const row = await queries
    .selectFrom('npm_upstream_document')
    .select(['document', 'revision'])
    .where('package_id', '=', packageId)
    .where('form', '=', form)
    .executeTakeFirst()
  return row === undefined ? null : { bytes: row.document, revision: row.revision }
}

/** What to ask the upstream with. */
export async function documentTags(
  { queries }: Database,
  packageId: PackageId,
  form: DocumentForm,
): Promise<{ readonly etag: string | null; readonly lastModified: string | null }> {
  const row = await queries
    .selectFrom('npm_upstream_document')
    .select(['etag', 'last_modified as lastModified'])
    .where('package_id', '=', packageId)
    .where('form', '=', form)
    .executeTakeFirst()
  return row ?? { etag: null, lastModified: null }
}

/** The upstream has it as it is here, now. @param form that was asked for; of a full one, what was made of it, too */
export async function noteChecked({ queries }: Database, packageId: PackageId, form: DocumentForm): Promise<void> {
  await sql`
    update npm_upstream_document set checked_at = clock_timestamp(), asked_at = clock_timestamp()
    where package_id = ${packageId} and (form = ${form} or (${form} = 'full' and digest = (
      select whole.digest from npm_upstream_document whole where whole.package_id = ${packageId} and whole.form = 'full')))`.execute(
    queries,
  )
}

/** It was asked for, and the upstream couldn't be. */
export async function noteAsked({ queries }: Database, packageId: PackageId): Promise<void> {
  await sql`update npm_upstream_document set asked_at = now() where package_id = ${packageId} and asked_at < now() - interval '1 hour'`.execute(
    queries,
  )
}

/** The upstream has it no more. What is here of its tarballs stays. */
export async function dropDocuments({ queries }: Database, packageId: PackageId): Promise<void> {
  await queries.deleteFrom('npm_upstream_document').where('package_id', '=', packageId).execute()
}

export interface Asked {
  /** The upstream may have given the other. */
  readonly form: DocumentForm
  /** Abbreviated ones are made of full ones, which alone say when versions were published. */
  readonly isForAges: boolean
}

export async function storeDocument(
  { queries }: Database,
  packageId: PackageId,
  asked: Asked,
  { form, etag, lastModified }: FetchedDocument,
  { digest, hasTime, whole, reduced }: TakenDocument,
): Promise<void> {
  const said = { etag, lastModified }
  await write(queries, { packageId, form, digest, hasTime, ...whole, ...said }, true)
  if (reduced === null) return
  // what the upstream says of a full one says nothing of an abbreviated one, unless it gives the one for the other
  const tags = asked.form === 'abbreviated' ? said : { etag: null, lastModified: null }
  const isInstead = asked.form === 'abbreviated' || asked.isForAges
  await write(queries, { packageId, form: 'abbreviated', digest, hasTime, ...reduced, ...tags }, isInstead)
}

interface DocumentRow extends PackedDocument, Pick<FetchedDocument, 'form' | 'etag' | 'lastModified'> {
  readonly packageId: PackageId
  readonly digest: Uint8Array
  readonly hasTime: boolean
}

/** What came once more as it was is no other. @param isInstead of one that is here */
async function write(queries: Queries, row: DocumentRow, isInstead: boolean): Promise<void> {
  const { packageId, form, bytes, sizeBytes, hasTime, digest, etag, lastModified } = row
  await sql`
    insert into npm_upstream_document as d (package_id, form, document, size_bytes, has_time, digest, etag, last_modified)
    values (${packageId}, ${form}, ${bytes}, ${sizeBytes}, ${hasTime}, ${digest}, ${etag}, ${lastModified})
    on conflict (package_id, form) do update set
      revision = case when d.digest = excluded.digest then d.revision else excluded.revision end,
      document = excluded.document, size_bytes = excluded.size_bytes, has_time = excluded.has_time, digest = excluded.digest,
      etag = excluded.etag, last_modified = excluded.last_modified, checked_at = clock_timestamp(), asked_at = clock_timestamp()
    where ${isInstead}`.execute(queries)
}
