// Which refs a mirror is about: names, or beginnings of names with `*` at their end.
import { InputError } from '../../base/index.ts'
import { isRefname } from '../format/refname.ts'

/** What a mirror is about when nothing is said: all refs to pull; to push, what a server takes from anybody. */
export const defaultRefs = { pull: ['refs/*'], push: ['refs/heads/*', 'refs/tags/*'] } as const

/** The patterns of a comma-separated list. InputError `mirror-refs`. */
export function parseRefPatterns(text: string): string[] {
  const patterns = text.split(/[,\s]+/).filter((word) => word !== '')
  for (const pattern of patterns) {
    const name = pattern.endsWith('/*') ? `${pattern.slice(0, -1)}x` : pattern
    if (pattern !== 'refs/*' && (!pattern.startsWith('refs/') || !isRefname(name))) {
      throw new InputError('mirror-refs', `'${pattern}' is neither the full name of a ref nor a beginning of one, as refs/heads/*`)
    }
  }
  if (patterns.length === 0) throw new InputError('mirror-refs', 'no refs are named')
  return patterns
}

export function refMatcher(patterns: readonly string[]): (name: string) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.endsWith('*')))
  const beginnings = patterns.filter((pattern) => pattern.endsWith('*')).map((pattern) => pattern.slice(0, -1))
  return (name) => exact.has(name) || beginnings.some((beginning) => name.startsWith(beginning))
}
