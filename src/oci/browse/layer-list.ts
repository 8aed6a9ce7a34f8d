// The files of one layer as one block of memory that threads share: a tree in the order of its paths, searched without being taken apart.
// What a whiteout hides stands as marks of the paths that it is about. Pure.
//
// One block, in the machine's own byte order, for it is never stored: u32 records, bytes of paths, bytes of links, zero | of all records f64 sizes, places of bodies |
// u32 modes, ends of subtrees, ends of paths, ends of links | u8 types, marks | SHA-256 | Git's SHA-1 | paths | links.
// Invariants: record 0 is the root; whatever is not the root has its parent before it; paths ascend, a slash before every other byte.
import { asBuffer, concatBytes, CorruptError, hex } from '../../base/index.ts'

export const entryTypes = ['none', 'file', 'directory', 'symlink', 'hardlink', 'character-device', 'block-device', 'fifo'] as const
/** `none`: the layer has nothing there, but hides something there or below. */
export type EntryType = (typeof entryTypes)[number]

/** What a record says of the layers below. */
export const Mark = {
  /** A directory that no entry names, but that entries are in. */
  implied: 1,
  /** Nothing of what the layers below have in that directory is seen. */
  opaque: 2,
  /** Nothing is seen of what the layers below have there. */
  whiteout: 4,
} as const

export interface LayerRecord {
  /** Without slashes at its ends; the root's is empty. Bytes that are no UTF-8 are U+FFFD. */
  readonly path: string
  readonly type: EntryType
  readonly marks: number
  readonly mode: number
  readonly sizeBytes: number
  /** Of symbolic and hard links: where to, as it stands in the layer. */
  readonly link: string | null
  /** Of files whose bytes are in the layer, hard links to such, too. */
  readonly sha256: string | null
  readonly gitBlob: string | null
}

const headBytes = 16
const perRecord = { numbers: 2 * 8, words: 4 * 4, bytes: 2, digests: 32 + 20 }
/** That a record has no bytes in the layer. */
export const nowhere = -1

/** Bytes of a list. */
export function listBytes(count: number, pathBytes: number, linkBytes: number): number {
  return headBytes + count * (perRecord.numbers + perRecord.words + perRecord.bytes + perRecord.digests) + pathBytes + linkBytes
}

export class LayerList {
  readonly count: number
  readonly memory: SharedArrayBuffer
  readonly sizes: Float64Array
  /** Of bodies, among those of the layer; or `nowhere`. */
  readonly bodies: Float64Array
  readonly modes: Uint32Array
  /** Of each record: the first one that is not below it. */
  readonly subtreeEnds: Uint32Array
  readonly pathEnds: Uint32Array
  readonly linkEnds: Uint32Array
  readonly types: Uint8Array
  readonly marks: Uint8Array
  readonly sha256s: Uint8Array
  readonly gitBlobs: Uint8Array
  /** Slashes are zero bytes in it: so bytes in order are paths in order. */
  readonly paths: Uint8Array
  readonly links: Uint8Array

  /** CorruptError `layer-list` where the memory is none. */
  constructor(memory: SharedArrayBuffer) {
    const [count = 0, pathBytes = 0, linkBytes = 0] = memory.byteLength < headBytes ? [] : new Uint32Array(memory, 0, 3)
    if (count === 0 || memory.byteLength !== listBytes(count, pathBytes, linkBytes)) {
      throw new CorruptError('layer-list', 'a list of a layer’s files has a wrong size')
    }
    this.count = count
    this.memory = memory
    let at = headBytes
    const numbers = () => new Float64Array(memory, (at += count * 8) - count * 8, count)
    const words = () => new Uint32Array(memory, (at += count * 4) - count * 4, count)
    const bytes = (size: number) => new Uint8Array(memory, (at += size) - size, size)
    this.sizes = numbers()
    this.bodies = numbers()
    this.modes = words()
    this.subtreeEnds = words()
    this.pathEnds = words()
    this.linkEnds = words()
    this.types = bytes(count)
    this.marks = bytes(count)
    this.sha256s = bytes(count * 32)
    this.gitBlobs = bytes(count * 20)
    this.paths = bytes(pathBytes)
    this.links = bytes(linkBytes)
  }

  static of(count: number, pathBytes: number, linkBytes: number): LayerList {
    const memory = new SharedArrayBuffer(listBytes(count, pathBytes, linkBytes))
    new Uint32Array(memory, 0, 3).set([count, pathBytes, linkBytes])
    return new LayerList(memory)
  }

  type(record: number): EntryType {
    return entryTypes[this.types[record] as number] as EntryType
  }

  isMarked(record: number, mark: number): boolean {
    return ((this.marks[record] as number) & mark) !== 0
  }

  /** The bytes of its path. */
  key(record: number): Uint8Array {
    return this.paths.subarray(record === 0 ? 0 : this.pathEnds[record - 1], this.pathEnds[record])
  }

  /** The bytes of its last part. @param parent of the record */
  name(record: number, parent: number): Uint8Array {
    const key = this.key(record)
    const before = this.key(parent).length
    return before === 0 ? key : key.subarray(before + 1)
  }

  /** The record of that path; -1: none. */
  find(path: string): number {
    return this.#search(keyOf(path), 0, this.count)
  }

  /** The record of that name in a directory; -1: none. */
  findBelow(record: number, name: Uint8Array): number {
    const parent = this.key(record)
    const wanted = parent.length === 0 ? name : concatBytes([parent, new Uint8Array(1), name])
    return this.#search(wanted, record + 1, this.subtreeEnds[record] as number)
  }

  #search(wanted: Uint8Array, from: number, until: number): number {
    let [low, high] = [from, until]
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = Buffer.compare(this.key(middle), wanted)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return -1
  }

  /** The records that stand in a directory, in order. */
  *children(record: number): Generator<number, void, undefined> {
    const end = this.subtreeEnds[record] as number
    for (let child = record + 1; child < end; child = this.subtreeEnds[child] as number) yield child
  }

  linkOf(record: number): string | null {
    const bytes = this.links.subarray(record === 0 ? 0 : this.linkEnds[record - 1], this.linkEnds[record])
    return bytes.length === 0 ? null : asBuffer(bytes).toString('utf8')
  }

  hasBody(record: number): boolean {
    return this.bodies[record] !== nowhere
  }

  record(record: number): LayerRecord {
    const hasBody = this.hasBody(record)
    return {
      path: pathOf(this.key(record)),
      type: this.type(record),
      marks: this.marks[record] as number,
      mode: this.modes[record] as number,
      sizeBytes: this.sizes[record] as number,
      link: this.linkOf(record),
      sha256: hasBody ? hex(this.sha256s.subarray(record * 32, record * 32 + 32)) : null,
      gitBlob: hasBody ? hex(this.gitBlobs.subarray(record * 20, record * 20 + 20)) : null,
    }
  }
}

/** A path as lists are in order of. */
export function keyOf(path: string): Uint8Array {
  return Buffer.from(path.replaceAll('/', '\0'), 'utf8')
}

export function pathOf(key: Uint8Array): string {
  return asBuffer(key).toString('utf8').replaceAll('\0', '/')
}
