// Group commit: puts that end within some milliseconds share one segment, one PUT and one transaction. While one group is stored the next gathers.
// Order: (intent row → PUT) → transaction → answers. A tail is in the transaction itself.
import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError } from '../base/index.ts'
import { isCommitUnknown } from '../db/index.ts'
import { type Committed, commitContents, findContents, segmentUuids, type StagedContent } from './content-rows.ts'
import type { ContentReference } from './content-store.ts'
import { type Digest, digestBytes } from './digest.ts'
import type { PortableRecipe, Run } from './format/recipe.ts'
import type { Block } from './format/segment.ts'
import { ownPlaces, placed, type PlacedRun, portable } from './placed-runs.ts'
import { discardSegment, type SegmentParts, type StagedSegment, storeBlocks } from './segment-writer.ts'
import { groupBytes } from './sizes.ts'

/** A put whose bytes have all come. */
export interface Ended {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly runs: readonly Run[]
  /** New blocks; none where it has segments of its own. */
  readonly blocks: readonly Block[]
  /** Its own segments, complete; the last one holds its recipe. */
  readonly staged: readonly StagedSegment[]
  readonly reference: ContentReference | null
  /** What is opened by it, where it holds the parts of an opened content: a form, for the segment that its recipe stands in. */
  readonly form?: Uint8Array
}

export interface GroupCommitOptions extends SegmentParts {
  /** How long the first of a group waits for others. Default 5 ms. */
  readonly gatherMs?: number
}

interface Waiting {
  readonly ended: Ended
  readonly storedBytes: number
  readonly answer: PromiseWithResolvers<{ isNew: boolean; addedBytes: number }>
}

/** Groups that are stored at once: a bucket that hangs holds up these, and lets the others wait. */
const mostGroups = 4

export class GroupCommit {
  readonly #options: GroupCommitOptions
  #waiting: Waiting[] = []
  #groups = 0
  #isGathering = false

  constructor(options: GroupCommitOptions) {
    this.#options = options
  }

  /** Resolves when the content is visible. UnavailableError 'content-changed': what it rests on was collected meanwhile; another try stores it. */
  add(ended: Ended): Promise<{ isNew: boolean; addedBytes: number }> {
    const storedBytes = ended.blocks.reduce((sum, block) => sum + block.stored.length, 0)
    const waiting: Waiting = { ended, storedBytes, answer: Promise.withResolvers() }
    this.#waiting.push(waiting)
    void this.#pump()
    return waiting.answer.promise
  }

  async #pump(): Promise<void> {
    if (this.#isGathering || this.#groups >= mostGroups) return
    this.#isGathering = true
    await sleep(this.#options.gatherMs ?? 5)
    this.#isGathering = false
    const group = this.#take()
    if (group.length === 0) return
    this.#groups++
    if (this.#waiting.length > 0) void this.#pump()
    try {
      await this.#store(group)
    } catch (error) {
      for (const { answer } of group) answer.reject(error)
    }
    this.#groups--
    if (this.#waiting.length > 0) void this.#pump()
  }

  /** As many as fit one PUT, in the order in which they came. */
  #take(): Waiting[] {
    let sizeBytes = 0
    let count = 0
    for (const { storedBytes } of this.#waiting) {
      if (count > 0 && sizeBytes + storedBytes > groupBytes) break
      sizeBytes += storedBytes
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #store(group: readonly Waiting[]): Promise<void> {
    const { db, randomness } = this.#options
    const known = await findContents(
      db.queries,
      group.map(({ ended }) => ended.digest),
    )
    const touched = group.filter(({ ended }) => known.has(ended.digest))
    const fresh = group.filter(({ ended }) => !known.has(ended.digest))
    const olds = fresh.flatMap(({ ended }) => ended.runs.map((run) => run.segment)).filter((id) => id >= 0)
    const uuids = await segmentUuids(db.queries, [...new Set(olds)])
    const uuid = randomness.uuid()
    const blocks: Block[] = []
    const homeless: PortableRecipe[] = []
    const forms: Uint8Array[] = []
    const contents = new Map<Waiting, StagedContent>()
    let first = 0
    for (const waiting of fresh) {
      const { ended } = waiting
      const isOwn = ended.staged.length > 0
      const own = isOwn ? ownPlaces(ended.staged) : [{ uuid, first, sizes: sizesOf(ended.blocks) }]
      const runs = placed(ended.runs, own, uuids)
      if (runs === null) {
        waiting.answer.reject(contentChanged())
        continue
      }
      contents.set(waiting, stagedContent(ended, runs, ended.staged.at(-1)?.uuid ?? uuid))
      if (isOwn) continue
      homeless.push(portable(ended.digest, ended.sizeBytes, runs))
      if (ended.form !== undefined) forms.push(ended.form)
      blocks.push(...ended.blocks)
      first += own[0]?.sizes.length ?? 0
    }
    const shared = homeless.length > 0 ? await storeBlocks(this.#options, uuid, blocks, homeless, forms) : null
    await this.#commit(contents, touched, shared)
  }

  async #commit(contents: ReadonlyMap<Waiting, StagedContent>, touched: readonly Waiting[], shared: StagedSegment | null): Promise<void> {
    let committed: Committed
    try {
      committed = await commitContents(this.#options.db, {
        contents: [...contents.values()],
        touched: touched.map(({ ended }) => ({ digest: digestBytes(ended.digest), reference: ended.reference })),
        shared: shared === null ? [] : [shared],
      })
    } catch (error) {
      // After a commit whose end is unknown the segment may be in use: its intent row tells the sweeper.
      if (shared !== null && shared.tail === null && !isCommitUnknown(error)) await discardSegment(this.#options, shared.uuid)
      throw error
    }
    for (const [{ ended, storedBytes, answer }, content] of contents) {
      if (!committed.kept.has(content)) answer.reject(contentChanged())
      else if (!committed.fresh.has(content)) answer.resolve({ isNew: false, addedBytes: 0 })
      else answer.resolve({ isNew: true, addedBytes: ended.staged.reduce((sum, segment) => sum + segment.sizeBytes, storedBytes) })
    }
    for (const { ended, answer } of touched) {
      if (!committed.touched.has(ended.digest)) answer.reject(contentChanged())
      else {
        await Promise.all(ended.staged.map((segment) => discardSegment(this.#options, segment.uuid)))
        answer.resolve({ isNew: false, addedBytes: 0 })
      }
    }
  }
}

function stagedContent(ended: Ended, runs: readonly PlacedRun[], home: string): StagedContent {
  const { digest, sizeBytes, reference, staged } = ended
  const uuids = [...new Set([...runs.map((run) => run.uuid), home])]
  return { digest: digestBytes(digest), sizeBytes, runs, uuids, staged, reference }
}

function sizesOf(blocks: readonly Block[]): Uint32Array {
  return Uint32Array.from(blocks.flatMap((block) => [...block.sizes]))
}

export function contentChanged(): UnavailableError {
  return new UnavailableError('content-changed', 'what the content rests on was collected while it was put; another try stores it')
}
