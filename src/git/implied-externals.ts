// Which of a pack's externals need not be named, since another external leads to them (docs/design/pack-key.md, What externals imply): most do. A
// tree that a push changed names all its other entries, and the tree that stood at the same path before names them too.
// The pack's commits are compared with their parents, and trees with those at the same paths there. Where the other tree is outside of the pack it is an
// external, or below one; so what is in it is strictly below an external.
import { latin1 } from '../base/index.ts'
import { parseCommitLinks, readHexId } from './format/commit.ts'
import { hashBytes, Kind, type ObjectFormat } from './format/object-id.ts'
import type { PackIndex } from './format/stored-pack.ts'
import { isGitlinkMode, isTreeMode, newTreeCursor, nextTreeEntry } from './format/tree.ts'
import { SortedIds } from './sorted-ids.ts'
import { objectSteps, type Pace } from './upload-pack/pace.ts'

export interface ImpliedQuestion {
  readonly index: PackIndex
  /** All of them: packed ids, ascending. */
  readonly externals: Uint8Array
  /** An object of the pack or of the network; null when there is none. */
  readonly read: (oid: Uint8Array) => Promise<Uint8Array | null>
  /** Trees that are read at most; behind that everything is named. */
  readonly mostTrees: number
  readonly pace: Pace
}

/** The externals that are left when those are left out that others lead to: packed ids, ascending. InputError or CorruptError when something can't be read. */
export async function neededExternals(question: ImpliedQuestion): Promise<Uint8Array> {
  const walk = new Walk(question)
  await walk.commits()
  await walk.trees()
  return walk.ids.unseen()
}

type Place = 'own' | 'outside' | 'copy'

/** Two trees at the same path, as text of their packed ids. */
type Pair = readonly [tree: string, before: string]

class Walk {
  readonly ids: SortedIds
  readonly #question: ImpliedQuestion
  readonly #format: ObjectFormat
  readonly #met = new Set<string>()
  /** Pairs whose other tree is outside of the pack show externals; those within only lead to more pairs. */
  readonly #outside: Pair[] = []
  readonly #within: Pair[] = []
  readonly #parents = new Set<string>()
  #left: number

  constructor(question: ImpliedQuestion) {
    this.#question = question
    this.#format = question.index.format
    this.#left = question.mostTrees
    this.ids = new SortedIds(question.externals, hashBytes(this.#format))
  }

  async commits(): Promise<void> {
    const { index, pace } = this.#question
    for (let position = 0; position < index.count; position++) {
      if (index.kind(position) !== Kind.commit || index.isAppended(position)) continue
      const turn = pace.turn(objectSteps)
      if (turn) await turn
      const commit = await this.#commit(index.oid(position))
      for (const parent of commit?.parents ?? []) await this.#parent(commit?.tree as Uint8Array, parent)
    }
  }

  /** A parent that is absent, or may not be built on, is no external, whatever else is stored. */
  async #parent(tree: Uint8Array, parent: Uint8Array): Promise<void> {
    const place = this.#placeOf(parent)
    if (place === 'copy' || (place === 'outside' && !this.ids.has(parent, 0))) return
    const before = (await this.#commit(parent))?.tree
    if (!before) return
    if (place === 'outside') {
      this.#parents.add(latin1(parent))
      this.ids.see(before, 0)
    }
    this.#compare(tree, before)
  }

  async #commit(oid: Uint8Array): Promise<{ readonly tree: Uint8Array; readonly parents: readonly Uint8Array[] } | null> {
    const bytes = await this.#question.read(oid)
    if (!bytes) return null
    const links = parseCommitLinks(bytes, this.#format)
    const idAt = (at: number) => {
      const id = new Uint8Array(hashBytes(this.#format))
      readHexId(bytes, at, this.#format, id)
      return id
    }
    const parents = Array.from({ length: links.parentCount }, (_, i) => idAt(links.parentsAt + i * links.parentStride))
    return { tree: idAt(links.treeAt), parents }
  }

  /** Until nothing is left but the parents, mostly after a few trees. */
  async trees(): Promise<void> {
    while (this.#left > 0 && this.ids.left > this.#parents.size) {
      const pair = this.#outside.pop() ?? this.#within.pop()
      if (!pair) return
      const turn = this.#question.pace.turn(objectSteps)
      if (turn) await turn
      await this.#descend(pair)
    }
  }

  /** Where an object is; a copy that was appended says nothing of what it refers to. */
  #placeOf(oid: Uint8Array): Place {
    const { index } = this.#question
    const position = index.find(oid, 0)
    return position < 0 ? 'outside' : index.isAppended(position) ? 'copy' : 'own'
  }

  #compare(tree: Uint8Array, before: Uint8Array): void {
    const place = this.#placeOf(before)
    if (place === 'copy' || this.#placeOf(tree) !== 'own') return
    const pair = [latin1(tree), latin1(before)] as const
    const key = pair.join('')
    if (pair[0] === pair[1] || this.#met.has(key)) return
    this.#met.add(key)
    if (place === 'outside') this.#outside.push(pair)
    else this.#within.push(pair)
  }

  async #descend([tree, before]: Pair): Promise<void> {
    const { read } = this.#question
    const beforeId = Buffer.from(before, 'latin1')
    const isOutside = this.#placeOf(beforeId) === 'outside'
    this.#left--
    const folders = this.#ownFolders(await read(Buffer.from(tree, 'latin1')))
    if (!isOutside && folders.size === 0) return
    this.#left--
    const bytes = await read(beforeId)
    if (!bytes) return
    const cursor = newTreeCursor(bytes, this.#format)
    while (nextTreeEntry(cursor)) {
      if (isGitlinkMode(cursor.mode)) continue
      if (isOutside) this.ids.see(bytes, cursor.oidStart)
      if (folders.size === 0 || !isTreeMode(cursor.mode)) continue
      const now = folders.get(latin1(bytes.subarray(cursor.nameStart, cursor.nameEnd)))
      if (now) this.#compare(now, bytes.subarray(cursor.oidStart, cursor.end))
    }
  }

  /** A tree's subtrees that are the pack's own, by name. */
  #ownFolders(bytes: Uint8Array | null): ReadonlyMap<string, Uint8Array> {
    const folders = new Map<string, Uint8Array>()
    const cursor = newTreeCursor(bytes ?? new Uint8Array(0), this.#format)
    while (nextTreeEntry(cursor)) {
      if (!isTreeMode(cursor.mode)) continue
      const oid = cursor.bytes.slice(cursor.oidStart, cursor.end)
      if (this.#placeOf(oid) === 'own') folders.set(latin1(cursor.bytes.subarray(cursor.nameStart, cursor.nameEnd)), oid)
    }
    return folders
  }
}
