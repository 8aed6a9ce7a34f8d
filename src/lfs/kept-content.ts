// LFS rows against the content that they stand for: each needs its content, and a reference that keeps it.
import { type Queries, sql } from '../db/index.ts'
import { type Digest, digestOf } from '../store/index.ts'

/** The kind of LFS's content references; their id is the repository's. */
export const lfsReferences = 'lfs'

export interface LfsFinding {
  readonly severity: 'error'
  readonly code: 'lfs-content-missing' | 'lfs-unheld'
  readonly message: string
  readonly advice: string
  /** `OWNER/REPO` */
  readonly repository: string
  readonly oid: Digest
}

const batchRows = 5000

const missingAdvice =
  '`stemma fsck --rebuild` finds it where it lies in the bucket; else restore it from a backup, or push it again from a clone that has it (git lfs push --all)'

/**
 * Rows whose content is not there, or that no reference keeps. Rows that go meanwhile are no findings.
 * @param repositoryIds of those repositories alone
 */
export async function* checkObjects(queries: Queries, repositoryIds?: readonly number[]): AsyncGenerator<LfsFinding, void, undefined> {
  let after = { id: 0, oid: new Uint8Array() as Uint8Array }
  const meant = repositoryIds ? sql`o.repository_id = any(${[...repositoryIds]}::bigint[])` : sql`true`
  for (;;) {
    const { rows } = await sql<{ id: number; oid: Buffer; repository: string; stored: boolean; held: boolean }>`
      with batch as materialized (
        select repository_id, oid from lfs_object o where (repository_id, oid) > (${after.id}, ${after.oid}::bytea) and ${meant}
        order by repository_id, oid limit ${batchRows})
      select b.repository_id::float8 as id, b.oid, a.login || '/' || r.name as repository, c.digest is not null as stored, f.digest is not null as held
      from batch b join repository r on r.id = b.repository_id join account a on a.id = r.owner_id
      left join content c on c.digest = b.oid
      left join content_reference f on f.kind = ${lfsReferences} and f.id = b.repository_id::text and f.digest = b.oid
      order by b.repository_id, b.oid`.execute(queries)
    for (const { oid, repository, stored, held } of rows) {
      const facts = { severity: 'error', repository, oid: digestOf(oid) } as const
      if (!stored) yield { ...facts, code: 'lfs-content-missing', message: 'an LFS object has a row and no content', advice: missingAdvice }
      else if (!held)
        yield {
          ...facts,
          code: 'lfs-unheld',
          message: 'nothing keeps the content of an LFS object',
          advice: '`stemma fsck --rebuild` holds it again',
        }
    }
    const last = rows.at(-1)
    if (last === undefined) return
    after = { id: last.id, oid: last.oid }
  }
}

/** References of rows that lack theirs, where the content is there: after its rows were made again. How many. */
export async function holdObjects(queries: Queries): Promise<number> {
  let held = 0
  let after = { id: 0, oid: new Uint8Array() as Uint8Array }
  for (;;) {
    const { rows } = await sql<{ id: number; oid: Buffer; made: number }>`
      with batch as materialized (
        select repository_id, oid from lfs_object where (repository_id, oid) > (${after.id}, ${after.oid}::bytea)
        order by repository_id, oid limit ${batchRows} for key share),
      there as (
        select b.repository_id, b.oid from batch b join content c on c.digest = b.oid
        where not exists (select from content_reference f where f.kind = ${lfsReferences} and f.id = b.repository_id::text and f.digest = b.oid)
        for key share of c),
      made as (
        insert into content_reference (kind, id, digest) select ${lfsReferences}, repository_id::text, oid from there
        on conflict do nothing returning 1)
      select repository_id::float8 as id, oid, (select count(*) from made)::float8 as made from batch order by repository_id desc, oid desc limit 1`.execute(
      queries,
    )
    const last = rows[0]
    if (last === undefined) return held
    held += last.made
    after = { id: last.id, oid: last.oid }
  }
}
