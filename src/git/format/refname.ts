// Ref names: what is well formed (git-check-ref-format(1)), what a push may touch, and names that can't stand beside each other.
// Invariant: pure text rules; whether a ref exists is the caller's knowledge. Names are compared as UTF-16 code units here, except in
// `compareRefnames`, which is the byte order that git advertises refs in.
import { asBuffer, utf8 } from '../../base/index.ts'

/** Longest ref name taken, in UTF-8 bytes. git has no limit of its own; a name of a pkt-line's length would only serve to hurt. */
export const MAX_REFNAME_BYTES = 1000

export interface RefnameRules {
  /** Accept a name of one component (`main`); git's REFNAME_ALLOW_ONELEVEL. */
  readonly allowOneLevel?: boolean
  /** Accept one `*` in the whole name; git's REFNAME_REFSPEC_PATTERN. */
  readonly allowPattern?: boolean
}

// Control characters, space, DEL and the characters of revision and refspec syntax.
// oxlint-disable-next-line no-control-regex
const forbidden = /[\u0000-\u0020\u007f:?[\\^~]|\.\.|@\{/

/** True when git would take that name (git-check-ref-format(1), rules 1 to 10; no limit on length). */
export function isRefname(name: string, rules: RefnameRules = {}): boolean {
  if (name === '@' || forbidden.test(name) || name.endsWith('.')) return false
  const star = name.indexOf('*')
  if (star !== -1 && (rules.allowPattern !== true || name.includes('*', star + 1))) return false
  const components = name.split('/')
  if (components.length < 2 && rules.allowOneLevel !== true) return false
  return components.every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'))
}

/**
 * Why a push may not create, move or delete that ref, in git's words for `ng`, or null when it may.
 * As git's receive-pack: below `refs/` only (so never HEAD), at least `refs/x/y` (a deletion may name `refs/x`).
 */
export function refusalOfPushTo(name: string, isDeletion = false): 'funny refname' | 'refname too long' | null {
  if (!name.startsWith('refs/') || !isRefname(name.slice(5), { allowOneLevel: isDeletion })) return 'funny refname'
  return name.length > MAX_REFNAME_BYTES || utf8(name).length > MAX_REFNAME_BYTES ? 'refname too long' : null
}

/** The byte order of the names' UTF-8 (the order of ref advertisements). */
export function compareRefnames(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = a.charCodeAt(i) - b.charCodeAt(i)
    if (difference === 0) continue
    // Surrogates sort below U+E000…U+FFFF in UTF-16 and above them in UTF-8: let the bytes decide beyond ASCII.
    return a.charCodeAt(i) < 0x80 || b.charCodeAt(i) < 0x80 ? difference : Buffer.compare(asBuffer(utf8(a)), asBuffer(utf8(b)))
  }
  return a.length - b.length
}

/** Two names of which one is a folder of the other: git's files, and so every clone, can't hold both. */
export interface RefnameConflict {
  readonly name: string
  readonly below: string
}

/**
 * The first directory/file conflict among names sorted by `compareRefnames`, or null. No name is compared with more others than it
 * has characters.
 */
export function findRefnameConflict(sorted: readonly string[]): RefnameConflict | null {
  // `a`, `a-b`, `a/c`: what comes between a name and the names below it also begins with it, so a stack of prefixes is enough.
  const open: string[] = []
  for (const name of sorted) {
    while (open.length > 0 && !name.startsWith(open[open.length - 1] ?? '')) open.pop()
    for (const outer of open) if (name.length > outer.length && name[outer.length] === '/') return { name: outer, below: name }
    open.push(name)
  }
  return null
}

/** The existing name that a new one would conflict with, or null. `sorted` holds the existing names by `compareRefnames`. */
export function conflictingRefname(name: string, sorted: readonly string[]): string | null {
  const below = sorted[lowerBound(sorted, `${name}/`)]
  if (below?.startsWith(`${name}/`)) return below
  for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
    const folder = name.slice(0, slash)
    if (sorted[lowerBound(sorted, folder)] === folder) return folder
  }
  return null
}

function lowerBound(sorted: readonly string[], name: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareRefnames(sorted[middle] ?? '', name) < 0) low = middle + 1
    else high = middle
  }
  return low
}
