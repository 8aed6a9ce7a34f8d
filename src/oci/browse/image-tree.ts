// The file system of an image: its layers' lists one above the other, as who unpacks them in order would find them. Pure; nothing is unpacked.
import { keyOf, type LayerList, type LayerRecord, Mark } from './layer-list.ts'

/** Where a layer says something of a path. */
interface Place {
  /** From the lowest layer. */
  readonly layer: number
  readonly record: number
}

/** What is seen at a path. */
export interface TreeNode {
  /** The place that it is seen from. */
  readonly layer: number
  readonly record: number
  /** Of directories: places whose children are seen, the highest first. Else none. */
  readonly below: readonly Place[]
}

/** As many as Linux follows. */
const mostLinks = 40
const directory = 2

export class ImageTree {
  readonly #layers: readonly LayerList[]

  /** @param layers the lowest first */
  constructor(layers: readonly LayerList[]) {
    this.#layers = layers
  }

  get root(): TreeNode {
    const places = this.#layers.map((_, layer) => ({ layer, record: 0 })).reverse()
    return this.#seen(places) ?? { layer: 0, record: 0, below: [] }
  }

  list({ layer }: { readonly layer: number }): LayerList {
    return this.#layers[layer] as LayerList
  }

  recordOf(node: TreeNode): LayerRecord {
    return this.list(node).record(node.record)
  }

  isDirectory(node: TreeNode): boolean {
    return this.list(node).types[node.record] === directory
  }

  name(node: TreeNode): Uint8Array {
    const key = this.list(node).key(node.record)
    return key.subarray(key.lastIndexOf(0) + 1)
  }

  /** What stands in a directory, by name. */
  *children(node: TreeNode): Generator<TreeNode, void, undefined> {
    const cursors = node.below.map((place) => new Cursor(this.list(place), place)).filter((cursor) => !cursor.isAtEnd)
    while (cursors.length > 0) {
      let least = cursors[0] as Cursor
      for (const cursor of cursors) if (Buffer.compare(cursor.name, least.name) < 0) least = cursor
      const { name } = least
      const places: Place[] = []
      for (let at = 0; at < cursors.length; ) {
        const cursor = cursors[at] as Cursor
        const isSame = cursor === least || Buffer.compare(cursor.name, name) === 0
        if (isSame) {
          places.push({ layer: cursor.layer, record: cursor.record })
          cursor.next()
        }
        if (isSame && cursor.isAtEnd) cursors.splice(at, 1)
        else at++
      }
      const seen = this.#seen(places)
      if (seen !== null) yield seen
    }
  }

  /**
   * What is seen at a path, by way of symbolic links within the image; null: nothing. A link at its end is followed when that is asked for.
   * `path`: where that is then.
   */
  find(path: string, follows = false): { readonly node: TreeNode; readonly path: string } | null {
    let parts = partsOf(path)
    const way: { readonly node: TreeNode; readonly name: string }[] = []
    let links = 0
    while (parts.length > 0) {
      const [part = '', ...rest] = parts
      parts = rest
      if (part === '..') {
        way.pop()
        continue
      }
      const node = this.#child(way.at(-1)?.node ?? this.root, part)
      if (node === null) return null
      const link = this.list(node).type(node.record) === 'symlink' ? this.list(node).linkOf(node.record) : null
      if (link === null || (rest.length === 0 && !follows)) {
        if (rest.length > 0 && !this.isDirectory(node)) return null
        way.push({ node, name: part })
        continue
      }
      if (++links > mostLinks) return null
      if (link.startsWith('/')) way.length = 0
      parts = [...partsOf(link), ...rest]
    }
    return { node: way.at(-1)?.node ?? this.root, path: way.map(({ name }) => name).join('/') }
  }

  /** Where the bytes of a file are: the node itself, or what it is a hard link to in a layer below; null: nowhere. */
  bodyOf(node: TreeNode): TreeNode | null {
    let at: TreeNode | null = node
    for (let links = 0; at !== null && links <= mostLinks; links++) {
      const list = this.list(at)
      if (list.hasBody(at.record)) return at
      if (list.type(at.record) !== 'hardlink') return null
      at = this.find(list.linkOf(at.record) ?? '')?.node ?? null
    }
    return null
  }

  #child(node: TreeNode, name: string): TreeNode | null {
    const key = keyOf(name)
    const places = node.below.flatMap(({ layer, record }) => {
      const list = this.#layers[layer] as LayerList
      const found = list.findBelow(record, key)
      return found === -1 ? [] : [{ layer, record: found }]
    })
    return this.#seen(places)
  }

  /** What is seen of one name. @param places of it, the highest layer first */
  #seen(places: readonly Place[]): TreeNode | null {
    let top: Place | null = null
    let isOpaque = false
    const below: Place[] = []
    for (const place of places) {
      const list = this.list(place)
      const type = list.types[place.record] as number
      const isDirectory = type === directory
      if (type !== 0 && !isDirectory) {
        // below a directory it is what that took the place of
        if (top === null) return { ...place, below: [] }
        break
      }
      if (isDirectory) top = top === null || this.#isOnlyImplied(top) ? place : top
      if (!isOpaque) below.push(place)
      if (list.isMarked(place.record, Mark.whiteout)) break
      // hides what is in it; the folder itself is still what the layers below say
      isOpaque ||= list.isMarked(place.record, Mark.opaque)
    }
    return top === null ? null : { ...top, below }
  }

  /** A directory that no entry names changes nothing of the one below. */
  #isOnlyImplied({ layer, record }: Place): boolean {
    return (this.#layers[layer] as LayerList).isMarked(record, Mark.implied)
  }
}

class Cursor {
  readonly layer: number
  readonly #list: LayerList
  readonly #parent: number
  readonly #end: number
  record: number
  name: Uint8Array

  constructor(list: LayerList, { layer, record }: Place) {
    this.#list = list
    this.layer = layer
    this.#parent = record
    this.#end = list.subtreeEnds[record] as number
    this.record = record + 1
    this.name = this.#name()
  }

  get isAtEnd(): boolean {
    return this.record >= this.#end
  }

  next(): void {
    this.record = this.#list.subtreeEnds[this.record] as number
    this.name = this.#name()
  }

  #name(): Uint8Array {
    return this.isAtEnd ? new Uint8Array() : this.#list.name(this.record, this.#parent)
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}
