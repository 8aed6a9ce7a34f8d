// Makes objects, deltas and packs byte by byte, right ones and wrong ones: gitformat-pack(5), SHA-1. Nothing is checked: that is the point.
// Independent of src/git/format: a second opinion.
import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'

export type ObjectKind = 'commit' | 'tree' | 'blob' | 'tag'
const kindNumber: Readonly<Record<ObjectKind, number>> = { commit: 1, tree: 2, blob: 3, tag: 4 }
const ofsDelta = 6
const refDelta = 7

/** An object's id, in hex or as packed bytes. */
export type Id = string | Uint8Array
const idText = (id: Id): string => (typeof id === 'string' ? id : Buffer.from(id).toString('hex'))
const idBytes = (id: Id): Uint8Array => (typeof id === 'string' ? Buffer.from(id, 'hex') : id)

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

export type TreeEntry = readonly [mode: string, name: string | Uint8Array, id: Id]

/** A tree with the entries exactly in the given order. */
export function tree(...entries: readonly TreeEntry[]): BuiltObject {
  const parts = entries.flatMap(([mode, name, id]) => [
    Buffer.from(`${mode} `),
    Buffer.from(name as Uint8Array),
    Buffer.from([0]),
    idBytes(id),
  ])
  return object('tree', Buffer.concat(parts))
}

export function commit(treeId: Id, parents: readonly Id[] = [], message = 'message\n'): BuiltObject {
  const who = 'A U Thor <author@example.com> 1700000000 +0100'
  const headers = [`tree ${idText(treeId)}`, ...parents.map((id) => `parent ${idText(id)}`), `author ${who}`, `committer ${who}`]
  return object('commit', [...headers, '', message].join('\n'))
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

/** A delta that copies `sizeBytes` bytes of its base from `offset` on, and then inserts `text` (Latin-1). */
export function copyingDelta(baseBytes: number, offset: number, sizeBytes: number, text = ''): Buffer {
  const inserted = Buffer.from(text, 'latin1')
  const instructions: Buffer[] = []
  for (let done = 0; done < sizeBytes; done += 0xffffff) instructions.push(deltaCopy(offset + done, Math.min(sizeBytes - done, 0xffffff)))
  for (let done = 0; done < inserted.length; done += 127) instructions.push(deltaInsert(inserted.subarray(done, done + 127)))
  return delta(baseBytes, sizeBytes + inserted.length, ...instructions)
}

/** Collects entries; each `add` returns the entry's offset. */
export class PackBuilder {
  readonly #parts: Uint8Array[] = []
  #sizeBytes = 12
  #count = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Bytes as they are; together they count as one entry. */
  addRaw(...parts: readonly Uint8Array[]): number {
    const at = this.#sizeBytes
    for (const part of parts) this.#sizeBytes += part.length
    this.#parts.push(...parts)
    this.#count += 1
    return at
  }

  /** A whole object. `declaredBytes` lies about its size; `deflated` replaces its zlib stream. */
  add(built: BuiltObject, lie: { readonly declaredBytes?: number; readonly deflated?: Uint8Array; readonly kind?: number } = {}): number {
    const header = entryHeader(lie.kind ?? kindNumber[built.kind], lie.declaredBytes ?? built.bytes.length)
    return this.addRaw(header, lie.deflated ?? deflateSync(built.bytes))
  }

  addAll(...objects: readonly BuiltObject[]): this {
    for (const built of objects) this.add(built)
    return this
  }

  addOfsDelta(baseOffset: number, bytes: Buffer, declaredBytes = bytes.length): number {
    const distance = offsetNumber(this.#sizeBytes - baseOffset)
    return this.addRaw(entryHeader(ofsDelta, declaredBytes), distance, deflateSync(bytes))
  }

  addRefDelta(baseId: Id, bytes: Buffer, declaredBytes = bytes.length): number {
    return this.addRaw(entryHeader(refDelta, declaredBytes), idBytes(baseId), deflateSync(bytes))
  }

  /** The pack so far, with header and SHA-1 trailer; `behind` stands between the last entry and the trailer. */
  build(
    lie: { readonly count?: number; readonly version?: number; readonly signature?: string; readonly behind?: Uint8Array } = {},
  ): Buffer {
    const header = Buffer.alloc(12)
    header.write(lie.signature ?? 'PACK', 0, 'latin1')
    header.writeUInt32BE(lie.version ?? 2, 4)
    header.writeUInt32BE(lie.count ?? this.#count, 8)
    return sealed(Buffer.concat([header, ...this.#parts, lie.behind ?? new Uint8Array(0)]))
  }
}

function sealed(body: Uint8Array): Buffer {
  return Buffer.concat([body, createHash('sha1').update(body).digest()])
}

/** A pack with its trailer made right again. */
export function resealed(pack: Uint8Array): Buffer {
  return sealed(pack.subarray(0, pack.length - 20))
}

/** A commit whose tree holds the given entries, with every object: what a push of one root commit carries. */
export function rootCommit(entries: readonly TreeEntry[], blobs: readonly BuiltObject[]): { tip: BuiltObject; pack: PackBuilder } {
  const top = tree(...entries)
  const tip = commit(top.id)
  return { tip, pack: new PackBuilder().addAll(tip, top, ...blobs) }
}
