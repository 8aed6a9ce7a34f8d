// Which files that came are files that went: as `git diff -M` finds them. First those of the same bytes; then, where there aren't too many, those that have
// at least half in common, by the same measure as git's (diffcore-delta.c).
import type { ObjectId } from '../format/object-id.ts'
import { mayBeSimilar, renameScore, similarity as similarityOf, type Spans, spansOf, wholeScore } from '../format/similarity.ts'
import { isGitlinkMode, Mode } from '../format/tree.ts'
import type { FileChange, FileSide } from './tree-diff.ts'

/** What has a name that no other file has needs more, and is asked first. */
const leastNamesakeScore = renameScore + (wholeScore - renameScore) / 2
/** Pairs that are compared at most, and bytes of all files that are looked into. */
const mostPairs = 20_000
const mostBytes = 24 << 20
const largestBytes = 2 << 20
/** Of each file that came, so many of the best are thought of. */
const mostCandidates = 4

/** Blobs by id: size, and bytes. */
export interface Blobs {
  sizeBytes(oid: ObjectId): number
  read(oid: ObjectId): Promise<Uint8Array>
  turn(steps: number): Promise<void> | undefined
}

interface Gone {
  readonly change: FileChange
  readonly side: FileSide
  isTaken: boolean
}

interface Come {
  readonly change: FileChange
  readonly side: FileSide
  from: Gone | null
  score: number
}

/** The same changes, in the same order, renamed files as one at their new path. */
export async function findRenames(changes: readonly FileChange[], blobs: Blobs): Promise<FileChange[]> {
  const gone: Gone[] = []
  const come: Come[] = []
  for (const change of changes) {
    const { before, after } = change
    if (before && !after && !isGitlinkMode(before.mode)) gone.push({ change, side: before, isTaken: false })
    if (after && !before && !isGitlinkMode(after.mode)) come.push({ change, side: after, from: null, score: 0 })
  }
  if (gone.length === 0 || come.length === 0) return [...changes]
  matchEqual(gone, come, blobs)
  await matchSimilar(gone, come, blobs)
  const taken = new Set(gone.filter(({ isTaken }) => isTaken).map(({ change }) => change))
  const renamed = new Map(come.map((target) => [target.change, target]))
  return changes.flatMap((change) => {
    const { from = null, score = 0 } = renamed.get(change) ?? {}
    if (from) return [{ ...change, before: from.side, oldPath: from.change.path, similarity: Math.floor((score * 100) / wholeScore) }]
    return taken.has(change) ? [] : [change]
  })
}

function matchEqual(gone: readonly Gone[], come: readonly Come[], blobs: Blobs): void {
  const byId = new Map<string, Gone[]>()
  for (const one of gone) {
    const same = byId.get(one.side.oid)
    if (same) same.push(one)
    else byId.set(one.side.oid, [one])
  }
  for (const target of come) {
    const free = (byId.get(target.side.oid) ?? []).filter(({ isTaken, side }) => !isTaken && isLink(side) === isLink(target.side))
    if (free.length === 0 || blobs.sizeBytes(target.side.oid) === 0) continue
    const source = free.find(({ change }) => baseName(change.path) === baseName(target.change.path)) ?? (free[0] as Gone)
    take(source, target, wholeScore)
  }
}

function take(source: Gone, target: Come, score: number): void {
  source.isTaken = true
  target.from = source
  target.score = score
}

async function matchSimilar(gone: readonly Gone[], come: readonly Come[], blobs: Blobs): Promise<void> {
  const isFit = ({ side }: Gone | Come) => !isLink(side) && blobs.sizeBytes(side.oid) <= largestBytes
  const sources = gone.filter((one) => !one.isTaken && isFit(one))
  const targets = come.filter((one) => one.from === null && isFit(one))
  const bytes = [...sources, ...targets].reduce((sum, { side }) => sum + blobs.sizeBytes(side.oid), 0)
  if (sources.length * targets.length > mostPairs || bytes > mostBytes) return
  const similarity = new Similarity(blobs)
  await matchNamesakes(sources, targets, similarity)
  const pairs: { source: Gone; target: Come; score: number; isNamesake: boolean }[] = []
  for (const target of targets) {
    if (target.from !== null) continue
    const best: typeof pairs = []
    for (const source of sources) {
      if (source.isTaken) continue
      const score = await similarity.score(source.side, target.side)
      if (score < renameScore) continue
      best.push({ source, target, score, isNamesake: baseName(source.change.path) === baseName(target.change.path) })
      best.sort(byScore)
      best.length = Math.min(best.length, mostCandidates)
    }
    pairs.push(...best)
  }
  for (const { source, target, score } of pairs.sort(byScore)) {
    if (!source.isTaken && target.from === null) take(source, target, score)
  }
}

function byScore(a: { score: number; isNamesake: boolean }, b: { score: number; isNamesake: boolean }): number {
  return b.score - a.score || Number(b.isNamesake) - Number(a.isNamesake)
}

/** Files that moved to another folder: of names that stand once on either side. */
async function matchNamesakes(sources: readonly Gone[], targets: readonly Come[], similarity: Similarity): Promise<void> {
  const sourceOf = lone(sources)
  for (const [name, target] of lone(targets)) {
    const source = sourceOf.get(name)
    const score = source && target ? await similarity.score(source.side, target.side) : 0
    if (source && target && score >= leastNamesakeScore) take(source, target, score)
  }
}

/** By base name; null: several have it. */
function lone<T extends { readonly change: FileChange }>(files: readonly T[]): Map<string, T | null> {
  const found = new Map<string, T | null>()
  for (const file of files) {
    const name = baseName(file.change.path)
    found.set(name, found.has(name) ? null : file)
  }
  return found
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function isLink({ mode }: FileSide): boolean {
  return mode === Mode.symlink
}

/** How much of one file stands in another one. */
class Similarity {
  readonly #blobs: Blobs
  readonly #spans = new Map<string, Spans>()

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  async score(source: FileSide, target: FileSide): Promise<number> {
    const [a, b] = [this.#blobs.sizeBytes(source.oid), this.#blobs.sizeBytes(target.oid)]
    if (!mayBeSimilar(a, b)) return 0
    const [from, to] = [await this.#of(source.oid), await this.#of(target.oid)]
    const turn = this.#blobs.turn(1 + from.size / 8)
    if (turn) await turn
    return similarityOf(from, a, to, b)
  }

  async #of(oid: ObjectId): Promise<Spans> {
    const known = this.#spans.get(oid)
    if (known) return known
    const bytes = await this.#blobs.read(oid)
    const spans = spansOf(bytes)
    const turn = this.#blobs.turn(1 + bytes.length / 100)
    if (turn) await turn
    this.#spans.set(oid, spans)
    return spans
  }
}
