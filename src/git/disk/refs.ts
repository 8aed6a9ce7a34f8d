// The refs of a repository on disk: HEAD, loose files below refs/, and packed-refs, which loose ones overrule (gitrepository-layout(5)).
// Refs of linked work trees (worktrees/*) are not read: they are places where somebody works, not part of what a repository holds.
import { lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { asBuffer, isSystemError } from '../../base/index.ts'
import { type ObjectFormat, type ObjectId, parseObjectId, zeroId } from '../format/object-id.ts'
import { compareRefnames, isRefname } from '../format/refname.ts'
import { readIfThere, reading, wrong } from './errors.ts'

export interface DiskRef {
  readonly name: string
  readonly oid: ObjectId
  /** For a symbolic ref: the ref that it names itself. `oid` is what that leads to. */
  readonly symref?: string
}

/** A file that should be a ref and isn't one. */
export interface BrokenRef {
  readonly name: string
  readonly path: string
  readonly reason: string
}

/** Where HEAD points: a branch that may not exist yet, or (detached) an object. */
export type DiskHead = { readonly ref: string } | { readonly oid: ObjectId }

export interface DiskRefs {
  readonly head: DiskHead
  /** Sorted as git sorts them. HEAD is not among them. */
  readonly refs: readonly DiskRef[]
  readonly broken: readonly BrokenRef[]
}

type Value = { readonly oid: ObjectId } | { readonly symref: string }

const longestChain = 5

/** Reads everything anew. InputError `disk-ref` when HEAD or packed-refs can't be understood. */
export function readDiskRefs(folder: string, format: ObjectFormat): DiskRefs {
  const values = new Map<string, Value>(readPackedRefs(join(folder, 'packed-refs'), format))
  const broken: BrokenRef[] = []
  for (const { name, path } of looseNames(folder, 'refs')) {
    const bytes = readIfThere(path)
    if (bytes === null) continue // packed and removed meanwhile
    const reason = isUsableName(name) ? null : 'is no good name for a ref'
    const value = parseValue(bytes, format)
    if (reason === null && value !== null) values.set(name, value)
    else broken.push({ name, path, reason: reason ?? 'holds neither an object id nor the name of a ref' })
    if (reason === null && value === null) values.delete(name)
  }
  const refs: DiskRef[] = []
  for (const [name, value] of values) {
    const oid = 'oid' in value ? value.oid : follow(values, value.symref)
    if (oid === null) continue // a symbolic ref to a branch that isn't born: no ref, as git has it
    refs.push('oid' in value ? { name, oid } : { name, oid, symref: value.symref })
  }
  refs.sort((a, b) => compareRefnames(a.name, b.name))
  return { head: readHead(join(folder, 'HEAD'), format), refs, broken }
}

function readHead(path: string, format: ObjectFormat): DiskHead {
  // git before 1.6, and core.preferSymlinkRefs: a link to the branch's file, which need not be there
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    const target = reading(path, () => readlinkSync(path))
    if (target.startsWith('refs/') && isUsableName(target)) return { ref: target }
  }
  const bytes = readIfThere(path)
  const value = bytes === null ? null : parseValue(bytes, format)
  if (value === null) throw wrong('disk-ref', path, 'holds neither an object id nor the name of a ref')
  return 'oid' in value ? value : { ref: value.symref }
}

/** A file's content: an id, or `ref: NAME`. What follows the id on its line was never git's own and is passed over, as git does. */
function parseValue(bytes: Uint8Array, format: ObjectFormat): Value | null {
  const text = asBuffer(bytes).toString('utf8')
  const symref = /^ref:\s*(.*?)\s*$/s.exec(text)?.[1]
  if (symref !== undefined) return isUsableName(symref) || symref === 'refs/heads/.invalid' ? { symref } : null
  const word = /^\S*/.exec(text)?.[0].toLowerCase() ?? ''
  const oid = parseObjectId(word, format)
  return oid === null || oid === zeroId(format) ? null : { oid }
}

function isUsableName(name: string): boolean {
  return isRefname(name) && !name.includes('\ufffd')
}

function follow(values: ReadonlyMap<string, Value>, first: string): ObjectId | null {
  let name = first
  for (let links = 0; links < longestChain; links++) {
    const value = values.get(name)
    if (value === undefined) return null
    if ('oid' in value) return value.oid
    name = value.symref
  }
  return null
}

function* looseNames(folder: string, below: string): Generator<{ name: string; path: string }> {
  const here = join(folder, below)
  for (const entry of list(here)) {
    const name = `${below}/${entry.name}`
    const path = join(here, entry.name)
    if (entry.isDirectory()) yield* looseNames(folder, name)
    else if (!entry.name.endsWith('.lock')) yield { name, path }
  }
}

function list(folder: string) {
  try {
    return reading(folder, () => readdirSync(folder, { withFileTypes: true }))
  } catch (error) {
    const cause = error instanceof Error ? error.cause : null
    if (isSystemError(cause, 'ENOENT') || isSystemError(cause, 'ENOTDIR')) return []
    throw error
  }
}

/** `ID SP NAME`, each on a line; `^ID` behind an annotated tag says what it finally points to; lines with # are remarks. */
function* readPackedRefs(path: string, format: ObjectFormat): Generator<[string, Value]> {
  const bytes = readIfThere(path)
  if (bytes === null) return
  const lines = asBuffer(bytes).toString('utf8').split('\n')
  if (lines.pop() !== '') throw wrong('disk-ref', path, 'ends in the middle of a line')
  for (const [at, line] of lines.entries()) {
    if (line.startsWith('#') || line.startsWith('^')) continue
    const space = line.indexOf(' ')
    const oid = parseObjectId(line.slice(0, Math.max(space, 0)), format)
    const name = line.slice(space + 1).replace(/\r$/, '')
    if (oid === null || !isUsableName(name))
      throw wrong('disk-ref', path, `line ${at + 1} is no ref: ${JSON.stringify(line.slice(0, 200))}`)
    yield [name, { oid }]
  }
}
