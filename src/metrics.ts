// The server's figures for Prometheus: what is counted as it happens, and what is asked of the rooms when somebody looks (docs/design/operations.md).
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Metrics, type OtlpExporter, type Sample } from './base/index.ts'
import { addRequests, type Bucket, type BucketRequests, readShared } from './bucket/index.ts'
import { type Database, sql } from './db/index.ts'
import type { GitRoom } from './git/index.ts'
import { type DeliveryOutcome, webhookLag } from './hooks/index.ts'
import type { HttpObserver } from './http/index.ts'
import { version } from './version.ts'

/** Seconds: from an answer out of memory to a clone. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600]

/** What is counted where it happens. */
export interface Counters {
  readonly http: HttpObserver
  readonly job: (kind: string, seconds: number, isFailed: boolean) => void
  readonly delivery: (outcome: DeliveryOutcome, seconds: number) => void
}

export function makeCounters(metrics: Metrics): Counters {
  let running = 0
  metrics.ask('gauge', 'stemma_http_requests_in_flight', 'Requests under way.', [], () => [[[], running]])
  const labels = ['method', 'route', 'status']
  const lengths = metrics.histogram(
    'stemma_http_request_duration_seconds',
    'From the first header to the last byte of the answer.',
    labels,
    bounds,
  )
  const received = metrics.counter('stemma_http_received_bytes_total', 'Bytes that requests came in, headers included.', ['route'])
  const sent = metrics.counter('stemma_http_sent_bytes_total', 'Bytes that answers went out in, headers included.', ['route'])
  const runs = metrics.counter('stemma_job_runs_total', 'Runs of background work on this node.', ['job', 'outcome'])
  const runSeconds = metrics.counter('stemma_job_run_seconds_total', 'How long they took.', ['job'])
  const deliveries = metrics.counter('stemma_webhook_deliveries_total', 'Tries to call a webhook on this node.', ['outcome'])
  const deliverySeconds = metrics.counter('stemma_webhook_delivery_seconds_total', 'How long they took.')
  return {
    http: {
      begun: () => running++,
      answered: ({ method, route, status, seconds, receivedBytes, sentBytes }) => {
        running--
        lengths([method, route, status], seconds)
        received([route], receivedBytes)
        sent([route], sentBytes)
      },
    },
    job: (kind, seconds, isFailed) => {
      runs([kind, isFailed ? 'failure' : 'success'])
      runSeconds([kind], seconds)
    },
    delivery: (outcome, seconds) => {
      deliveries([outcome])
      deliverySeconds([], seconds)
    },
  }
}

export interface Watched {
  readonly db: Database
  readonly bucket: Bucket
  /** Where worker threads add up what they ask of the bucket. */
  readonly counts: SharedArrayBuffer
  readonly git: GitRoom
  readonly exporter: OtlpExporter | null
}

export function watchRooms(metrics: Metrics, watched: Watched): void {
  metrics.ask('gauge', 'stemma_build_info', 'Always 1.', ['version'], () => [[[version], 1]])
  watchProcess(metrics)
  watchDatabase(metrics, watched.db)
  watchBucket(metrics, watched)
  watchGit(metrics, watched.git)
  const { exporter } = watched
  if (exporter === null) return
  const spans = (): Sample[] => [
    [['sent'], exporter.counts.sent],
    [['dropped'], exporter.counts.dropped],
  ]
  metrics.ask('counter', 'stemma_trace_spans_total', 'Spans that a collector took, and spans that were given up.', ['outcome'], spans)
}

function watchProcess(metrics: Metrics): void {
  const startedS = Math.round((performance.timeOrigin / 1000) * 1000) / 1000
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  metrics.ask('gauge', 'process_start_time_seconds', 'When the process began, in seconds since 1970.', [], () => [[[], startedS]])
  metrics.ask('counter', 'process_cpu_seconds_total', 'CPU time of all threads.', ['mode'], () => {
    const { user, system } = process.cpuUsage()
    return [
      [['user'], user / 1e6],
      [['system'], system / 1e6],
    ]
  })
  metrics.ask('gauge', 'process_resident_memory_bytes', 'Resident memory.', [], () => [[[], process.memoryUsage.rss()]])
  metrics.ask('gauge', 'stemma_memory_bytes', 'Memory of the main thread, by what holds it.', ['kind'], () => {
    const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage()
    return Object.entries({ heap_used: heapUsed, heap: heapTotal, external, array_buffers: arrayBuffers }).map(
      ([k, v]) => [[k], v] as const,
    )
  })
  metrics.ask('gauge', 'stemma_event_loop_delay_seconds', 'How late the event loop was since somebody looked last.', ['quantile'], () => {
    const samples: Sample[] = [0.5, 0.99, 1].map((q) => [[q], delay.count === 0 ? 0 : delay.percentile(q * 100) / 1e9] as const)
    delay.reset()
    return samples
  })
}

function watchDatabase(metrics: Metrics, db: Database): void {
  metrics.ask('gauge', 'stemma_database_connections', 'Connections of this node.', ['state'], () => {
    const { total, idle } = db.figures
    return [
      [['used'], total - idle],
      [['idle'], idle],
    ]
  })
  metrics.ask('gauge', 'stemma_database_waiting', 'Work that waits for a connection.', [], () => [[[], db.figures.waiting]])
  const { ask } = metrics
  ask.call(metrics, 'counter', 'stemma_database_statements_total', 'Statements.', [], () => [[[], db.figures.statements]])
  ask.call(metrics, 'counter', 'stemma_database_failures_total', 'Statements that failed.', [], () => [[[], db.figures.failures]])
  ask.call(metrics, 'counter', 'stemma_database_seconds_total', 'How long statements took.', [], () => [[[], db.figures.ms / 1000]])
  metrics.ask('gauge', 'stemma_job_last_end_timestamp_seconds', 'When background work ended last, on any node.', ['job'], async () =>
    (await jobRows(db)).map(({ kind, ended }) => [[kind], ended]),
  )
  metrics.ask('gauge', 'stemma_job_failed', '1: the last run failed, on any node.', ['job'], async () =>
    (await jobRows(db)).map(({ kind, failed }) => [[kind], failed ? 1 : 0]),
  )
  metrics.ask('gauge', 'stemma_outbox_lag_seconds', 'How old the oldest row is that a consumer has not read.', ['consumer'], async () => {
    const { rows } = await sql<{ name: string; lag: number }>`
      select c.name, coalesce(extract(epoch from now() - (select at from outbox
        where (outbox.xid, outbox.id) > (c.xid, c.id) order by outbox.xid, outbox.id limit 1)), 0)::float8 as lag
      from outbox_consumer as c`.execute(db.queries)
    return rows.map(({ name, lag }) => [[name], Math.max(0, lag)] as const)
  })
  metrics.ask('gauge', 'stemma_webhook_lag_seconds', 'How long the delivery that is due longest has been due.', [], async () => [
    [[], await webhookLag(db.queries)],
  ])
}

async function jobRows(db: Database): Promise<readonly { readonly kind: string; readonly ended: number; readonly failed: boolean }[]> {
  // leases of single networks stand there, too: they are many, and come and go
  const { rows } = await sql<{ kind: string; ended: number; failed: boolean }>`
    select kind, extract(epoch from ended_at)::float8 as ended, error is not null as failed from job
    where ended_at is not null and kind !~ ' '`.execute(db.queries)
  return rows
}

const requestKinds = { put: 'puts', get: 'gets', head: 'heads', delete: 'deletes', list: 'lists' } as const satisfies Record<
  string,
  keyof BucketRequests
>

function watchBucket(metrics: Metrics, { bucket, counts, git }: Watched): void {
  const asked = () => addRequests([bucket.requests, readShared(counts)])
  metrics.ask('counter', 'stemma_bucket_requests_total', 'Requests to the bucket, those that were made again included.', ['kind'], () => {
    const sums = asked()
    return Object.entries(requestKinds).map(([kind, name]) => [[kind], sums[name]] as const)
  })
  metrics.ask('counter', 'stemma_bucket_bytes_total', 'Bytes that went into the bucket and came out of it.', ['direction'], () => {
    const { bytesIn, bytesOut } = asked()
    return [
      [['in'], bytesIn],
      [['out'], bytesOut],
    ]
  })
  metrics.ask('counter', 'stemma_bucket_retries_total', 'Requests that were made again.', [], () => [[[], asked().retries]])
  metrics.ask('counter', 'stemma_bucket_failures_total', 'Requests that failed for good.', [], () => [[[], asked().failures]])
  metrics.ask('counter', 'stemma_cache_blocks_total', 'Blocks that the main thread read, by where they were found.', ['found'], () =>
    Object.entries(git.reader.counts).map(([found, count]) => [[found], count] as const),
  )
}

function watchGit(metrics: Metrics, git: GitRoom): void {
  metrics.ask('counter', 'stemma_git_packs_served_total', 'Packs sent to those who fetch, by how they were made.', ['how'], () => {
    const { made, hits, shared } = git.packCache.counts
    return Object.entries({ made, cached: hits, shared }).map(([how, count]) => [[how], count] as const)
  })
  metrics.ask('gauge', 'stemma_git_pack_cache_bytes', 'Bytes of cached packs.', [], () => [[[], git.packCache.heldBytes]])
  metrics.ask('counter', 'stemma_git_operations_total', 'Fetches, pushes and moved refs, by whatever protocol.', ['kind'], () =>
    Object.entries(git.counts).map(([kind, count]) => [[kind], count] as const),
  )
  const places = { fetches: git.fetches, negotiations: git.negotiations, requests: git.requests }
  metrics.ask('gauge', 'stemma_git_places_taken', 'Work under way, by what bounds it.', ['places'], () =>
    Object.entries(places).map(([name, one]) => [[name], one.taken] as const),
  )
  metrics.ask('gauge', 'stemma_git_places_waiting', 'Work that waits for a place.', ['places'], () =>
    Object.entries(places).map(([name, one]) => [[name], one.waiting] as const),
  )
  metrics.ask('gauge', 'stemma_git_fetch_memory_bytes', 'Memory that is reserved for packs being made.', [], () => [
    [[], git.fetchMemory.taken],
  ])
  metrics.ask('gauge', 'stemma_worker_threads', 'Threads for Git’s heavy work.', [], () => [[[], git.workers.counts.threads]])
  metrics.ask('gauge', 'stemma_worker_jobs', 'Jobs in them.', [], () => [[[], git.workers.counts.running]])
  metrics.ask('counter', 'stemma_worker_jobs_total', 'Jobs that were started.', [], () => [[[], git.workers.counts.started]])
  metrics.ask('counter', 'stemma_worker_crashes_total', 'Threads that died of themselves.', [], () => [[[], git.workers.counts.crashed]])
}
