// What the refs of a repository on disk reach: a walk that reads every commit, tree and tag, and asks for every blob.
// Marks are kept by pack and position, so that ten million objects take ten megabytes.
import { fromHex, hex, InputError } from '../../base/index.ts'
import type { DiskObject, DiskObjects, DiskPack } from '../disk/index.ts'
import { wrong } from '../disk/index.ts'
import { hashBytes, Kind, type ObjectId } from '../format/object-id.ts'
import { eachLink, RecentIds } from './links.ts'

/** A set of a repository's objects. */
class DiskMarks {
  readonly #packs: readonly { readonly pack: DiskPack; readonly marks: Uint8Array }[]
  readonly #loose = new Set<string>()
  count = 0

  constructor(objects: DiskObjects) {
    this.#packs = objects.packs.map((pack) => ({ pack, marks: new Uint8Array(pack.idx.count) }))
  }

  has(oid: Uint8Array): boolean {
    for (const { pack, marks } of this.#packs) {
      const position = pack.idx.find(oid, 0)
      if (position >= 0) return marks[position] === 1
    }
    return this.#loose.has(hex(oid))
  }

  /** True when it wasn't marked yet. */
  add(oid: Uint8Array): boolean {
    for (const { pack, marks } of this.#packs) {
      const position = pack.idx.find(oid, 0)
      if (position < 0) continue
      if (marks[position] === 1) return false
      marks[position] = 1
      this.count++
      return true
    }
    const id = hex(oid)
    if (this.#loose.has(id)) return false
    this.#loose.add(id)
    this.count++
    return true
  }
}

export interface WalkOptions {
  /** Where the walk begins: what refs point to. */
  readonly tips: readonly ObjectId[]
  /** Where the objects are, for messages. */
  readonly folder: string
  readonly progress: (done: number) => void
  /** True for an object that need not be walked: it and all that it reaches are known. */
  readonly isKnown: (oid: Uint8Array) => boolean
  readonly signal: AbortSignal
}

const progressEvery = 4096

/** All that the tips reach and isn't known. InputError `disk-object` for what is absent, `disk-pack` or `disk-object` for what is damaged. */
export async function walkDisk(objects: DiskObjects, options: WalkOptions): Promise<DiskMarks> {
  const marks = new DiskMarks(objects)
  const recent = new RecentIds(objects.format)
  const h = hashBytes(objects.format)
  const stack: Uint8Array[] = []
  let referrer = ''
  const meet = (bytes: Uint8Array, at: number, kind: Kind | null): void => {
    if (kind !== null && recent.has(bytes, at, kind)) return
    const id = bytes.slice(at, at + h)
    if (kind !== null) recent.add(id, 0, kind)
    if (options.isKnown(id) || !marks.add(id)) return
    // a blob refers to nothing: that it is there is enough
    if (kind !== Kind.blob) stack.push(id)
    else if (!objects.has(hex(id) as ObjectId)) throw absent(id, referrer, options.folder)
  }
  const follow = (oid: ObjectId, { kind, bytes }: DiskObject): void => {
    try {
      eachLink(kind, bytes, objects.format, meet)
    } catch (cause) {
      if (!(cause instanceof InputError) || cause.code.startsWith('disk-')) throw cause
      throw wrong('disk-object', options.folder, `object ${oid} cannot be read: ${cause.message}`, cause)
    }
  }
  for (const tip of new Set(options.tips)) {
    referrer = 'a ref'
    meet(fromHex(tip), 0, null)
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      const oid = hex(id) as ObjectId
      const object = objects.read(oid)
      if (object === null) throw absent(id, referrer, options.folder)
      referrer = `object ${oid}`
      follow(oid, object)
      if (marks.count % progressEvery !== 0) continue
      options.progress(marks.count)
      await new Promise((resolve) => setImmediate(resolve)) // for signals and the progress bar
      options.signal.throwIfAborted()
    }
  }
  return marks
}

function absent(id: Uint8Array, referrer: string, folder: string): Error {
  return wrong('disk-object', folder, `object ${hex(id)} is missing; ${referrer} refers to it`)
}
