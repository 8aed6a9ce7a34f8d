// The server's whole listener in this process, over a test database: with a gate that ends every admitted request before its handler, so that what is left
// to see is who is let in; or as the server has it.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Failures, type FailureSettings, makeGate, RegistryTokens } from '../../src/access/index.ts'
import { activityFields, type Clock, makeLog, Metrics, Sealer, systemClock, systemRandomness } from '../../src/base/index.ts'
import { openBucket, sharedRequests } from '../../src/bucket/index.ts'
import { loadConfig } from '../../src/config.ts'
import type { Database } from '../../src/db/index.ts'
import { mountFaces } from '../../src/faces.ts'
import { type Gate, type Listener, makeListener, RateLimits, type RateSettings, Refusal } from '../../src/http/index.ts'
import { makeGit, makeHooks, makeOutbound, makeStore } from '../../src/rooms.ts'
import type { SegmentStore } from '../../src/store/index.ts'
import { testDatabase } from './test-database.ts'

/** What a request that was let in is answered with: no handler gives it. */
export const admitted = 418

export interface TestFaces {
  readonly db: Database
  readonly listener: Listener
  readonly gate: Gate
  readonly store: SegmentStore
  /** Every line of the log so far. */
  readonly log: readonly string[]
  close(): Promise<void>
}

export interface FacesOptions {
  /** Handlers run. */
  readonly isWhole?: boolean
  /** Requests a minute; as many as they like without it. */
  readonly rates?: RateSettings & FailureSettings
  /** As the server's own variables. */
  readonly environment?: Readonly<Record<string, string>>
  readonly trustProxy?: boolean
}

/** Time stands still for what is counted by the minute: how fast the machine is makes no difference. */
const standingClock: Clock = { now: () => 0, monotonic: () => 0 }

export async function openFaces({
  isWhole = false,
  rates,
  environment: more = {},
  trustProxy = false,
}: FacesOptions = {}): Promise<TestFaces> {
  const folder = mkdtempSync(join(tmpdir(), 'stemma-faces-'))
  const lines: string[] = []
  const log = isWhole
    ? pino({ level: 'info', mixin: activityFields }, { write: (line: string) => void lines.push(line) })
    : makeLog('silent')
  const environment = { STEMMA_DATA: folder, STEMMA_WORKERS_COUNT: '1', ...more }
  const config = loadConfig({ environment })
  mkdirSync(join(folder, 'bucket'))
  const bucket = await openBucket(
    { kind: 'filesystem', folder: join(folder, 'bucket') },
    { clock: systemClock, randomness: systemRandomness },
  )
  const test = await testDatabase()
  const db = test.database
  const counts = sharedRequests()
  const git = makeGit(config, { db, bucket, log, counts })
  const store = makeStore(config, { db, bucket, log, counts })
  const failures = rates === undefined ? {} : { failures: new Failures(rates, standingClock) }
  const sealer = new Sealer(new Uint8Array(32), systemRandomness)
  const registryTokens = new RegistryTokens(sealer, systemClock)
  const gate = makeGate({ db, clock: systemClock, log, isCreatingOnPush: true, registryTokens, ...failures })
  const ending: Gate = {
    ...gate,
    admit: async (...asked) => {
      const verdict = await gate.admit(...asked)
      if (verdict === 'allowed') throw new Refusal(admitted, 'admitted', 'Admitted')
      return verdict
    },
  }
  const limits = rates === undefined ? {} : { rates: new RateLimits(rates, standingClock) }
  const listener = makeListener({ gate: isWhole ? gate : ending, log, randomness: systemRandomness, trustProxy, ...limits })
  const places = () => ({ origin: 'http://stemma.test', sshUrl: () => null })
  const hooks = makeHooks(config, { db, git, log, sealer, outbound: makeOutbound(config), places })
  mountFaces(listener, {
    config,
    db,
    bucket,
    git,
    store,
    hooks,
    metrics: new Metrics(),
    log,
    counts,
    registryTokens,
    ...limits,
    ...failures,
  })
  await listener.ready()
  return {
    db,
    listener,
    gate,
    store,
    log: lines,
    close: async () => {
      await listener.close()
      await gate.close()
      await git.close()
      await store.close()
      await bucket.close()
      await test.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
