// What only the objects can tell about a push, found in the worker that has them: what each new value is, which updates are no
// fast-forwards, and which values rest on a history that was cut off.
import { fromHex, hex } from '../../base/index.ts'
import { Kind, type ObjectId } from '../format/object-id.ts'
import type { ObjectReader } from '../odb/index.ts'
import { leadTo, PushedCommits } from './ancestry.ts'
import type { Pace } from '../upload-pack/pace.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'

/** What a new value of a ref is; kind 0: there is no such object. */
export interface Tip {
  readonly oid: ObjectId
  readonly kind: Kind | 0
  /** For an annotated tag: what it finally points to. */
  readonly peeled: ObjectId | null
}

/** An update whose new value must lead to its old one. */
export interface AncestryQuestion {
  readonly oldId: ObjectId
  readonly newId: ObjectId
}

/** `no-commits`: one of the two isn't one. */
export type Ancestry = 'forward' | 'forced' | 'no-commits'

/**
 * The answers, in order.
 * @param stored opened only where it is needed
 * @param foreign old values that are as if they weren't there
 */
export async function answerAncestry(
  questions: readonly AncestryQuestion[],
  pack: ObjectReader,
  stored: () => PacedRepository,
  pace: Pace,
  foreign: ReadonlySet<ObjectId> = new Set(),
): Promise<Ancestry[]> {
  const pushed = new PushedCommits(pack, pace)
  const answers: Ancestry[] = []
  for (const { oldId, newId } of questions) {
    answers.push(foreign.has(oldId) ? 'no-commits' : await answer(oldId, newId, pushed, stored))
  }
  return answers
}

async function answer(oldId: ObjectId, newId: ObjectId, pushed: PushedCommits, stored: () => PacedRepository): Promise<Ancestry> {
  const commitIn = (oid: ObjectId) => {
    const { set } = stored()
    const number = set.find(fromHex(oid), 0)
    return number >= 0 && set.kind(number) === Kind.commit ? number : -1
  }
  const old = commitIn(oldId)
  const oldPushed = pushed.find(oldId)
  const tip = pushed.find(newId)
  if ((old < 0 && oldPushed < 0) || (tip < 0 && commitIn(newId) < 0)) return 'no-commits'
  if (oldId === newId) return 'forward'
  let starts: Iterable<ObjectId> = [newId]
  if (tip >= 0) {
    const { inside, outside } = await pushed.below([tip])
    if (oldPushed >= 0 && inside.has(oldPushed)) return 'forward'
    starts = outside
  }
  if (old < 0) return 'forced'
  const numbers = [...starts].map(commitIn).filter((number) => number >= 0)
  return (await leadTo(stored(), numbers, old)) ? 'forward' : 'forced'
}

export interface CutOff {
  /** Commits of the pack whose parents are nowhere. */
  readonly roots: readonly ObjectId[]
  /** New values of refs that rest on one of them. */
  readonly tips: ReadonlySet<ObjectId>
}

/**
 * Where the pushed history ends without its parents.
 * @param claimed commits that the pusher has without their parents
 * @param has whether the commit is there to build on
 */
export async function findCutOff(
  claimed: readonly ObjectId[],
  tips: readonly Tip[],
  pack: ObjectReader,
  has: (commits: readonly ObjectId[]) => Promise<readonly boolean[]>,
  pace: Pace,
): Promise<CutOff> {
  const pushed = new PushedCommits(pack, pace)
  const outsideOf = new Map<number, readonly ObjectId[]>()
  for (const commit of claimed.map((oid) => pushed.find(oid))) {
    if (commit >= 0)
      outsideOf.set(
        commit,
        (await pushed.parents(commit)).filter((parent) => typeof parent === 'string'),
      )
  }
  const outside = [...new Set([...outsideOf.values()].flat())]
  const areThere = await has(outside) // all at once: each question may be a walk
  const absent = new Set(outside.filter((_, place) => !areThere[place]))
  const roots = [...outsideOf.keys()].filter((commit) => outsideOf.get(commit)?.some((parent) => absent.has(parent)))
  if (roots.length === 0) return { roots: [], tips: new Set() }
  const commitOf = ({ oid, peeled }: Tip) => pushed.find(peeled ?? oid)
  const { inside } = await pushed.below(tips.map(commitOf).filter((commit) => commit >= 0))
  const children = new Map<number, number[]>()
  for (const commit of inside) {
    for (const parent of await pushed.parents(commit)) {
      if (typeof parent !== 'number') continue
      const others = children.get(parent)
      if (others) others.push(commit)
      else children.set(parent, [commit])
    }
  }
  const resting = new Set(roots)
  for (const commit of resting) for (const child of children.get(commit) ?? []) resting.add(child)
  const ids = roots.map((commit) => hex(pack.set.oid(commit)) as ObjectId)
  return { roots: ids, tips: new Set(tips.filter((tip) => resting.has(commitOf(tip))).map((tip) => tip.oid)) }
}
