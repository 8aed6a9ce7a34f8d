// The mark of whole contents that could not be read: `findings` of their rows, set by whoever found it (a read, `stemma fsck`, the scrub). A push of the same bytes sees it in the statement that it makes
// anyway, and puts its parts in the place of the lost ones; no other push asks the bucket anything.
import type { CorruptError } from '../../base/index.ts'
import { type Queries, type RawBuilder, sql } from '../../db/index.ts'
import { type Digest, digestBytes } from '../digest.ts'
import { type ContentFinding, contentFinding } from '../fsck/content-finding.ts'

/** A read of it failed; nothing where the part isn't its any more, or it is marked already. */
export async function markDamaged(queries: Queries, digest: Digest, uuid: string, error: CorruptError): Promise<void> {
  const code = error.code === 'missing-key' ? 'whole-missing' : 'whole-damaged'
  const found = [contentFinding(code, `content ${digest}, as it came: a read of it failed: ${error.message}`)]
  await sql`
    update content_whole w set findings = ${JSON.stringify(found)}::jsonb where digest = ${digestBytes(digest)} and findings is null
      and exists (select from whole_part p where p.digest = w.digest and p.uuid = ${uuid}::uuid)`.execute(queries)
}

/** Of a content's digest: it is marked, and stored in no other form. Who hears that it is there will not send it again, and who reads it will fail. */
export function isLost(digest: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql<boolean>`exists (
    select from content_whole w join content c on c.digest = w.digest
    where w.digest = ${digest} and w.findings is not null and c.recipe is null
      and not exists (select from content_opened o where o.digest = w.digest))`
}

/** What a check of all of it has found; nothing ends the mark. */
export async function noteFindings(queries: Queries, digest: Digest, findings: readonly ContentFinding[]): Promise<void> {
  const kept = findings.length === 0 ? null : JSON.stringify(findings)
  await sql`
    update content_whole set findings = ${kept}::jsonb where digest = ${digestBytes(digest)} and findings is distinct from ${kept}::jsonb`.execute(
    queries,
  )
}
