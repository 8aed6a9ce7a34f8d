// What refers to a manifest: signatures, SBOMs, attestations (distribution-spec, Listing Referrers). A list of those that the image has with that subject, also
// where clients of old have kept an index of them under a tag: what that names and has the subject stands here anyway.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { packageOf } from '../../access/index.ts'
import { type Queries, sql } from '../../db/index.ts'
import { sendJson } from './form.ts'
import { digestText, parseDigest } from '../format/digests.ts'
import { ociError } from '../format/errors.ts'
import { ociIndex } from '../format/media-types.ts'
import { nextLink } from '../format/pages.ts'
import type { Target } from '../format/target.ts'
import type { Registry } from '../registry.ts'

type ReferrersTarget = Extract<Target, { readonly kind: 'referrers' }>

/** Of one page: an index is a manifest, and has as many bytes as one at most. Annotations are no longer than the manifests that they stand in. */
const mostBytes = 4 * 2 ** 20
const mostRows = 1000

export async function listReferrers(
  { db }: Registry,
  request: FastifyRequest,
  reply: FastifyReply,
  { name, digest }: ReferrersTarget,
): Promise<FastifyReply> {
  const { artifactType, last } = request.query as { artifactType?: unknown; last?: unknown }
  if (artifactType !== undefined && typeof artifactType !== 'string') throw ociError('page-invalid', 'artifactType must be one media type')
  const after = last === undefined ? new Uint8Array() : parseDigest(String(last))?.bytes
  if (after === undefined) throw ociError('page-invalid', 'last must be a digest')
  const rows = await findReferrers(db.queries, packageOf(request).id, digest.bytes, artifactType ?? null, after)
  const end = rows.at(-1)
  if (end !== undefined && rows.length < end.found) {
    const filter = artifactType === undefined ? {} : { artifactType }
    reply.header('link', nextLink(`/v2/${name.text}/referrers/${digest.text}`, { ...filter, last: digestText(end.digest) }))
  }
  if (artifactType !== undefined) reply.header('oci-filters-applied', 'artifactType')
  return sendReferrers(reply, rows.map(descriptorOf))
}

/** Also what whoever may not see the image is told: nothing refers to anything there. */
export function sendReferrers(reply: FastifyReply, manifests: readonly object[]): FastifyReply {
  return sendJson(reply, 200, { schemaVersion: 2, mediaType: ociIndex, manifests }, ociIndex)
}

interface Row {
  readonly digest: Uint8Array
  readonly media_type: string
  readonly artifact_type: string | null
  readonly size_bytes: number
  readonly annotations: object | null
  /** How many there are in all, as far as was looked: more than these where they don't fit in one page. */
  readonly found: number
}

async function findReferrers(
  queries: Queries,
  packageId: number,
  subject: Uint8Array,
  artifactType: string | null,
  after: Uint8Array,
): Promise<readonly Row[]> {
  const { rows } = await sql<Row>`
    with listed as materialized (
      select digest, octet_length(bytes) as size_bytes,
        sum(octet_length(bytes)) over (order by digest) as up_to, row_number() over (order by digest) as place
      from oci_manifest
      where package_id = ${packageId} and subject = ${subject} and digest > ${after}::bytea
        and (${artifactType}::text is null or artifact_type = ${artifactType}::text)
      order by digest limit ${mostRows + 1})
    select m.digest, m.media_type, m.artifact_type, m.annotations, listed.size_bytes, (select count(*) from listed)::int as found
    from listed join oci_manifest m on m.package_id = ${packageId} and m.digest = listed.digest
    where listed.place = 1 or (listed.up_to <= ${mostBytes} and listed.place <= ${mostRows})
    order by m.digest`.execute(queries)
  return rows
}

function descriptorOf(row: Row) {
  return {
    mediaType: row.media_type,
    digest: digestText(row.digest),
    size: row.size_bytes,
    ...(row.artifact_type === null ? {} : { artifactType: row.artifact_type }),
    ...(row.annotations === null ? {} : { annotations: row.annotations }),
  }
}
