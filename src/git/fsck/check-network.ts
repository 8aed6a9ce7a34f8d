// One network: its packs in workers, its refs, its history and path tables, and for what is wrong the refs that lead there.
// The system runs meanwhile: what is missing is looked up again, and when the rows have changed since they were read (packs were put in the place of
// others, the repository was deleted), the network is checked anew. So nothing is reported before all of it is done.
import type { MessagePort } from 'node:worker_threads'
import { concatBytes, CorruptError, hex, MessageStream, type Places, type WorkerPool } from '../../base/index.ts'
import { type Database, sql } from '../../db/index.ts'
import { Kind, kindName } from '../format/object-id.ts'
import { openPackSet, type PackHandle, type PackSet, type PackSetHandle } from '../odb/index.ts'
import { type Dependents, type Finding, finding } from './finding.ts'
import type { FsckJob, FsckMessage } from './fsck-job.ts'
import {
  checkTable,
  type NetworkRows,
  openPack,
  type PackRow,
  readNetwork,
  type RefRow,
  type TableKind,
  type TableRow,
  type ValueStore,
} from './network-rows.ts'
import { mostFaults } from './reaching.ts'

export interface FsckParts extends ValueStore {
  readonly db: Database
  readonly workers: WorkerPool
  /** One for each worker that may be at it at a time. */
  readonly places: Places
}

export interface NetworkReport {
  readonly findings: readonly Finding[]
  readonly packs: number
  readonly objects: number
  readonly packBytes: number
  readonly refs: number
}

export interface CheckOptions {
  readonly signal: AbortSignal
  /** Packs that are opened and not looked into; without it, none. */
  readonly passesOver?: (packId: number) => boolean
  /** Bytes of packs that were done. */
  readonly progress: (bytes: number) => void
}

/** Bytes of packs that one job in a worker is given, or one pack where that is larger. */
const jobBytes = 64 << 20
const mostRuns = 5
const mostNamedRefs = 20

/** Null when the network is gone. @throws UnavailableError; the signal's reason */
export async function checkNetwork(parts: FsckParts, networkId: string, options: CheckOptions): Promise<NetworkReport | null> {
  for (let run = 1; ; run++) {
    options.signal.throwIfAborted()
    const rows = await readNetwork(parts.db, networkId)
    if (!rows) return null
    try {
      return await new NetworkCheck(parts, rows, options).run()
    } catch (error) {
      if (!(error instanceof RowsChanged)) throw error
      if (run === mostRuns) throw error.cause
    }
  }
}

/** A key was missing whose row is gone, too. */
class RowsChanged extends Error {}

/** A fault, and which objects are bad by it; null: all that isn't there. */
interface Fault {
  readonly found: Finding
  readonly bad: readonly number[] | null
}

class NetworkCheck {
  readonly #parts: FsckParts
  readonly #rows: NetworkRows
  readonly #options: CheckOptions
  readonly #faults: Fault[] = []
  readonly #cutOff: readonly string[]
  #toldBytes = 0

  constructor(parts: FsckParts, rows: NetworkRows, options: CheckOptions) {
    this.#parts = parts
    this.#rows = rows
    this.#options = options
    this.#cutOff = [...new Set(rows.repositories.flatMap((repository) => repository.cutOff))]
  }

  async run(): Promise<NetworkReport> {
    const { id, format, packs, repositories, refs } = this.#rows
    const handles = await this.#openAll()
    const handle: PackSetHandle = { networkId: id, format, lineage: 0, packs: handles }
    await this.#checkPacks(handle)
    const set = openPackSet(handle, this.#parts.reader)
    for (const ref of refs) this.#checkRef(ref, set)
    for (const row of this.#rows.histories) await this.#checkTable('history', row)
    for (const row of this.#rows.pathTables) await this.#checkTable('path_table', row)
    if (repositories.length === 0) {
      this.#faults.push({ found: finding('network-unused', 'a network has no repository', { network: id }), bad: [] })
    }
    const packBytes = packs.reduce((sum, pack) => sum + pack.packBytes, 0)
    this.#tell(packBytes)
    const findings = await this.#withDependents(handle)
    return { findings, packs: packs.length, objects: set.size, packBytes, refs: refs.length }
  }

  async #checkTable(kind: TableKind, row: TableRow): Promise<void> {
    const wrong = await checkTable(this.#parts, this.#rows.id, kind, row)
    if (wrong?.isMissing) await this.#assertStill(kind, row.key)
    if (wrong) this.#faults.push({ found: wrong.fault, bad: [] })
  }

  async #openAll(): Promise<PackHandle[]> {
    const handles: PackHandle[] = []
    for (const row of this.#rows.packs) {
      this.#options.signal.throwIfAborted()
      const opened = await openPack(this.#parts, this.#rows.id, row)
      if ('handle' in opened) handles.push(opened.handle)
      else {
        if (opened.isMissing) await this.#assertStill('pack', row.key as string)
        this.#faults.push({ found: opened.fault, bad: null })
      }
    }
    return handles
  }

  /** The row that names the key is there still. */
  async #assertStill(table: 'pack' | TableKind, key: string): Promise<void> {
    const { rows } = await sql`select 1 from ${sql.table(table)} where key = ${key}`.execute(this.#parts.db.queries)
    if (rows.length === 0) throw new RowsChanged('rows have changed', { cause: new CorruptError('missing-key', `the key ${key} is gone`) })
  }

  async #checkPacks(handle: PackSetHandle): Promise<void> {
    const byId = new Map(this.#rows.packs.map((row) => [row.id, row]))
    const ids = handle.packs.map(({ id }) => id).filter((id) => !this.#options.passesOver?.(id))
    const jobs = grouped(ids.map((id) => byId.get(id) as PackRow))
    const results = await Promise.allSettled(jobs.map((packIds) => this.#runJob(handle, packIds, byId)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  async #runJob(handle: PackSetHandle, packIds: readonly number[], byId: ReadonlyMap<number, PackRow>): Promise<void> {
    const free = await this.#parts.places.take()
    try {
      this.#options.signal.throwIfAborted()
      const job: FsckJob = { packs: handle, cutOff: this.#cutOff, task: { type: 'check', packIds } }
      await this.#ask(job, (message) => {
        if (message.type === 'progress') this.#tell(Math.floor(message.bytes / 2))
        else if (message.type === 'checked') this.#note(byId.get(message.packId) as PackRow, message)
      })
    } catch (error) {
      if (!(error instanceof CorruptError) || (error.code !== 'missing-key' && error.code !== 'short')) throw error
      for (const id of packIds) {
        const key = byId.get(id)?.key
        if (key) await this.#assertStill('pack', key)
      }
      // the rows are as they were: the next run meets the key missing, or short, where it opens the pack
      throw new RowsChanged('a value has changed', { cause: error })
    } finally {
      free()
    }
  }

  #note(row: PackRow, { faults }: Extract<FsckMessage, { type: 'checked' }>): void {
    for (const { code, message, objects, objectCount, bad } of faults) {
      const found = finding(code, message, { network: this.#rows.id, key: row.key, pack: row.id, objects, objectCount })
      this.#faults.push({ found, bad })
    }
  }

  /** At most as many bytes as the packs have. */
  #tell(bytes: number): void {
    const total = this.#rows.packs.reduce((sum, pack) => sum + pack.packBytes, 0)
    const more = Math.min(bytes, total - this.#toldBytes)
    this.#toldBytes += more
    if (more > 0) this.#options.progress(more)
  }

  #checkRef({ repository, name, oid, peeled }: RefRow, set: PackSet): void {
    const add = (code: 'ref-missing' | 'ref-kind' | 'ref-peeled', message: string) => {
      const dependents = { repositories: [repository.name], refs: [{ repository: repository.name, ref: name }], refCount: 1 }
      const found = finding(code, `${repository.name}: ${message}`, { network: this.#rows.id, objects: [hex(oid)], dependents })
      this.#faults.push({ found, bad: [] })
    }
    const number = set.find(oid, 0)
    if (number < 0) return add('ref-missing', `${name} points to ${hex(oid)}, which is not stored`)
    const kind = set.kind(number)
    if (name.startsWith('refs/heads/') && kind !== Kind.commit) {
      return add('ref-kind', `the branch ${name} points to ${hex(oid)}, a ${kindName(kind)}`)
    }
    if ((kind === Kind.tag) !== (peeled !== null)) return add('ref-peeled', `what the tag ${name} finally points to is not noted rightly`)
    if (peeled !== null && set.find(peeled, 0) < 0) add('ref-missing', `${name} finally points to ${hex(peeled)}, which is not stored`)
  }

  async #withDependents(handle: PackSetHandle): Promise<Finding[]> {
    // a pack that can't be opened lacks everywhere: that is one finding, which names all refs that need it
    const isBlind = this.#faults.some(({ bad }) => bad === null)
    const faults = this.#faults.filter(({ found: { code } }) => !isBlind || (code !== 'object-missing' && code !== 'ref-missing'))
    const open = faults.filter(({ bad }) => bad === null || bad.length > 0)
    if (open.length === 0) return faults.map(({ found }) => found)
    const { refs } = this.#rows
    const task = {
      type: 'reaching' as const,
      tips: concatBytes(refs.map((ref) => ref.oid)),
      bad: open.map(({ bad }) => bad ?? []),
      missing: [...open.keys()].filter((place) => open[place]?.bad === null),
    }
    let marks = new Uint32Array(0)
    await this.#ask({ packs: handle, cutOff: this.#cutOff, task }, (message) => {
      if (message.type === 'reaching') marks = new Uint32Array(message.marks)
    })
    return faults.map((fault) => {
      const place = open.indexOf(fault)
      if (place < 0) return fault.found
      const bit = 1 << Math.min(place, mostFaults - 1)
      return { ...fault.found, dependents: dependentsOf(refs.filter((_, i) => ((marks[i] as number) & bit) !== 0)) }
    })
  }

  async #ask(job: FsckJob, take: (message: FsckMessage) => void): Promise<void> {
    const hear = async (port: MessagePort) => {
      for await (const item of new MessageStream<FsckMessage>(port).all()) if ('message' in item) take(item.message)
    }
    await this.#parts.workers.run('fsck', job, [], hear, this.#options.signal)
  }
}

function dependentsOf(refs: readonly RefRow[]): Dependents {
  return {
    repositories: [...new Set(refs.map(({ repository }) => repository.name))],
    refs: refs.slice(0, mostNamedRefs).map(({ repository, name }) => ({ repository: repository.name, ref: name })),
    refCount: refs.length,
  }
}

/** Neighbours together, up to `jobBytes`. */
function grouped(packs: readonly PackRow[]): number[][] {
  const groups: number[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const { id, packBytes } of packs) {
    if (bytes + packBytes > jobBytes) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)?.push(id)
    bytes += packBytes
  }
  return groups
}
