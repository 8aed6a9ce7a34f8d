// Which refs a repository's settings protect, for whoever shows it.
import type { Repository } from '../access/index.ts'
import { isProtected } from './receive-pack/push-policy.ts'
import { readGitSettings } from './settings/index.ts'

/** stemma.protectedRefs. @param ref in full */
export function isProtectedRef({ settings }: Repository, ref: string): boolean {
  const patterns = settings['stemma.protectedrefs'] === undefined ? [] : readGitSettings(settings).push.protectedRefs
  return patterns.length > 0 && isProtected(ref, patterns)
}
