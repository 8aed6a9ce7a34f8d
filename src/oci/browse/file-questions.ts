// What is asked of lists of layers' files, answered in a worker. Pure.
import { InputError } from '../../base/index.ts'
import { diffImages, fileRecord, type ImageDiff } from './image-diff.ts'
import { ImageTree, type TreeNode } from './image-tree.ts'
import { LayerListBuilder } from './layer-list-builder.ts'
import { LayerList, type LayerRecord, Mark } from './layer-list.ts'

/** Lists as threads share them, the lowest layer first. */
export type Lists = readonly SharedArrayBuffer[]

export interface PartWanted {
  /** How many to pass over, and to tell at most. */
  readonly skip: number
  readonly most: number
}

/** A row of a layer's list: a file, or that the layer hides something. */
export interface LayerRow extends Omit<LayerRecord, 'type' | 'marks'> {
  readonly type: Exclude<LayerRecord['type'], 'none'> | 'whiteout' | 'opaque'
}

/** Of a file in an image. */
export interface ImageFile extends LayerRecord {
  /** The layer that it is seen from, from 0 for the lowest. */
  readonly layer: number
}

/** Where the bytes of a file stand. */
export interface FilePlace {
  readonly layer: number
  readonly bodyAt: number
  readonly sizeBytes: number
  readonly sha256: Uint8Array
}

export const answers = { layerRows, layerFile, imageFolder, imageFile, diff }
type Answers = typeof answers
export type QuestionKind = keyof Answers
export type QuestionOf<K extends QuestionKind> = Parameters<Answers[K]>[0]
export type AnswerOf<K extends QuestionKind> = ReturnType<Answers[K]>

/** All that a layer has at and below a path, in the order of paths. What is hidden comes before what is there. */
function layerRows({ list: memory, below, skip, most }: PartWanted & { readonly list: SharedArrayBuffer; readonly below: string }): {
  readonly rows: readonly LayerRow[]
  readonly total: number
  readonly totalBytes: number
} {
  const list = new LayerList(memory)
  const top = list.find(plainPath(below))
  const rows: LayerRow[] = []
  let total = 0
  let totalBytes = 0
  const add = (record: number, type: LayerRow['type']) => {
    if (total >= skip && rows.length < most) {
      const { marks: _, ...facts } = list.record(record)
      rows.push({ ...facts, type })
    }
    total++
  }
  for (let record = top; top >= 0 && record < (list.subtreeEnds[top] as number); record++) {
    if (list.isMarked(record, Mark.whiteout)) add(record, 'whiteout')
    if (list.isMarked(record, Mark.opaque)) add(record, 'opaque')
    const type = list.type(record)
    if (type === 'none' || list.isMarked(record, Mark.implied)) continue
    add(record, type)
    // a hard link adds no bytes
    if (type === 'file') totalBytes += list.sizes[record] as number
  }
  return { rows, total, totalBytes }
}

/** Where a file of a layer is. InputError `no-such-file`, `not-a-file`. */
function layerFile({ list: memory, path }: { readonly list: SharedArrayBuffer; readonly path: string }): FilePlace {
  const list = new LayerList(memory)
  const record = list.find(plainPath(path))
  if (record < 0 || list.type(record) === 'none') throw noSuchFile(path)
  if (!list.hasBody(record)) throw notAFile(path, list.type(record))
  return placeOf(list, 0, record)
}

/** A folder of an image with what stands in it, or a file. InputError `no-such-file`. */
function imageFolder({
  lists,
  path,
  follows,
  skip,
  most,
}: PartWanted & { readonly lists: Lists; readonly path: string; readonly follows: boolean }): {
  readonly file: ImageFile
  readonly entries: readonly ImageFile[]
  readonly total: number
} {
  const tree = treeOf(lists)
  const found = tree.find(path, follows)
  if (found === null) throw noSuchFile(path)
  const entries: ImageFile[] = []
  let total = 0
  for (const child of tree.children(found.node)) {
    if (total >= skip && entries.length < most) {
      const name = Buffer.from(tree.name(child)).toString('utf8')
      entries.push(imageFileOf(tree, child, found.path === '' ? name : `${found.path}/${name}`))
    }
    total++
  }
  return { file: imageFileOf(tree, found.node, found.path), entries, total }
}

/** Where a file of an image is; links are followed. InputError `no-such-file`, `not-a-file`. */
function imageFile({ lists, path }: { readonly lists: Lists; readonly path: string }): FilePlace {
  const tree = treeOf(lists)
  const found = tree.find(path, true)
  if (found === null) throw noSuchFile(path)
  const body = tree.bodyOf(found.node)
  if (body === null) throw notAFile(path, tree.recordOf(found.node).type)
  return placeOf(tree.list(body), body.layer, body.record)
}

/** InputError `no-such-file` where neither has the path. */
function diff({
  before,
  after,
  path,
  skip,
  most,
}: PartWanted & { readonly before: Lists; readonly after: Lists; readonly path: string }): ImageDiff {
  const known = new Map<SharedArrayBuffer, LayerList>()
  const [old, fresh] = [treeOf(before, known), treeOf(after, known)]
  if (old.find(path) === null && fresh.find(path) === null) throw noSuchFile(path)
  return diffImages(old, fresh, { path, skip, most })
}

function treeOf(lists: Lists, known = new Map<SharedArrayBuffer, LayerList>()): ImageTree {
  const layers = lists.map((memory) => {
    const list = known.get(memory) ?? new LayerList(memory)
    known.set(memory, list)
    return list
  })
  return new ImageTree(layers.length === 0 ? [new LayerListBuilder().finish()] : layers)
}

function imageFileOf(tree: ImageTree, node: TreeNode, path: string): ImageFile {
  return { ...fileRecord(tree, node), path, layer: node.layer }
}

function placeOf(list: LayerList, layer: number, record: number): FilePlace {
  const sha256 = list.sha256s.slice(record * 32, record * 32 + 32)
  return { layer, bodyAt: list.bodies[record] as number, sizeBytes: list.sizes[record] as number, sha256 }
}

/** As lists have paths. */
function plainPath(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')
}

function noSuchFile(path: string): InputError {
  return new InputError('no-such-file', `there is nothing at ${path.slice(0, 200)}`)
}

function notAFile(path: string, type: string): InputError {
  const what = type === 'file' ? 'a file with holes, whose bytes are not shown' : `no file, but a ${type}`
  return new InputError('not-a-file', `${path.slice(0, 200)} is ${what}`)
}
