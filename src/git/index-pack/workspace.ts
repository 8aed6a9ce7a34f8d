// One thread's kernel instance and the map of its memory. Kept and used again: a memory can't be given back.
//
//   heapBase   scratch   4 KiB      hash states, ids
//              window    33 MiB     receiving: the bytes not yet parsed; resolving: the block cache, then the entry buffer
//              payload   16 MiB     an inflated delta; receiving: the ring of a stream
//              arena     64 MiB     whole objects
//              index     64 MiB     the reference set's index: only its used part is ever touched
//              entries   the rest   the reference set's entries; memory grows with them
// Regions are address space: the system gives memory only for pages that were touched.
import { compileKernel, instantiateKernel, type Kernel, SLACK_BYTES } from '../../../kernels/index.ts'
import { refuse } from './errors.ts'

const MIB = 1024 * 1024
const PAGE = 65536

export const CACHE_BYTES = 32 * MIB
/** Objects and deltas above this go through files (large.ts); trees, commits and tags above it are refused. */
export const LARGE_BYTES = 16 * MIB
export const ENTRY_BUFFER_BYTES = LARGE_BYTES + MIB
export const ARENA_BYTES = 64 * MIB
const INDEX_SLOTS_MAX = 16 * MIB
const FIRST_INDEX_SLOTS = 1024

let compiled: WebAssembly.Module | null = null

/** The module, compiled at first need; another thread's can be handed over instead. */
export function kernelModule(given?: WebAssembly.Module): WebAssembly.Module {
  compiled ??= given ?? compileKernel()
  return compiled
}

export class Workspace {
  readonly kernel: Kernel
  readonly scratch: number
  readonly window: number
  readonly entryBuffer: number
  readonly payload: number
  readonly arena: number
  /** Views of the whole memory; made again when it grows. */
  bytes: Uint8Array<ArrayBuffer>
  words: Uint32Array<ArrayBuffer>
  readonly #index: number
  readonly #entries: number
  #slots = FIRST_INDEX_SLOTS
  #idBytes = 20
  #maxRefs = 0

  constructor() {
    this.kernel = instantiateKernel(kernelModule())
    this.scratch = this.kernel.heapBase()
    this.window = this.scratch + 4096
    this.entryBuffer = this.window + CACHE_BYTES + SLACK_BYTES
    this.payload = this.entryBuffer + ENTRY_BUFFER_BYTES + SLACK_BYTES
    this.arena = this.payload + LARGE_BYTES + SLACK_BYTES * 2
    this.#index = this.arena + ARENA_BYTES + SLACK_BYTES * 2
    this.#entries = this.#index + INDEX_SLOTS_MAX * 4
    this.bytes = new Uint8Array(this.kernel.memory.buffer)
    this.words = new Uint32Array(this.kernel.memory.buffer)
    this.#reach(this.#entries + MIB)
  }

  /** Makes it ready for a job, whatever an earlier one that failed has left. `memoryBytes` bounds the reference set. */
  begin(idBytes: 20 | 32, seed: Uint8Array, memoryBytes: number): void {
    this.kernel.sha1Clear()
    this.#idBytes = idBytes
    this.#slots = FIRST_INDEX_SLOTS
    this.#maxRefs = Math.min(Math.floor(memoryBytes / (idBytes + 4 + 16)), INDEX_SLOTS_MAX / 2)
    const words = new DataView(seed.buffer, seed.byteOffset, 8)
    this.kernel.refsBegin(this.#index, this.#slots, this.#entries, idBytes, words.getUint32(0), words.getUint32(4))
  }

  /** Makes room for `more` references; call before anything that may add that many. */
  reserveRefs(more: number): void {
    if (this.kernel.refsCount() > this.#maxRefs) throw refuse('too-many-references', 'pack refers to too many different objects')
    const count = this.kernel.refsCount() + more
    if (count * 2 > this.#slots) {
      while (count * 2 > this.#slots && this.#slots < INDEX_SLOTS_MAX) this.#slots *= 2
      this.kernel.refsGrow(this.#slots)
    }
    this.#reach(this.#entries + count * (this.#idBytes + 4) + PAGE)
  }

  /** Adds one id; room must be reserved. */
  addRef(id: Uint8Array, flags: number): void {
    this.bytes.set(id, this.scratch)
    this.kernel.refsAdd(this.scratch, flags)
  }

  /** A copy of the set's entries: id and little-endian u32 flags each. */
  refs(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(this.#entries, this.#entries + this.kernel.refsCount() * (this.#idBytes + 4))
  }

  #reach(end: number): void {
    const { memory } = this.kernel
    const missing = end - memory.buffer.byteLength
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE) + 64)
    if (this.bytes.buffer !== memory.buffer) {
      this.bytes = new Uint8Array(memory.buffer)
      this.words = new Uint32Array(memory.buffer)
    }
  }
}

// One workspace waits for the next job, for a while: a server that has nothing to index gives the memory back.
const IDLE_MS = 10_000
let idle: Workspace | null = null
let timer: NodeJS.Timeout | null = null

/** A workspace for one job. */
export function takeWorkspace(): Workspace {
  const workspace = idle ?? new Workspace()
  idle = null
  return workspace
}

/** Gives it back, for the next job. */
export function returnWorkspace(workspace: Workspace): void {
  idle = workspace
  if (timer !== null) clearTimeout(timer)
  timer = setTimeout(() => (idle = null), IDLE_MS).unref()
}
