// One stored pack, checked in a worker: its bytes against its own hash and CRCs, every object against its id, and everything that its objects
// refer to. What is wrong is gathered by kind, each with the first objects that it is about; the check goes on to the pack's end.
// Memory: the set's indexes, a bounded object cache, two bytes for each object of the pack, and what one object takes while it is read.
import { createHash } from 'node:crypto'
import { compareBytes, CorruptError, equalBytes, hex, InputError, latin1 } from '../../base/index.ts'
import { encodeObjectHeader } from '../format/object.ts'
import { hashBytes, Kind, kindName, type ObjectFormat } from '../format/object-id.ts'
import { decodeEntryHeader, decodePackHeader, EntryType, MAX_ENTRY_HEADER_BYTES, PACK_HEADER_BYTES } from '../format/pack.ts'
import { indexStart, type PackIndex } from '../format/stored-pack.ts'
import { eachLink, RecentIds } from '../import/links.ts'
import type { ObjectReader, PackSet, StoredPack } from '../odb/index.ts'
import { objectSteps, type Pace } from '../upload-pack/pace.ts'
import type { FindingCode } from './finding.ts'
import { findNeeded } from './left-out.ts'
import { SortedIds } from '../sorted-ids.ts'
import { Spans } from './spans.ts'

/** Objects from this size on are hashed piece by piece. */
const largeBytes = 8 << 20
const mostNamed = 10

export interface PackFault {
  readonly code: FindingCode
  /** Of the first one. */
  readonly message: string
  readonly objects: readonly string[]
  readonly objectCount: number
  /** Numbers of objects that can't be had whole because of it. */
  readonly bad: readonly number[]
}

export interface PackCheckOptions {
  readonly set: PackSet
  readonly pack: StoredPack
  readonly reader: ObjectReader
  readonly pace: Pace
  /** Commits whose parents need not be there. */
  readonly cutOff: ReadonlySet<string>
  /** Bytes that were looked at since the last call: in all, the pack's bytes twice. */
  readonly progress: (bytes: number) => void
}

/** @throws CorruptError 'missing-key' or 'short' when the value went meanwhile, or never was whole; UnavailableError */
export async function checkPack(options: PackCheckOptions): Promise<readonly PackFault[]> {
  const check = new PackCheck(options)
  await check.run()
  return check.faults()
}

interface Gathered {
  message: string
  readonly objects: string[]
  objectCount: number
  readonly bad: number[]
}

class PackCheck {
  readonly #options: PackCheckOptions
  readonly #pack: StoredPack
  readonly #index: PackIndex
  readonly #format: ObjectFormat
  readonly #faults = new Map<FindingCode, Gathered>()
  readonly #recent: RecentIds
  /** By position: another object of the pack refers to it. */
  readonly #referred: Uint8Array
  readonly #externals: SortedIds
  /** Externals that the index doesn't name, where it leaves out what others lead to: as text of their packed ids. */
  readonly #leftOut = new Set<string>()

  constructor(options: PackCheckOptions) {
    this.#options = options
    this.#pack = options.pack
    this.#index = options.pack.index
    this.#format = options.set.format
    this.#recent = new RecentIds(this.#format)
    this.#referred = new Uint8Array(this.#index.count)
    this.#externals = new SortedIds(this.#index.externals, hashBytes(this.#format))
  }

  faults(): readonly PackFault[] {
    return [...this.#faults].map(([code, gathered]) => ({ code, ...gathered }))
  }

  async run(): Promise<void> {
    this.#checkOrder()
    await this.#checkBytes()
    await this.#checkPad()
    await this.#checkObjects()
    if (this.#faults.has('object-unreadable') || this.#faults.has('object-hash') || this.#faults.has('object-malformed')) return
    this.#checkReferences()
    if (this.#leftOut.size > 0 && this.#faults.size === 0) await this.#checkLeftOut()
  }

  #fault(code: FindingCode, message: string, position = -1): void {
    let gathered = this.#faults.get(code)
    if (!gathered) this.#faults.set(code, (gathered = { message, objects: [], objectCount: 0, bad: [] }))
    if (position < 0) return
    const oid = this.#index.oid(position)
    gathered.objectCount++
    if (gathered.objects.length < mostNamed) gathered.objects.push(hex(oid))
    // another copy may be the one that is read
    const number = this.#pack.first + position
    if (this.#options.set.find(oid, 0) === number) gathered.bad.push(number)
  }

  #checkOrder(): void {
    const { count } = this.#index
    for (let position = 1; position < count; position++) {
      if (compareBytes(this.#index.oid(position - 1), this.#index.oid(position)) < 0) continue
      return this.#fault('index-order', `the ids of the index are out of order at position ${position}`)
    }
  }

  /** One pass over the pack as it is stored: its hash, each entry's CRC, each stretch's CRC. */
  async #checkBytes(): Promise<void> {
    const index = this.#index
    const end = index.packBytes - hashBytes(this.#format)
    const order = index.order()
    const checks = index.checks()
    const head = decodeHead(await this.#pack.read(0, PACK_HEADER_BYTES))
    if (head === null || head < index.count) this.#fault('pack-hash', 'the pack does not begin as a pack of so many objects does')
    // one that holds an object twice has entries that its index doesn't speak of
    const entries = new Spans(head === index.count ? (rank) => index.offset(order[rank] as number) : null, index.count, end)
    const stretches = new Spans(
      checks && ((i) => (i === 0 ? firstOffset(index) : (checks.ends[i - 1] as number))),
      checks?.ends.length ?? 0,
      end,
    )
    const hash = createHash(this.#format)
    for await (const bytes of this.#pack.stream(0, end)) {
      hash.update(bytes)
      entries.take(bytes, (rank, crc) => {
        const position = order[rank] as number
        if (crc !== index.crc(position))
          this.#fault('entry-crc', `the entry of object ${hex(index.oid(position))} has another CRC`, position)
      })
      stretches.take(bytes, (i, crc) => {
        if (crc !== checks?.crcs[i]) this.#fault('pack-stretch', `a stretch of the pack, up to ${checks?.ends[i]}, has another CRC`)
      })
      this.#options.progress(bytes.length)
      const turn = this.#options.pace.turn(bytes.length / 64)
      if (turn) await turn
    }
    const stored = await this.#pack.read(end, index.packBytes - end)
    if (!equalBytes(hash.digest(), stored)) this.#fault('pack-hash', 'the pack does not have the hash that stands at its end')
    else if (checks && !equalBytes(checks.trailer, stored)) this.#fault('pack-stretch', 'the index names another hash of the pack')
  }

  async #checkPad(): Promise<void> {
    const { packBytes } = this.#index
    const padBytes = indexStart(packBytes) - packBytes
    if (padBytes > 0 && (await this.#pack.read(packBytes, padBytes)).some((byte) => byte !== 0)) {
      this.#fault('pack-pad', 'the bytes between pack and index are not zero')
    }
  }

  /** In the pack's order, in which what a delta rests on is mostly just behind. */
  async #checkObjects(): Promise<void> {
    const { pace, progress } = this.#options
    for (const position of this.#index.order()) {
      try {
        await this.#checkObject(position)
      } catch (error) {
        if (!(error instanceof CorruptError) || error.code === 'missing-key' || error.code === 'short') throw error
        this.#fault('object-unreadable', error.message, position)
      }
      progress(this.#index.end(position) - this.#index.offset(position))
      const turn = pace.turn(objectSteps)
      if (turn) await turn
    }
  }

  async #checkObject(position: number): Promise<void> {
    const { reader, pace } = this.#options
    const index = this.#index
    const offset = index.offset(position)
    const header = this.#pack.read(offset, Math.min(MAX_ENTRY_HEADER_BYTES, index.end(position) - offset))
    this.#checkHeader(position, header instanceof Promise ? await header : header)
    const number = this.#pack.first + position
    const kind = index.kind(position)
    const sizeBytes = index.sizeBytes(position)
    const hash = createHash(this.#format).update(encodeObjectHeader(kind, sizeBytes))
    if (kind === Kind.blob && sizeBytes >= largeBytes) {
      for await (const piece of reader.pieces(number, pace.signal)) hash.update(piece)
      this.#checkHash(position, hash.digest())
      return
    }
    const read = reader.read(number)
    const bytes = read instanceof Promise ? await read : read
    if (this.#checkHash(position, hash.update(bytes).digest()) && kind !== Kind.blob) this.#checkLinks(position, kind, bytes)
  }

  #checkHash(position: number, found: Uint8Array): boolean {
    const oid = this.#index.oid(position)
    if (equalBytes(found, oid)) return true
    this.#fault('object-hash', `what is stored as object ${hex(oid)} is object ${hex(found)}`, position)
    return false
  }

  /** What the entry says of itself: it is what a client gets that is sent the pack as it stands. */
  #checkHeader(position: number, bytes: Uint8Array): void {
    const index = this.#index
    let header: ReturnType<typeof decodeEntryHeader> = null
    try {
      header = decodeEntryHeader(bytes, 0, this.#format)
    } catch (error) {
      if (!(error instanceof InputError)) throw error
    }
    const base = index.base(position)
    const isRight =
      header !== null &&
      (header.type === EntryType.ofsDelta
        ? base >= 0 && base < index.count && index.offset(base) === index.offset(position) - header.baseDistance
        : header.type === EntryType.refDelta
          ? base >= 0 && equalBytes(index.baseId(base), header.baseId as Uint8Array)
          : base < 0 && header.type === index.kind(position) && header.sizeBytes === index.sizeBytes(position))
    if (!isRight) this.#fault('entry-header', `the entry of object ${hex(index.oid(position))} is not what the index says`, position)
  }

  #checkLinks(position: number, kind: Kind, bytes: Uint8Array): void {
    const isCutOff = kind === Kind.commit && this.#options.cutOff.has(hex(this.#index.oid(position)))
    // a copy of what another pack holds: the index says nothing of what it refers to
    const isCopy = this.#index.isAppended(position)
    try {
      eachLink(kind, bytes, this.#format, (ids, at, expected) => {
        if (isCopy) this.#find(position, ids, at, expected, false)
        if (isCopy || this.#recent.has(ids, at, expected)) return
        if (this.#follow(position, ids, at, expected, isCutOff && expected === Kind.commit)) this.#recent.add(ids, at, expected)
      })
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause
      this.#fault('object-malformed', `object ${hex(this.#index.oid(position))} can't be read: ${cause.message}`, position)
    }
  }

  /** Notes the link; false when it leads to nothing, or to something else. @param mayLack the object need not be there */
  #follow(position: number, ids: Uint8Array, at: number, expected: Kind, mayLack: boolean): boolean {
    const inPack = this.#index.find(ids, at)
    if (inPack >= 0) this.#referred[inPack] = 1
    else if (!this.#externals.see(ids, at) && !mayLack) {
      if (this.#index.leavesOut) this.#leftOut.add(latin1(ids.subarray(at, at + hashBytes(this.#format))))
      else this.#fault('index-externals', `the index does not name ${this.#idAt(ids, at)} as an external, which the pack refers to`)
    }
    return this.#find(position, ids, at, expected, mayLack)
  }

  #find(position: number, ids: Uint8Array, at: number, expected: Kind, mayLack: boolean): boolean {
    const { set } = this.#options
    const number = set.find(ids, at)
    const from = hex(this.#index.oid(position))
    if (number < 0) {
      if (!mayLack) this.#fault('object-missing', `object ${this.#idAt(ids, at)} is not stored; ${from} refers to it`, position)
      return false
    }
    const kind = set.kind(number)
    if (kind === expected) return true
    const words = `is a ${kindName(kind)}, where ${from} refers to a ${kindName(expected)}`
    this.#fault('object-kind', `object ${this.#idAt(ids, at)} ${words}`, position)
    return false
  }

  #idAt(ids: Uint8Array, at: number): string {
    return hex(ids.subarray(at, at + hashBytes(this.#format)))
  }

  /** Else clones by packs would lack it. */
  async #checkLeftOut(): Promise<void> {
    const needed = await findNeeded(this.#index, this.#leftOut, this.#options.reader, this.#options.pace)
    if (!needed) return
    this.#fault(
      'index-externals',
      `the index does not name ${hex(needed)} as an external, to which the pack refers and no other external leads`,
    )
  }

  /** Clones are planned by sources: one too few, and what nobody may see could be sent. Objects that can't be read leave what they refer to unmarked. */
  #checkReferences(): void {
    const index = this.#index
    const unmet = this.#externals.firstUnseen()
    if (unmet) this.#fault('index-externals', `the index names ${hex(unmet)} as an external, to which no object of the pack refers`)
    const sources = new SortedIds(index.sources, hashBytes(this.#format))
    for (let position = 0; position < index.count; position++) {
      if (this.#referred[position] === 1 || index.isAppended(position)) continue
      if (sources.see(index.oid(position), 0)) continue
      return this.#fault('index-sources', `the index does not name ${hex(index.oid(position))} as a source, and no object refers to it`)
    }
    const unseen = sources.firstUnseen()
    if (unseen) this.#fault('index-sources', `the index names ${hex(unseen)} as a source, to which another object refers`)
  }
}

/** The number of objects that a pack's header names; null when it is no header. */
function decodeHead(bytes: Uint8Array): number | null {
  try {
    return decodePackHeader(bytes)?.objectCount ?? null
  } catch (error) {
    if (error instanceof InputError) return null
    throw error
  }
}

function firstOffset(index: PackIndex): number {
  const [first] = index.order()
  return first === undefined ? index.packBytes : index.offset(first)
}
