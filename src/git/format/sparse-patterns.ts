// Sparse-checkout patterns (git-sparse-checkout(1), INTERNALS; gitignore(5)): which paths a partial clone with `sparse:oid` holds. A cone's
// patterns are patterns like any others here, as they are in git's filter. Paths are Latin-1 text of their bytes. Pure.
import { latin1 } from '../../base/index.ts'
import { compileWildcard, matchesWildcard, type Wildcard } from './wildmatch.ts'

export interface SparsePattern {
  readonly negative: boolean
  readonly foldersOnly: boolean
  /** Compared with the last part of the path; else with all of it. */
  readonly nameOnly: boolean
  /** The text itself where nothing in it is special. */
  readonly literal: string | null
  readonly wildcard: Wildcard
}

const special = /[*?[\\]/

/** One pattern a line; empty lines and those that begin with `#` are none. */
export function parseSparsePatterns(bytes: Uint8Array): SparsePattern[] {
  const text = latin1(bytes).replace(/^\xef\xbb\xbf/, '')
  const patterns: SparsePattern[] = []
  for (const line of text.split('\n')) {
    const entry = withoutEndSpaces(line.replace(/\r$/, ''))
    if (entry !== '' && !entry.startsWith('#')) patterns.push(parsePattern(entry))
  }
  return patterns
}

function parsePattern(entry: string): SparsePattern {
  const negative = entry.startsWith('!')
  let body = negative ? entry.slice(1) : entry
  const foldersOnly = body.endsWith('/')
  if (foldersOnly) body = body.slice(0, -1)
  const nameOnly = !body.includes('/')
  if (!nameOnly && body.startsWith('/')) body = body.slice(1)
  const literal = special.test(body) ? null : body
  return { negative, foldersOnly, nameOnly, literal, wildcard: compileWildcard(body, !nameOnly) }
}

/** Spaces at the end count only behind a backslash. */
function withoutEndSpaces(line: string): string {
  let end = 0
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '\\') at++
    else if (line[at] === ' ') continue
    end = Math.min(at + 1, line.length)
  }
  return line.slice(0, end)
}

/** What the last pattern that fits says: true: in, false: out, null: none fits, and the folder's answer holds. A root's path is empty. */
export function matchSparse(patterns: readonly SparsePattern[], path: string, isFolder: boolean): boolean | null {
  const name = path.slice(path.lastIndexOf('/') + 1)
  for (let i = patterns.length - 1; i >= 0; i--) {
    const { foldersOnly, literal, nameOnly, negative, wildcard } = patterns[i] as SparsePattern
    if (foldersOnly && !isFolder) continue
    const text = nameOnly ? name : path
    if (literal === null ? matchesWildcard(wildcard, text) : text === literal) return !negative
  }
  return null
}
