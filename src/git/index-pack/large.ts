// The slow way, for deltas whose base, instructions or result are too large for the arena: everything lies in the scratch file and passes
// through small buffers. Any size is right here, in bounded memory.
import { createHash, type Hash } from 'node:crypto'
import { InflateStatus, DeltaStatus, SLACK_BYTES } from '../../../kernels/index.ts'
import { Kind, kindName } from '../format/object-id.ts'
import { refuse } from './errors.ts'
import { deltaError, inflateError } from './inflate-error.ts'
import type { Base, Resolver } from './resolver.ts'
import { StreamingSha1 } from './streaming-sha1.ts'
import { ENTRY_BUFFER_BYTES, LARGE_BYTES } from './workspace.ts'

const HISTORY = 32 * 1024
const ROOM = 512 * 1024
const COPY_BYTES = 256 * 1024

export class LargeObjects {
  readonly #resolver: Resolver

  constructor(resolver: Resolver) {
    this.#resolver = resolver
  }

  /** Puts a whole object into the scratch file. */
  loadRoot(base: Base): void {
    base.scratch = this.#inflateToScratch(base.entry, base.size)
  }

  /** One delta; its object is then in the scratch file. */
  resolve(entry: number, base: Base): Base {
    const { scratch, table, workspace } = this.#resolver
    if (base.scratch < 0) {
      base.scratch = scratch.sizeBytes
      scratch.write(base.scratch, workspace.bytes.subarray(base.at, base.at + base.size))
    }
    const payloadSize = table.columns.payloads[entry]!
    const delta = new ScratchReader(this.#resolver, this.#inflateToScratch(entry, payloadSize), payloadSize)
    const offset = table.columns.offsets[entry]!
    const baseSize = delta.size()
    const resultSize = delta.size()
    if (baseSize < 0 || resultSize < 0) throw deltaError(DeltaStatus.header, offset)
    this.#resolver.checkSizes(entry, base, baseSize, resultSize)
    if (base.kind !== Kind.blob && resultSize > LARGE_BYTES) {
      throw refuse(
        'object-too-large',
        `${kindName(base.kind)} of ${resultSize} bytes at offset ${offset} exceeds the limit of ${LARGE_BYTES}`,
      )
    }
    const made: Base = { at: -1, size: resultSize, entry, kind: base.kind, depth: base.depth + 1, next: -1, scratch: scratch.sizeBytes }
    this.#resolver.arena.flush()
    const writer = new ResultWriter(this.#resolver, made)
    if (!apply(delta, writer, base)) throw deltaError(DeltaStatus.form, offset)
    table.oid(entry).set(writer.finish())
    this.#scan(made)
    this.#resolver.finish(made)
    return made
  }

  #scan(made: Base): void {
    if (made.kind === Kind.blob) return
    const { arena, scanner, scratch, workspace } = this.#resolver
    const at = arena.allocate(made.size, this.#resolver.path)
    if (at < 0) throw refuse('object-too-large', `${kindName(made.kind)} of ${made.size} bytes is too large beside its bases`)
    scratch.read(made.scratch, workspace.bytes.subarray(at, at + made.size))
    scanner.scan(made.kind, at, made.size)
  }

  /** Inflates the entry to the end of the scratch file, piece by piece; returns where it begins there. */
  #inflateToScratch(entry: number, size: number): number {
    const { reader, scratch, table, workspace } = this.#resolver
    const { kernel, entryBuffer, payload } = workspace
    const offset = table.columns.offsets[entry]!
    const start = scratch.sizeBytes
    const chunk = Math.min(1024 * 1024, ENTRY_BUFFER_BYTES - SLACK_BYTES)
    let done = 0
    let read = 0
    let left = 0
    let out = payload + HISTORY
    kernel.inflateBegin()
    for (;;) {
      const more = reader.readPart(entry, read, entryBuffer + left, chunk - left)
      read += more
      const isFinal = more < chunk - left
      const end = entryBuffer + left + more
      let from = entryBuffer
      let status: number
      do {
        if (out >= payload + HISTORY + ROOM) {
          workspace.bytes.copyWithin(payload, out - HISTORY, out)
          out = payload + HISTORY
        }
        const hardEnd = Math.min(out + (size - done), payload + LARGE_BYTES - SLACK_BYTES)
        status = kernel.inflateMore(from, end, isFinal, out, payload + HISTORY + ROOM, hardEnd)
        from = kernel.inflateIn.value
        const next = kernel.inflateOut.value
        scratch.write(start + done, workspace.bytes.subarray(out, next))
        done += next - out
        out = next
      } while (status === InflateStatus.needRoom)
      if (status === InflateStatus.ok) break
      if (status !== InflateStatus.needInput || isFinal) throw inflateError(status, offset)
      left = end - from
      workspace.bytes.copyWithin(entryBuffer, from, end)
    }
    if (done !== size) throw inflateError(InflateStatus.tooShort, offset)
    return start
  }
}

/** Runs a delta's instructions; false when they are malformed. */
function apply(delta: ScratchReader, writer: ResultWriter, base: Base): boolean {
  while (!delta.isAtEnd) {
    const op = delta.byte()
    if (op === 0) return false
    if (op < 128) {
      if (!writer.insert(delta, op)) return false
      continue
    }
    let offset = 0
    let size = 0
    for (let i = 0; i < 4; i++) if (op & (1 << i)) offset += delta.byte() * 2 ** (8 * i)
    for (let i = 0; i < 3; i++) if (op & (16 << i)) size += delta.byte() * 2 ** (8 * i)
    if (size === 0) size = 0x10000
    if (delta.isOver || offset + size > base.size || !writer.copy(base.scratch + offset, size)) return false
  }
  return writer.isFull
}

/** Bytes of the scratch file, one after the other. */
class ScratchReader {
  readonly #resolver: Resolver
  readonly #buffer = new Uint8Array(64 * 1024)
  #at: number
  readonly #end: number
  #index = 0
  #filled = 0
  /** A byte behind the end was asked for. */
  isOver = false

  constructor(resolver: Resolver, start: number, size: number) {
    this.#resolver = resolver
    this.#at = start
    this.#end = start + size
  }

  get isAtEnd(): boolean {
    return this.#index === this.#filled && this.#at === this.#end
  }

  byte(): number {
    if (this.#index === this.#filled) {
      const size = Math.min(this.#buffer.length, this.#end - this.#at)
      if (size === 0) {
        this.isOver = true
        return 0
      }
      this.#filled = this.#resolver.scratch.read(this.#at, this.#buffer.subarray(0, size))
      this.#at += this.#filled
      this.#index = 0
    }
    return this.#buffer[this.#index++]!
  }

  /** A size of the delta's head; −1 when it doesn't end. */
  size(): number {
    let size = 0
    for (let scale = 1; scale <= 2 ** 42; scale *= 128) {
      const byte = this.byte()
      if (this.isOver) return -1
      size += (byte & 127) * scale
      if (byte < 128) return size
    }
    return -1
  }
}

/** Writes the result behind everything else in the scratch file, and hashes it on the way. */
class ResultWriter {
  readonly #resolver: Resolver
  readonly #hash: StreamingSha1 | Hash
  readonly #made: Base
  readonly #at: number
  #filled = 0
  #written = 0

  constructor(resolver: Resolver, made: Base) {
    const { workspace, table } = resolver
    this.#resolver = resolver
    this.#made = made
    this.#at = workspace.payload
    if (table.format === 'sha1') this.#hash = new StreamingSha1(workspace, made.kind, made.size)
    else this.#hash = createHash('sha256').update(`${kindName(made.kind)} ${made.size}\0`)
  }

  get isFull(): boolean {
    return this.#written + this.#filled === this.#made.size
  }

  insert(delta: ScratchReader, size: number): boolean {
    if (!this.#hasRoom(size)) return false
    const { bytes } = this.#resolver.workspace
    for (let i = 0; i < size; i++) bytes[this.#at + this.#filled + i] = delta.byte()
    this.#filled += size
    return !delta.isOver
  }

  copy(from: number, size: number): boolean {
    let at = from
    for (let left = size; left > 0; ) {
      const count = Math.min(left, COPY_BYTES)
      if (!this.#hasRoom(count)) return false
      const to = this.#at + this.#filled
      this.#resolver.scratch.read(at, this.#resolver.workspace.bytes.subarray(to, to + count))
      this.#filled += count
      at += count
      left -= count
    }
    return true
  }

  #hasRoom(size: number): boolean {
    if (this.#written + this.#filled + size > this.#made.size) return false
    if (this.#filled + size > COPY_BYTES * 4) this.#flush()
    return true
  }

  #flush(): void {
    const { workspace, scratch } = this.#resolver
    const bytes = workspace.bytes.subarray(this.#at, this.#at + this.#filled)
    if (this.#hash instanceof StreamingSha1) this.#hash.update(this.#at, this.#filled)
    else this.#hash.update(bytes)
    scratch.write(this.#made.scratch + this.#written, bytes)
    this.#written += this.#filled
    this.#filled = 0
  }

  finish(): Uint8Array {
    this.#flush()
    return this.#hash.digest() as Uint8Array
  }
}
