// What differs between the files of two images. What both have of the same layers alone is passed over unread. Pure.
import { equalBytes } from '../../base/index.ts'
import { ImageTree, type TreeNode } from './image-tree.ts'
import { Mark, type LayerRecord } from './layer-list.ts'

/** What of a file differs. Owners and times are none: lists don't have them. */
export const differences = ['type', 'mode', 'content', 'link'] as const
export type Difference = (typeof differences)[number]

export interface FileChange {
  readonly path: string
  readonly status: 'added' | 'removed' | 'changed'
  /** Of what was changed. */
  readonly differs: readonly Difference[]
  readonly before: LayerRecord | null
  readonly after: LayerRecord | null
}

export interface ImageDiff {
  readonly added: number
  readonly removed: number
  readonly changed: number
  /** Of files: what was added, less what was removed. */
  readonly grownBytes: number
  /** A part of them, in the order of paths. */
  readonly changes: readonly FileChange[]
}

export interface DiffWanted {
  /** Below that path alone. */
  readonly path: string
  /** Changes to pass over, and to tell at most. */
  readonly skip: number
  readonly most: number
}

export function diffImages(before: ImageTree, after: ImageTree, wanted: DiffWanted): ImageDiff {
  const diff = new Diff(before, after, wanted)
  diff.run()
  return diff.result
}

type Side = TreeNode | null

class Diff {
  readonly #before: ImageTree
  readonly #after: ImageTree
  readonly #wanted: DiffWanted
  readonly #changes: FileChange[] = []
  readonly #counts = { added: 0, removed: 0, changed: 0 }
  #grownBytes = 0

  constructor(before: ImageTree, after: ImageTree, wanted: DiffWanted) {
    this.#before = before
    this.#after = after
    this.#wanted = wanted
  }

  get result(): ImageDiff {
    return { ...this.#counts, grownBytes: this.#grownBytes, changes: this.#changes }
  }

  run(): void {
    const { path } = this.#wanted
    const [before, after] = [this.#before.find(path), this.#after.find(path)]
    this.#compare(before?.node ?? null, after?.node ?? null, before?.path ?? after?.path ?? path)
  }

  #compare(before: Side, after: Side, path: string): void {
    if (before !== null && after !== null && this.#isSamePlace(before, after)) return
    this.#tell(before, after, path)
    for (const [old, fresh, name] of this.#pairs(before, after)) this.#compare(old, fresh, path === '' ? name : `${path}/${name}`)
  }

  /** The same places of the same layers. */
  #isSamePlace(before: TreeNode, after: TreeNode): boolean {
    const isSame = (old: { layer: number; record: number }, fresh: { layer: number; record: number } | undefined) =>
      fresh !== undefined && old.record === fresh.record && this.#before.list(old).memory === this.#after.list(fresh).memory
    return (
      isSame(before, after) &&
      // a link to a file of another layer is to whatever is there
      this.#before.list(before).type(before.record) !== 'hardlink' &&
      before.below.length === after.below.length &&
      before.below.every((place, i) => isSame(place, after.below[i]))
    )
  }

  /** Children of both, by name. */
  *#pairs(before: Side, after: Side): Generator<readonly [Side, Side, string], void, undefined> {
    const olds = before === null ? noNodes : this.#before.children(before)
    const news = after === null ? noNodes : this.#after.children(after)
    let [old, fresh] = [olds.next().value, news.next().value]
    while (old !== undefined || fresh !== undefined) {
      const oldName = old === undefined ? null : this.#before.name(old)
      const newName = fresh === undefined ? null : this.#after.name(fresh)
      const order = oldName === null ? 1 : newName === null ? -1 : Buffer.compare(oldName, newName)
      const name = Buffer.from((order <= 0 ? oldName : newName) ?? []).toString('utf8')
      yield [order <= 0 ? (old ?? null) : null, order >= 0 ? (fresh ?? null) : null, name]
      if (order <= 0) old = olds.next().value
      if (order >= 0) fresh = news.next().value
    }
  }

  #tell(before: Side, after: Side, path: string): void {
    if (before !== null && after !== null) {
      const differs = this.#differences(before, after)
      if (differs.length > 0) this.#add('changed', path, before, after, differs)
    } else if (after !== null) this.#add('added', path, null, after, [])
    else if (before !== null) this.#add('removed', path, before, null, [])
  }

  #add(status: FileChange['status'], path: string, before: Side, after: Side, differs: readonly Difference[]): void {
    const { skip, most } = this.#wanted
    const { added, removed, changed } = this.#counts
    const place = added + removed + changed - skip
    this.#counts[status]++
    this.#grownBytes += sizeOf(this.#after, after) - sizeOf(this.#before, before)
    if (place < 0 || place >= most) return
    this.#changes.push({ path, status, differs, before: recordAt(this.#before, before), after: recordAt(this.#after, after) })
  }

  #differences(before: TreeNode, after: TreeNode): Difference[] {
    const [old, fresh] = [this.#before.list(before), this.#after.list(after)]
    const [a, b] = [before.record, after.record]
    const [oldType, newType] = [plainType(old.type(a)), plainType(fresh.type(b))]
    if (oldType !== newType) return ['type']
    const found: Difference[] = []
    // what is only implied says nothing of itself
    const isSaid = !old.isMarked(a, Mark.implied) && !fresh.isMarked(b, Mark.implied)
    if (isSaid && old.modes[a] !== fresh.modes[b]) found.push('mode')
    if (oldType === 'file' && !this.#isSameContent(before, after)) found.push('content')
    if (oldType === 'symlink' && old.linkOf(a) !== fresh.linkOf(b)) found.push('link')
    return found
  }

  #isSameContent(before: TreeNode, after: TreeNode): boolean {
    const [old, fresh] = [this.#before.bodyOf(before), this.#after.bodyOf(after)]
    if (old === null || fresh === null) return old === fresh
    return equalBytes(hashAt(this.#before, old), hashAt(this.#after, fresh))
  }
}

const noNodes: Iterator<TreeNode, void, undefined> = { next: () => ({ done: true, value: undefined }) }

/** A hard link is a file as any other. */
function plainType(type: string): string {
  return type === 'hardlink' ? 'file' : type
}

function hashAt(tree: ImageTree, node: TreeNode): Uint8Array {
  return tree.list(node).sha256s.subarray(node.record * 32, node.record * 32 + 32)
}

function sizeOf(tree: ImageTree, node: Side): number {
  const body = node === null ? null : tree.bodyOf(node)
  return body === null ? 0 : (tree.list(body).sizes[body.record] ?? 0)
}

function recordAt(tree: ImageTree, node: Side): LayerRecord | null {
  return node === null ? null : fileRecord(tree, node)
}

/** As it is in the image: hard links with the bytes of what they lead to. */
export function fileRecord(tree: ImageTree, node: TreeNode): LayerRecord {
  const record = tree.recordOf(node)
  if (record.type !== 'hardlink') return record
  const body = tree.bodyOf(node)
  if (body === null || body === node) return record
  const { sizeBytes, sha256, gitBlob } = tree.recordOf(body)
  return { ...record, sizeBytes, sha256, gitBlob }
}
