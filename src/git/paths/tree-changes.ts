// What one tree has otherwise than another, path by path: files, links, submodules and folders, with all that is below those that came or went.
import { CorruptError, hex, InputError, latin1 } from '../../base/index.ts'
import { compareTreeNames, newTreeCursor, nextTreeEntry, type TreeCursor } from '../format/tree.ts'
import { modeCode, treeCode } from '../format/path-table.ts'
import type { PacedRepository } from '../upload-pack/index.ts'

/**
 * Told of each path that differs: of what stands there now, or of nothing (mode −1).
 * @param folder path of the folder that it stands in, '' at the top; like `name` a character for each byte
 * @param oids holds the id from `at` on; to be copied
 */
export type TellChange = (folder: string, name: string, mode: number, oids: Uint8Array, at: number) => void

/** Trees nested deeper than this aren't gone into. */
const deepest = 1024
const noBytes = new Uint8Array(0)

interface Frame {
  readonly folder: string
  readonly made: number
  readonly old: number
  readonly depth: number
}

/**
 * @param made number of the tree that is looked at, or −1: none @param old of the one that it is compared with, or −1
 * @throws CorruptError when a tree can't be read; InputError 'tree-too-deep'; the reason of the pace's signal
 */
export async function treeChanges(repository: PacedRepository, made: number, old: number, tell: TellChange): Promise<void> {
  const stack: Frame[] = [{ folder: '', made, old, depth: 0 }]
  for (let frame = stack.pop(); frame !== undefined; frame = stack.pop()) {
    if (frame.made === frame.old) continue
    if (frame.depth > deepest) throw new InputError('tree-too-deep', `trees are nested deeper than ${deepest}`)
    const left = readTree(repository, frame.made)
    const right = readTree(repository, frame.old)
    const bytes = left instanceof Promise || right instanceof Promise ? await Promise.all([left, right]) : [left, right]
    const turn = repository.pace.turn(16 + ((bytes[0] as Uint8Array).length >>> 9))
    if (turn) await turn
    new FolderChanges(repository, frame, bytes[0] as Uint8Array, bytes[1] as Uint8Array, stack, tell).run()
  }
}

function readTree({ objects }: PacedRepository, number: number): Uint8Array | Promise<Uint8Array> {
  return number < 0 ? noBytes : objects.read(number)
}

class FolderChanges {
  readonly #repository: PacedRepository
  readonly #frame: Frame
  readonly #made: TreeCursor
  readonly #old: TreeCursor
  readonly #stack: Frame[]
  readonly #tell: TellChange
  /** Names of this folder that went; some come again as another kind, which has another place in a tree. */
  #gone: string[] = []
  #came: Set<string> | null = null

  constructor(repository: PacedRepository, frame: Frame, made: Uint8Array, old: Uint8Array, stack: Frame[], tell: TellChange) {
    this.#repository = repository
    this.#frame = frame
    this.#made = newTreeCursor(made, repository.set.format)
    this.#old = newTreeCursor(old, repository.set.format)
    this.#stack = stack
    this.#tell = tell
  }

  run(): void {
    try {
      this.#merge()
    } catch (cause) {
      if (!(cause instanceof InputError) || cause.code !== 'tree-malformed') throw cause
      throw new CorruptError(
        'object',
        `a tree below ${hex(this.#repository.set.oid(this.#frame.made < 0 ? this.#frame.old : this.#frame.made))}`,
        {
          cause,
        },
      )
    }
    for (const name of this.#gone) if (!this.#came?.has(name)) this.#tell(this.#frame.folder, name, -1, noBytes, 0)
  }

  #merge(): void {
    const [made, old] = [this.#made, this.#old]
    let hasMade = nextTreeEntry(made)
    let hasOld = nextTreeEntry(old)
    while (hasMade || hasOld) {
      const order = !hasMade ? 1 : !hasOld ? -1 : compareEntries(made, old)
      if (order === 0) {
        if (!isSame(made, old)) this.#changed()
      } else if (order < 0) this.#added()
      else this.#removed()
      if (order <= 0) hasMade = nextTreeEntry(made)
      if (order >= 0) hasOld = nextTreeEntry(old)
    }
  }

  /** Same name, and both folders or neither. */
  #changed(): void {
    const { bytes, oidStart } = this.#made
    const code = modeCode(this.#made.mode)
    const name = nameOf(this.#made)
    this.#tell(this.#frame.folder, name, code, bytes, oidStart)
    if (code === treeCode) this.#enter(name, this.#find(bytes, oidStart), this.#find(this.#old.bytes, this.#old.oidStart))
  }

  #added(): void {
    const { bytes, oidStart } = this.#made
    const code = modeCode(this.#made.mode)
    const name = nameOf(this.#made)
    this.#tell(this.#frame.folder, name, code, bytes, oidStart)
    this.#came ??= new Set()
    this.#came.add(name)
    if (code === treeCode) this.#enter(name, this.#find(bytes, oidStart), -1)
  }

  #removed(): void {
    const name = nameOf(this.#old)
    this.#gone.push(name)
    if (modeCode(this.#old.mode) === treeCode) this.#enter(name, -1, this.#find(this.#old.bytes, this.#old.oidStart))
  }

  #enter(name: string, made: number, old: number): void {
    const { folder, depth } = this.#frame
    this.#stack.push({ folder: folder === '' ? name : `${folder}/${name}`, made, old, depth: depth + 1 })
  }

  #find(oids: Uint8Array, at: number): number {
    const number = this.#repository.set.find(oids, at)
    if (number < 0)
      throw new CorruptError('object', `a tree refers to ${hex(oids.subarray(at, at + this.#made.hashSize))}, which is not stored`)
    return number
  }
}

function nameOf({ bytes, nameStart, nameEnd }: TreeCursor): string {
  return latin1(bytes.subarray(nameStart, nameEnd))
}

function compareEntries(a: TreeCursor, b: TreeCursor): number {
  const [aIsTree, bIsTree] = [modeCode(a.mode) === treeCode, modeCode(b.mode) === treeCode]
  return compareTreeNames(a.bytes, a.nameStart, a.nameEnd, aIsTree, b.bytes, b.nameStart, b.nameEnd, bIsTree)
}

function isSame(a: TreeCursor, b: TreeCursor): boolean {
  if (a.mode !== b.mode && modeCode(a.mode) !== modeCode(b.mode)) return false
  for (let i = 0; i < a.hashSize; i++) if (a.bytes[a.oidStart + i] !== b.bytes[b.oidStart + i]) return false
  return true
}
