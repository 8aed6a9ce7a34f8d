// Whether a ref's new value leads to its old one: what tells a fast-forward from a force (git's in_merge_bases). Exact, whatever dates the
// commits have; what is looked at is about what the two don't share.
import { fromHex, hex } from '../../base/index.ts'
import { parseCommitLinks } from '../format/commit.ts'
import { hashBytes, Kind, type ObjectFormat, type ObjectId } from '../format/object-id.ts'
import type { ObjectReader } from '../odb/index.ts'
import { NewestFirst } from '../upload-pack/newest-first.ts'
import { objectSteps, type Pace } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'

const fromNew = 1
const fromOld = 2
const fromBoth = 3

/** Whether some of the starts lead to the commit, or are it. */
export async function leadTo(repository: PacedRepository, starts: readonly number[], commit: number): Promise<boolean> {
  return await new Painter(repository, commit).reaches(starts)
}

/**
 * Paints the ancestors of both sides, newest first. What both lead to is below the old commit, and can't lead up to it: so the search ends
 * when nothing is left to look at that only the new side leads to.
 */
class Painter {
  readonly #repository: PacedRepository
  readonly #old: number
  readonly #paint = new Map<number, number>()
  readonly #queue: NewestFirst
  readonly #queued = new Set<number>()
  #newOnly = 0 // in the queue

  constructor(repository: PacedRepository, old: number) {
    this.#repository = repository
    this.#old = old
    this.#queue = new NewestFirst((commit) => repository.commits.time(commit))
  }

  async reaches(starts: readonly number[]): Promise<boolean> {
    const { commits, pace } = this.#repository
    await this.#meet(this.#old, fromOld)
    for (const start of starts) if (await this.#meet(start, fromNew)) return true
    while (this.#newOnly > 0) {
      const turn = pace.turn(objectSteps)
      if (turn) await turn
      const commit = this.#queue.take()
      const paint = this.#paint.get(commit) as number
      this.#queued.delete(commit)
      if (paint === fromNew) this.#newOnly--
      for (let place = 0; place < commits.parentCount(commit); place++) {
        if (await this.#meet(commits.parent(commit, place), paint)) return true
      }
    }
    return false
  }

  /** True when the new side has come to the old commit. */
  async #meet(commit: number, paint: number): Promise<boolean> {
    const before = this.#paint.get(commit) ?? 0
    const after = before | paint
    if (after === before) return false
    if (commit === this.#old && after === fromBoth) return true
    this.#paint.set(commit, after)
    const isQueued = this.#queued.has(commit)
    if (isQueued && before === fromNew) this.#newOnly--
    else if (!isQueued && after === fromNew) this.#newOnly++
    if (isQueued) return false
    const loading = this.#repository.commits.load(commit)
    if (loading) await loading
    this.#queued.add(commit)
    this.#queue.add(commit)
    return false
  }
}

/** The commits of a pushed pack, which no stored set holds yet: who their parents are, in the pack and outside. */
export class PushedCommits {
  readonly #pack: ObjectReader
  readonly #pace: Pace
  readonly #parents = new Map<number, readonly (number | ObjectId)[]>()

  /** @param pack reads the pushed pack, whose numbers are its positions */
  constructor(pack: ObjectReader, pace: Pace) {
    this.#pack = pack
    this.#pace = pace
  }

  /** The number of a commit that the pack brings; −1 when it brings none of that id. */
  find(oid: ObjectId): number {
    const number = this.#pack.set.find(fromHex(oid), 0)
    return number >= 0 && this.#pack.set.kind(number) === Kind.commit ? number : -1
  }

  /** Parents in their order: a number where the pack brings it, else the id. */
  async parents(commit: number): Promise<readonly (number | ObjectId)[]> {
    const known = this.#parents.get(commit)
    if (known) return known
    const { set } = this.#pack
    const found = parentIds(await this.#pack.read(commit), set.format).map((id) => {
      const number = set.find(id, 0)
      return number < 0 ? (hex(id) as ObjectId) : number
    })
    this.#parents.set(commit, found)
    return found
  }

  /** What the commits lead to: commits of the pack, themselves among them, and the first ones outside. */
  async below(commits: Iterable<number>): Promise<{ readonly inside: ReadonlySet<number>; readonly outside: ReadonlySet<ObjectId> }> {
    const inside = new Set(commits)
    const outside = new Set<ObjectId>()
    for (const next of inside) {
      const turn = this.#pace.turn(objectSteps)
      if (turn) await turn
      for (const parent of await this.parents(next)) {
        if (typeof parent === 'number') inside.add(parent)
        else outside.add(parent)
      }
    }
    return { inside, outside }
  }
}

function parentIds(bytes: Uint8Array, format: ObjectFormat): Uint8Array[] {
  const { parentCount, parentsAt, parentStride } = parseCommitLinks(bytes, format)
  const digits = hashBytes(format) * 2
  return Array.from({ length: parentCount }, (_, place) => {
    const at = parentsAt + place * parentStride
    return fromHex(Buffer.from(bytes.subarray(at, at + digits)).toString('latin1'))
  })
}
