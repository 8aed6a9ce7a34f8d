// What a repository on disk says about refs, HEAD, shallow commits and settings, read anew at every request: all of it is small.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { git, runGit } from './git-process.ts'
import type { DiskPlace } from './place.ts'

export interface DiskRefs {
  /** Name → value, symbolic refs followed; not sorted. HEAD is not among them. */
  readonly refs: ReadonlyMap<string, string>
  readonly head: DiskHead
  /** By full name (`refs/namespaces/x/HEAD`): the HEADs of namespaces. */
  readonly heads: ReadonlyMap<string, DiskHead>
  /** Refs that are names of other refs, and whose they are in the end. */
  readonly symrefs: ReadonlyMap<string, string>
}

/** A branch, which may not exist, or an object's id where HEAD is detached. */
export type DiskHead = { readonly ref: string } | { readonly oid: string }

export async function readRefs(place: DiskPlace): Promise<DiskRefs> {
  return isThere(join(place.gitDir, 'reftable')) ? readTables(place) : readFiles(place.gitDir)
}

/** Ids of commits whose parents the repository doesn't have. */
export function readShallow(gitDir: string): string[] {
  return text(join(gitDir, 'shallow'))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

/** Cuts the repository off at these, too: before a ref comes that rests on them. */
export function addShallow(gitDir: string, commits: readonly string[]): void {
  if (commits.length === 0) return
  const all = [...new Set([...readShallow(gitDir), ...commits])].sort()
  writeFileSync(join(gitDir, 'shallow'), `${all.join('\n')}\n`)
}

/** Another kind of store than files: git reads it. */
async function readTables(place: DiskPlace): Promise<DiskRefs> {
  const listing = (await git(place, ['for-each-ref', '--format=%(objectname) %(refname) %(symref)'])).toString()
  const refs = new Map<string, string>()
  const symrefs = new Map<string, string>()
  for (const line of listing.split('\n')) {
    const [oid, name, symref] = line.split(' ') as [string, string?, string?]
    if (name !== undefined) refs.set(name, oid)
    if (name !== undefined && symref !== undefined && symref !== '') symrefs.set(name, symref)
  }
  const symbolic = await runGit(place, ['symbolic-ref', '-q', 'HEAD'])
  const heads = new Map<string, DiskHead>()
  if (symbolic.code === 0) return { refs, heads, symrefs, head: { ref: symbolic.stdout.toString().trim() } }
  return { refs, heads, symrefs, head: { oid: (await git(place, ['rev-parse', 'HEAD'])).toString().trim() } }
}

function readFiles(gitDir: string): DiskRefs {
  const values = new Map<string, string>()
  for (const line of text(join(gitDir, 'packed-refs')).split('\n')) {
    const match = /^([0-9a-f]{40}|[0-9a-f]{64}) (refs\/.+)$/.exec(line)
    if (match) values.set(match[2] as string, match[1] as string)
  }
  readLoose(gitDir, 'refs', values)
  const symrefs = new Map<string, string>()
  const resolve = (name: string, value: string | undefined, depth = 0): string | null => {
    if (value === undefined || depth > 5) return null
    const target = /^ref:\s*(.+)$/.exec(value)?.[1]
    if (target !== undefined) {
      symrefs.set(name, target)
      return resolve(name, values.get(target), depth + 1)
    }
    return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(value) ? value : null
  }
  const refs = new Map<string, string>()
  const heads = new Map<string, DiskHead>()
  for (const [name, value] of values) {
    if (/^refs\/namespaces\/.*\/HEAD$/.test(name)) heads.set(name, headOf(value))
    const oid = resolve(name, value)
    if (oid !== null) refs.set(name, oid)
  }
  return { refs, heads, symrefs, head: headOf(text(join(gitDir, 'HEAD'))) }
}

function headOf(value: string): DiskHead {
  const ref = /^ref:\s*(.+)$/.exec(value.trim())?.[1]
  return ref === undefined ? { oid: value.trim() } : { ref }
}

function readLoose(gitDir: string, folder: string, values: Map<string, string>): void {
  let entries
  try {
    entries = readdirSync(join(gitDir, folder), { withFileTypes: true })
  } catch {
    return
  }
  for (const entry of entries) {
    const name = `${folder}/${entry.name}`
    if (entry.isDirectory()) readLoose(gitDir, name, values)
    else if (!name.endsWith('.lock')) {
      const value = text(join(gitDir, name)).trimEnd()
      if (value !== '') values.set(name, value)
    }
  }
}

/** A file that isn't there is empty. */
export function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function isThere(path: string): boolean {
  try {
    statSync(path)
    return true
  } catch {
    return false
  }
}
