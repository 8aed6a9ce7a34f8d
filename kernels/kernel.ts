// Loads the kernels: one WebAssembly module, compiled once for each thread or handed over by another, and instances with a memory of their own.
// Who uses an instance draws the map of its memory from heapBase() on; all positions are byte numbers in it.
import { readFileSync } from 'node:fs'

/** Results of inflate and inflateMore (kernels/assembly/inflate.ts). */
export const InflateStatus = { ok: 0, needInput: 1, needRoom: 2, badData: 3, tooLong: 4, tooShort: 5, badChecksum: 6 } as const
/** Results of deltaHeader and applyDelta (kernels/assembly/delta.ts). */
export const DeltaStatus = { ok: 0, header: 1, range: 2, form: 3 } as const
/** What refsAdd's flags say (kernels/assembly/flags.ts): bit k for kind k, and the roles of blobs. */
export const RefFlag = { commit: 2, tree: 4, blob: 8, tag: 16, gitmodules: 32, gitattributes: 64 } as const
/** Bytes behind an input that may be read, and behind an output that may be overwritten. */
export const SLACK_BYTES = 1024

/** The exports of kernels/assembly/index.ts; each is described where it is defined. */
export interface Kernel {
  readonly memory: WebAssembly.Memory
  heapBase(): number
  adler32(seed: number, at: number, size: number): number
  crc32(seed: number, at: number, size: number): number
  inflate(src: number, srcEnd: number, dst: number, size: number): number
  inflateBegin(): void
  inflateMore(src: number, srcEnd: number, isFinal: boolean, dst: number, softEnd: number, hardEnd: number): number
  deflate(src: number, size: number, dst: number): number
  deflateBound(size: number): number
  readonly inflateIn: WebAssembly.Global<'i32'>
  readonly inflateOut: WebAssembly.Global<'i32'>
  sha1Add(at: number, blocks: number): number
  sha1Flush(): number
  sha1Clear(): void
  sha1Digests(): number
  sha1QueueSize(): number
  sha1Begin(state: number): void
  sha1Blocks(state: number, blocks: number, count: number): number
  sha1Allowed(): number
  sha1OtherHalf(): number
  writeHeader(at: number, size: bigint, kind: number): number
  enqueue(at: number, size: number, kind: number): number
  deltaHeader(at: number, end: number): number
  readonly deltaBaseSize: WebAssembly.Global<'f64'>
  readonly deltaResultSize: WebAssembly.Global<'f64'>
  readonly deltaStart: WebAssembly.Global<'i32'>
  applyDelta(base: number, baseSize: number, instructions: number, end: number, to: number, size: number): number
  deltaIndexBytes(size: number): number
  deltaIndex(base: number, size: number, index: number): void
  deltaEncode(base: number, baseSize: number, index: number, target: number, size: number, to: number, most: number): number
  refsBegin(index: number, slots: number, entries: number, idBytes: number, seedLow: number, seedHigh: number): void
  refsAdd(id: number, flags: number): void
  refsCount(): number
  refsGrow(slots: number): void
  scanTree(at: number, size: number, idBytes: number): number
  scanCommit(at: number, size: number, idBytes: number): number
  chunkSize(at: number, size: number, least: number, bits: number, most: number): number
  zlibTableBytes(): number
  zlibNote(bytes: number, tables: number, offset: number, from: number, until: number, end: number, kind: number): void
  zlibMatch(
    bytes: number,
    tables: number,
    offset: number,
    index: number,
    end: number,
    noted: number,
    kind: number,
    least: number,
    tries: number,
    nice: number,
    far: number,
    isEachNoted: boolean,
    isExact: boolean,
  ): number
  readonly zlibDistance: WebAssembly.Global<'i32'>
}

/**
 * Compiles build/pack.wasm (made by kernels/build.ts). Cheap: functions become machine code when first called. Threads that the module is posted to
 * share that code, and the faster code that often called functions get later.
 */
export function compileKernel(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL('../build/pack.wasm', import.meta.url)))
}

/** A new instance with a small memory. A memory is freed only when its instance is collected: keep instances and use them again. */
export function instantiateKernel(module: WebAssembly.Module): Kernel {
  const abort = () => {
    throw new Error('kernel aborted')
  }
  const { exports } = new WebAssembly.Instance(module, { env: { abort } })
  const kernel = exports as unknown as Kernel & { setup(): void }
  kernel.setup()
  return kernel
}
