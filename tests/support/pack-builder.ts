// Makes packs byte by byte, right ones and wrong ones: gitformat-pack(5). Independent of src/git/format: a second opinion.
import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'

export type ObjectKind = 'commit' | 'tree' | 'blob' | 'tag'
const kindNumber: Readonly<Record<ObjectKind, number>> = { commit: 1, tree: 2, blob: 3, tag: 4 }
const ofsDelta = 6
const refDelta = 7

export interface BuiltObject {
  readonly kind: ObjectKind
  readonly bytes: Buffer
  readonly id: string
}

export function object(kind: ObjectKind, bytes: Uint8Array | string): BuiltObject {
  const body = Buffer.from(bytes as Uint8Array)
  const id = createHash('sha1').update(`${kind} ${body.length}\0`).update(body).digest('hex')
  return { kind, bytes: body, id }
}

export const blob = (bytes: Uint8Array | string): BuiltObject => object('blob', bytes)

export interface TreeEntry {
  readonly mode: string
  readonly name: string | Uint8Array
  readonly id: string
}

/** A tree with the entries exactly in the given order. */
export function tree(entries: readonly TreeEntry[]): BuiltObject {
  const parts = entries.flatMap((entry) => [
    Buffer.from(`${entry.mode} `),
    Buffer.from(entry.name as Uint8Array),
    Buffer.from([0]),
    Buffer.from(entry.id, 'hex'),
  ])
  return object('tree', Buffer.concat(parts))
}

export function commit(treeId: string, parents: readonly string[] = [], message = 'built\n'): BuiltObject {
  const who = 'Tester <tester@example.com> 1700000000 +0000'
  const lines = [`tree ${treeId}`, ...parents.map((id) => `parent ${id}`), `author ${who}`, `committer ${who}`, '', message]
  return object('commit', lines.join('\n'))
}

/** The number before an entry: kind and inflated size. */
export function entryHeader(kind: number, sizeBytes: number): Buffer {
  const out: number[] = []
  let rest = Math.floor(sizeBytes / 16)
  let byte = (kind << 4) | (sizeBytes % 16)
  while (rest > 0) {
    out.push(byte | 0x80)
    byte = rest % 128
    rest = Math.floor(rest / 128)
  }
  out.push(byte)
  return Buffer.from(out)
}

/** The distance of an OFS_DELTA to its base. */
export function offsetNumber(distance: number): Buffer {
  const out = [distance & 0x7f]
  for (let rest = Math.floor(distance / 128); rest > 0; rest = Math.floor(rest / 128)) {
    rest -= 1
    out.unshift(0x80 | (rest & 0x7f))
  }
  return Buffer.from(out)
}

/** A size as deltas write it: 7 bits a byte, lowest first. */
export function deltaSize(sizeBytes: number): Buffer {
  const out: number[] = []
  let rest = sizeBytes
  while (rest >= 128) {
    out.push((rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  out.push(rest)
  return Buffer.from(out)
}

/** A copy instruction: `sizeBytes` bytes (≤ 0xffffff) of the base from `offset` on. */
export function deltaCopy(offset: number, sizeBytes: number): Buffer {
  const out = [0xff]
  for (let n = 0; n < 4; n++) out.push((offset >>> (8 * n)) & 0xff)
  for (let n = 0; n < 3; n++) out.push((sizeBytes >>> (8 * n)) & 0xff)
  return Buffer.from(out)
}

/** An insert instruction of 1–127 bytes. */
export function deltaInsert(bytes: Uint8Array | string): Buffer {
  const body = Buffer.from(bytes as Uint8Array)
  return Buffer.concat([Buffer.from([body.length]), body])
}

/** A whole delta from its instructions; the sizes may lie. */
export function delta(baseBytes: number, resultBytes: number, ...instructions: readonly Buffer[]): Buffer {
  return Buffer.concat([deltaSize(baseBytes), deltaSize(resultBytes), ...instructions])
}

/** Collects entries; each `add` returns the entry's offset. Nothing is checked: that is the point. */
export class PackBuilder {
  readonly #parts: Buffer[] = [Buffer.alloc(12)]
  #sizeBytes = 12
  #count = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  raw(bytes: Uint8Array, counts = true): number {
    const at = this.#sizeBytes
    this.#parts.push(Buffer.from(bytes))
    this.#sizeBytes += bytes.length
    if (counts) this.#count += 1
    return at
  }

  /** A whole object. `declaredBytes` lies about its size; `deflated` replaces its zlib stream. */
  add(built: BuiltObject, lie: { readonly declaredBytes?: number; readonly deflated?: Uint8Array; readonly kind?: number } = {}): number {
    const header = entryHeader(lie.kind ?? kindNumber[built.kind], lie.declaredBytes ?? built.bytes.length)
    return this.raw(Buffer.concat([header, lie.deflated ?? deflateSync(built.bytes)]))
  }

  addAll(...objects: readonly BuiltObject[]): this {
    for (const built of objects) this.add(built)
    return this
  }

  addOfsDelta(baseOffset: number, bytes: Buffer, declaredBytes = bytes.length): number {
    const distance = offsetNumber(this.#sizeBytes - baseOffset)
    return this.raw(Buffer.concat([entryHeader(ofsDelta, declaredBytes), distance, deflateSync(bytes)]))
  }

  addRefDelta(baseId: string, bytes: Buffer, declaredBytes = bytes.length): number {
    return this.raw(Buffer.concat([entryHeader(refDelta, declaredBytes), Buffer.from(baseId, 'hex'), deflateSync(bytes)]))
  }

  /** The pack with header and SHA-1 trailer. */
  build(lie: { readonly count?: number; readonly version?: number; readonly signature?: string } = {}): Buffer {
    const header = this.#parts[0] as Buffer
    header.write(lie.signature ?? 'PACK', 0, 'latin1')
    header.writeUInt32BE(lie.version ?? 2, 4)
    header.writeUInt32BE(lie.count ?? this.#count, 8)
    const body = Buffer.concat(this.#parts)
    return Buffer.concat([body, createHash('sha1').update(body).digest()])
  }
}

/** A commit whose tree holds the given entries, with every object: what a push of one root commit carries. */
export function rootCommit(entries: readonly TreeEntry[], blobs: readonly BuiltObject[]): { tip: BuiltObject; pack: PackBuilder } {
  const top = tree(entries)
  const tip = commit(top.id)
  return { tip, pack: new PackBuilder().addAll(tip, top, ...blobs) }
}
