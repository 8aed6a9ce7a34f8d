// A tree's files in the order in which `git archive` writes them: folders before what is in them, and only those from which something is
// taken; what `export-ignore` names is left out. A stack of its own, so that no tree is too deep for this thread.
import { CorruptError, hex, InputError, latin1, withoutEnd } from '../../base/index.ts'
import { type AttributeFile, attributesOf, parseAttributes } from '../format/attributes.ts'
import { isGitlinkMode, isTreeMode, Mode, newTreeCursor, nextTreeEntry, type TreeCursor } from '../format/tree.ts'
import { Kind } from '../format/object-id.ts'
import { objectSteps } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { archiveAttributes, type Attributes } from './conversion.ts'
import type { Pathspec } from './pathspec.ts'

export interface Entry {
  /** From the archive's root, one character for each byte; a folder's or submodule's ends in a slash. */
  readonly path: string
  /** As in trees, made one of the modes that git knows. */
  readonly mode: number
  /** In hex. */
  readonly oid: string
  /** Of the blob; −1 for folders and submodules. */
  readonly number: number
  readonly attributes: Attributes
}

export interface EntryRules {
  /** Before every path. When it ends in a slash, it is an entry of its own. */
  readonly prefix: string
  readonly pathspec: Pathspec
  /** False: no .gitattributes file is looked at. */
  readonly usesAttributes: boolean
}

/** As git's core.maxTreeDepth. */
const deepest = 2048
/** Entries of trees that one archive may have looked at: a few small trees can stand for any number of files. */
const mostEntries = 20_000_000
/** A larger .gitattributes file is none: its rules are held for as long as the walk is below it. */
const attributesBytes = 4 << 20
/** Of all .gitattributes files from the root down to a folder: their rules, and the characters of patterns with wildcards. */
const mostRules = 400_000
const mostWildcards = 128 << 10
/** No file system has longer ones, and each is compared with patterns. */
const longestPath = 32 << 10
/** Comparing so much takes about as long as a step of a walk. */
const comparesPerStep = 256
const nothing: Attributes = new Map()

interface Level {
  readonly cursor: TreeCursor
  /** Empty, or with a slash at its end. */
  readonly folder: string
  readonly files: readonly AttributeFile[]
  /** Its own entry, until something in it was taken. */
  pending: Entry | null
}

/** @throws CorruptError when a tree can't be read; InputError `tree-too-deep`, `too-large` */
export async function* walkEntries(repository: PacedRepository, tree: number, rules: EntryRules): AsyncGenerator<Entry, void, undefined> {
  const { prefix } = rules
  if (prefix.endsWith('/')) {
    const path = `${withoutEnd(prefix, '/')}/`
    yield { path, mode: 0o40777, oid: hex(repository.set.oid(tree)), number: -1, attributes: nothing }
  }
  const walk = new Walk(repository, rules)
  const levels = [await walk.open(tree, '', [], null)]
  for (let level = levels.at(-1); level; level = levels.at(-1)) {
    const turn = repository.pace.turn(objectSteps + walk.cost)
    if (turn) await turn
    walk.cost = 0
    if (!walk.next(level)) {
      levels.pop()
      continue
    }
    const entry = walk.entry(level)
    if (entry === null) continue
    const isIgnored = entry.attributes.get('export-ignore') === true
    if (isTreeMode(entry.mode)) {
      if (isIgnored) continue
      if (levels.length > deepest) throw new InputError('tree-too-deep', 'exceeded maximum allowed tree depth')
      const below = entry.path.slice(prefix.length)
      levels.push(await walk.open(walk.find(level), below, level.files, entry))
      continue
    }
    for (const above of levels) {
      if (above.pending) yield above.pending
      above.pending = null
    }
    // a folder stands in the archive even when all that was taken from it is left out: so git has it
    if (!isIgnored) yield entry
  }
}

class Walk {
  readonly #repository: PacedRepository
  readonly #rules: EntryRules
  #left = mostEntries
  /** In steps, since it was set to 0: of comparing paths with patterns. */
  cost = 0

  constructor(repository: PacedRepository, rules: EntryRules) {
    this.#repository = repository
    this.#rules = rules
  }

  async open(tree: number, folder: string, above: readonly AttributeFile[], pending: Entry | null): Promise<Level> {
    const { objects, set } = this.#repository
    if (set.kind(tree) !== Kind.tree) throw new CorruptError('object', `${hex(set.oid(tree))} stands as a folder and is no tree`)
    const cursor = newTreeCursor(await objects.read(tree), set.format)
    const files = this.#rules.usesAttributes ? await this.#withAttributes(cursor, folder, above) : above
    return { cursor: newTreeCursor(cursor.bytes, set.format), folder, files, pending }
  }

  async #withAttributes(cursor: TreeCursor, folder: string, above: readonly AttributeFile[]): Promise<readonly AttributeFile[]> {
    const { objects, set } = this.#repository
    for (;;) {
      if (!this.#step(cursor)) break
      if (latin1(cursor.bytes.subarray(cursor.nameStart, cursor.nameEnd)) !== '.gitattributes') continue
      const number = set.find(cursor.bytes, cursor.oidStart)
      const isFile = number >= 0 && set.kind(number) === Kind.blob && canonicalMode(cursor.mode) !== Mode.symlink
      if (!isFile || set.sizeBytes(number) > attributesBytes) break
      const files = [...rootFirst(above, folder), parseAttributes(latin1(await objects.read(number)), folder, archiveAttributes)]
      const { rules, wildcards } = costOf(files)
      if (rules > mostRules || wildcards > mostWildcards) throw new InputError('too-large', `${folder}.gitattributes has too many patterns`)
      return files
    }
    return above
  }

  next(level: Level): boolean {
    return this.#step(level.cursor)
  }

  #step(cursor: TreeCursor): boolean {
    if (this.#left-- <= 0) throw tooMany()
    try {
      return nextTreeEntry(cursor)
    } catch (cause) {
      throw new CorruptError('object', 'a tree is not well formed', { cause })
    }
  }

  /** Number of what the level's cursor stands on. */
  find({ cursor }: Level): number {
    const number = this.#repository.set.find(cursor.bytes, cursor.oidStart)
    if (number >= 0) return number
    throw new CorruptError('object', `a tree refers to ${hex(cursor.bytes.subarray(cursor.oidStart, cursor.end))}, which is not stored`)
  }

  /** What the level's cursor stands on; null when no pathspec takes it. */
  entry(level: Level): Entry | null {
    const { cursor, folder, files } = level
    const { pathspec, prefix } = this.#rules
    const path = folder + latin1(cursor.bytes.subarray(cursor.nameStart, cursor.nameEnd))
    if (path.length > longestPath) throw new InputError('too-large', `path too long (${path.length} chars)`)
    const { rules, wildcards } = costOf(files)
    this.cost += (rules + (wildcards + pathspec.cost) * path.length) / comparesPerStep
    const mode = canonicalMode(cursor.mode)
    const isTree = isTreeMode(mode)
    const isFolder = isTree || isGitlinkMode(mode)
    if (!pathspec.isEverything && !(isTree ? pathspec.mayMatchBelow(path) : pathspec.matches(path, isFolder))) return null
    const attributes = files.length === 0 ? nothing : attributesOf(files, path, isFolder)
    const oid = hex(cursor.bytes.subarray(cursor.oidStart, cursor.end))
    const number = isFolder ? -1 : this.find(level)
    return { path: `${prefix}${path}${isFolder ? '/' : ''}`, mode, oid, number, attributes }
  }
}

/** The first file is asked for macros, so it has to be the topmost folder's, even where that has none. */
function rootFirst(above: readonly AttributeFile[], folder: string): readonly AttributeFile[] {
  return above.length === 0 && folder !== '' ? [{ rules: [], macros: new Map(), cost: { rules: 0, wildcards: 0 } }] : above
}

function costOf(files: readonly AttributeFile[]): AttributeFile['cost'] {
  let rules = 0
  let wildcards = 0
  for (const { cost } of files) {
    rules += cost.rules
    wildcards += cost.wildcards
  }
  return { rules, wildcards }
}

function tooMany(): InputError {
  return new InputError('too-large', `the tree has more than ${mostEntries} entries`)
}

/** As git's canon_mode. */
function canonicalMode(mode: number): number {
  const type = mode & 0o170000
  if (type === 0o100000) return mode & 0o100 ? Mode.executable : Mode.file
  if (type === Mode.symlink || type === Mode.tree) return type
  return Mode.gitlink
}

/**
 * The first of the pathspecs that no path of the tree matches, or null; each is asked on its own.
 * Errors as `walkEntries`.
 */
export async function findUnmatched(
  repository: PacedRepository,
  tree: number,
  pathspecs: readonly { readonly text: string; readonly pathspec: Pathspec }[],
): Promise<string | null> {
  let open = pathspecs.filter(({ pathspec }) => !pathspec.isEverything)
  if (open.length === 0) return null
  const { objects, pace, set } = repository
  const stack = [{ tree, folder: '', depth: 0 }]
  let left = mostEntries
  for (let at = stack.pop(); at && open.length > 0; at = stack.pop()) {
    const cursor = newTreeCursor(await objects.read(at.tree), set.format)
    while (nextTreeEntry(cursor)) {
      if (left-- <= 0) throw tooMany()
      const turn = pace.turn(objectSteps)
      if (turn) await turn
      const path = at.folder + latin1(cursor.bytes.subarray(cursor.nameStart, cursor.nameEnd))
      if (path.length > longestPath) throw new InputError('too-large', `path too long (${path.length} chars)`)
      const compared = pace.turn((open.reduce((sum, { pathspec }) => sum + pathspec.cost, 0) * path.length) / comparesPerStep)
      if (compared) await compared
      const isTree = isTreeMode(cursor.mode)
      open = open.filter(({ pathspec }) => !pathspec.matches(path, isTree || isGitlinkMode(cursor.mode)))
      if (!isTree || at.depth >= deepest || !open.some(({ pathspec }) => pathspec.mayMatchBelow(path))) continue
      const below = set.find(cursor.bytes, cursor.oidStart)
      if (below >= 0) stack.push({ tree: below, folder: `${path}/`, depth: at.depth + 1 })
    }
  }
  return open[0]?.text ?? null
}
