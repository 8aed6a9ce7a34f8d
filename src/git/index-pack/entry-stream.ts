// One entry inflated in pieces: objects too large for the arena, and entries that overrun the window. Blobs are hashed as they pass, with
// collision detection; trees, commits and tags are put together in the arena, where they are scanned; deltas only pass.
// The ring is the payload region: 32 KiB of history, then room for new output.
import { createHash, type Hash } from 'node:crypto'
import { InflateStatus, SLACK_BYTES } from '../../../kernels/index.ts'
import { Kind, kindName, type ObjectFormat } from '../format/object-id.ts'
import type { EntryHeader } from '../format/pack.ts'
import type { Arena } from './arena.ts'
import { refuse } from './errors.ts'
import { inflateError } from './inflate-error.ts'
import { StreamingSha1 } from './streaming-sha1.ts'
import { LARGE_BYTES, type Workspace } from './workspace.ts'

const HISTORY = 32 * 1024
const ROOM = 512 * 1024

export class EntryStream {
  readonly header: EntryHeader
  crc: number
  isDone = false
  /** Where the whole object stands in the arena; −1 when it only passed. */
  readonly at: number
  readonly #workspace: Workspace
  readonly #offset: number
  readonly #sink: StreamingSha1 | Hash | null
  #out: number
  #left: number
  #adler = 1

  constructor(workspace: Workspace, header: EntryHeader, headerBytes: Uint8Array, offset: number, arena: Arena, format: ObjectFormat) {
    this.header = header
    this.#workspace = workspace
    this.#offset = offset
    this.#left = header.sizeBytes
    const isMeta = header.type <= 4 && header.type !== Kind.blob
    if (isMeta && header.sizeBytes > LARGE_BYTES) {
      throw refuse(
        'object-too-large',
        `${kindName(header.type as Kind)} of ${header.sizeBytes} bytes at offset ${offset} exceeds the limit of ${LARGE_BYTES}`,
      )
    }
    this.at = isMeta ? arena.allocate(header.sizeBytes, []) : -1
    this.#out = this.at >= 0 ? this.at : workspace.payload + HISTORY
    if (header.type !== Kind.blob) this.#sink = null
    else if (format === 'sha1') this.#sink = new StreamingSha1(workspace, Kind.blob, header.sizeBytes)
    else this.#sink = createHash('sha256').update(`blob ${header.sizeBytes}\0`)
    workspace.bytes.set(headerBytes, workspace.scratch)
    this.crc = workspace.kernel.crc32(0, workspace.scratch, headerBytes.length)
    workspace.kernel.inflateBegin()
  }

  /** Goes on with the bytes from `at` to `end`; returns how many were used. */
  run(at: number, end: number, isFinal: boolean): number {
    const { kernel, payload } = this.#workspace
    let from = at
    for (;;) {
      const first = payload + HISTORY
      const isWhole = this.at >= 0
      if (!isWhole && this.#out >= first + ROOM) this.#slide()
      const out = this.#out
      const hardEnd = isWhole ? this.at + this.header.sizeBytes : Math.min(out + this.#left, payload + LARGE_BYTES - SLACK_BYTES)
      const softEnd = isWhole ? hardEnd + 1 : first + ROOM
      const status = kernel.inflateMore(from, end, isFinal, out, softEnd, hardEnd)
      const next = kernel.inflateIn.value
      this.crc = kernel.crc32(this.crc, from, next - from)
      from = next
      this.#emit(out, kernel.inflateOut.value)
      if (status === InflateStatus.ok) return this.#end(from) - at
      if (status === InflateStatus.needInput && isFinal)
        throw refuse('pack-truncated', 'early EOF: the pack ends before its last object does')
      if (status === InflateStatus.needInput) return from - at
      if (status !== InflateStatus.needRoom) throw inflateError(status, this.#offset)
    }
  }

  #emit(from: number, to: number): void {
    const size = to - from
    this.#left -= size
    this.#out = to
    if (size === 0) return
    this.#adler = this.#workspace.kernel.adler32(this.#adler, from, size)
    if (this.#sink instanceof StreamingSha1) this.#sink.update(from, size)
    else this.#sink?.update(this.#workspace.bytes.slice(from, to))
  }

  #slide(): void {
    const { bytes, payload } = this.#workspace
    bytes.copyWithin(payload, this.#out - HISTORY, this.#out)
    this.#out = payload + HISTORY
  }

  #end(at: number): number {
    if (this.#left > 0) throw inflateError(InflateStatus.tooShort, this.#offset)
    const { bytes } = this.#workspace
    const stored = ((bytes[at - 4]! << 24) | (bytes[at - 3]! << 16) | (bytes[at - 2]! << 8) | bytes[at - 1]!) >>> 0
    if (stored !== this.#adler >>> 0) throw inflateError(InflateStatus.badChecksum, this.#offset)
    this.isDone = true
    return at
  }

  /** The id of a blob that passed. InputError `sha1-collision`. */
  digest(): Uint8Array {
    return this.#sink!.digest() as Uint8Array
  }
}
