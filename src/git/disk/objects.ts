// All objects of a repository on disk: its packs and loose objects, and those of the repositories that it borrows from (alternates).
// Synchronous, as pack-file.ts. What is found twice is read where it is met first: own packs, own loose objects, then the alternates'.
import { closeSync, existsSync, fstatSync, openSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { asBuffer, hex } from '../../base/index.ts'
import { applyDelta } from '../format/delta.ts'
import { Kind, type ObjectFormat, type ObjectId } from '../format/object-id.ts'
import { readAll } from '../index-pack/spool.ts'
import { Inflater } from '../odb/index.ts'
import { readIfThere, reading, wrong } from './errors.ts'
import { type DiskObject, looseIds, readLoose } from './loose.ts'
import { makeIdx } from './make-idx.ts'
import { DiskPack } from './pack-file.ts'
import { DiskIdx } from './pack-idx.ts'

/** As git: a repository that borrows from one that borrows …, five deep. */
const deepestAlternate = 5
const cacheBytes = 48 << 20
/** No chain of deltas is longer, whoever wrote it: a delta keeps its base's place, so a longer one is a circle. */
const longestChain = 100_000

export interface DiskObjectsOptions {
  readonly format: ObjectFormat
  /** No larger object is read whole. Default 2 GiB. */
  readonly objectBytes?: number
  /** True: packs without an index are read through for one (kept in memory). git passes over them. */
  readonly makesIndexes?: boolean
}

export class DiskObjects {
  readonly format: ObjectFormat
  /** Objects folders: the repository's own first, then its alternates. */
  readonly folders: readonly string[]
  readonly packs: readonly DiskPack[]
  /** Packs without an index that were passed over. */
  readonly unindexed: readonly string[]
  readonly #objectBytes: number
  readonly #inflater = new Inflater()
  readonly #bases = new Map<string, DiskObject>()
  #basesBytes = 0

  /** InputError `disk-alternate`, `disk-pack`, `disk-read`. To be closed. */
  constructor(objectsFolder: string, options: DiskObjectsOptions) {
    this.format = options.format
    this.#objectBytes = options.objectBytes ?? 2 ** 31
    this.folders = withAlternates(objectsFolder)
    const packs: DiskPack[] = []
    const unindexed: string[] = []
    try {
      for (const folder of this.folders) openPacks(join(folder, 'pack'), { ...options, objectBytes: this.#objectBytes }, packs, unindexed)
    } catch (error) {
      for (const pack of packs) pack.close()
      throw error
    }
    this.packs = packs
    this.unindexed = unindexed
  }

  close(): void {
    for (const pack of this.packs) pack.close()
  }

  has(oid: ObjectId): boolean {
    if (this.#findPacked(Buffer.from(oid, 'hex'))) return true
    return this.folders.some((folder) => existsSync(join(folder, oid.slice(0, 2), oid.slice(2))))
  }

  /** The whole object, or null when there is none; a shared view, not to be changed. InputError `disk-pack` or `disk-object` when it is corrupt. */
  read(oid: ObjectId): DiskObject | null {
    const packed = this.#findPacked(Buffer.from(oid, 'hex'))
    if (packed !== null) return this.readEntry(packed.pack, packed.pack.rankAt(packed.pack.idx.offset(packed.position)))
    for (const folder of this.folders) {
      const loose = readLoose(folder, oid, this.format, this.#objectBytes)
      if (loose !== null) return loose
    }
    return null
  }

  /** What kind of object that is, without reading all of it where it is packed; null when there is none. */
  kind(oid: ObjectId): Kind | null {
    const packed = this.#findPacked(Buffer.from(oid, 'hex'))
    if (packed === null) return this.read(oid)?.kind ?? null
    const { pack } = packed
    let offset = pack.idx.offset(packed.position)
    for (let links = 0; links < longestChain; links++) {
      const rank = pack.rankAt(offset)
      const header = pack.header(pack.read(offset, Math.min(64, pack.endOf(rank) - offset)), offset)
      const base = pack.baseRank(header, offset)
      if (base < 0) return header.type as Kind
      offset = pack.order.offsets[base] as number
    }
    throw pack.wrong('holds deltas that rest on each other in a circle')
  }

  /** Ids of loose objects, each once. */
  *looseIds(): Generator<ObjectId> {
    const seen = new Set<ObjectId>()
    for (const folder of this.folders) {
      for (const oid of looseIds(folder, this.format)) {
        if (seen.has(oid)) continue
        seen.add(oid)
        yield oid
      }
    }
  }

  /** Every object's id, packed ones first; one that lies in several places comes several times. */
  *ids(): Generator<ObjectId> {
    for (const pack of this.packs) for (let i = 0; i < pack.idx.count; i++) yield hex(pack.idx.oid(i)) as ObjectId
    yield* this.looseIds()
  }

  /** The object whose entry has that rank in that pack. */
  readEntry(pack: DiskPack, rank: number): DiskObject {
    const chain: { rank: number; payload: Uint8Array }[] = []
    let object: DiskObject | undefined
    for (let at = rank; object === undefined; ) {
      object = this.#bases.get(baseKey(pack, at))
      if (object !== undefined) break
      if (chain.length > longestChain) throw pack.wrong('holds deltas that rest on each other in a circle')
      const offset = pack.order.offsets[at] as number
      const bytes = pack.entry(at)
      const header = pack.header(bytes, offset)
      if (header.sizeBytes > this.#objectBytes) throw pack.wrong(`holds an object of ${header.sizeBytes} bytes at offset ${offset}`)
      const payload = this.#inflater.inflate(bytes.subarray(header.headerBytes), header.sizeBytes)
      if (payload === null) throw pack.wrong(`is damaged at offset ${offset}: the entry does not inflate`)
      const base = pack.baseRank(header, offset)
      if (base < 0) object = this.#remember(pack, at, { kind: header.type as Kind, bytes: payload })
      else chain.push({ rank: at, payload })
      at = base
    }
    for (const link of chain.reverse()) object = this.#remember(pack, link.rank, this.#undelta(object, link, pack))
    return object
  }

  #undelta(base: DiskObject, link: { rank: number; payload: Uint8Array }, pack: DiskPack): DiskObject {
    try {
      return { kind: base.kind, bytes: applyDelta(base.bytes, link.payload, { targetBytes: this.#objectBytes }) }
    } catch (cause) {
      throw pack.wrong(`is damaged at offset ${pack.order.offsets[link.rank]}: the delta does not fit its base`, cause)
    }
  }

  #findPacked(oid: Uint8Array): { readonly pack: DiskPack; readonly position: number } | null {
    for (const pack of this.packs) {
      const position = pack.idx.find(oid, 0)
      if (position >= 0) return { pack, position }
    }
    return null
  }

  /** Keeps what was read last: the next object often rests on it. */
  #remember(pack: DiskPack, rank: number, object: DiskObject): DiskObject {
    if (object.bytes.length > cacheBytes / 8) return object
    this.#bases.set(baseKey(pack, rank), object)
    this.#basesBytes += object.bytes.length + 200
    for (const [key, { bytes }] of this.#bases) {
      if (this.#basesBytes <= cacheBytes) break
      this.#bases.delete(key)
      this.#basesBytes -= bytes.length + 200
    }
    return object
  }
}

function baseKey(pack: DiskPack, rank: number): string {
  return `${rank} ${pack.path}`
}

function openPacks(
  folder: string,
  { format, objectBytes, makesIndexes = false }: DiskObjectsOptions & { readonly objectBytes: number },
  packs: DiskPack[],
  unindexed: string[],
): void {
  if (!existsSync(folder)) return
  const names = reading(folder, () => readdirSync(folder)).sort()
  const present = new Set(names)
  for (const name of names.filter((one) => one.endsWith('.pack'))) {
    const path = join(folder, name)
    const idxPath = path.replace(/\.pack$/, '.idx')
    if (!present.has(name.replace(/\.pack$/, '.idx'))) {
      if (makesIndexes) packs.push(new DiskPack(path, new DiskIdx(idxPath, indexOf(path, format, objectBytes), format), format))
      else unindexed.push(path)
    } else packs.push(new DiskPack(path, new DiskIdx(idxPath, readIfThere(idxPath) ?? new Uint8Array(0), format), format))
  }
}

function indexOf(path: string, format: ObjectFormat, objectBytes: number): Uint8Array {
  const fd = reading(path, () => openSync(path, 'r'))
  try {
    const sizeBytes = reading(path, () => fstatSync(fd)).size
    const read = (offset: number, count: number) => {
      const bytes = new Uint8Array(count)
      return bytes.subarray(
        0,
        reading(path, () => readAll(fd, bytes, offset)),
      )
    }
    return makeIdx(path, sizeBytes, read, format, objectBytes)
  } finally {
    closeSync(fd)
  }
}

/** The folder and all that it borrows from, each once, nearest first. */
function withAlternates(objectsFolder: string): string[] {
  const found = new Map<string, string>()
  const visit = (folder: string, namedIn: string | null, depth: number): void => {
    if (namedIn !== null && !isFolder(folder)) throw wrong('disk-alternate', namedIn, `names ${folder}, which is no folder`)
    const real = reading(folder, () => realpathSync(folder))
    if (found.has(real)) return
    if (depth > deepestAlternate)
      throw wrong('disk-alternate', namedIn ?? folder, `alternates are nested too deep (more than ${deepestAlternate})`)
    found.set(real, folder)
    const list = join(folder, 'info', 'alternates')
    for (const line of alternateLines(list)) visit(resolve(folder, line), list, depth + 1)
  }
  visit(objectsFolder, null, 0)
  return [...found.values()]
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/** Paths, one a line; remarks begin with #, and a line in quotes is a C string. */
function alternateLines(path: string): string[] {
  const bytes = readIfThere(path)
  if (bytes === null) return []
  const lines = asBuffer(bytes).toString('utf8').split('\n')
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => (line.startsWith('"') ? unquote(line, path) : line))
}

const escapes: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 }

/** A C string, as git quotes paths. */
function unquote(line: string, path: string): string {
  const inner = /^"((?:[^"\\]|\\.)*)"$/s.exec(line)?.[1]
  if (inner === undefined) throw wrong('disk-alternate', path, `a quoted line has no end: ${line}`)
  const bytes: number[] = []
  for (const [piece] of inner.matchAll(/\\[0-7]{1,3}|\\.|[^\\]+/gs)) {
    const escape = piece.startsWith('\\') ? piece.slice(1) : null
    if (escape === null) bytes.push(...Buffer.from(piece))
    else bytes.push(escapes[escape] ?? (/^[0-7]+$/.test(escape) ? Number.parseInt(escape, 8) & 0xff : escape.charCodeAt(0)))
  }
  return Buffer.from(bytes).toString('utf8')
}
