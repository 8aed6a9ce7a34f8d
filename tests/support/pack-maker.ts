// Makes packs by hand, right ones and wrong ones, for tests of whatever reads packs.
import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'

export type PackKind = 'commit' | 'tree' | 'blob' | 'tag'
const types: Record<PackKind, number> = { commit: 1, tree: 2, blob: 3, tag: 4 }

/** The id of an object. */
export function idOf(kind: PackKind, bytes: Uint8Array, format = 'sha1'): Buffer {
  return createHash(format).update(`${kind} ${bytes.length}\0`).update(bytes).digest()
}

/** A size as deltas have it. */
export function varint(size: number): number[] {
  const out: number[] = []
  let left = size
  for (; left >= 128; left = Math.floor(left / 128)) out.push((left % 128) | 128)
  return [...out, left]
}

export function entryHeader(type: number, size: number): number[] {
  const out = [(type << 4) | (size % 16)]
  for (let left = Math.floor(size / 16); left > 0; left = Math.floor(left / 128)) {
    out[out.length - 1]! |= 128
    out.push(left % 128)
  }
  return out
}

/** A delta that copies `from`…`from + size` of a base and then appends `text`. */
export function makeDelta(baseSize: number, from: number, size: number, text = ''): Buffer {
  const instructions: number[] = []
  for (let at = from, left = size; left > 0; ) {
    const count = Math.min(left, 0xffff)
    instructions.push(0x80 | 0x0f | 0x30, at & 255, (at >> 8) & 255, (at >> 16) & 255, (at >> 24) & 255, count & 255, count >> 8)
    at += count
    left -= count
  }
  const inserted = Buffer.from(text, 'latin1')
  for (let at = 0; at < inserted.length; at += 127) {
    const part = inserted.subarray(at, at + 127)
    instructions.push(part.length, ...part)
  }
  return Buffer.from([...varint(baseSize), ...varint(size + inserted.length), ...instructions])
}

/** Entries one after the other; each `add…` returns the entry's offset. */
export class PackBuilder {
  readonly format: 'sha1' | 'sha256'
  readonly #parts: Uint8Array[] = []
  #size = 12
  #count = 0

  constructor(format: 'sha1' | 'sha256' = 'sha1') {
    this.format = format
  }

  get nextOffset(): number {
    return this.#size
  }

  /** Bytes as they are; they count as one entry. */
  addRaw(...parts: readonly (Uint8Array | readonly number[])[]): number {
    const offset = this.#size
    for (const part of parts) {
      const bytes = Uint8Array.from(part)
      this.#parts.push(bytes)
      this.#size += bytes.length
    }
    this.#count++
    return offset
  }

  /** A whole object. `declared`: the size that its header claims. */
  add(kind: PackKind, bytes: Uint8Array | string, declared?: number): number {
    const content = Buffer.from(bytes as string)
    return this.addRaw(entryHeader(types[kind], declared ?? content.length), deflateSync(content))
  }

  addOfsDelta(base: number, delta: Uint8Array, declared = delta.length): number {
    let distance = this.#size - base
    const bytes = [distance & 127]
    while ((distance = Math.floor(distance / 128)) > 0) bytes.unshift((--distance & 127) | 128)
    return this.addRaw(entryHeader(6, declared), bytes, deflateSync(delta))
  }

  addRefDelta(base: Uint8Array, delta: Uint8Array): number {
    return this.addRaw(entryHeader(7, delta.length), base, deflateSync(delta))
  }

  finish(wrong: { readonly version?: number; readonly count?: number; readonly behind?: Uint8Array } = {}): Buffer {
    const header = Buffer.from('PACK\0\0\0\0\0\0\0\0', 'latin1')
    header.writeUInt32BE(wrong.version ?? 2, 4)
    header.writeUInt32BE(wrong.count ?? this.#count, 8)
    const body = Buffer.concat([header, ...this.#parts, wrong.behind ?? new Uint8Array(0)])
    return Buffer.concat([body, createHash(this.format).update(body).digest()])
  }
}

/** A pack with its trailer made right again. */
export function resealed(pack: Uint8Array, format: 'sha1' | 'sha256' = 'sha1'): Buffer {
  const size = format === 'sha1' ? 20 : 32
  const body = Buffer.from(pack.subarray(0, pack.length - size))
  return Buffer.concat([body, createHash(format).update(body).digest()])
}

export function treeOf(...entries: readonly (readonly [mode: string, name: string, id: Uint8Array])[]): Buffer {
  return Buffer.concat(entries.flatMap(([mode, name, id]) => [Buffer.from(`${mode} ${name}\0`), id]))
}

export function commitOf(tree: Uint8Array, parents: readonly Uint8Array[] = [], message = 'message\n'): Buffer {
  const person = 'A U Thor <author@example.com> 1700000000 +0100'
  const lines = [`tree ${hex(tree)}`, ...parents.map((p) => `parent ${hex(p)}`), `author ${person}`, `committer ${person}`, '', message]
  return Buffer.from(lines.join('\n'))
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
