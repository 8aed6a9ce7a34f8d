// Phase 1: the pack as it arrives. Every byte goes to the spool and through the trailer's hash; entries are parsed from a window of the
// newest bytes, inflated, checked and summed; whole objects are hashed and scanned at once, deltas only checked for form.
// Invariants: memory does not depend on the pack's size or on what it claims; what is not whole yet is tried again with more bytes;
// objects above WHOLE_BYTES, and entries that overrun the window, are inflated in pieces (entry-stream.ts).
import { createHash, type Hash } from 'node:crypto'
import { equalBytes } from '../../base/index.ts'
import { InflateStatus, SLACK_BYTES } from '../../../kernels/index.ts'
import type { Kind } from '../format/object-id.ts'
import {
  decodeEntryHeader,
  decodePackHeader,
  type EntryHeader,
  EntryType,
  MAX_ENTRY_HEADER_BYTES,
  PACK_HEADER_BYTES,
} from '../format/pack.ts'
import { Arena } from './arena.ts'
import { EntryStream } from './entry-stream.ts'
import { EntryTable, IS_DELTA } from './entry-table.ts'
import { refuse } from './errors.ts'
import type { IndexOptions } from './index-pack.ts'
import { inflateError } from './inflate-error.ts'
import type { Scanner } from './scanner.ts'
import type { Workspace } from './workspace.ts'

const MIB = 1024 * 1024
const WINDOW_BYTES = 8 * MIB
/** Parsing begins when this much is new: a retry of an unfinished entry then costs little. */
const BATCH_BYTES = MIB
/** Objects up to this are inflated at one go. */
export const WHOLE_BYTES = 4 * MIB

/** A delta whose base is named by id. */
export interface NamedBase {
  readonly entry: number
  readonly base: Uint8Array
}

export class Receiver {
  readonly table: EntryTable
  readonly namedBases: NamedBase[] = []
  /** Sum of the whole objects' bytes. */
  inflatedBytes = 0
  objectCount = -1
  readonly #options: IndexOptions
  readonly #workspace: Workspace
  readonly #arena: Arena
  readonly #scanner: Scanner
  readonly #hash: Hash
  #held: Uint8Array = new Uint8Array(0)
  /** Window: bytes from #at to #end in memory are not parsed yet; #start is the first place, #offset the pack's offset of #at. */
  readonly #start: number
  #at: number
  #end: number
  #offset = 0
  #unparsed = 0
  #stream: EntryStream | null = null
  #streamEntry = -1

  constructor(options: IndexOptions, workspace: Workspace, scanner: Scanner) {
    this.#options = options
    this.#workspace = workspace
    this.#scanner = scanner
    this.table = new EntryTable(options.format, 64)
    this.#arena = new Arena(workspace, this.table)
    this.#hash = createHash(options.format)
    this.#start = workspace.window + SLACK_BYTES
    this.#at = this.#start
    this.#end = this.#start
  }

  /** Takes the next bytes. */
  push(chunk: Uint8Array): void {
    // The last bytes may be the trailer: they are held back until others follow.
    const { idBytes } = this.table
    if (chunk.length >= idBytes) {
      this.#take(this.#held)
      this.#take(chunk.subarray(0, chunk.length - idBytes))
      this.#held = chunk.slice(chunk.length - idBytes)
    } else {
      const joined = Buffer.concat([this.#held, chunk])
      const keep = Math.min(idBytes, joined.length)
      this.#take(joined.subarray(0, joined.length - keep))
      this.#held = new Uint8Array(joined.subarray(joined.length - keep))
    }
  }

  #take(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    const { spool, limits } = this.#options
    if (spool.sizeBytes + bytes.length > limits.packBytes)
      throw refuse('pack-too-large', `pack exceeds maximum allowed size (${limits.packBytes} bytes)`)
    spool.append(bytes)
    this.#hash.update(bytes)
    for (let done = 0; done < bytes.length; ) {
      if (this.#end === this.#start + WINDOW_BYTES) this.#slide()
      const count = Math.min(bytes.length - done, this.#start + WINDOW_BYTES - this.#end)
      this.#workspace.bytes.set(bytes.subarray(done, done + count), this.#end)
      this.#end += count
      this.#unparsed += count
      done += count
      if (this.#unparsed >= BATCH_BYTES || this.#end === this.#start + WINDOW_BYTES) this.#parse(false)
    }
  }

  /** Whether what came ends with its own trailer: of a stream that may stay open behind the pack, nothing more is to be waited for. */
  isWhole(): boolean {
    return this.#held.length === this.table.idBytes && equalBytes(this.#hash.copy().digest(), this.#held)
  }

  /** The stream has ended: parses the rest, checks the trailer. */
  finish(): void {
    if (this.#held.length < this.table.idBytes || this.#offset + (this.#end - this.#at) < PACK_HEADER_BYTES) throw earlyEnd()
    this.#parse(true)
    if (this.#end !== this.#at) throw refuse('pack-garbage', 'pack has junk at the end')
    this.#arena.flush()
    this.#arena.clear()
    if (!equalBytes(this.#hash.digest(), this.#held)) throw refuse('pack-trailer', 'pack is corrupted (SHA1 mismatch)')
    this.table.packEnd = this.#offset
    this.#options.spool.append(this.#held)
  }

  /** Moves what is not parsed to the window's front. */
  #slide(): void {
    this.#workspace.bytes.copyWithin(this.#start, this.#at, this.#end)
    this.#end -= this.#at - this.#start
    this.#at = this.#start
  }

  #parse(isFinal: boolean): void {
    this.#unparsed = 0
    if (this.objectCount < 0 && !this.#parsePackHeader()) return
    while (this.#stream !== null || this.table.count < this.objectCount) {
      if (this.#stream !== null ? !this.#continueStream(isFinal) : !this.#parseEntry(isFinal)) break
    }
    this.#options.progress?.('receiving', this.table.count, this.objectCount)
    if (isFinal && (this.#stream !== null || this.table.count < this.objectCount)) throw earlyEnd()
  }

  #parsePackHeader(): boolean {
    const header = decodePackHeader(this.#workspace.bytes.subarray(this.#at, this.#end))
    if (header === null) return false
    const { limits } = this.#options
    if (header.objectCount > limits.objectCount) {
      throw refuse('pack-too-many-objects', `pack holds ${header.objectCount} objects; at most ${limits.objectCount} are allowed`)
    }
    this.objectCount = header.objectCount
    this.#advance(PACK_HEADER_BYTES)
    return true
  }

  #advance(count: number): void {
    this.#at += count
    this.#offset += count
  }

  /** One entry; false when more bytes are needed. */
  #parseEntry(isFinal: boolean): boolean {
    const { bytes } = this.#workspace
    if (!isFinal && this.#end - this.#at < MAX_ENTRY_HEADER_BYTES) return false
    const header = this.#decodeHeader(bytes.subarray(this.#at, Math.min(this.#end, this.#at + MAX_ENTRY_HEADER_BYTES)))
    if (header === null) return false
    const data = this.#at + header.headerBytes
    if (header.sizeBytes > WHOLE_BYTES) return this.#beginStream(header, data)
    const isDelta = header.type > 4
    const out = isDelta ? this.#workspace.payload : this.#arena.allocate(header.sizeBytes, [])
    const status = this.#workspace.kernel.inflate(data, this.#end, out, header.sizeBytes)
    if (status === InflateStatus.needInput && !isFinal) {
      // An entry that fills the window can't become whole in it.
      return this.#end - this.#at > WINDOW_BYTES - MIB ? this.#beginStream(header, data) : false
    }
    if (status === InflateStatus.needInput) throw earlyEnd()
    if (status !== InflateStatus.ok) throw inflateError(status, this.#offset)
    const size = this.#workspace.kernel.inflateIn.value - this.#at
    const entry = this.#addEntry(header, this.#workspace.kernel.crc32(0, this.#at, size))
    if (!isDelta) this.#object(entry, header.type as Kind, out, header.sizeBytes)
    this.#advance(size)
    return true
  }

  #decodeHeader(bytes: Uint8Array): EntryHeader | null {
    const header = decodeEntryHeader(bytes, 0, this.#options.format)
    if (header !== null && header.sizeBytes > this.#options.limits.objectBytes) {
      throw refuse(
        'object-too-large',
        `object of ${header.sizeBytes} bytes at offset ${this.#offset} exceeds the limit of ${this.#options.limits.objectBytes}`,
      )
    }
    return header
  }

  #addEntry(header: EntryHeader, crc: number): number {
    const { table } = this
    const entry = table.add(this.objectCount)
    const { columns } = table
    columns.offsets[entry] = this.#offset
    columns.headers[entry] = header.headerBytes
    columns.payloads[entry] = header.sizeBytes
    columns.crcs[entry] = crc
    columns.kinds[entry] = header.type > 4 ? IS_DELTA : header.type
    columns.sizes[entry] = header.type > 4 ? 0 : header.sizeBytes
    columns.depths[entry] = 0
    if (header.type === EntryType.ofsDelta) {
      const base = header.baseDistance > this.#offset ? -1 : table.find(this.#offset - header.baseDistance)
      if (base < 0 || base === entry) throw refuse('pack-delta', `delta base offset is out of bound at offset ${this.#offset}`)
      columns.bases[entry] = base
    } else if (header.baseId !== null) this.namedBases.push({ entry, base: header.baseId.slice() })
    return entry
  }

  #object(entry: number, kind: Kind, at: number, size: number): void {
    this.#count(size)
    this.#scanner.scan(kind, at, size)
    this.#arena.hash(entry, kind, at, size)
  }

  #count(size: number): void {
    this.inflatedBytes += size
    assertNoBomb(this.inflatedBytes, this.#offset, this.#options)
  }

  #beginStream(header: EntryHeader, data: number): boolean {
    const headerBytes = this.#workspace.bytes.slice(this.#at, data)
    this.#arena.flush()
    this.#arena.clear()
    this.#stream = new EntryStream(this.#workspace, header, headerBytes, this.#offset, this.#arena, this.table.format)
    this.#streamEntry = this.#addEntry(header, 0)
    this.#advance(header.headerBytes)
    return true
  }

  #continueStream(isFinal: boolean): boolean {
    const stream = this.#stream!
    const consumed = stream.run(this.#at, this.#end, isFinal)
    this.#advance(consumed)
    if (!stream.isDone) {
      if (!isFinal) this.#slide()
      return false
    }
    const entry = this.#streamEntry
    this.#stream = null
    this.table.columns.crcs[entry] = stream.crc
    const { header } = stream
    if (header.type <= 4) {
      if (stream.at >= 0) this.#object(entry, header.type as Kind, stream.at, header.sizeBytes)
      else {
        this.#count(header.sizeBytes)
        this.table.oid(entry).set(stream.digest())
      }
    }
    return true
  }
}

/** InputError when all objects together come to more than limits allow for the pack's bytes so far. */
export function assertNoBomb(inflatedBytes: number, packBytes: number, { limits }: Pick<IndexOptions, 'limits'>): void {
  if (inflatedBytes > limits.inflatedBytes + limits.inflationRatio * packBytes) {
    throw refuse('pack-bomb', `pack inflates to more than ${limits.inflationRatio} times its size`)
  }
}

function earlyEnd(): Error {
  return refuse('pack-truncated', 'early EOF: the pack ends before its last object does')
}
