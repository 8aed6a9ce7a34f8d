// What a partial clone's filter leaves out of a selection (git-rev-list(1) --filter, as git's list-objects-filter has it).
// Whatever was asked for by name is sent all the same, and so is what a tag that was asked for leads to. Filters by kind and size look at
// the index alone. Those by place (`tree`, `sparse:oid`) go through what each sent commit changes, as its parent's entries have been judged.
import { fromHex, InputError } from '../../base/index.ts'
import type { FilterSpec } from '../format/filter-spec.ts'
import { Kind, parseObjectId } from '../format/object-id.ts'
import { parseSparsePatterns, type SparsePattern } from '../format/sparse-patterns.ts'
import type { StoredPack } from '../odb/pack-set.ts'
import { Mark } from './commit-walk.ts'
import { DepthVisitor, type PlaceVisitor, SparseVisitor } from './filter-places.ts'
import { stretch, stretchSteps } from './pace.ts'
import { peelTags, tagTarget } from './peel-tags.ts'
import type { PacedRepository } from './repository.ts'
import { TreeWalk } from './tree-walk.ts'

/** Filters by kind and size, joined: which kinds are in, and from which size on blobs are not. */
interface KindFilter {
  readonly kinds: ReadonlySet<Kind>
  readonly blobBytes: number
}

const kindOfType = { commit: Kind.commit, tree: Kind.tree, blob: Kind.blob, tag: Kind.tag } as const

/** What was selected, as `Selection` has it. */
interface Selected {
  readonly marks: Uint8Array
  readonly whole: ReadonlySet<StoredPack>
}

/**
 * Takes the marks from what the filter leaves out: what is not to be sent, and what the client may lack because of such a filter.
 * @param wants what the client asked for, tags not followed
 * @returns the packs that are still sent as wholes
 * @throws InputError when a filter names patterns that can't be read; CorruptError when something that has to be walked can't be
 */
export async function applyFilter(
  repository: PacedRepository,
  selected: Selected,
  filter: FilterSpec,
  wants: readonly number[],
): Promise<ReadonlySet<StoredPack>> {
  const filters = flat(filter)
  const named = await namedObjects(repository, wants)
  const places = await placeVisitors(repository, filters)
  for (const visitor of places) await judgePlaces(repository, selected.marks, visitor, wants)
  return await drop(repository, selected, kindFilter(filters), places, named)
}

function flat(filter: FilterSpec): Exclude<FilterSpec, { kind: 'combine' }>[] {
  return filter.kind === 'combine' ? filter.filters.flatMap(flat) : [filter]
}

function kindFilter(filters: readonly FilterSpec[]): KindFilter {
  let kinds = new Set<Kind>(Object.values(Kind))
  let blobBytes = Number.POSITIVE_INFINITY
  for (const filter of filters) {
    if (filter.kind === 'blob:none') blobBytes = 0
    else if (filter.kind === 'blob:limit') blobBytes = Math.min(blobBytes, filter.sizeBytes)
    else if (filter.kind === 'object:type') kinds = new Set([kindOfType[filter.type]].filter((kind) => kinds.has(kind)))
  }
  return { kinds, blobBytes }
}

/** The wants, and what tags among them lead to. */
async function namedObjects(repository: PacedRepository, wants: readonly number[]): Promise<Set<number>> {
  const named = new Set<number>()
  for (const want of wants) {
    let at = want
    for (; repository.set.kind(at) === Kind.tag && !named.has(at); at = await tagTarget(repository, at)) named.add(at)
    named.add(at)
  }
  return named
}

async function placeVisitors(repository: PacedRepository, filters: readonly FilterSpec[]): Promise<PlaceVisitor[]> {
  const visitors: PlaceVisitor[] = []
  for (const filter of filters) {
    if (filter.kind === 'tree') visitors.push(new DepthVisitor(repository.set.size, filter.depth))
    else if (filter.kind === 'sparse:oid') visitors.push(new SparseVisitor(repository.set.size, await readPatterns(repository, filter)))
  }
  return visitors
}

/** The name is an id by now: whoever asked for `rev:path` is told by sparse-blob.ts what that is, and whether it is his to name. */
async function readPatterns({ objects, set }: PacedRepository, { name }: { readonly name: string }): Promise<SparsePattern[]> {
  const oid = parseObjectId(name, set.format)
  const number = oid === null ? -1 : set.find(fromHex(oid), 0)
  if (number < 0 || set.kind(number) !== Kind.blob) throw new InputError('sparse-filter', `unable to access sparse blob in '${name}'`)
  return parseSparsePatterns(await objects.read(number))
}

/** Shows the visitor every place at which a sent commit, or a tree that was asked for, has something that its first parent hasn't. */
async function judgePlaces(repository: PacedRepository, marks: Uint8Array, visitor: PlaceVisitor, wants: readonly number[]): Promise<void> {
  const { commits, pace, set } = repository
  const walk = new TreeWalk(repository, visitor)
  for (const { first, index } of set.packs) {
    for (let position = 0; position < index.count; position++) {
      const commit = first + position
      const turn = position % stretch === 0 ? pace.turn(stretchSteps) : undefined
      if (turn) await turn
      if (!((marks[commit] as number) & Mark.send) || index.kind(position) !== Kind.commit) continue
      const loading = commits.load(commit)
      if (loading) await loading
      const parent = (marks[commit] as number) & Mark.graft || commits.parentCount(commit) === 0 ? -1 : commits.parent(commit, 0)
      const reading = parent < 0 ? undefined : commits.load(parent)
      if (reading) await reading
      visitor.begin(false)
      if (parent < 0 || commits.tree(parent) !== commits.tree(commit)) {
        await walk.walk(commits.tree(commit), parent < 0 ? -1 : commits.tree(parent))
      }
    }
  }
  for (const want of wants) {
    const tree = await peelTags(repository, want)
    if (set.kind(tree) !== Kind.tree) continue
    visitor.begin(true)
    await walk.walk(tree, -1)
  }
}

async function drop(
  { pace, set }: PacedRepository,
  { marks, whole }: Selected,
  { blobBytes, kinds }: KindFilter,
  places: readonly PlaceVisitor[],
  named: ReadonlySet<number>,
): Promise<ReadonlySet<StoredPack>> {
  const untouched = new Set(whole)
  for (const pack of set.packs) {
    const { first, index } = pack
    for (let position = 0; position < index.count; position++) {
      const turn = position % stretch === 0 ? pace.turn(stretchSteps) : undefined
      if (turn) await turn
      const number = first + position
      const mark = marks[number] as number
      if ((mark & (Mark.send | Mark.client)) === 0) continue
      const kind = index.kind(position)
      const fits =
        kinds.has(kind) && (kind !== Kind.blob || blobBytes === Number.POSITIVE_INFINITY || index.sizeBytes(position) < blobBytes)
      if (fits && (kind === Kind.commit || kind === Kind.tag || places.every((visitor) => visitor.allows(number, kind)))) continue
      const kept = mark & Mark.send && named.has(number) ? Mark.send : 0
      marks[number] = (mark & ~(Mark.send | Mark.client)) | kept
      if (kept === 0) untouched.delete(pack)
    }
  }
  return untouched
}
