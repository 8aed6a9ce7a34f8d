// What an object refers to, and which ids were met lately, both without allocating anything for an id: walks over whole histories look at some
// hundred times as many links as there are objects.
import { InputError } from '../../base/index.ts'
import { parseCommitLinks, readHexId } from '../format/commit.ts'
import { hashBytes, Kind, type ObjectFormat } from '../format/object-id.ts'
import { parseTagTarget } from '../format/tag.ts'
import { isGitlinkMode, isTreeMode, newTreeCursor, nextTreeEntry } from '../format/tree.ts'

/** Called with the place of an id in some bytes that are good until it returns, and the kind that is expected there. */
export interface LinkTaker {
  (bytes: Uint8Array, at: number, kind: Kind): void
}

/** InputError when the object can't be read. Submodules are not links. */
export function eachLink(kind: Kind, bytes: Uint8Array, format: ObjectFormat, take: LinkTaker): void {
  if (kind === Kind.tree) {
    const cursor = newTreeCursor(bytes, format)
    while (nextTreeEntry(cursor)) {
      if (!isGitlinkMode(cursor.mode)) take(bytes, cursor.oidStart, isTreeMode(cursor.mode) ? Kind.tree : Kind.blob)
    }
  } else if (kind === Kind.commit) {
    const links = parseCommitLinks(bytes, format)
    const id = new Uint8Array(hashBytes(format))
    readHexId(bytes, links.treeAt, format, id)
    take(id, 0, Kind.tree)
    for (let parent = 0; parent < links.parentCount; parent++) {
      readHexId(bytes, links.parentsAt + parent * links.parentStride, format, id)
      take(id, 0, Kind.commit)
    }
  } else if (kind === Kind.tag) {
    const target = parseTagTarget(bytes, format)
    take(Buffer.from(target.object, 'hex'), 0, target.kind)
  } else if (kind !== Kind.blob) throw new InputError('object-kind', 'not an object')
}

const slotBits = 16

/** Remembers some of the ids that it was told, each with its kind: one place for each beginning of an id, the last one stays. */
export class RecentIds {
  readonly #h: number
  readonly #ids: Uint8Array
  readonly #kinds = new Uint8Array(1 << slotBits)

  constructor(format: ObjectFormat) {
    this.#h = hashBytes(format)
    this.#ids = new Uint8Array(this.#h << slotBits)
  }

  has(bytes: Uint8Array, at: number, kind: Kind): boolean {
    const slot = (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
    if (this.#kinds[slot] !== kind) return false
    const ids = this.#ids
    for (let i = this.#h - 1, from = slot * this.#h; i >= 2; i--) if (ids[from + i] !== bytes[at + i]) return false
    return true
  }

  add(bytes: Uint8Array, at: number, kind: Kind): void {
    const slot = (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
    this.#kinds[slot] = kind
    this.#ids.set(bytes.subarray(at, at + this.#h), slot * this.#h)
  }
}
