// Stored packs (docs/design/pack-key.md) out of objects, as a push would have left them, but without asking whether what they refer to is
// there: the repository on disk is served as it stands. Objects are stored whole.
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { crc32, deflate, deflateSync } from 'node:zlib'
import { encodeEntryHeader, encodePackHeader, encodePackIndex, hashBytes, type ObjectFormat } from '../../../src/git/format/index.ts'
import { references } from '../../../src/git/index-pack/scanner.ts'
import type { DiskObject } from './object-reader.ts'

export interface BuiltPack {
  /** The stored value: pack, index, trailer. */
  readonly value: Uint8Array
  readonly packBytes: number
  readonly objectCount: number
}

interface Entry {
  readonly oid: string
  readonly kind: number
  readonly sizeBytes: number
  readonly offset: number
  readonly crc: number
}

const deflateLater = promisify(deflate)
const largeBytes = 64 << 10

/** One pack under construction. */
export class PackBuilder {
  readonly #format: ObjectFormat
  readonly #parts: Uint8Array[] = []
  readonly #entries = new Map<string, Entry>()
  readonly #referred = new Set<string>()
  #offset = 12

  constructor(format: ObjectFormat) {
    this.#format = format
  }

  get sizeBytes(): number {
    return this.#offset
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  async add({ oid, kind, bytes }: DiskObject): Promise<void> {
    if (this.#entries.has(oid)) return
    const header = encodeEntryHeader(kind, bytes.length)
    const body = bytes.length < largeBytes ? deflateSync(bytes, { level: 1 }) : await deflateLater(bytes, { level: 1 })
    this.#parts.push(header, body)
    const crc = crc32(body, crc32(header))
    this.#entries.set(oid, { oid, kind, sizeBytes: bytes.length, offset: this.#offset, crc })
    this.#offset += header.length + body.length
    references(kind, bytes, this.#format, (id) => this.#referred.add(Buffer.from(id).toString('hex')))
  }

  build(): BuiltPack {
    const head = encodePackHeader(this.#entries.size)
    const hash = createHash(this.#format).update(head)
    for (const part of this.#parts) hash.update(part)
    const packBytes = this.#offset + hashBytes(this.#format)
    const sorted = [...this.#entries.values()].sort((a, b) => (a.oid < b.oid ? -1 : 1))
    const index = encodePackIndex({
      format: this.#format,
      packBytes,
      oids: packed(sorted.map((entry) => entry.oid)),
      offsets: Float64Array.from(sorted, (entry) => entry.offset),
      crcs: Uint32Array.from(sorted, (entry) => entry.crc),
      kinds: Uint8Array.from(sorted, (entry) => entry.kind),
      sizes: Float64Array.from(sorted, (entry) => entry.sizeBytes),
      bases: new Uint32Array(sorted.length).fill(0xffffffff),
      sources: packed(sorted.map((entry) => entry.oid).filter((oid) => !this.#referred.has(oid))),
      externals: packed([...this.#referred].filter((oid) => !this.#entries.has(oid)).sort()),
    })
    const value = Buffer.concat([head, ...this.#parts, hash.digest(), index])
    return { value, packBytes, objectCount: sorted.length }
  }
}

function packed(ids: readonly string[]): Uint8Array {
  return new Uint8Array(Buffer.from(ids.join(''), 'hex'))
}
