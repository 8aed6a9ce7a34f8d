// One segment: its value against its own hashes (in a worker), its row against its value, chunk rows against its index; and what rests on what is wrong.
import type { MessagePort } from 'node:worker_threads'
import { equalBytes, MessageStream, type WorkerPool } from '../../base/index.ts'
import { segmentKey } from '../../bucket/index.ts'
import { type Database, sql } from '../../db/index.ts'
import type { SegmentPlace } from '../content-reader.ts'
import type { Digest } from '../digest.ts'
import { readSegments } from '../plan-chunks.ts'
import { type ContentFinding, contentFinding, type ContentFindingCode } from './content-finding.ts'
import { dependentsOf } from './dependents.ts'
import type { SegmentCheck } from './segment-job.ts'

export interface CheckParts {
  readonly db: Database
  readonly workers: WorkerPool
}

/**
 * What is wrong with it; nothing where it was collected meanwhile. UnavailableError.
 * @param explained gets all contents that can't be read because of it
 */
export async function checkSegment(
  parts: CheckParts,
  id: number,
  signal: AbortSignal,
  explained = new Set<Digest>(),
): Promise<ContentFinding[]> {
  const segment = (await readSegments(parts.db.queries, [id]))[0]
  if (segment === undefined) return []
  const ask = (port: MessagePort) => new MessageStream<SegmentCheck>(port).message()
  const found = await parts.workers.run('checkSegment', segment, [], ask, signal)
  const isGone = async () => (await readSegments(parts.db.queries, [id])).length === 0
  if (found.sizeBytes === null && (await isGone())) return []
  return await findingsOf(parts.db, segment, found, explained)
}

async function findingsOf(
  { queries }: Database,
  segment: SegmentPlace,
  found: SegmentCheck,
  explained: Set<Digest>,
): Promise<ContentFinding[]> {
  const key = segment.tail === null ? segmentKey(segment.uuid) : null
  const tell = async (code: ContentFindingCode, message: string, first = 0, end = Number.POSITIVE_INFINITY) =>
    contentFinding(code, message, {
      key,
      segment: segment.id,
      dependents: await dependentsOf(queries, segment.id, [first, end], explained),
    })
  const { sizeBytes, indexBytes, chunkCount } = found
  if (sizeBytes === null) return [await tell('segment-missing', 'the segment is missing')]
  const isCut = sizeBytes !== segment.sizeBytes
  if (found.indexError !== null) {
    const is = isCut ? `the segment has ${sizeBytes} bytes and its row says ${segment.sizeBytes}; ` : ''
    return [await tell(isCut ? 'segment-size' : 'segment-index', `${is}${found.indexError}`)]
  }
  const row = await queries.selectFrom('segment').select('chunk_count').where('id', '=', segment.id).executeTakeFirst()
  const findings: ContentFinding[] = []
  if (isCut || indexBytes !== segment.indexBytes || (row !== undefined && chunkCount !== row.chunk_count)) {
    const is = `${sizeBytes} bytes, ${indexBytes} of them its index, and ${chunkCount} chunks`
    findings.push(await tell('segment-row', `the row of a segment says something else than its value, which has ${is}`))
  }
  for (const { number, first, end, reason } of found.badBlocks) {
    findings.push(await tell('block-damaged', `block ${number} (chunks ${first} to ${end - 1}): ${reason}`, first, end))
  }
  const wrong = await wrongChunkRows(queries, segment.id, found.hashes)
  if (wrong.length > 0) {
    const message = `${wrong.length} rows say that chunks are in a segment at places where others are: what is put with them can't be read`
    findings.push(contentFinding('chunk-row', message, { key, segment: segment.id }))
  }
  return findings
}

/** Hashes of chunk rows that name the segment, and a place in it that doesn't hold the chunk. */
export async function wrongChunkRows(queries: Database['queries'], id: number, hashes: Uint8Array): Promise<Uint8Array[]> {
  const { rows } = await sql<{ hash: Buffer; ordinal: number }>`select hash, ordinal from chunk where segment_id = ${id}`.execute(queries)
  const isRight = (hash: Uint8Array, ordinal: number) =>
    ordinal >= 0 && (ordinal + 1) * 32 <= hashes.length && equalBytes(hash, hashes.subarray(ordinal * 32, ordinal * 32 + 32))
  return rows.filter(({ hash, ordinal }) => !isRight(hash, ordinal)).map(({ hash }) => hash)
}
