// What a read needs to know: the parts of whole content, or the runs that the range touches, and where their segments are. Two queries, whatever the content's size.
import { CorruptError } from '../base/index.ts'
import { type Database, databaseOf, type Moment, type Queries, rememberedQuery, sql } from '../db/index.ts'
import type { ReadPlan } from './content-reader.ts'
import type { ContentRange } from './content-store.ts'
import { type Digest, digestBytes } from './digest.ts'
import { planChunks, planRecipe } from './plan-chunks.ts'
import { findOpened } from './opened/opened-rows.ts'
import { planRebuild } from './opened/plan-rebuild.ts'
import type { RebuildPlan } from './opened/rebuild-job.ts'
import { isReadLongAgo } from './whole/hot.ts'
import type { WholePart } from './whole/read-whole.ts'

export interface PlannedRead {
  readonly sizeBytes: number
  /** It is whole, and nobody has said for an hour that he reads it. */
  readonly isReadLongAgo: boolean
  readonly range: ContentRange
  /** Where its bytes are: as they came, in chunks, or in what is made into them again. */
  readonly form: { readonly whole: readonly WholePart[] } | { readonly chunks: ReadPlan } | { readonly opened: RebuildPlan }
}

/** An opened content that was made again before, and is in memory. */
export interface MadeRead extends Omit<PlannedRead, 'form'> {
  readonly form: { readonly made: Uint8Array }
}

/** The way that costs least: whole before chunks, these before what is opened. Null when there is no such content. RangeError for a range outside of it; CorruptError 'recipe', 'content'. */
export async function planRead(at: Database | Moment, digest: Digest, range?: ContentRange): Promise<PlannedRead | null> {
  return (await planReadOrMade(at, digest, range, () => undefined)) as PlannedRead | null
}

/** The same, but that an opened content isn't planned for that is in memory: all its bytes, as `madeBefore` has them. */
export async function planReadOrMade(
  at: Database | Moment,
  digest: Digest,
  range: ContentRange | undefined,
  madeBefore: (digest: Digest) => Uint8Array | undefined,
): Promise<PlannedRead | MadeRead | null> {
  const found = await findForms(at, digest)
  if (found === null) return null
  const { sizeBytes, recipe, whole, opened, isReadLongAgo } = found
  const wanted = range ?? { offset: 0, sizeBytes }
  if (!(wanted.offset >= 0 && wanted.sizeBytes >= 0 && wanted.offset + wanted.sizeBytes <= sizeBytes)) {
    throw new RangeError(`bytes ${wanted.offset} to ${wanted.offset + wanted.sizeBytes} of ${sizeBytes}`)
  }
  if (whole.length > 0) return { sizeBytes, range: wanted, isReadLongAgo, form: { whole } }
  const db = databaseOf(at).queries
  const cold = { sizeBytes, range: wanted, isReadLongAgo: false }
  if (recipe !== null) return { ...cold, form: { chunks: await planChunks(db, { digest, sizeBytes, recipe }, wanted) } }
  const made = opened === null ? undefined : madeBefore(digest)
  if (made !== undefined) return { ...cold, form: { made } }
  const plan = opened === null ? null : await planRebuild(db, opened, wanted)
  if (plan === null) throw new CorruptError('content', `stored content has a row, and its bytes are nowhere: ${digest}`)
  return { ...cold, form: { opened: plan } }
}

/** Where the bytes of a content are beside its whole copy; null: nowhere. CorruptError 'recipe', 'opened-form'. */
export async function planOtherForm(
  queries: Queries,
  digest: Digest,
  range: ContentRange,
): Promise<{ readonly chunks: ReadPlan } | { readonly opened: RebuildPlan } | null> {
  const chunks = await planRecipe(queries, digest, range)
  if (chunks !== null) return { chunks }
  const row = await findOpened(queries, digest)
  const opened = row === null ? null : await planRebuild(queries, row.form, range)
  return opened === null ? null : { opened }
}

/** In which forms a content is stored. */
interface ContentForms {
  readonly sizeBytes: number
  /** Left out where it is whole, too. */
  readonly recipe: Uint8Array | null
  readonly whole: readonly WholePart[]
  readonly isReadLongAgo: boolean
  /** How it is made again, where it is stored neither way. */
  readonly opened: Uint8Array | null
}

interface FormRow {
  readonly size_bytes: number
  readonly recipe: Uint8Array | null
  readonly form: Uint8Array | null
  readonly uuid: string | null
  readonly part_bytes: number
  readonly sums: Uint8Array | null
  readonly long_ago: boolean | null
}

const findFormRows = rememberedQuery<[digest: Uint8Array], FormRow>(
  (queries, digest) => {
    const statement = sql<FormRow>`
      select c.size_bytes::float8 as size_bytes, case when p.uuid is null then c.recipe end as recipe,
        case when p.uuid is null and c.recipe is null then (select form from content_opened o where o.digest = c.digest) end as form,
        p.uuid::text as uuid, p.size_bytes::float8 as part_bytes, p.sums, ${isReadLongAgo} as long_ago
      from content c left join whole_part p on p.digest = c.digest where c.digest = ${digest} order by p.ordinal`
    return { compile: () => statement.compile(queries) }
  },
  {
    types: ['bytea'],
    most: 16 << 20,
    weigh: (row) => 500 + [row.recipe, row.form, row.sums].reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0),
  },
)

async function findForms(at: Database | Moment, digest: Digest): Promise<ContentForms | null> {
  const rows = await findFormRows(at, digestBytes(digest))
  const first = rows[0]
  if (first === undefined) return null
  const whole = rows.flatMap(({ uuid, part_bytes, sums }) =>
    uuid === null || sums === null ? [] : [{ uuid, sizeBytes: part_bytes, sums }],
  )
  return { sizeBytes: first.size_bytes, recipe: first.recipe, whole, opened: first.form, isReadLongAgo: first.long_ago === true }
}
