// What stands at a path of a revision: a file, a folder, a symbolic link, a submodule; and the file that says what a folder is about.
import { asBuffer, latin1 } from '../../base/index.ts'
import { hex } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { isGitlinkMode, isTreeMode, Mode, type TreeEntry } from '../format/tree.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { base64Lines } from './base64.ts'
import { bytewise, pathText } from './text.ts'
import { findTree, idOf, type Named, noSuchObject } from './named.ts'
import { submoduleUrls } from './submodules.ts'
import { entriesOf, entryAt, listed, type ListedEntry, numberOf } from './tree-list.ts'

export interface ContentsQuestion {
  readonly name: Named
  /** Without slashes at its ends; empty: the root. */
  readonly path: string
  /** A file's bytes come along up to this size. */
  readonly mostBytes: number
  /** True: the bytes as they are, not as text in base64. */
  readonly isRaw: boolean
  /** Links are followed to files of the same tree. */
  readonly followsLinks: boolean
}

export interface FileContents {
  readonly type: 'file' | 'symlink'
  readonly path: string
  readonly oid: ObjectId
  readonly sizeBytes: number
  /** Base64; empty where the file is too large, or where the bytes were asked for. */
  readonly content: string | null
  readonly bytes: Uint8Array | null
  /** Of a link that leads to no file here. */
  readonly target: string | null
}

export interface FolderContents {
  readonly type: 'dir'
  readonly path: string
  readonly oid: ObjectId
  readonly entries: readonly (ListedEntry & { readonly url: string | null })[]
}

export interface SubmoduleContents {
  readonly type: 'submodule'
  readonly path: string
  readonly oid: ObjectId
  readonly url: string | null
}

export type Contents = (FileContents | FolderContents | SubmoduleContents) & { readonly commit: ObjectId | null }

/** Links to links to …: as many as Linux follows. */
const mostLinks = 40
/** Longer ones lead nowhere. */
const linkBytes = 4096
/** What is said of a folder's entries comes in one piece: more of them aren't. */
const mostEntries = 10_000

/** InputError `no-such-object`: neither the revision nor the path tells more. */
export async function readContents(repository: PacedRepository, question: ContentsQuestion): Promise<Contents> {
  const { tree, commit } = await findTree(repository, question.name)
  const path = bytewise(question.path)
  const entry = await entryAt(repository, tree, path)
  if (!entry) throw noSuchObject(`no path ${question.path}`)
  const found = await contentsOf(repository, tree, { entry, path: question.path }, question)
  return { ...found, commit: commit === null ? null : idOf(repository, commit) }
}

interface Place {
  readonly entry: TreeEntry
  readonly path: string
}

async function contentsOf(repository: PacedRepository, tree: number, { entry, path }: Place, question: ContentsQuestion) {
  const oid = hex(entry.oid) as ObjectId
  if (isTreeMode(entry.mode)) return await folder(repository, tree, path, entry)
  if (isGitlinkMode(entry.mode)) {
    return { type: 'submodule' as const, path, oid, url: (await submoduleUrls(repository, tree)).get(bytewise(path)) ?? null }
  }
  if (entry.mode !== Mode.symlink) return await file(repository, entry, path, question)
  const target = question.followsLinks ? await followLink(repository, tree, bytewise(path), entry) : null
  if (target) return await file(repository, target, path, question)
  const link = await file(repository, entry, path, question)
  return { ...link, type: 'symlink' as const, target: pathText(await linkTarget(repository, entry)) }
}

async function file(
  repository: PacedRepository,
  entry: TreeEntry,
  path: string,
  { isRaw, mostBytes }: ContentsQuestion,
): Promise<FileContents> {
  const number = numberOf(repository, entry.oid)
  const sizeBytes = repository.set.sizeBytes(number)
  const bytes = sizeBytes <= mostBytes ? await repository.objects.read(number) : null
  return {
    type: 'file',
    path,
    oid: hex(entry.oid) as ObjectId,
    sizeBytes,
    content: bytes && !isRaw ? base64Lines(bytes) : null,
    bytes: bytes && isRaw ? bytes.slice() : null, // a view may hold the memory of its neighbours
    target: null,
  }
}

async function folder(repository: PacedRepository, tree: number, path: string, entry: TreeEntry): Promise<FolderContents> {
  const entries = (await entriesOf(repository, numberOf(repository, entry.oid))).slice(0, mostEntries)
  const urls = entries.some(({ mode }) => isGitlinkMode(mode)) ? await submoduleUrls(repository, tree) : new Map<string, string>()
  const prefix = path === '' ? '' : `${path}/`
  const shown = entries.map((one) => {
    const own = prefix + asBuffer(one.name).toString('utf8')
    return { ...listed(repository, one, own), url: urls.get(bytewise(prefix) + latin1(one.name)) ?? null }
  })
  return { type: 'dir', path, oid: hex(entry.oid) as ObjectId, entries: shown }
}

/** The file of the same tree that the link leads to; null: none. */
async function followLink(repository: PacedRepository, tree: number, path: string, entry: TreeEntry): Promise<TreeEntry | null> {
  let at: { entry: TreeEntry; path: string } = { entry, path }
  for (let links = 0; at.entry.mode === Mode.symlink; links++) {
    if (links === mostLinks) return null
    const target = resolveLink(at.path, await linkTarget(repository, at.entry))
    const next = target === null ? null : await entryAt(repository, tree, target)
    if (!next || target === null) return null
    at = { entry: next, path: target }
  }
  return isTreeMode(at.entry.mode) || isGitlinkMode(at.entry.mode) ? null : at.entry
}

async function linkTarget(repository: PacedRepository, { oid }: TreeEntry): Promise<string> {
  const number = numberOf(repository, oid)
  return repository.set.sizeBytes(number) > linkBytes ? '' : latin1(await repository.objects.read(number))
}

/** Where a link leads within its tree; null: out of it, or nowhere. */
function resolveLink(path: string, target: string): string | null {
  if (target === '' || target.startsWith('/')) return null
  const parts = path.split('/').slice(0, -1)
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return null
  }
  return parts.join('/')
}

export interface ReadmeQuestion {
  readonly name: Named
  /** Without slashes at its ends; empty: the root. */
  readonly folder: string
  readonly mostBytes: number
  readonly isRaw: boolean
}

const readmeNames = /^readme(?:\.(?:md|markdown|mdown|mkdn|rst|adoc|asciidoc|asc|org|textile|rdoc|pod|creole|mediawiki|wiki|txt|html?))?$/i

/** The readme of a folder; of the root: also of `.github` and `docs`, in GitHub's order. InputError `no-such-object`. */
export async function readReadme(repository: PacedRepository, question: ReadmeQuestion): Promise<Contents> {
  const { tree } = await findTree(repository, question.name)
  const folders = question.folder === '' ? ['.github', '', 'docs'] : [question.folder]
  for (const place of folders) {
    const entry = await entryAt(repository, tree, bytewise(place))
    if (!entry || !isTreeMode(entry.mode)) continue
    const entries = await entriesOf(repository, numberOf(repository, entry.oid))
    const found = entries
      .filter(({ mode, name }) => !isTreeMode(mode) && !isGitlinkMode(mode) && readmeNames.test(latin1(name)))
      .sort((a, b) => rank(latin1(a.name)) - rank(latin1(b.name)))[0]
    if (!found) continue
    const path = (place === '' ? '' : `${place}/`) + asBuffer(found.name).toString('utf8')
    return await readContents(repository, { ...question, path, followsLinks: true })
  }
  throw noSuchObject('no readme')
}

/** Markup goes before plain text. */
function rank(name: string): number {
  const ending = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase()
  return ending === undefined ? 2 : ending === 'txt' ? 1 : 0
}
