// The Git half of the API: objects, refs, history, files.
import type { Routes } from '../http/index.ts'
import { registerBranchProtection } from './branch-protection.ts'
import { registerBranchWrites } from './branch-writes.ts'
import { registerBranches } from './branches.ts'
import { registerCommits } from './commits.ts'
import { registerCompare } from './compare.ts'
import { registerContents } from './contents.ts'
import { registerFileWrites } from './file-writes.ts'
import { registerGitData } from './git-data.ts'
import { registerGitRefWrites } from './git-ref-writes.ts'
import { registerGitRefs } from './git-refs.ts'
import { registerGitWrites } from './git-writes.ts'
import type { ApiOptions } from './index.ts'
import { MadeAnswers } from './made-answers.ts'
import { registerPaths } from './paths.ts'
import { registerRefRules } from './ref-rules.ts'

export function registerGitHalf(routes: Routes, options: ApiOptions): void {
  const made = new MadeAnswers()
  registerBranches(routes, options)
  registerBranchProtection(routes, options)
  registerCommits(routes, options, made)
  registerCompare(routes, options, made)
  registerContents(routes, options)
  registerGitData(routes, options)
  registerGitRefs(routes, options)
  registerRefRules(routes, options)
  registerPaths(routes, options, made)
  registerGitWrites(routes, options)
  registerGitRefWrites(routes, options)
  registerFileWrites(routes, options)
  registerBranchWrites(routes, options)
}
