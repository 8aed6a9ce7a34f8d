// Makes a layer's list out of its entries, as they come. Pure.
import { InputError } from '../../base/index.ts'
import { LayerDrafts } from './layer-drafts.ts'
import { entryTypes, type EntryType, LayerList, listBytes, Mark } from './layer-list.ts'

/** An entry as a layer has it; text that stands for bytes has one character for each. */
export interface LayerEntry {
  /** As it stands there. */
  readonly name: string
  readonly type: Exclude<EntryType, 'none'>
  readonly mode: number
  readonly sizeBytes: number
  readonly link: string | null
  /** Of files, but of those that are kept with holes. */
  readonly body: LayerBody | null
}

export interface LayerBody {
  /** Bytes of other bodies that stand before it in the layer. */
  readonly at: number
  readonly sha256: Uint8Array
  readonly gitBlob: Uint8Array
}

export interface ListLimits {
  /** Directories that only stand in paths are counted, too. */
  readonly records: number
  readonly bytes: number
}

/** Some times what the largest layers have that people make (a Debian with Node and its modules: 40,000). */
export const listLimits: ListLimits = { records: 300_000, bytes: 64 << 20 }
/** As most systems have it. */
const longestPath = 4096

const hidden = '.wh.'
const opaque = '.wh..wh..opq'
/** What AUFS keeps for itself. */
const ofAufs = '.wh..wh.'

export class LayerListBuilder {
  readonly #limits: ListLimits
  readonly #drafts = new LayerDrafts()
  readonly #numbers = new Map<string, number>()
  #pathBytes = 0
  #linkBytes = 0

  constructor(limits: ListLimits = listLimits) {
    this.#limits = limits
    this.#at('')
  }

  /** InputError `too-many-files`, `long-path`, `bad-path`. */
  add(entry: LayerEntry): void {
    if (entry.name.length > longestPath || (entry.link?.length ?? 0) > longestPath) {
      throw new InputError('long-path', `a path in the layer has more than ${longestPath} bytes`)
    }
    if (entry.name.includes('\0')) throw new InputError('bad-path', 'a path in the layer has a zero byte')
    const key = normalKey(entry.name)
    if (key === '' && entry.type !== 'directory') return // nothing takes the root's place
    const cut = key.lastIndexOf('\0') + 1
    const name = key.slice(cut)
    const parent = key.slice(0, Math.max(0, cut - 1))
    // a file in what is none
    if (parent.startsWith(hidden) || parent.includes(`\0${hidden}`)) return
    if (name === opaque) this.#mark(this.#at(parent), Mark.opaque)
    else if (name.startsWith(ofAufs)) return
    else if (name.startsWith(hidden)) {
      const what = name.slice(hidden.length)
      // what would hide its own folder, or the one above, hides nothing
      if (what !== '' && what !== '.' && what !== '..') this.#mark(this.#at(key.slice(0, cut) + what), Mark.whiteout)
    } else this.#put(key, entry)
  }

  finish(): LayerList {
    this.#imply()
    const drafts = this.#drafts
    const keys = [...this.#numbers.keys()].sort()
    const list = LayerList.of(keys.length, this.#pathBytes, this.#linkBytes)
    let [pathEnd, linkEnd] = [0, 0]
    const open: number[] = []
    for (const [record, key] of keys.entries()) {
      while (open.length > 0 && !isBelow(key, keys[open.at(-1) as number] as string)) list.subtreeEnds[open.pop() as number] = record
      open.push(record)
      const draft = this.#numbers.get(key) as number
      const marks = drafts.marks[draft] as number
      const isImplied = (marks & Mark.implied) !== 0
      pathEnd += writeLatin1(list.paths, pathEnd, key)
      linkEnd += writeLatin1(list.links, linkEnd, drafts.link(draft))
      list.pathEnds[record] = pathEnd
      list.linkEnds[record] = linkEnd
      list.marks[record] = marks
      list.types[record] = isImplied ? entryTypes.indexOf('directory') : (drafts.types[draft] as number)
      list.modes[record] = isImplied ? 0o755 : (drafts.modes[draft] as number)
      list.sizes[record] = drafts.sizeBytes(draft)
      list.bodies[record] = drafts.bodies[draft] as number
      const body = drafts.body(draft)
      if (body === null) continue
      list.sha256s.set(body.sha256, record * 32)
      list.gitBlobs.set(body.gitBlob, record * 20)
    }
    for (const record of open) list.subtreeEnds[record] = keys.length
    return list
  }

  #put(key: string, entry: LayerEntry): void {
    const drafts = this.#drafts
    const draft = this.#at(key)
    this.#linkBytes += (entry.link?.length ?? 0) - drafts.link(draft).length
    drafts.put(draft, entry)
    if (entry.type !== 'hardlink') return drafts.putBody(draft, entry.body, entry.sizeBytes)
    // the file that it is a link to as the layer is now: a later one of that name is another file
    const meant = this.#numbers.get(normalKey(entry.link ?? ''))
    if (meant === undefined) drafts.putBody(draft, null, 0)
    else drafts.putBody(draft, drafts.body(meant), drafts.sizeBytes(meant))
  }

  #mark(draft: number, mark: number): void {
    this.#drafts.marks[draft] = (this.#drafts.marks[draft] as number) | mark
  }

  /** The draft of a path, which has its parents from then on. */
  #at(key: string): number {
    const found = this.#numbers.get(key)
    if (found !== undefined) return found
    if (key !== '') this.#at(key.slice(0, Math.max(0, key.lastIndexOf('\0'))))
    const draft = this.#drafts.add()
    this.#numbers.set(key, draft)
    this.#pathBytes += key.length
    const { count } = this.#drafts
    const { records, bytes } = this.#limits
    if (count > records || listBytes(count, this.#pathBytes, this.#linkBytes) > bytes) {
      throw new InputError('too-many-files', `the layer has more files than are listed: ${records}, or ${bytes >> 20} MiB of their names`)
    }
    return draft
  }

  /** Directories that entries are in, and that none names, are there all the same. */
  #imply(): void {
    const drafts = this.#drafts
    for (const [key, number] of this.#numbers) {
      if (!drafts.hasEntry(number)) continue
      for (let above = key; above !== ''; ) {
        above = above.slice(0, Math.max(0, above.lastIndexOf('\0')))
        const draft = this.#numbers.get(above) as number
        if (drafts.hasEntry(draft) || ((drafts.marks[draft] as number) & Mark.implied) !== 0) break
        this.#mark(draft, Mark.implied)
      }
    }
    const root = this.#numbers.get('') as number
    if (!drafts.hasEntry(root)) this.#mark(root, Mark.implied)
  }
}

/** A name in a layer as a key: below the root, however it is written. */
export function normalKey(name: string): string {
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('\0')
}

function isBelow(key: string, above: string): boolean {
  return above === '' || (key.startsWith(above) && key[above.length] === '\0')
}

function writeLatin1(into: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i)
  return text.length
}
