// The ordinary server for the bridge: its rooms put together as src/main.ts does, on a private PostgreSQL and a bucket in a folder, neither of
// which has to survive anything. It listens on a port of its own; only the bridge knows the token. With STEMMA_TEST_NODES=2 there are two, on one
// database and one S3 bucket (tests/support/nodes.ts), and each request goes to the other one in turn; what the bridge itself does is done by the first.
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { administrator, ensureAdministrator, findAccount, makeGate, type AccountId } from '../../../src/access/index.ts'
import { type Log, systemClock, systemRandomness } from '../../../src/base/index.ts'
import { type Bucket, type BucketConfig, openBucket } from '../../../src/bucket/index.ts'
import { loadConfig } from '../../../src/config.ts'
import { Database, EmbeddedPostgres, migrate } from '../../../src/db/index.ts'
import { GitRoom, registerGit } from '../../../src/git/index.ts'
import type { PushHooks } from '../../../src/git/receive-pack/index.ts'
import { makeListener } from '../../../src/http/index.ts'
import { version } from '../../../src/version.ts'
import { testNodes } from '../../support/host.ts'
import { s3Settings } from '../../support/s3-settings.ts'

/** By which the front tells the server what no request from outside may say. */
export const contextHeaders = { namespace: 'x-bridge-namespace', head: 'x-bridge-namespace-head', push: 'x-bridge-push' } as const

export interface BridgedServer {
  /** Where the next request goes. */
  nextPort(): number
  /** Owner of every hosted repository, and its token. */
  readonly owner: { readonly login: string; readonly accountId: AccountId; readonly token: string }
  readonly db: Database
  readonly bucket: Bucket
  readonly room: GitRoom
  /** Pushes under way that take place on a disk, too, by the word in their request's header. */
  readonly pushes: Map<string, PushHooks>
  close(): Promise<void>
}

const quick = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' }
const surroundings = { clock: systemClock, randomness: systemRandomness }

export async function startBridgedServer(data: string, log: Log): Promise<BridgedServer> {
  mkdirSync(data, { recursive: true })
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const end of closers.reverse()) await end().catch((error: unknown) => log.warn({ err: error }, 'a part did not end in order'))
  }
  try {
    const storage = testNodes > 1 ? await sharedStorage(data, closers) : await ownStorage(data, log, closers)
    await migrate({ url: storage.url, log, mayApply: true })
    const token = `bridge-${randomBytes(20).toString('hex')}`
    const pushes = new Map<string, PushHooks>()
    const nodes: Node[] = []
    for (let n = 0; n < testNodes; n++) nodes.push(await startNode(join(data, `node-${n}`), storage, { log, closers, pushes }))
    const [first] = nodes
    if (first === undefined) throw new Error('no nodes')
    await ensureAdministrator(first.db, token, systemRandomness)
    const account = await findAccount(first.db.queries, administrator)
    if (account === null) throw new Error('no administrator')
    let turn = 0
    const nextPort = () => (nodes[turn++ % nodes.length] as Node).port
    return { ...first, nextPort, owner: { login: account.login, accountId: account.id, token }, pushes, close }
  } catch (error) {
    await close()
    throw error
  }
}

interface Storage {
  readonly url: string
  readonly bucketConfig: BucketConfig
}

type Closers = (() => Promise<unknown>)[]

async function ownStorage(data: string, log: Log, closers: Closers): Promise<Storage> {
  const postgres = await EmbeddedPostgres.start({ folder: join(data, 'postgres'), log, settings: quick })
  closers.push(() => postgres.stop())
  return { url: postgres.url, bucketConfig: { kind: 'filesystem', folder: join(data, 'bucket') } }
}

async function sharedStorage(data: string, closers: Closers): Promise<Storage> {
  const { openSharedStorage } = await import('../../support/nodes.ts') // with S3's client, which takes a while to load
  const storage = await openSharedStorage()
  closers.push(() => storage.drop())
  return {
    url: storage.databaseUrl,
    bucketConfig: { kind: 's3', ...s3Settings(storage.bucket), spoolFolder: join(data, 'spool'), createBucket: true },
  }
}

interface Node {
  readonly port: number
  readonly db: Database
  readonly bucket: Bucket
  readonly room: GitRoom
}

async function startNode(
  data: string,
  { url, bucketConfig }: Storage,
  { log, closers, pushes }: { log: Log; closers: Closers; pushes: ReadonlyMap<string, PushHooks> },
): Promise<Node> {
  const bucket = await openBucket(bucketConfig, surroundings)
  closers.push(() => bucket.close())
  const db = new Database({ url, poolSize: 12, log })
  closers.push(() => db.close())
  const gate = makeGate({ db, clock: systemClock, log, isCreatingOnPush: false })
  closers.push(() => gate.close())
  const listener = makeListener({ gate, log, randomness: systemRandomness })
  const room = makeRoom(data, { db, bucket, bucketConfig, log }, pushes)
  closers.push(() => room.close())
  registerGit(listener, room)
  const listening = await listener.listen({ host: '127.0.0.1', port: 0 })
  closers.push(() => listener.close())
  return { port: Number(new URL(listening).port), db, bucket, room }
}

function makeRoom(
  data: string,
  parts: { db: Database; bucket: Bucket; bucketConfig: BucketConfig; log: Log },
  pushes: ReadonlyMap<string, PushHooks>,
): GitRoom {
  const config = loadConfig({ environment: {}, flags: { data } })
  return new GitRoom({
    ...parts,
    clock: systemClock,
    randomness: systemRandomness,
    cache: { memoryBytes: 32 << 20, diskBytes: 0, packBytes: 64 << 20, folder: join(data, 'cache') },
    threads: 2,
    limits: { ...config.limits, memoryBytes: config.workers.memoryBytes },
    tailBytes: config.git.tailBytes,
    agent: `stemma/${version}`,
    hooksOf: ({ headers }) => pushes.get(String(headers[contextHeaders.push] ?? '')) ?? null,
    contextOf: ({ headers }) => ({
      namespace: decodeURIComponent(String(headers[contextHeaders.namespace] ?? '')),
      namespaceHead: contextHeaders.head in headers ? decodeURIComponent(String(headers[contextHeaders.head])) : null,
    }),
  })
}
