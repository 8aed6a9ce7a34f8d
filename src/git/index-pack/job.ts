// One pack from its first byte to its index: the phases in order, and the threads that share the second.
import { compareBytes, concatBytes, withPauses } from '../../base/index.ts'
import { hashBytes } from '../format/object-id.ts'
import { connect, type Positions } from './connectivity.ts'
import type { EntryTable } from './entry-table.ts'
import { refuse } from './errors.ts'
import type { FsckSettings, IndexedPack, IndexOptions } from './index-pack.ts'
import { PendingDeltas } from './pending.ts'
import { Receiver } from './receiver.ts'
import { ControlWord, Resolver, type ResolverSettings } from './resolver.ts'
import { mostWarnings, Scanner } from './scanner.ts'
import { chooseEntries, IdIndex } from './sorted-ids.ts'
import { dropDoubles, placeBases, rewriteEnds, splitByExistence } from './thin.ts'
import { defaultThreads, runHelper } from './threads.ts'
import { CACHE_BYTES, returnWorkspace, takeWorkspace, type Workspace } from './workspace.ts'

/** Packs below this are resolved by one thread: starting or waking another costs more than it brings (a push of 6.1 MB: 328 ms alone, 285 ms shared). */
const SHARED_BYTES = 4 * 1024 * 1024
const PROGRESS_MS = 100
/** Of a stream that may stay open: when nothing came for so long, it is looked whether the pack is whole. */
const PAUSE_MS = 20

/**
 * What a push is judged by unless the caller says otherwise: git's strict checks, but for three faults that harm nobody and stand in the
 * histories of well-known projects (redis has trees with zero-padded modes), where no push could ever mend them.
 */
export const pushFsck: FsckSettings = {
  severities: { zeroPaddedFilemode: 'warning', badTimezone: 'warning', missingSpaceBeforeDate: 'warning' },
}

/**
 * Receives a pack into `options.spool`, checks everything about it, and returns its index. A thin pack stays thin, but for what would rest on
 * too long a chain.
 * Runs long without yielding: call it in a worker thread. On error the spool's content is void and to be thrown away; nothing else is left.
 * Errors: InputError with an IndexPackCode (or a `pack-…` code of format/pack.ts) for anything wrong with the pack, with git's wording;
 * UnavailableError `index-pack-thread`; whatever `input` or `existing` throw. May be tried again with the same bytes.
 * Source: gitformat-pack(5); git-index-pack(1) with --strict.
 */
export async function indexPack(input: AsyncIterable<Uint8Array>, given: IndexOptions): Promise<IndexedPack> {
  const options = {
    ...given,
    ...(given.progress ? { progress: throttled(given.progress) } : {}),
    fsck: given.fsck === undefined ? pushFsck : given.fsck,
  }
  const workspace = takeWorkspace()
  try {
    return await run(input, options, workspace)
  } finally {
    returnWorkspace(workspace)
  }
}

function throttled(progress: NonNullable<IndexOptions['progress']>): NonNullable<IndexOptions['progress']> {
  let last = 0
  return (phase, done, total) => {
    const now = performance.now()
    if (now - last < PROGRESS_MS) return
    last = now
    progress(phase, done, total)
  }
}

async function run(input: AsyncIterable<Uint8Array>, options: IndexOptions, workspace: Workspace): Promise<IndexedPack> {
  const seed = options.randomness.bytes(8)
  const refsBytes = Math.floor(options.limits.memoryBytes / 4)
  workspace.begin(hashBytes(options.format), seed, refsBytes)
  const scanner = new Scanner(workspace, options.format, options.fsck ?? null)
  const receiver = new Receiver(options, workspace, scanner)
  for await (const chunk of options.staysOpen ? withPauses(input, PAUSE_MS) : input) {
    if (chunk !== null) receiver.push(chunk)
    else if (receiver.isWhole()) break
  }
  receiver.finish()
  const { table } = receiver
  const received = table.count
  const pending = await linkBases(receiver, options)
  const { refs, warnings } = await resolveDeltas(receiver, pending, { workspace, scanner, seed, refsBytes }, options)
  assertResolved(table)
  const hasAppended = table.packed > received
  const entryCount = hasAppended ? dropDoubles(table, received, options) : received
  const entries = chooseEntries(table)
  const positions = { entries, index: new IdIndex(gatherIds(table, entries), table.idWords) }
  options.progress?.('checking', 0, entries.length)
  const connections = await connect(table, positions, refs, options, warnings)
  if (hasAppended) rewriteEnds(table, entryCount, options)
  return { ...assemble(table, positions), entryCount, ...connections, warnings: warnings.slice(0, mostWarnings) }
}

/** Links deltas to their bases as far as these are known; those whose base must still be found among results are returned. */
async function linkBases(receiver: Receiver, options: IndexOptions): Promise<PendingDeltas | null> {
  const { table, namedBases } = receiver
  const { bases } = table.columns
  // Backwards, so that each list runs in pack order.
  for (let entry = table.count - 1; entry >= 0; entry--) if (bases[entry]! >= 0) table.link(entry, bases[entry]!)
  if (namedBases.length === 0) return null
  const known = PendingDeltas.of(namedBases, table.idBytes)
  const whole = table.count
  for (let entry = 0; entry < whole; entry++) if ((table.columns.kinds[entry]! & 7) !== 0) known.attach(table, entry)
  const { outside, inside } = await splitByExistence(known.left(), options)
  await placeBases(table, outside, options)
  return inside.length === 0 ? null : PendingDeltas.of(inside, table.idBytes)
}

interface Tools {
  readonly workspace: Workspace
  readonly scanner: Scanner
  readonly seed: Uint8Array
  readonly refsBytes: number
}

/** Phase 2, on as many threads as pay. Returns what each thread found the objects to refer to, and what all of them warn of. */
async function resolveDeltas(
  receiver: Receiver,
  pending: PendingDeltas | null,
  tools: Tools,
  options: IndexOptions,
): Promise<{ readonly refs: Uint8Array[]; readonly warnings: string[] }> {
  const { table } = receiver
  const { columns, count } = table
  const roots: number[] = []
  for (let entry = 0; entry < count; entry++) if ((columns.kinds[entry]! & 7) !== 0 && columns.firsts[entry]! >= 0) roots.push(entry)
  const deltas = countDeltas(table)
  if (deltas === 0) return { refs: [tools.workspace.refs()], warnings: tools.scanner.warnings }
  const isSmall = table.packEnd < (options.sharedBytes ?? SHARED_BYTES) || options.spool.path === null
  const threads = isSmall ? 1 : Math.max(1, Math.min(options.threads ?? defaultThreads(), roots.length))
  const { limits, scratchFolder } = options
  const settings: ResolverSettings = {
    limits,
    inflatedBytes: limits.inflatedBytes + limits.inflationRatio * table.packEnd - receiver.inflatedBytes,
    cacheBytes: Math.min(CACHE_BYTES, Math.floor(limits.memoryBytes / threads / 4)),
    scratchFolder,
  }
  const control = new Int32Array(new SharedArrayBuffer(Object.keys(ControlWord).length * 4))
  const sharedRoots = new Int32Array(new SharedArrayBuffer(roots.length * 4))
  sharedRoots.set(roots)
  const helpers = Array.from({ length: threads - 1 }, () =>
    runHelper({
      entries: table.toShared(),
      pending: pending?.shared ?? null,
      roots: sharedRoots,
      control,
      path: options.spool.path!,
      fsck: options.fsck ?? null,
      seed: tools.seed,
      refsBytes: tools.refsBytes,
      settings,
    }),
  )
  const settled = Promise.allSettled(helpers)
  const resolver = new Resolver(table, tools.workspace, options.spool, tools.scanner, pending, settings)
  try {
    resolver.run(sharedRoots, control, (done) => options.progress?.('resolving', done, deltas))
  } finally {
    await settled
  }
  const shares = await Promise.all(helpers)
  return {
    refs: [tools.workspace.refs(), ...shares.map((share) => share.refs)],
    warnings: [...tools.scanner.warnings, ...shares.flatMap((share) => share.warnings)],
  }
}

function assertResolved(table: EntryTable): void {
  const left = countDeltas(table)
  if (left > 0) throw refuse('pack-unresolved', `pack has ${left} unresolved delta${left === 1 ? '' : 's'}`)
}

/** Rows of the bases outside of the pack, by ascending id. */
function outsideOrder(table: EntryTable): number[] {
  const rows = Array.from({ length: table.count - table.packed }, (_, i) => table.packed + i)
  return rows.sort((a, b) => compareBytes(table.oid(a), table.oid(b)))
}

function countDeltas({ columns, count }: EntryTable): number {
  let left = 0
  for (let entry = 0; entry < count; entry++) if ((columns.kinds[entry]! & 7) === 0) left++
  return left
}

function gatherIds(table: EntryTable, entries: Uint32Array): Uint32Array {
  const { idWords } = table
  const words = new Uint32Array(entries.length * idWords)
  const { oids } = table.columns
  for (let i = 0, at = 0; i < entries.length; i++) {
    for (let k = 0, from = entries[i]! * idWords; k < idWords; k++) words[at++] = oids[from++]!
  }
  return words
}

function assemble(
  table: EntryTable,
  { entries, index }: Positions,
): Omit<IndexedPack, 'entryCount' | 'sources' | 'externals' | 'warnings'> {
  const { columns, packEnd, idBytes, format } = table
  const n = entries.length
  const outside = outsideOrder(table)
  const result = {
    format,
    objectCount: n,
    packBytes: packEnd + idBytes,
    oids: new Uint8Array(index.words.buffer),
    offsets: new Float64Array(n),
    crcs: new Uint32Array(n),
    kinds: new Uint8Array(n),
    sizes: new Float64Array(n),
    bases: new Uint32Array(n),
    outsideBases: concatBytes(outside.map((row) => table.oid(row))),
  }
  const positions = new Int32Array(table.count).fill(-1)
  for (const [place, row] of outside.entries()) positions[row] = n + place
  for (let i = 0; i < n; i++) positions[entries[i]!] = i
  // The base may be an entry that another of the same object stands for.
  const positionOf = (entry: number) => (positions[entry]! >= 0 ? positions[entry]! : index.find(columns.oids, entry * table.idWords))
  for (let i = 0; i < n; i++) {
    const entry = entries[i]!
    result.offsets[i] = columns.offsets[entry]!
    result.crcs[i] = columns.crcs[entry]!
    result.kinds[i] = columns.kinds[entry]!
    result.sizes[i] = columns.sizes[entry]!
    const base = columns.bases[entry]!
    result.bases[i] = base < 0 ? 0xffffffff : positionOf(base)
  }
  return result
}
