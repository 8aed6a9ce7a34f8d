// Rows of blobs against the content that they stand for: each needs its content, and a reference that keeps it.
import { type Queries, sql } from '../../db/index.ts'
import type { KeptFinding } from '../../packages/index.ts'
import { digestOf } from '../../store/index.ts'
import { digestText } from '../format/digests.ts'
import { ociReferences } from './references.ts'

export interface BlobFinding extends KeptFinding {
  readonly code: 'oci-content-missing' | 'oci-unheld'
  /** `OWNER/NAME` of the image. */
  readonly image: string
}

const batchRows = 5000

const missingAdvice = '`stemma fsck --rebuild` finds it where it lies in the bucket; else restore it from a backup, or push the image again'

interface Row {
  readonly id: number
  readonly digest: Buffer
}

/** Blobs whose content is not there, or that no reference keeps. Rows that go meanwhile are no findings. */
export async function* checkBlobs(queries: Queries): AsyncGenerator<BlobFinding, void, undefined> {
  for (let after: Row = { id: 0, digest: Buffer.alloc(0) }; ; ) {
    const { rows } = await sql<Row & { content: Buffer; image: string; stored: boolean; held: boolean }>`
      with batch as materialized (
        select package_id, digest, content from oci_blob where (package_id, digest) > (${after.id}, ${after.digest}::bytea)
        order by package_id, digest limit ${batchRows})
      select b.package_id::float8 as id, b.digest, b.content, a.login || '/' || p.name as image, c.digest is not null as stored,
        f.digest is not null as held
      from batch b join package p on p.id = b.package_id join account a on a.id = p.owner_id
      left join content c on c.digest = b.content
      left join content_reference f on f.kind = ${ociReferences} and f.id = b.package_id::text and f.digest = b.content
      order by b.package_id, b.digest`.execute(queries)
    for (const { digest, content, image, stored, held } of rows) {
      const facts = { severity: 'error', image, content: digestOf(content) } as const
      const blob = `blob ${digestText(digest)} of the image ${image}`
      if (!stored) yield { ...facts, code: 'oci-content-missing', message: `the ${blob} has no content`, advice: missingAdvice }
      else if (!held)
        yield {
          ...facts,
          code: 'oci-unheld',
          message: `nothing keeps the content of the ${blob}`,
          advice: '`stemma fsck --rebuild` holds it again',
        }
    }
    const last = rows.at(-1)
    if (last === undefined) return
    after = last
  }
}
