// Phase 2 in one thread: takes roots (whole objects that deltas rest on), and from each goes down its deltas depth-first, so that only one
// path of bases is in memory. Results are hashed and scanned like whole objects.
// Invariants: an entry is resolved by one thread, once; a base stays in the arena, or in the scratch file, while deltas on it are left;
// nothing is allocated before its declared size was checked against the limits.
import { InflateStatus, DeltaStatus } from '../../../kernels/index.ts'
import type { Kind } from '../format/object-id.ts'
import { Arena, type Held } from './arena.ts'
import { EntryReader, type PackSource } from './entry-reader.ts'
import type { EntryTable } from './entry-table.ts'
import { refuse } from './errors.ts'
import { deltaError, inflateError } from './inflate-error.ts'
import type { IndexLimits } from './index-pack.ts'
import { LargeObjects } from './large.ts'
import type { PendingDeltas } from './pending.ts'
import { Scanner } from './scanner.ts'
import { ScratchFile } from './scratch-file.ts'
import { LARGE_BYTES, type Workspace } from './workspace.ts'

/** How many roots a thread takes at once from the shared list. */
const SHARE = 16
/** The words that threads share: the next root to take, how many deltas are resolved, and whether one thread has failed. */
export const ControlWord = { nextRoot: 0, resolved: 1, stop: 2 } as const

/** An object on the path, with deltas on it still to be resolved. */
export interface Base extends Held {
  /** Place in the workspace; −1 when it is only in the scratch file. */
  at: number
  size: number
  readonly entry: number
  readonly kind: Kind
  readonly depth: number
  /** The next delta on it; −1 none. */
  next: number
  /** Place in the scratch file; −1 when it is not there. */
  scratch: number
}

export interface ResolverSettings {
  readonly limits: IndexLimits
  /** Bytes that this thread's objects may come to. */
  readonly inflatedBytes: number
  readonly cacheBytes: number
  readonly scratchFolder: string
}

export class Resolver {
  readonly table: EntryTable
  readonly workspace: Workspace
  readonly arena: Arena
  readonly reader: EntryReader
  readonly scanner: Scanner
  readonly scratch: ScratchFile
  readonly settings: ResolverSettings
  readonly #pending: PendingDeltas | null
  readonly #large: LargeObjects
  #inflated = 0
  /** The bases whose deltas are not all resolved, root first. */
  path: Base[] = []

  constructor(
    table: EntryTable,
    workspace: Workspace,
    source: PackSource,
    scanner: Scanner,
    pending: PendingDeltas | null,
    settings: ResolverSettings,
  ) {
    this.table = table
    this.workspace = workspace
    this.scanner = scanner
    this.settings = settings
    this.#pending = pending
    this.arena = new Arena(workspace, table)
    this.reader = new EntryReader(workspace, table, source, settings.cacheBytes)
    this.scratch = new ScratchFile(settings.scratchFolder)
    this.#large = new LargeObjects(this)
  }

  /** Resolves what rests on the roots, sharing them with other threads through `control`. `tick` is called now and then. */
  run(roots: Int32Array, control: Int32Array, tick: (resolved: number) => void): void {
    try {
      while (Atomics.load(control, ControlWord.stop) === 0) {
        const first = Atomics.add(control, ControlWord.nextRoot, SHARE)
        if (first >= roots.length) break
        let resolved = 0
        for (let i = first; i < Math.min(first + SHARE, roots.length); i++) resolved += this.#resolveRoot(roots[i]!)
        tick(Atomics.add(control, ControlWord.resolved, resolved) + resolved)
      }
      this.arena.flush()
    } catch (error) {
      Atomics.store(control, ControlWord.stop, 1)
      throw error
    } finally {
      this.scratch.close()
    }
  }

  #resolveRoot(root: number): number {
    const { columns } = this.table
    const kind = (columns.kinds[root]! & 7) as Kind
    const base: Base = {
      at: -1,
      size: columns.sizes[root]!,
      entry: root,
      kind,
      depth: columns.depths[root]!,
      next: columns.firsts[root]!,
      scratch: -1,
    }
    this.path = []
    this.scratch.truncate(0)
    this.#loadRoot(base)
    this.path.push(base)
    let resolved = 0
    while (this.path.length > 0) {
      const top = this.path.at(-1)!
      if (top.next < 0) {
        this.path.pop()
        if (top.scratch >= 0) this.#trimScratch()
        continue
      }
      const entry = top.next
      top.next = columns.nexts[entry]!
      const made = this.#resolve(entry, top)
      resolved++
      if (top.next < 0 && made.at >= 0) this.path.pop()
      if (made.next >= 0) this.path.push(made)
    }
    return resolved
  }

  #trimScratch(): void {
    this.scratch.truncate(this.path.reduce((end, { scratch, size }) => (scratch < 0 ? end : Math.max(end, scratch + size)), 0))
  }

  #loadRoot(base: Base): void {
    const outside = this.table.outsideBytes(base.entry)
    if (outside !== null) {
      base.at = this.arena.allocate(base.size, [])
      this.workspace.bytes.set(outside, base.at)
      return
    }
    const data = base.size <= LARGE_BYTES ? this.reader.load(base.entry) : -1
    if (data < 0) return this.#large.loadRoot(base)
    base.at = this.arena.allocate(base.size, [])
    const status = this.workspace.kernel.inflate(data, this.reader.end, base.at, base.size)
    if (status !== InflateStatus.ok) throw inflateError(status, this.table.columns.offsets[base.entry]!)
  }

  /** One delta on `base`: its object, which may be forgotten when no delta rests on it. */
  #resolve(entry: number, base: Base): Base {
    const { columns } = this.table
    const { kernel, payload } = this.workspace
    const depth = base.depth + 1
    if (depth > this.settings.limits.deltaDepth)
      throw refuse('delta-too-deep', `delta chain is longer than ${this.settings.limits.deltaDepth}`)
    const size = columns.payloads[entry]!
    const data = base.size <= LARGE_BYTES && size <= LARGE_BYTES ? this.reader.load(entry) : -1
    if (data < 0) return this.#large.resolve(entry, base)
    let status = kernel.inflate(data, this.reader.end, payload, size)
    if (status !== InflateStatus.ok) throw inflateError(status, columns.offsets[entry]!)
    status = kernel.deltaHeader(payload, payload + size)
    if (status !== DeltaStatus.ok) throw deltaError(status, columns.offsets[entry]!)
    const resultSize = kernel.deltaResultSize.value
    this.checkSizes(entry, base, kernel.deltaBaseSize.value, resultSize)
    if (resultSize > LARGE_BYTES) return this.#large.resolve(entry, base)
    const instructions = kernel.deltaStart.value
    const made: Base = { at: this.#allocate(resultSize, base), size: resultSize, entry, kind: base.kind, depth, next: -1, scratch: -1 }
    status = kernel.applyDelta(base.at, base.size, instructions, payload + size, made.at, resultSize)
    if (status !== DeltaStatus.ok) throw deltaError(status, columns.offsets[entry]!)
    this.scanner.scan(made.kind, made.at, resultSize)
    this.arena.hash(entry, made.kind, made.at, resultSize)
    this.finish(made)
    return made
  }

  /** Throws unless the delta fits its base and its result the limits. */
  checkSizes(entry: number, base: Base, baseSize: number, resultSize: number): void {
    const offset = this.table.columns.offsets[entry]!
    const { limits, inflatedBytes } = this.settings
    if (baseSize !== base.size) {
      throw refuse('pack-delta', `failed to apply delta at offset ${offset}: its base has ${base.size} bytes, not ${baseSize}`)
    }
    if (resultSize > limits.objectBytes) {
      throw refuse('object-too-large', `object of ${resultSize} bytes at offset ${offset} exceeds the limit of ${limits.objectBytes}`)
    }
    if (this.#inflated + resultSize > inflatedBytes)
      throw refuse('pack-bomb', `pack inflates to more than ${limits.inflationRatio} times its size`)
  }

  /** Writes the object's row, and finds the deltas that name it as their base. */
  finish(made: Base): void {
    const { columns } = this.table
    const { entry } = made
    columns.kinds[entry] = (columns.kinds[entry]! & ~7) | made.kind
    columns.sizes[entry] = made.size
    columns.depths[entry] = made.depth
    this.#inflated += made.size
    if (this.#pending !== null) {
      // Its id is needed now: deltas may wait for it.
      this.arena.flush()
      this.#pending.attach(this.table, entry)
    }
    made.next = columns.firsts[entry]!
  }

  /** Room in the arena, with `base` there too. */
  #allocate(size: number, base: Base): number {
    if (base.at < 0) {
      const at = this.#allocateBeside(base, base.size)
      this.scratch.read(base.scratch, this.workspace.bytes.subarray(at, at + base.size))
      base.at = at
    }
    return this.#allocateBeside(base, size)
  }

  /** Room in the arena; what is on the path, but for `base`, goes to the scratch file if it must, from the root on. */
  #allocateBeside(base: Base, size: number): number {
    let at = this.arena.allocate(size, this.path)
    for (const other of this.path) {
      if (at >= 0) break
      if (other === base || other.at < 0) continue
      this.#spill(other)
      at = this.arena.allocate(size, this.path)
    }
    if (at < 0) throw new Error('two objects below the limit do not fit the arena')
    return at
  }

  #spill(base: Base): void {
    if (base.scratch < 0) {
      base.scratch = this.scratch.sizeBytes
      this.scratch.write(base.scratch, this.workspace.bytes.subarray(base.at, base.at + base.size))
    }
    base.at = -1
  }
}
