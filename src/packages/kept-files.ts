// Rows of files against the content that they stand for: each needs its content, and a reference that keeps it.
import { type Queries, sql } from '../db/index.ts'
import { digestOf } from '../store/index.ts'
import { packageReferences } from './content-holds.ts'
import type { ContentKeeping, KeptFinding } from './format-room.ts'

const batchRows = 1000

const missingAdvice =
  '`stemma fsck --rebuild` finds it where it lies in the bucket; else restore it from a backup, or publish the version again under another number'

interface Place {
  readonly id: number
  readonly name: string
}

const beginning: Place = { id: 0, name: '' }

/** Of every format whose versions have files. */
export const fileKeeping: ContentKeeping = { check: checkFiles, holdAgain: holdFiles }

async function* checkFiles(queries: Queries): AsyncGenerator<KeptFinding, void, undefined> {
  for (let after = beginning; ; ) {
    const { rows } = await sql<Place & { content: Buffer; of: string; stored: boolean; held: boolean }>`
      with batch as materialized (
        select version_id, package_id, name, content from package_file where (version_id, name) > (${after.id}::bigint, ${after.name}::text)
        order by version_id, name limit ${batchRows})
      select b.version_id::float8 as id, b.name, b.content, p.format || ' ' || a.login || '/' || p.name as of, c.digest is not null as stored,
        f.digest is not null as held
      from batch b join package p on p.id = b.package_id join account a on a.id = p.owner_id
      left join content c on c.digest = b.content
      left join content_reference f on f.kind = ${packageReferences} and f.id = b.package_id::text and f.digest = b.content
      order by b.version_id, b.name`.execute(queries)
    for (const { name, content, of, stored, held } of rows) {
      const facts = { severity: 'error', content: digestOf(content) } as const
      const file = `file ${name} of the package ${of}`
      if (!stored) yield { ...facts, code: 'package-content-missing', message: `the ${file} has no content`, advice: missingAdvice }
      else if (!held)
        yield {
          ...facts,
          code: 'package-unheld',
          message: `nothing keeps the content of the ${file}`,
          advice: '`stemma fsck --rebuild` holds it again',
        }
    }
    const last = rows.at(-1)
    if (last === undefined) return
    after = last
  }
}

async function holdFiles(queries: Queries): Promise<number> {
  let held = 0
  for (let after = beginning; ; ) {
    const { rows } = await sql<Place & { made: number }>`
      with batch as materialized (
        select version_id, package_id, name, content from package_file where (version_id, name) > (${after.id}::bigint, ${after.name}::text)
        order by version_id, name limit ${batchRows} for key share),
      there as (
        select b.package_id, c.digest from content c join (select distinct package_id, content from batch) b on c.digest = b.content
        where not exists (select from content_reference f where f.kind = ${packageReferences} and f.id = b.package_id::text and f.digest = b.content)
        for key share of c),
      made as (
        insert into content_reference (kind, id, digest) select ${packageReferences}, package_id::text, digest from there
        on conflict do nothing returning 1)
      select version_id::float8 as id, name, (select count(*) from made)::float8 as made from batch order by version_id desc, name desc limit 1`.execute(
      queries,
    )
    const last = rows[0]
    if (last === undefined) return held
    held += last.made
    after = last
  }
}
