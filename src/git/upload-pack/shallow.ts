// Shallow histories: where the client's history will be cut off after this fetch (git's shallow.c; gitprotocol-pack(5), gitprotocol-v2(5)).
import { hex, InputError } from '../../base/index.ts'
import { Kind } from '../format/object-id.ts'
import { objectSteps } from './pace.ts'
import type { PacedRepository } from './repository.ts'
import { infiniteDepth } from './request.ts'
import { peelTags } from './peel-tags.ts'
import type { SectionWriter } from './section-writer.ts'

export interface ShallowRequest {
  /** Commits at which the client's history is cut off now. */
  readonly client: readonly number[]
  /** Those of them that the visible refs reach: what lies behind any other is nobody's to ask for. */
  readonly reached: ReadonlySet<number>
  readonly depth: number
  readonly relative: boolean
  readonly since: number | null
  /** Commits whose history is to be left out. */
  readonly not: readonly number[]
}

export interface ShallowChange {
  readonly shallow: readonly number[]
  readonly unshallow: readonly number[]
}

const noChange: ShallowChange = { shallow: [], unshallow: [] }

/**
 * Where the repository itself is cut off, the client's history ends, too: it is told so even if it asks for no limit.
 * InputError when a limit by time or ref leaves no commit at all.
 */
export async function changeShallow(
  repository: PacedRepository,
  wants: readonly number[],
  request: ShallowRequest,
): Promise<ShallowChange> {
  const tips = await wantedCommits(repository, wants)
  const isCutOff = repository.cutOff.size > 0
  if (request.depth === infiniteDepth && !request.relative && !isCutOff) {
    return { shallow: [], unshallow: request.client.filter((commit) => request.reached.has(commit)) }
  }
  if (request.depth > 0) {
    const depth = request.relative ? await relativeDepth(repository, tips, request) : request.depth
    return depth === 0 ? noChange : difference(request.client, await cutByDepth(repository, tips, depth))
  }
  if (request.since !== null || request.not.length > 0) return difference(request.client, await cutByLimits(repository, tips, request))
  return isCutOff ? difference(request.client, await cutByDepth(repository, tips, Number.POSITIVE_INFINITY)) : noChange
}

interface Cut {
  readonly boundary: ReadonlySet<number>
  readonly inside: ReadonlySet<number>
}

function difference(client: readonly number[], { boundary, inside }: Cut): ShallowChange {
  const known = new Set(client)
  return {
    shallow: [...boundary].filter((commit) => !known.has(commit)),
    unshallow: client.filter((commit) => inside.has(commit)),
  }
}

async function wantedCommits(repository: PacedRepository, wants: readonly number[]): Promise<number[]> {
  const commits: number[] = []
  for (const want of wants) {
    const number = await peelTags(repository, want)
    if (repository.set.kind(number) === Kind.commit) commits.push(number)
  }
  return commits
}

/** The commits one level after the other from the tips, each once, at its least depth (the tips have depth 1). */
async function* levels(repository: PacedRepository, tips: readonly number[]): AsyncGenerator<readonly number[]> {
  const { commits, pace, set } = repository
  const seen = new Uint8Array(set.size)
  let level = [...new Set(tips)]
  for (const commit of level) seen[commit] = 1
  while (level.length > 0) {
    yield level
    const next: number[] = []
    for (const commit of level) {
      const turn = pace.turn(objectSteps)
      if (turn) await turn
      const loading = commits.load(commit)
      if (loading) await loading
      for (let place = 0; place < commits.parentCount(commit); place++) {
        const parent = commits.parent(commit, place)
        if (seen[parent]) continue
        seen[parent] = 1
        next.push(parent)
      }
    }
    level = next
  }
}

async function cutByDepth(repository: PacedRepository, tips: readonly number[], depth: number): Promise<Cut> {
  const inside = new Set<number>()
  const boundary = new Set<number>()
  let at = 0
  for await (const level of levels(repository, tips)) {
    const isLast = ++at === depth
    for (const commit of level) (isLast || repository.cutOff.has(commit) ? boundary : inside).add(commit)
    if (isLast) break
  }
  return { boundary, inside }
}

/** The asked depth behind the nearest present boundary; 0 when the tips don't reach one. */
async function relativeDepth(repository: PacedRepository, tips: readonly number[], request: ShallowRequest): Promise<number> {
  const client = new Set(request.client)
  let at = 0
  for await (const level of levels(repository, tips)) {
    at++
    if (level.some((commit) => client.has(commit))) return Math.min(at + request.depth, infiniteDepth)
  }
  return 0
}

/** Commits that are young enough and not reached from the ones to leave out, as far as an unbroken line of such leads from the tips. */
async function cutByLimits(repository: PacedRepository, tips: readonly number[], request: ShallowRequest): Promise<Cut> {
  const { commits, pace } = repository
  const out = new Set<number>()
  for await (const level of levels(repository, await wantedCommits(repository, request.not))) for (const commit of level) out.add(commit)
  const list: number[] = []
  const chosen = new Set<number>()
  const choose = async (commit: number) => {
    if (chosen.has(commit) || out.has(commit)) return
    const turn = pace.turn(objectSteps)
    if (turn) await turn
    const loading = commits.load(commit)
    if (loading) await loading
    if (request.since !== null && commits.time(commit) < request.since) return
    chosen.add(commit)
    list.push(commit)
  }
  for (const tip of tips) await choose(tip)
  for (let i = 0; i < list.length; i++) {
    const commit = list[i] as number
    for (let place = 0; place < commits.parentCount(commit); place++) await choose(commits.parent(commit, place))
  }
  if (list.length === 0) throw new InputError('no-commits', 'no commits selected for shallow requests')
  const boundary = new Set<number>()
  for (const commit of list) {
    if (repository.cutOff.has(commit)) boundary.add(commit)
    for (let place = 0; place < commits.parentCount(commit); place++) if (!chosen.has(commits.parent(commit, place))) boundary.add(commit)
  }
  return { boundary, inside: new Set(list.filter((commit) => !boundary.has(commit))) }
}

/** Writes the `shallow` and `unshallow` lines. */
export function writeShallow(out: SectionWriter, repository: PacedRepository, change: ShallowChange): void {
  for (const commit of change.shallow) out.text(`shallow ${hex(repository.set.oid(commit))}`)
  for (const commit of change.unshallow) out.text(`unshallow ${hex(repository.set.oid(commit))}`)
}
