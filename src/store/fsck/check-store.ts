// The whole check of the content store: every segment (check-segment.ts), every whole content (check-whole.ts), then every content in chunks: its recipe, that its segments are noted, and its bytes to the
// last against its digest. docs/design/content-store.md, Checking. The system runs meanwhile: what is collected is no finding.
import type { MessagePort } from 'node:worker_threads'
import { CorruptError, MessageStream } from '../../base/index.ts'
import { type Queries, sql } from '../../db/index.ts'
import { type Digest, digestBytes, digestOf } from '../digest.ts'
import { openRecipe } from '../format/recipe.ts'
import { planRecipe } from '../plan-chunks.ts'
import { checkOpened, type OpenedFinding, unheldLists } from './opened-content.ts'
import { checkSegment, type CheckParts } from './check-segment.ts'
import { checkWhole } from './check-whole.ts'
import { type ContentFinding, contentFinding } from './content-finding.ts'
import { holdersOf } from './dependents.ts'
import { noteFindings } from '../whole/damaged.ts'

export interface CheckStoreOptions {
  /** Only contents that one of these holds, and the segments that they rest on. */
  readonly heldBy?: { readonly kind: string; readonly ids: readonly string[] }
  /** At one time. */
  readonly threads: number
  readonly signal: AbortSignal
  readonly progress: (phase: string, doneBytes: number, totalBytes: number) => void
  readonly report: (found: ContentFinding) => void | Promise<void>
}

export interface StoreCheck {
  readonly segments: number
  readonly segmentBytes: number
  /** Contents that are stored as they came. */
  readonly wholes: number
  readonly contents: number
  /** Of contents, each once. */
  readonly contentBytes: number
}

const rowBatch = 200

/** @throws UnavailableError when database or bucket don't answer; the signal's reason */
export async function checkStore(parts: CheckParts, options: CheckStoreOptions): Promise<StoreCheck> {
  const { queries } = parts.db
  const { rows } = await sql<{ segmentBytes: number; contentBytes: number }>`
    select (select coalesce(sum(size_bytes), 0)::float8 from segment s where ${onSegments(options)}) as "segmentBytes",
      (select coalesce(sum(size_bytes), 0)::float8 from content c where ${onContents(options)}) as "contentBytes"`.execute(queries)
  const { segmentBytes, contentBytes } = rows[0] as { segmentBytes: number; contentBytes: number }
  const counts = { segments: 0, segmentBytes: 0, wholes: 0, contents: 0, contentBytes: 0 }
  /** Contents of which it was told already why they can't be read. */
  const explained = new Set<Digest>()
  await inBatches(
    options,
    (after: SegmentRow | null) => segmentRows(queries, options, after),
    async ({ id, size_bytes }) => {
      for (const found of await checkSegment(parts, id, options.signal, explained)) await options.report(found)
      counts.segments++
      options.progress('checking segments', (counts.segmentBytes += size_bytes), segmentBytes)
    },
  )
  let doneBytes = 0
  await inBatches(
    options,
    (after: ContentRow | null) => contentRows(queries, options, after, true),
    async ({ digest, size_bytes }) => {
      const findings = await checkWhole(parts, digestOf(digest), options.signal)
      for (const found of findings) await options.report(found)
      await noteFindings(queries, digestOf(digest), findings)
      counts.wholes++
      options.progress('checking whole contents', (doneBytes += size_bytes), contentBytes)
    },
  )
  await inBatches(
    options,
    (after: ContentRow | null) => contentRows(queries, options, after),
    async (row) => {
      const found = await checkContent(parts, row, explained, options.signal)
      if (found !== null) await options.report(found)
      counts.contents++
      options.progress('checking contents', (counts.contentBytes += row.size_bytes), contentBytes)
    },
  )
  for (const digest of await unheldLists(queries, onContents(options))) {
    const dependents = await holdersOf(queries, [digestBytes(digest)])
    await options.report(
      contentFinding('opened-row', `content ${digest}: nothing holds its file list: it may be collected`, { dependents }),
    )
  }
  return counts
}

/** Rows in their order, a batch at a time, so many of them at once. */
async function inBatches<Row>(
  { threads, signal }: CheckStoreOptions,
  next: (after: Row | null) => Promise<readonly Row[]>,
  check: (row: Row) => Promise<void>,
): Promise<void> {
  let after: Row | null = null
  for (let rows = await next(after); rows.length > 0; rows = await next(after)) {
    const queue = rows.values()
    const work = async () => {
      for (const row of queue) {
        signal.throwIfAborted()
        await check(row)
      }
    }
    await Promise.all(Array.from({ length: threads }, work))
    after = rows.at(-1) as Row
  }
}

const onContents = ({ heldBy }: CheckStoreOptions) =>
  heldBy
    ? sql`c.digest in (select digest from content_reference where kind = ${heldBy.kind} and id = any(${[...heldBy.ids]}::text[]))`
    : sql`true`

const onSegments = (options: CheckStoreOptions) =>
  options.heldBy
    ? sql`s.id in (select segment_id from content_segment join content c using (digest) where ${onContents(options)})`
    : sql`true`

interface SegmentRow {
  readonly id: number
  readonly size_bytes: number
}

async function segmentRows(queries: Queries, options: CheckStoreOptions, after: SegmentRow | null): Promise<SegmentRow[]> {
  const { rows } = await sql<SegmentRow>`
    select id::float8 as id, size_bytes::float8 as size_bytes from segment s where id > ${after?.id ?? 0} and ${onSegments(options)} order by id limit ${rowBatch}`.execute(
    queries,
  )
  return rows
}

interface ContentRow {
  readonly digest: Buffer
  readonly size_bytes: number
}

async function contentRows(
  queries: Queries,
  options: CheckStoreOptions,
  after: ContentRow | null,
  onlyWhole = false,
): Promise<ContentRow[]> {
  const isAsked = onlyWhole ? sql`exists (select from content_whole w where w.digest = c.digest)` : sql`true`
  const { rows } = await sql<ContentRow>`
    select digest, size_bytes::float8 as size_bytes from content c
    where (${after?.digest ?? null}::bytea is null or digest > ${after?.digest ?? null}::bytea) and ${onContents(options)} and ${isAsked}
    order by digest limit ${rowBatch}`.execute(queries)
  return rows
}

async function checkContent(
  { db, workers }: CheckParts,
  { digest: bytes }: ContentRow,
  explained: ReadonlySet<Digest>,
  signal: AbortSignal,
): Promise<ContentFinding | null> {
  const digest = digestOf(bytes)
  const tell = async (code: 'recipe-damaged' | 'content-row' | OpenedFinding['code'], message: string) =>
    contentFinding(code, `content ${digest}: ${message}`, { dependents: await holdersOf(db.queries, [bytes]) })
  const unnoted = await unnotedSegments(db.queries, bytes)
  if (unnoted === null) return null
  if (unnoted === 'damaged') return await tell('recipe-damaged', 'its recipe is damaged')
  if (unnoted > 0) return await tell('content-row', `${unnoted} segments that its recipe names are not noted: they may be collected`)
  if (explained.has(digest)) return null
  // a recipe changes when segments are compacted: then what it named is there for a day, and the plan is of one moment
  const plan = await planRecipe(db.queries, digest)
  if (plan === null) {
    const found = await checkOpened({ db, workers }, digest, signal)
    return found === null ? null : await tell(found.code, found.message)
  }
  try {
    const ask = (port: MessagePort) => new MessageStream<'right'>(port).message()
    await workers.run('checkContent', plan, [], ask, signal)
    return null
  } catch (error) {
    if (!(error instanceof CorruptError)) throw error
    if ((await planRecipe(db.queries, digest)) === null) return null
    return await tell('content-damaged', error.message)
  }
}

/** How many segments of the recipe `content_segment` lacks; null: the content is gone. */
async function unnotedSegments(queries: Queries, digest: Uint8Array): Promise<number | 'damaged' | null> {
  const { rows } = await sql<{ recipe: Buffer | null; size_bytes: number; segments: number[] }>`
    select recipe, size_bytes::float8 as size_bytes,
      array(select segment_id::float8 from content_segment s where s.digest = content.digest) as segments
    from content where digest = ${digest}`.execute(queries)
  const row = rows[0]
  if (row === undefined) return null
  if (row.recipe === null) return 0
  try {
    const noted = new Set(row.segments)
    const named = new Set(openRecipe(digest, row.recipe, row.size_bytes).map((run) => run.segment))
    return [...named].filter((id) => !noted.has(id)).length
  } catch (error) {
    if (error instanceof CorruptError) return 'damaged'
    throw error
  }
}
