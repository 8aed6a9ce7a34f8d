// Rows of packages that stand for content, against that content: each needs it, and its package's hold on it. For blobs of images and for files alike.
import { type Queries, sql } from '../db/index.ts'
import { type Digest, digestOf } from '../store/index.ts'

const batchRows = 1000

/** Which rows: each has `package_id` and `content`, and is told apart by two columns. */
export interface KeptRows {
  readonly table: 'oci_blob' | 'package_file'
  readonly first: 'package_id' | 'version_id'
  readonly second: 'digest' | 'name'
  /** The kind of their content references; the package's id is the reference's. */
  readonly references: string
}

/** A row without content (`stored`), or without its hold. */
export interface LooseRow {
  /** What the second column says. */
  readonly name: Buffer | string
  readonly content: Digest
  readonly isStored: boolean
  readonly format: string
  /** `OWNER/NAME` */
  readonly of: string
}

interface Place {
  readonly id: number
  readonly name: Buffer | string
}

function behind({ first, second }: KeptRows, place: Place | null) {
  return place === null ? sql`true` : sql`(${sql.ref(first)}, ${sql.ref(second)}) > (${place.id}, ${place.name})`
}

/** Rows that go meanwhile aren't told of. */
export async function* looseRows(queries: Queries, kept: KeptRows): AsyncGenerator<LooseRow, void, undefined> {
  const [table, first, second] = [sql.table(kept.table), sql.ref(kept.first), sql.ref(kept.second)]
  for (let after: Place | null = null; ; ) {
    const { rows }: { rows: readonly (Place & { content: Buffer; format: string; of: string; stored: boolean; held: boolean })[] } =
      await sql<Place & { content: Buffer; format: string; of: string; stored: boolean; held: boolean }>`
      with batch as materialized (
        select ${first} as id, ${second} as name, package_id, content from ${table} where ${behind(kept, after)}
        order by ${first}, ${second} limit ${batchRows})
      select b.id::float8 as id, b.name, b.content, p.format, a.login || '/' || p.name as of, c.digest is not null as stored, f.digest is not null as held
      from batch b join package p on p.id = b.package_id join account a on a.id = p.owner_id
      left join content c on c.digest = b.content
      left join content_reference f on f.kind = ${kept.references} and f.id = b.package_id::text and f.digest = b.content
      order by b.id, b.name`.execute(queries)
    for (const { name, content, format, of, stored, held } of rows)
      if (!stored || !held) yield { name, content: digestOf(content), isStored: stored, format, of }
    const last: Place | undefined = rows.at(-1)
    if (last === undefined) return
    after = last
  }
}

/** References of rows that lack theirs, where the content is there: after its rows were made again out of the bucket. How many. */
export async function holdRows(queries: Queries, kept: KeptRows): Promise<number> {
  const [table, first, second] = [sql.table(kept.table), sql.ref(kept.first), sql.ref(kept.second)]
  let held = 0
  for (let after: Place | null = null; ; ) {
    const { rows }: { rows: readonly (Place & { made: number })[] } = await sql<Place & { made: number }>`
      with batch as materialized (
        select ${first} as id, ${second} as name, package_id, content from ${table} where ${behind(kept, after)}
        order by ${first}, ${second} limit ${batchRows} for key share),
      there as (
        select b.package_id, c.digest from content c join (select distinct package_id, content from batch) b on c.digest = b.content
        where not exists (select from content_reference f where f.kind = ${kept.references} and f.id = b.package_id::text and f.digest = b.content)
        for key share of c),
      made as (
        insert into content_reference (kind, id, digest) select ${kept.references}, package_id::text, digest from there
        on conflict do nothing returning 1)
      select id::float8 as id, name, (select count(*) from made)::float8 as made from batch order by batch.id desc, batch.name desc limit 1`.execute(
      queries,
    )
    const last: (Place & { made: number }) | undefined = rows[0]
    if (last === undefined) return held
    held += last.made
    after = last
  }
}
