// What the content store holds, as its rows say it.
import { type Queries, sql } from '../db/index.ts'

export interface ContentTotals {
  readonly contentCount: number
  /** Of all content, each digest once. */
  readonly logicalBytes: number
  readonly segmentCount: number
  /** Of segments in the bucket, and of those that are rows, being small. */
  readonly segmentBytes: number
  readonly tailBytes: number
  readonly recipeBytes: number
  readonly keyCount: number
  readonly chunkCount: number
  /** Contents that are stored as they came, perhaps beside other forms; keys of these and of uploads. */
  readonly wholeCount: number
  readonly wholeBytes: number
  readonly uploadBytes: number
  readonly wholeKeyCount: number
}

export async function contentTotals(queries: Queries): Promise<ContentTotals> {
  const { rows } = await sql<ContentTotals>`
    select * from
      (select count(*)::float8 as "contentCount", coalesce(sum(size_bytes), 0)::float8 as "logicalBytes",
        coalesce(sum(octet_length(recipe)), 0)::float8 as "recipeBytes" from content) c,
      (select count(*)::float8 as "segmentCount", (count(*) filter (where tail is null))::float8 as "keyCount",
        coalesce(sum(size_bytes) filter (where tail is null), 0)::float8 as "segmentBytes",
        coalesce(sum(size_bytes) filter (where tail is not null), 0)::float8 as "tailBytes",
        coalesce(sum(chunk_count), 0)::float8 as "chunkCount" from segment) s,
      (select count(*)::float8 as "wholeCount" from content_whole) w,
      (select coalesce(sum(stored_bytes) filter (where digest is not null), 0)::float8 as "wholeBytes",
        coalesce(sum(stored_bytes + octet_length(coalesce(tail, ''))) filter (where upload_id is not null), 0)::float8 as "uploadBytes",
        (count(*) filter (where tail is null))::float8 as "wholeKeyCount" from whole_part) p`.execute(queries)
  return rows[0] as ContentTotals
}

/** Contents that are stored in one way: as they came, in chunks, opened with an engine; one that is stored in two ways counts in both. */
export interface ContentWay {
  readonly way: string
  readonly contentCount: number
  readonly logicalBytes: number
  /** What they added to what is stored; of chunks, as they are deduplicated, nobody knows. */
  readonly storedBytes: number | null
}

/** Also those that were looked into and left, by the reason. */
export async function contentWays(queries: Queries): Promise<readonly ContentWay[]> {
  const { rows } = await sql<ContentWay>`
    select 'opened: ' || engine as way, count(*)::float8 as "contentCount", sum(size_bytes)::float8 as "logicalBytes", sum(stored_bytes)::float8 as "storedBytes"
      from content_opened join content using (digest) group by engine
    union all select 'whole', count(*)::float8, coalesce(sum(size_bytes), 0)::float8, coalesce(sum(size_bytes), 0)::float8
      from content_whole join content using (digest)
    union all select 'chunks', count(*)::float8, coalesce(sum(size_bytes), 0)::float8, null from content where recipe is not null
    union all select 'left: ' || reason, count(*)::float8, sum(size_bytes)::float8, null
      from content_opening join content using (digest) where due_at is null group by reason
    order by way`.execute(queries)
  return rows
}
