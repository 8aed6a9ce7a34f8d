// Clients that push, mount, move, delete and pull in a registry whose collection never rests and waits for nothing, until a time is over; then what is left is
// compared with what must be. docs/design/oci-keeping.md, How it is tested.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../../src/db/index.ts'
import { collect, type CollectionSettings } from '../../../src/oci/keeping/review.ts'
import { adminToken, Server } from '../server.ts'
import { type TestDatabase, testDatabase } from '../test-database.ts'
import { type Fault, RegistryClient, Tally } from './client.ts'
import { judge, type Leftovers } from './judge.ts'
import { commonLayers, Workload } from './workload.ts'

export interface StressOptions {
  readonly seed: number
  readonly clients: number
  readonly seconds: number
  /** What clients rely on lasts at least half of it. */
  readonly leaseMs: number
  /** A client's thinking time, at most, for each blob: an image with all its pauses must end within half a lease. */
  readonly pauseMs: number
  readonly data: string
  readonly progress?: (text: string) => void
}

export interface StressReport {
  readonly requests: number
  readonly counts: Readonly<Record<string, number>>
  readonly faults: readonly Fault[]
  readonly leftovers: Leftovers
  readonly collected: { readonly manifests: number; readonly blobs: number; readonly passes: number }
  /** Left in the registry at the end. */
  readonly kept: number
}

export async function stress(options: StressOptions): Promise<StressReport> {
  const { seed, clients, seconds, leaseMs, pauseMs, data, progress = () => {} } = options
  const test: TestDatabase = await testDatabase()
  const server = await Server.start({ data, env: environment(test.url, leaseMs) })
  try {
    const tally = new Tally()
    const layers = commonLayers(seed)
    const workloads = Array.from({ length: clients }, (_, number) => {
      const client = new RegistryClient(server.url, adminToken, tally, { number, promisedMs: leaseMs / 2 })
      return new Workload(client, tally, { seed, number, layers, pauseMs })
    })
    const end = new AbortController()
    const collector = new Collector(test.database, { delayMs: 0, leaseMs, untaggedMs: 0 })
    const collecting = collector.run(end.signal)
    const working = Promise.all(workloads.map(async (workload) => workload.run(end.signal)))
    for (let left = seconds; left > 0; left -= Math.min(left, 10)) {
      await Promise.race([sleep(Math.min(left, 10) * 1000), working])
      progress(`${left} s left, ${tally.requests} requests, ${tally.faults.length} faults, ${collector.blobs} blobs collected`)
    }
    end.abort()
    await Promise.all([working, collecting])
    await collector.finish(leaseMs)
    await Promise.all(workloads.map(async (workload) => workload.checkAll()))
    return {
      requests: tally.requests,
      counts: Object.fromEntries([...tally.counts].sort()),
      faults: tally.faults,
      leftovers: await judge(test.database.queries),
      collected: { manifests: collector.manifests, blobs: collector.blobs, passes: collector.passes },
      kept: workloads.reduce((sum, { kept }) => sum + kept.size, 0),
    }
  } finally {
    // on a machine that is busy it may take longer than a test's patience: that is no finding of this one
    await server.stop().catch((error: unknown) => progress(String(error)))
    await test.close()
  }
}

function environment(databaseUrl: string, leaseMs: number): Record<string, string> {
  return {
    DATABASE_URL: databaseUrl,
    STEMMA_REGISTRY_LEASE_MS: `${leaseMs}ms`,
    STEMMA_REGISTRY_COLLECT_DELAY_MS: '0',
    STEMMA_REGISTRY_UNTAGGED_MS: '0',
    STEMMA_LIMITS_RATE_GIT: '0',
    STEMMA_LOG_LEVEL: 'warn',
  }
}

/** Beside the server's own, which does so once a second. */
class Collector {
  manifests = 0
  blobs = 0
  passes = 0
  readonly #db: Database
  readonly #settings: CollectionSettings

  constructor(db: Database, settings: CollectionSettings) {
    this.#db = db
    this.#settings = settings
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#pass()
      await sleep(5)
    }
  }

  /** Until all leases are over and nothing is due any more. */
  async finish(leaseMs: number): Promise<void> {
    const { db, settings } = { db: this.#db, settings: this.#settings }
    for (const endMs = performance.now() + leaseMs + 30_000; performance.now() < endMs; await sleep(200)) {
      await this.#pass()
      if (await isQuiet(db)) return
    }
    throw new Error(`reviews are left ${settings.leaseMs} ms and 30 s after the last request`)
  }

  async #pass(): Promise<void> {
    const { manifests, blobs } = await collect(this.#db, this.#settings)
    this.manifests += manifests
    this.blobs += blobs
    this.passes++
  }
}

async function isQuiet(db: Database): Promise<boolean> {
  return (await db.queries.selectFrom('oci_review').select('id').limit(1).execute()).length === 0
}
