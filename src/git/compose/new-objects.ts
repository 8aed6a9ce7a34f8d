// Objects that are being made, and the pack that brings them in: whole entries, no deltas.
import { createHash } from 'node:crypto'
import { concatBytes, hex } from '../../base/index.ts'
import { hashObject } from '../format/object.ts'
import type { Kind, ObjectFormat, ObjectId } from '../format/object-id.ts'
import { encodeEntryHeader, encodePackHeader } from '../format/pack.ts'
import { encodeTree, type TreeEntry } from '../format/tree.ts'

export class NewObjects {
  readonly format: ObjectFormat
  readonly #objects = new Map<ObjectId, { readonly kind: Kind; readonly bytes: Uint8Array }>()

  constructor(format: ObjectFormat) {
    this.format = format
  }

  /** The object's id. Whoever takes the pack in hashes everything again, collisions noticed. */
  add(kind: Kind, bytes: Uint8Array): ObjectId {
    const oid = hex(hashObject(kind, bytes, this.format)) as ObjectId
    this.#objects.set(oid, { kind, bytes })
    return oid
  }

  addTree(entries: readonly TreeEntry[]): ObjectId {
    return this.add(2, encodeTree(entries))
  }

  /** What is known already need not be made again. */
  drop(oid: ObjectId): void {
    this.#objects.delete(oid)
  }

  get ids(): ObjectId[] {
    return [...this.#objects.keys()]
  }

  /** @param deflate a zlib stream of the bytes, good until the next call */
  pack(deflate: (bytes: Uint8Array) => Uint8Array): Uint8Array {
    const parts = [encodePackHeader(this.#objects.size)]
    for (const { bytes, kind } of this.#objects.values()) parts.push(encodeEntryHeader(kind, bytes.length), deflate(bytes).slice())
    const hash = createHash(this.format)
    for (const part of parts) hash.update(part)
    return concatBytes([...parts, new Uint8Array(hash.digest())])
  }
}
