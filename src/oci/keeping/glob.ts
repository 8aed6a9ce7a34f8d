// Patterns of tags: `*` stands for any run of characters, `?` for one, everything else for itself. The database's `oci_glob` says the same. Pure.
import { InputError } from '../../base/index.ts'

export const mostPatternLength = 128

/** InputError `tag-pattern`, with a message for who wrote it. */
export function assertTagPattern(pattern: string): void {
  if (pattern.length >= 1 && pattern.length <= mostPatternLength && /^[A-Za-z0-9_.*?-]+$/.test(pattern)) return
  throw new InputError(
    'tag-pattern',
    `a pattern of tags has 1 to ${mostPatternLength} of the characters A-Z a-z 0-9 _ . -, and * for any run of characters, ? for one`,
  )
}

/** Linear in practice, and never worse than the product of both lengths. */
export function matchesGlob(pattern: string, name: string): boolean {
  let [p, n, star, mark] = [0, 0, -1, 0]
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++
      mark = n
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p++
      n++
    } else if (star >= 0) {
      p = star + 1
      n = ++mark
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

export function matchesAny(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => matchesGlob(pattern, name))
}
