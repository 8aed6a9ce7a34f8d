// A real repository's commits as the pushes of a team: branches of one to five commits at a time, merged and deleted as they were, by several writers at once.
import { execFile, execFileSync } from 'node:child_process'
import type { SeededRandom } from '../tests/support/random.ts'

const mostCommits = 5

export interface Ref {
  readonly name: string
  readonly oid: string
}

export interface ReplayedPush {
  readonly writer: number
  readonly ref: string
  /** Null: the push makes the branch. */
  readonly old: string | null
  readonly new: string
  /** Parents of what is pushed: the writer has them, and so has the server. */
  readonly has: readonly string[]
  /** Branches that were merged, and go. */
  readonly deleted: readonly Ref[]
  /** Places of the pushes that must have been acknowledged before. */
  readonly after: readonly number[]
}

interface Branch {
  readonly ref: string
  readonly writer: number
  tip: string
  pushed: string | null
  pushedAt: number
  waiting: string[]
  has: Set<string>
  merged: Branch[]
  isMerged: boolean
  /** So many commits are waited for. */
  size: number
}

/**
 * Plans at most `most` pushes. Commits come in the order of their dates, a commit goes on with the branch whose tip is its first parent, or begins one; what it
 * rests on is pushed before it.
 */
export function planReplay(repository: string, most: number, writers: number, random: SeededRandom): readonly ReplayedPush[] {
  const listed = execFileSync('git', ['-C', repository, 'rev-list', '--date-order', '--reverse', '--parents', 'HEAD'], {
    maxBuffer: 2 ** 30,
  })
  const pushes: ReplayedPush[] = []
  const branchOf = new Map<string, Branch>() // of every commit that came: where it is, or was, pushed
  const pushOf = new Map<string, number>()
  let branches = 0
  const size = () => 1 + random.below(mostCommits)
  const flush = (branch: Branch): void => {
    if (branch.waiting.length === 0) return
    for (const merged of branch.merged) flush(merged)
    const at = pushes.length
    const deleted = branch.merged.map(({ pushed, ref }) => ({ name: ref, oid: pushed as string }))
    const after = new Set([...branch.has].map((oid) => pushOf.get(oid) as number))
    for (const before of [branch, ...branch.merged]) if (before.pushed !== null) after.add(before.pushedAt)
    const { has, pushed: old, ref, tip, waiting, writer } = branch
    pushes.push({ writer, ref, old, new: tip, has: [...has], deleted, after: [...after] })
    for (const oid of waiting) pushOf.set(oid, at)
    Object.assign(branch, { pushed: tip, pushedAt: at, waiting: [], has: new Set(), merged: [], size: size() })
  }
  for (const line of listed.toString().trim().split('\n')) {
    const [oid = '', first, ...others] = line.split(' ')
    const before = first === undefined ? undefined : branchOf.get(first)
    let branch = before
    if (!branch || branch.tip !== first || branch.isMerged) {
      const ref = branches === 0 ? 'refs/heads/main' : `refs/heads/topic-${branches}`
      const writer = branches++ % writers
      branch = { ref, writer, tip: oid, pushed: null, pushedAt: -1, waiting: [], has: new Set(), merged: [], isMerged: false, size: size() }
    }
    for (const parent of first === undefined ? [] : [first, ...others]) {
      if (branch.waiting.includes(parent)) continue
      const from = branchOf.get(parent) as Branch
      if (!pushOf.has(parent)) flush(from)
      branch.has.add(parent)
      // the branch that everything goes into stays
      if (parent === first || from.tip !== parent || from === branch || from.isMerged || from.ref === 'refs/heads/main') continue
      from.isMerged = true
      branch.merged.push(from)
    }
    branch.tip = oid
    branch.waiting.push(oid)
    branchOf.set(oid, branch)
    if (branch.waiting.length >= branch.size) flush(branch)
    if (pushes.length >= most) break
  }
  return pushes.slice(0, most)
}

/** As git push makes it. */
export function makePack(repository: string, { has, new: tip }: ReplayedPush): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const args = [
      '-C',
      repository,
      'pack-objects',
      '-q',
      '--revs',
      '--thin',
      '--stdout',
      '--delta-base-offset',
      '--threads=1',
      '--no-use-bitmap-index',
    ]
    const child = execFile('git', args, { encoding: 'buffer', maxBuffer: 2 ** 31 }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    )
    child.stdin?.end([tip, ...has.map((oid) => `^${oid}`), ''].join('\n'))
  })
}

/**
 * Pushes in the order of the plan, as many at once as it lets: each writer one after the other, and each push after those that it rests on.
 * @param ahead packs that are made while the server is busy with others
 */
export async function replay(
  repository: string,
  pushes: readonly ReplayedPush[],
  ahead: number,
  send: (push: ReplayedPush, pack: Buffer) => Promise<void>,
  acknowledged: (count: number) => Promise<boolean>,
): Promise<void> {
  const done: Promise<void>[] = []
  const ofWriter: Promise<void>[] = []
  for (const [at, push] of pushes.entries()) {
    if (at >= ahead) {
      await done[at - ahead]
      if (!(await acknowledged(at - ahead + 1))) break
    }
    const before = [ofWriter[push.writer] ?? Promise.resolve(), ...push.after.map((n) => done[n] as Promise<void>)]
    const pack = makePack(repository, push)
    const sent = (async () => {
      await Promise.all(before)
      await send(push, await pack)
    })()
    sent.catch(() => {}) // thrown by whoever waits for it
    done.push(sent)
    ofWriter[push.writer] = sent
  }
  await Promise.all(done)
}
