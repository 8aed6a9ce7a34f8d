// The ordinary server for the bridge: its rooms put together as src/main.ts does, on a private PostgreSQL and a bucket in a folder, neither of
// which has to survive anything. It listens on a port of its own; only the bridge knows the token.
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { administrator, ensureAdministrator, findAccount, makeGate, type AccountId } from '../../../src/access/index.ts'
import { type Log, systemClock, systemRandomness } from '../../../src/base/index.ts'
import { type Bucket, openBucket } from '../../../src/bucket/index.ts'
import { loadConfig } from '../../../src/config.ts'
import { Database, EmbeddedPostgres, migrate } from '../../../src/db/index.ts'
import { GitRoom, registerGit } from '../../../src/git/index.ts'
import type { PushHooks } from '../../../src/git/receive-pack/index.ts'
import { makeListener } from '../../../src/http/index.ts'
import { version } from '../../../src/version.ts'

/** By which the front tells the server what no request from outside may say. */
export const contextHeaders = { namespace: 'x-bridge-namespace', head: 'x-bridge-namespace-head', push: 'x-bridge-push' } as const

export interface BridgedServer {
  readonly port: number
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

export async function startBridgedServer(data: string, log: Log): Promise<BridgedServer> {
  mkdirSync(data, { recursive: true })
  const postgres = await EmbeddedPostgres.start({ folder: join(data, 'postgres'), log, settings: quick })
  const closers: (() => Promise<unknown>)[] = [() => postgres.stop()]
  const close = async () => {
    for (const end of closers.reverse()) await end().catch((error: unknown) => log.warn({ err: error }, 'a part did not end in order'))
  }
  try {
    const bucketConfig = { kind: 'filesystem', folder: join(data, 'bucket') } as const
    const surroundings = { clock: systemClock, randomness: systemRandomness }
    const [bucket] = await Promise.all([openBucket(bucketConfig, surroundings), migrate({ url: postgres.url, log, mayApply: true })])
    closers.push(() => bucket.close())
    const db = new Database({ url: postgres.url, poolSize: 12, log })
    closers.push(() => db.close())
    const token = `bridge-${randomBytes(20).toString('hex')}`
    await ensureAdministrator(db, token, systemRandomness)
    const account = await findAccount(db.queries, administrator)
    if (account === null) throw new Error('no administrator')
    const gate = makeGate({ db, clock: systemClock, log, isCreatingOnPush: false })
    closers.push(() => gate.close())
    const listener = makeListener({ gate, log, randomness: systemRandomness })
    const pushes = new Map<string, PushHooks>()
    const room = makeRoom(data, { db, bucket, bucketConfig, log }, pushes)
    closers.push(() => room.close())
    registerGit(listener, room)
    const url = await listener.listen({ host: '127.0.0.1', port: 0 })
    closers.push(() => listener.close())
    const owner = { login: account.login, accountId: account.id, token }
    return { port: Number(new URL(url).port), owner, db, bucket, room, pushes, close }
  } catch (error) {
    await close()
    throw error
  }
}

function makeRoom(
  data: string,
  parts: { db: Database; bucket: Bucket; bucketConfig: { kind: 'filesystem'; folder: string }; log: Log },
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
