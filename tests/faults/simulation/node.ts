// One node of a simulated run: a Git room and a registry whose every statement and request waits for its turn, may fail, and may be the last thing that the node does.
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { type Log, Recent, systemClock, systemRandomness, UnavailableError, type WorkerPool } from '../../../src/base/index.ts'
import { type Bucket, type Key, openBucket } from '../../../src/bucket/index.ts'
import type { Database } from '../../../src/db/index.ts'
import { GitRoom } from '../../../src/git/index.ts'
import type { Registry } from '../../../src/oci/registry.ts'
import { SmallContents } from '../../../src/packages/index.ts'
import { SegmentStore } from '../../../src/store/index.ts'
import type { FrameMessage } from '../../../src/store/whole/frame-job.ts'
import type { Seeded } from '../../support/seeded.ts'
import { roomLimits } from '../../support/git-room.ts'
import { type Odds, type StatementFault, type WriteFault, writeFaults } from './faults.ts'
import { NodeBucket } from './node-bucket.ts'
import { brokenConnection, claimStatements, type Connection } from './statements.ts'
import type { Turns } from './turns.ts'
import { WorkerFaults } from './worker-faults.ts'

export interface NodeParts {
  readonly name: string
  readonly pool: NodePool
  readonly folder: string
  readonly workers: WorkerPool
  readonly storeWorkers: WorkerPool
  readonly workerFaults: WorkerFaults
  readonly log: Log
  readonly turns: Turns
  /** What is chosen in this run, by all nodes. */
  readonly random: Seeded
  readonly odds: Odds
  readonly tailBytes: number
  /** Writes that have failed and are still to be done: before hours pass, as a lease is longer than any request may take. */
  readonly late: Set<() => Promise<void>>
  /** Whether that holds of a write that begins now: hours may have passed since whoever sends it took the lease. */
  readonly mayBeLate: (key: Key) => Promise<boolean>
  /** All that breaks when PostgreSQL restarts. */
  readonly cutAll: () => void
  /** Told of what went wrong here. */
  readonly tell: (what: string) => void
}

/** Connections of one node at a time, known by their application_name. Null: nothing of it is under the node's control. */
export interface NodePool {
  readonly applicationName: string | null
  readonly db: Database
}

/** Sets of packs that workers keep are known by network and lineage, which each node counts for itself: one pool's nodes must not share any. */
const lineagesPerNode = 1_000_000
let nodeCount = 0

/** Of blobs and manifests that nothing names: over when hours have passed. */
export const leaseMs = 3600_000

export class SimulatedNode {
  readonly name: string
  readonly room: GitRoom
  readonly store: SegmentStore
  readonly registry: Registry
  readonly db: Database
  readonly bucket: Bucket
  readonly workerFaults: WorkerFaults
  readonly #parts: NodeParts
  readonly #connections = new Set<Connection>()
  readonly #release: () => void
  #isDead = false

  private constructor(parts: NodeParts, inner: Bucket) {
    this.#parts = parts
    this.name = parts.name
    this.workerFaults = parts.workerFaults
    nodeCount++
    this.db = parts.pool.db
    this.#release = claimStatements(parts.pool.applicationName, {
      statement: (connection, text, send) => this.#statement(connection, text, send),
      connecting: async (connection, connect) => {
        this.#connections.add(connection)
        return await parts.turns.busy(connect)
      },
    })
    this.bucket = new NodeBucket(inner, {
      isNear: parts.random.below(2) === 0,
      read: (what, act) => this.#read(what, act),
      write: (what, acts) => this.#write(what, acts),
    })
    this.room = new GitRoom({
      db: this.db,
      bucket: this.bucket,
      bucketConfig: bucketOf(parts.folder),
      clock: systemClock,
      // keys are new ones also where a seed runs again: workers keep files open by name
      randomness: systemRandomness,
      log: parts.log,
      // nothing is remembered but what is needed at the moment: what was deleted too early is missed
      cache: { memoryBytes: 0, diskBytes: 0, packBytes: 0, folder: join(parts.folder, 'cache') },
      threads: 1,
      limits: { ...roomLimits, concurrentPushes: 100, concurrentFetches: 100, fetchMemoryBytes: 1 << 30 },
      tailBytes: parts.tailBytes,
      agent: 'stemma/simulated',
      workers: countedWorkers(parts.workers, parts.turns, nodeCount * lineagesPerNode),
    })
    this.store = new SegmentStore({
      db: this.db,
      bucket: this.bucket,
      bucketConfig: bucketOf(parts.folder),
      randomness: systemRandomness,
      log: parts.log,
      cache: { memoryBytes: 0, diskBytes: 0, folder: join(parts.folder, 'cache') },
      threads: 1,
      hot: parts.random.below(2) === 0 ? { keepMs: 0, bytes: 0 } : { keepMs: 3600_000, bytes: 2 ** 40 },
      isLinking: parts.random.below(2) === 0,
      workers: countedWorkers(parts.storeWorkers, parts.turns, 0),
    })
    this.registry = this.#makeRegistry()
  }

  /** What the registry's handlers work with; nothing that was read is remembered. */
  #makeRegistry(): Registry {
    const limits = { manifest: { bytes: 4 << 20, parts: 1000 }, blobBytes: 1 << 30, indexDepth: 5, leaseMs, concurrentDownloads: 100 }
    const made = { db: this.db, store: this.store, uploads: this.store.uploads, log: this.#parts.log, clock: systemClock, limits }
    return {
      ...made,
      manifestBytes: new Recent(0),
      smallBlobs: new SmallContents(this.store, { mostBytes: 64 << 10, keptBytes: 0 }),
    } as unknown as Registry
  }

  static async start(parts: NodeParts): Promise<SimulatedNode> {
    return new SimulatedNode(parts, await openBucket(bucketOf(parts.folder), { clock: systemClock, randomness: systemRandomness }))
  }

  get pool(): NodePool {
    return this.#parts.pool
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** As by SIGKILL: nothing of it reaches database or bucket any more, and PostgreSQL rolls back what it had begun. */
  die(): void {
    this.#isDead = true
    this.#parts.tell(`${this.name} dies`)
    this.cut()
  }

  /** Its connections to PostgreSQL break. */
  cut(): void {
    for (const connection of this.#connections) connection.cut()
    this.#connections.clear()
    this.#parts.turns.unlock()
  }

  /** Leaves the pool to whoever it is from. */
  async close(): Promise<void> {
    await Promise.all([this.room.close(), this.store.close()])
    this.#release()
  }

  /** Waits for a turn; then tells whether this is the step that the node dies at, before it or behind it. */
  async #step(what: string): Promise<'live' | 'before' | 'behind'> {
    const { turns, odds, random, cutAll, tell } = this.#parts
    if (this.#isDead) return 'before'
    await turns.wait(what)
    if (this.#isDead) return 'before'
    if (random.fraction() < odds.restart) {
      tell('PostgreSQL restarts')
      cutAll()
    }
    if (random.fraction() >= odds.death) return 'live'
    return random.below(2) === 0 ? 'before' : 'behind'
  }

  async #statement(connection: Connection, text: string, send: () => Promise<unknown>): Promise<unknown> {
    const { turns, random, odds, tell } = this.#parts
    const { current } = turns
    const what = text.replace(/\s+/g, ' ').trim().slice(0, 60)
    {
      const life = await this.#step(what)
      const fault: StatementFault | null = random.fraction() < odds.database ? random.pick(['before', 'behind']) : null
      const isDoomed = life !== 'live'
      if (fault !== null && !isDoomed) tell(`connection breaks ${fault}: ${what}`)
      const isSent = isDoomed ? life === 'behind' : fault !== 'before'
      if (isDoomed || fault !== null) current.isDoubtful ||= isSent && /^commit/i.test(text)
      // a connection that breaks under a commit, broken by somebody else's doing: nobody knows then, either
      const result = isSent
        ? await turns.busy(send, connection.process).catch((error: unknown) => this.#noteBroken(error, text, current))
        : null
      if (isDoomed && !this.#isDead) this.die()
      if (isDoomed || fault !== null || /^(commit|rollback)/i.test(text)) turns.unlock()
      if (!isDoomed && fault === null) return result
      connection.cut()
      throw brokenConnection()
    }
  }

  #noteBroken(error: unknown, text: string, current: { isDoubtful: boolean }): never {
    if (/^commit/i.test(text)) current.isDoubtful = true
    throw error
  }

  async #read<T>(what: string, act: () => Promise<T>): Promise<T> {
    const { random, odds, tell, turns } = this.#parts
    const life = await this.#step(what)
    if (life !== 'live') throw this.#dead()
    if (random.fraction() >= odds.bucket) return turns.busy(act)
    tell(`${what} fails`)
    throw refused(what)
  }

  /** What was left undone is done when its turn comes, if that is what goes wrong. */
  async #write(what: string, acts: WriteActs): Promise<void> {
    const { late, mayBeLate, random, odds, tell, turns } = this.#parts
    const life = await this.#step(what)
    if (life !== 'live') {
      if (life === 'behind') await turns.busy(acts.whole).catch(() => {})
      if (!this.#isDead) this.die()
      throw this.#dead()
    }
    const fault: WriteFault | null = random.fraction() < odds.bucket ? random.pick(writeFaults) : null
    if (fault !== null) tell(`${what}: ${fault}`)
    switch (fault) {
      case null:
        return turns.busy(acts.whole)
      case 'twice':
        return turns.busy(acts.twice)
      case 'full':
        throw new UnavailableError('bucket-full', `told to fail: ${what}`)
      case 'refuse':
        throw refused(what)
      case 'half':
        await turns.busy(acts.half)
        throw refused(what)
      case 'lose':
        await turns.busy(acts.whole)
        throw refused(what)
      case 'late': {
        const { leased } = acts
        if (leased !== null && !(await turns.busy(() => mayBeLate(leased)))) throw refused(what)
        const later = await turns.busy(acts.prepare)
        const turnsLeft = random.below(30)
        late.add(later)
        turns.start(`${this.name} late ${what}`, async () => {
          for (let n = 0; n < turnsLeft; n++) await turns.wait('not yet')
          if (late.delete(later)) await turns.busy(later)
        })
        throw refused(what)
      }
    }
  }

  #dead(): UnavailableError {
    return new UnavailableError('bucket-unavailable', `${this.name} is dead`)
  }
}

/** The ways in which a write is done. */
export interface WriteActs {
  /** What is written under a lease; null: a deletion, which may come as late as it likes. */
  readonly leased: Key | null
  readonly whole: () => Promise<void>
  readonly half: () => Promise<void>
  readonly twice: () => Promise<void>
  /** Keeps what is needed to do it later, when what it was asked with may be gone. */
  readonly prepare: () => Promise<() => Promise<void>>
}

export function bucketOf(folder: string) {
  return { kind: 'filesystem', folder: join(folder, 'bucket') } as const
}

function refused(what: string): UnavailableError {
  return new UnavailableError('bucket-unavailable', `told to fail: ${what}`)
}

/** The same workers, whose jobs count as being under way. */
function countedWorkers(workers: WorkerPool, turns: Turns, lineage: number): WorkerPool {
  const mine = (payload: unknown): unknown => {
    const { packs } = payload as { readonly packs?: { readonly lineage: number } }
    return packs ? { ...(payload as object), packs: { ...packs, lineage: packs.lineage + lineage } } : payload
  }
  const run: WorkerPool['run'] = (kind, payload, ...rest) => turns.job(() => workers.run(kind, mine(payload), ...rest))
  const start: WorkerPool['start'] = (kind, payload, transfer) => {
    const job = workers.start(kind, mine(payload), transfer)
    if (kind === 'frames') countAsked(job.port, turns)
    else void turns.job(() => new Promise<void>((ended) => job.port.once('close', () => ended())))
    return job
  }
  return Object.assign(Object.create(workers) as WorkerPool, { run, start })
}

/** A line for frames stays open as long as the node lives: each frame and digest that it is asked for is a job, of whoever asks. */
function countAsked(port: MessagePort, turns: Turns): void {
  const waiting: (() => void)[] = []
  const post = port.postMessage.bind(port)
  port.postMessage = (message: FrameMessage) => {
    if (message.kind === 'add' || message.kind === 'digest') void turns.job(() => new Promise<void>((answered) => waiting.push(answered)))
    post(message)
  }
  port.on('message', () => waiting.shift()?.())
  port.once('close', () => {
    for (const answered of waiting.splice(0)) answered()
  })
}
