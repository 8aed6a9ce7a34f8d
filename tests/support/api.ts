// The API on a real listener and a real database, in this process.
import { pino } from 'pino'
import { makeGate } from '../../src/access/index.ts'
import { packageFormats } from '../../src/package-formats.ts'
import { hookDocuments, registerApi, type StorageFigures } from '../../src/api/index.ts'
import { activityFields, AllowedHosts, makeLog, Sealer, systemClock, systemRandomness } from '../../src/base/index.ts'
import { noRequests } from '../../src/bucket/index.ts'
import type { Database } from '../../src/db/index.ts'
import type { HookRoom } from '../../src/hooks/index.ts'
import { type Listener, makeListener, Outbound } from '../../src/http/index.ts'
import { LayerFiles } from '../../src/oci/index.ts'
import { CiExchange, Passwords } from '../../src/sign-in/index.ts'
import { makeAccount, type TestAccount } from './accounts.ts'
import { gitDouble } from './git-double.ts'
import { testDatabase } from './test-database.ts'

export interface TestApi {
  readonly db: Database
  readonly databaseUrl: string
  readonly listener: Listener
  readonly url: string
  /** Every line of the log so far. */
  readonly log: readonly string[]
  readonly owner: TestAccount
  readonly stranger: TestAccount
  readonly admin: TestAccount
  close(): Promise<void>
}

const sums = {
  objectCount: 3,
  logicalBytes: 300,
  wholeBytes: 200,
  wholeStoredBytes: 100,
  deltaBytes: 100,
  deltaStoredBytes: 10,
  copyCount: 1,
  copyStoredBytes: 40,
}
const stored = { packCount: 2, keyCount: 2, packBytes: 120, indexBytes: 60, tailBytes: 50, historyBytes: 20, pathTableBytes: 0 }

/** Figures without a Git room or a content store behind them. */
const noStorage: StorageFigures = {
  ofNetwork: async () => ({ sums, stored }),
  ofGit: async () => ({ sums, stored, networkCount: 2, countedNetworks: 1 }),
  ofContent: async () => ({
    contentCount: 2,
    logicalBytes: 1000,
    segmentCount: 1,
    segmentBytes: 400,
    tailBytes: 0,
    recipeBytes: 16,
    keyCount: 1,
    chunkCount: 3,
    wholeCount: 1,
    wholeBytes: 100,
    uploadBytes: 0,
    wholeKeyCount: 1,
  }),
  requests: noRequests,
}

const nothing = async () => null
const noContent = { get: nothing, openLayerFile: nothing, openLayerList: nothing }

/** Webhooks without anybody who sends them, and pushes without commits. */
export function testHooks(db: Database): HookRoom {
  return {
    db,
    log: makeLog('silent'),
    clock: systemClock,
    randomness: systemRandomness,
    sealer: new Sealer(new Uint8Array(32).fill(7), systemRandomness),
    outbound: new Outbound({ allowed: new AllowedHosts(['127.0.0.1']) }),
    documents: hookDocuments(db, () => ({ origin: 'http://stemma.test', sshUrl: () => null }), packageFormats),
    commits: async () => ({ commits: [], head: null, isForced: false }),
    limits: { tries: 3, firstRetryMs: 10, timeoutMs: 1000, keepMs: 3600_000 },
    agent: 'stemma/test',
  }
}

/** The API without a Git room or a content store behind it. */
export function registerTestApi(listener: Listener, db: Database): void {
  const signIn = { db, clock: systemClock, randomness: systemRandomness, passwords: new Passwords(systemRandomness) }
  const hooks = testHooks(db)
  registerApi(listener, {
    signIn,
    ciExchange: new CiExchange(signIn, { issuers: [], audience: 'stemma' }),
    db,
    clock: systemClock,
    randomness: systemRandomness,
    publicUrl: null,
    version: '0.0.0',
    findArchive: async () => true,
    git: gitDouble,
    takesRef: (_repository, name) => !name.startsWith('refs/hidden/'),
    storage: noStorage,
    imageStore: noContent,
    packageFormats,
    retention: { leaseMs: 86_400_000 },
    layerFiles: new LayerFiles({ store: noContent, log: makeLog('silent') }),
    hooks,
    sealer: hooks.sealer,
  })
}

/** `register` adds rooms of the test's own. */
export async function openApi(register: (listener: Listener, db: Database) => void = () => {}): Promise<TestApi> {
  const lines: string[] = []
  const log = pino({ level: 'debug', mixin: activityFields }, { write: (line: string) => void lines.push(line) })
  const test = await testDatabase()
  const db = test.database
  const gate = makeGate({ db, clock: systemClock, log, isCreatingOnPush: true })
  const listener = makeListener({ gate, log, randomness: systemRandomness, limits: { drainMs: 1000 } })
  registerTestApi(listener, db)
  register(listener, db)
  const url = await listener.listen({ host: '127.0.0.1', port: 0 })
  const [owner, stranger, admin] = await Promise.all([makeAccount(db, 'Olive'), makeAccount(db, 'sam'), makeAccount(db, 'root', true)])
  return {
    db,
    databaseUrl: test.url,
    listener,
    url,
    log: lines,
    owner,
    stranger,
    admin,
    close: async () => {
      await listener.close()
      await gate.close()
      await test.close()
    },
  }
}
