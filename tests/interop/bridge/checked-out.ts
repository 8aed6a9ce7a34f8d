// Branches that are checked out: receive.denyCurrentBranch (git-config(1)) for repositories with work trees, linked ones too.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { HookCommand, HookPush } from '../../../src/git/receive-pack/index.ts'
import { type Environment, runHook } from './disk-hooks.ts'
import { runGit } from './git-process.ts'
import type { DiskPlace } from './place.ts'

export interface CheckedOutParts {
  readonly place: DiskPlace
  readonly environment: Environment
  /** receive.denyCurrentBranch as it is set. */
  readonly policy: string | undefined
  /** receive.denyDeleteCurrent as it is set. */
  readonly deletion: string | undefined
  readonly isSha256: boolean
  readonly isBare: boolean
  readonly prefix: string
  readonly hook: string | null
}

interface WorkTree {
  readonly path: string
  readonly gitDir: string
  readonly branch: string
  readonly isBorn: boolean
}

const advice = `error: By default, updating the current branch in a non-bare repository
is denied, because it will make the index and work tree inconsistent
with what you pushed, and will require 'git reset --hard' to match
the work tree to HEAD.

You can set the 'receive.denyCurrentBranch' configuration variable
to 'ignore' or 'warn' in the remote repository to allow pushing into
its current branch; however, this is not recommended unless you
arranged to update its work tree to match what you pushed in some
other way.

To squelch this message and still keep the default behaviour, set
'receive.denyCurrentBranch' configuration variable to 'refuse'.
`

/** What is refused, by ref and with the reason; work trees that follow their branch have followed it. */
export async function judgeCheckedOut(
  parts: CheckedOutParts,
  push: HookPush,
  commands: readonly HookCommand[],
): Promise<Map<string, string>> {
  const refused = new Map<string, string>()
  const policy = parts.policy?.toLowerCase()
  if (policy !== undefined && ['ignore', 'false', 'no', 'off'].includes(policy)) return refused
  const trees = await workTrees(parts.place, !parts.isBare)
  for (const command of commands) {
    const tree = trees.find(({ branch }) => branch === parts.prefix + command.ref)
    if (!tree) continue
    if (policy === 'warn') push.say('warning: updating the current branch\n')
    else if (policy === 'updateinstead') {
      const reason = /^0+$/.test(command.newId) ? refuseDeletion(parts, command, push) : await follow(parts, tree, command.newId, push)
      if (reason !== null) refused.set(command.ref, reason)
    } else {
      push.say(`error: refusing to update checked out branch: ${command.ref}\n${policy === undefined ? advice : ''}`)
      refused.set(command.ref, 'branch is currently checked out')
    }
  }
  return refused
}

function refuseDeletion({ deletion }: CheckedOutParts, { ref }: HookCommand, push: HookPush): string | null {
  if (deletion !== undefined && ['ignore', 'warn', 'false', 'no', 'off'].includes(deletion.toLowerCase())) return null
  push.say(`error: refusing to delete the current branch: ${ref}\n`)
  return 'deletion of the current branch prohibited'
}

async function workTrees(place: DiskPlace, mayHaveTrees: boolean): Promise<WorkTree[]> {
  if (!mayHaveTrees && !existsSync(join(place.gitDir, 'worktrees'))) return []
  const { stdout } = await runGit(place, ['worktree', 'list', '--porcelain'])
  return stdout
    .toString()
    .split('\n\n')
    .flatMap((block) => {
      const line = (word: string) => new RegExp(`^${word} (.*)$`, 'm').exec(block)?.[1]
      const [path, branch] = [line('worktree'), line('branch')]
      if (path === undefined || branch === undefined || /^bare$/m.test(block)) return []
      return [{ path, branch, gitDir: gitDirOf(path, place), isBorn: !/^0*$/.test(line('HEAD') ?? '') }]
    })
}

function gitDirOf(path: string, place: DiskPlace): string {
  try {
    const named = /^gitdir: (.*)$/m.exec(readFileSync(join(path, '.git'), 'utf8'))?.[1]
    return named === undefined ? place.gitDir : resolve(path, named)
  } catch {
    return place.gitDir // a folder: the main work tree
  }
}

/** receive.denyCurrentBranch = updateInstead. Null when it is done, else why not. */
async function follow(parts: CheckedOutParts, tree: WorkTree, newId: string, push: HookPush): Promise<string | null> {
  const { place, hook } = parts
  const environment = { ...parts.environment, GIT_DIR: tree.gitDir }
  if (hook !== null) {
    const own = { ...environment, GIT_WORK_TREE: tree.path }
    const code = await runHook(hook, [newId], { place, environment: own, input: '', say: push.say })
    return code === 0 ? null : 'push-to-checkout hook declined'
  }
  const run = async (...args: string[]) => {
    const { code, stderr } = await runGit(place, args, { environment, folder: tree.path })
    if (stderr.length > 0) push.say(stderr)
    return code === 0
  }
  const emptyTree = parts.isSha256
    ? '6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321'
    : '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
  const head = tree.isBorn ? 'HEAD' : emptyTree
  if (!(await run('update-index', '-q', '--ignore-submodules', '--refresh'))) return 'Up-to-date check failed'
  if (!(await run('diff-files', '--quiet', '--ignore-submodules', '--'))) return 'Working directory has unstaged changes'
  if (!(await run('diff-index', '--quiet', '--cached', '--ignore-submodules', head, '--'))) return 'Working directory has staged changes'
  return (await run('read-tree', '-u', '-m', newId)) ? null : 'Could not update working tree to new HEAD'
}
