// A registry of images in this process, with upstreams: over a database and a folder of its own, on a port of the loopback address, with a clock that the test moves.
import { join } from 'node:path'
import { pino } from 'pino'
import { findAccount, makeGate, operator, RegistryTokens, type UpstreamId } from '../../src/access/index.ts'
import { AllowedHosts, type Clock, Sealer, systemRandomness } from '../../src/base/index.ts'
import type { Database } from '../../src/db/index.ts'
import { type Listener, makeListener, Outbound } from '../../src/http/index.ts'
import { ociUpstreams, registerOci } from '../../src/oci/index.ts'
import { declareUpstream, type NewUpstream, removeDeclared, type Upstream } from '../../src/packages/index.ts'
import { makeAccount, type TestAccount } from './accounts.ts'
import { type ContentHost, contentHost } from './content.ts'
import { FakeRegistry } from './fake-registry.ts'

export class MovedClock implements Clock {
  #aheadMs = 0

  move(ms: number): void {
    this.#aheadMs += ms
  }

  now(): number {
    return Date.now() + this.#aheadMs
  }

  monotonic(): number {
    return performance.now() + this.#aheadMs
  }
}

export interface CacheStand {
  readonly db: Database
  readonly content: ContentHost
  readonly clock: MovedClock
  readonly sealer: Sealer
  readonly url: string
  readonly hub: TestAccount
  readonly stranger: TestAccount
  /** A registry to come from. */
  readonly upstream: FakeRegistry
  /** Lines of the log. */
  readonly log: readonly string[]
  /** Below `hub`, or where the path says; public unless it says otherwise. */
  declare(wanted: Partial<NewUpstream> & { readonly url: string }): Promise<Upstream>
  /** Below /v2/, as the hub's owner unless another token is given; null: nobody. */
  get(
    path: string,
    options?: { readonly method?: string; readonly token?: string | null; readonly headers?: Record<string, string> },
  ): Promise<Response>
  /** Nothing is declared, nothing is here, and the upstream does as it is told to, as at first. */
  startAnew(): Promise<void>
  close(): Promise<void>
}

export async function openCache(): Promise<CacheStand> {
  const content = await contentHost()
  const db = content.db.database
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  const clock = new MovedClock()
  const sealer = new Sealer(new Uint8Array(32), systemRandomness)
  const tokens = new RegistryTokens(sealer, clock)
  const gate = makeGate({ db, clock, log, isCreatingOnPush: false, registryTokens: tokens })
  const listener: Listener = makeListener({ gate, log, randomness: systemRandomness, limits: { drainMs: 1000 } })
  registerOci(listener, {
    db,
    store: content.store,
    uploads: content.store.uploads,
    clock,
    tokens,
    log,
    publicUrl: null,
    limits: { blobBytes: 1 << 30, manifest: { bytes: 4 << 20, parts: 1000 }, indexDepth: 3, leaseMs: 86_400_000, concurrentDownloads: 100 },
    upstreams: {
      outbound: new Outbound({ allowed: new AllowedHosts(['127.0.0.0/8']) }),
      sealer,
      randomness: systemRandomness,
      agent: 'stemma/test',
      folder: join(content.folder, 'spool'),
      pace: { slowestBytesPerSecond: 2048, slowGraceMs: 1000 },
    },
  })
  const url = await listener.listen({ host: '127.0.0.1', port: 0 })
  const upstream = await new FakeRegistry().listen()
  const [hub, stranger] = await Promise.all([makeAccount(db, 'hub'), makeAccount(db, 'sam')])
  return {
    db,
    content,
    clock,
    sealer,
    url,
    hub,
    stranger,
    upstream,
    log: lines,
    declare: async (wanted) => {
      const owner = await findAccount(db.queries, 'hub')
      if (owner === null) throw new Error('the hub has no account')
      return await declareUpstream(
        { db, sealer },
        ociUpstreams,
        owner,
        { path: '', credentials: null, visibility: 'public', freshS: 0, ...wanted },
        operator,
      )
    },
    get: async (path, { method = 'GET', token = hub.token, headers = {} } = {}) =>
      await fetch(`${url}/v2/${path}`, {
        method,
        headers: { ...headers, ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
      }),
    startAnew: async () => {
      const declared = await db.queries.selectFrom('package_upstream').select('id').execute()
      for (const { id } of declared) await removeDeclared(db, ociUpstreams, id as UpstreamId, operator)
      await db.queries.deleteFrom('package').execute() // those that are the hub's own
      Object.assign(upstream, { credentials: null, realm: null, before: () => false })
      upstream.seen.length = 0
    },
    close: async () => {
      await upstream.close()
      await listener.close()
      await gate.close()
      await content.close()
    },
  }
}
