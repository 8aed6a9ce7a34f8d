// What the visible refs say of a commit, for `export-subst`: `%d`, and the tags that `%(describe)` looks for. Names have one character for each byte
// (latin1), as the files that they go into.
import { latin1, utf8 } from '../../base/index.ts'
import type { Decoration } from '../format/commit-format.ts'
import type { ObjectId } from '../format/object-id.ts'
import { headRef, type VisibleRefs } from '../refs/index.ts'
import type { ArchiveGo } from './task.ts'

/** Tags that are looked at by `%(describe)`: more would cost more than the archive. */
const mostTags = 10_000

/** In git's order: HEAD with its branch, then the others from the last name to the first. */
export function refNames(refs: VisibleRefs, commit: ObjectId | null): ArchiveGo {
  if (commit === null) return { decorations: [], tags: [] }
  const decorations: Decoration[] = []
  const head = headRef(refs)
  const current = head !== null && (head.peeled ?? head.oid) === commit ? head.name : null
  const isBranch = current?.startsWith('refs/') === true && refs.byName.has(current)
  if (current !== null) decorations.push({ name: 'HEAD', isTag: false, ...(isBranch ? { pointsTo: shortName(current) } : {}) })
  for (let i = refs.refs.length - 1; i >= 0; i--) {
    const ref = refs.refs[i] as VisibleRefs['refs'][number]
    if ((ref.peeled ?? ref.oid) !== commit || ref.name === current || ref.name.startsWith('refs/replace/')) continue
    decorations.push({ name: shortName(ref.name), isTag: ref.name.startsWith('refs/tags/') || ref.peeled !== undefined })
  }
  const tags = refs.refs
    .filter((ref) => ref.name.startsWith('refs/tags/'))
    .slice(-mostTags)
    .map((ref) => ({ name: bytewise(ref.name.slice('refs/tags/'.length)), tag: ref.oid, commit: ref.peeled ?? ref.oid }))
  return { decorations, tags }
}

function shortName(name: string): string {
  return bytewise(name.replace(/^refs\/(?:heads|tags|remotes)\//, ''))
}

function bytewise(name: string): string {
  return latin1(utf8(name))
}
