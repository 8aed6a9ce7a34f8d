// How a client names what it wants an archive of (gitrevisions(7)): a ref or an id, steps from there, and a path in its tree. Which ref is meant
// is decided here, by the refs that the caller may see; the rest needs objects (tree-ish.ts).
import { latin1, utf8 } from '../../base/index.ts'
import { hashBytes, type ObjectFormat, type ObjectId } from '../format/object-id.ts'
import { headRef, type Ref, type VisibleRefs } from '../refs/index.ts'

export type Step =
  /** `^2`: that parent; `^0`: the commit itself. */
  | { readonly type: 'parent'; readonly place: number }
  /** `~3`: so many first parents back. */
  | { readonly type: 'ancestor'; readonly count: number }
  /** `^{tree}`, `^{}`; null: whatever isn't a tag. */
  | { readonly type: 'peel'; readonly kind: string | null }

export interface ObjectName {
  /** As it was asked for. */
  readonly text: string
  /** In hex, whole or its beginning. */
  readonly id: string
  /** True: a visible ref points to it; no reachability has to be checked. */
  readonly isTip: boolean
  readonly steps: readonly Step[]
  /** Behind the colon, one character for each byte; null without one. */
  readonly path: string | null
}

/** The least that is taken for the beginning of an id. */
const shortestId = 4

/** The ref that a name stands for, by git's order; null when there is none. */
export function findRef(refs: VisibleRefs, name: string): Ref | null {
  if (name === 'HEAD' || name === '@') return headRef(refs)
  for (const folder of ['', 'refs/', 'refs/tags/', 'refs/heads/', 'refs/remotes/']) {
    const ref = refs.byName.get(folder + name)
    if (ref) return ref
  }
  return refs.byName.get(`refs/remotes/${name}/HEAD`) ?? null
}

/** A name that begins with a ref and may go on with a path: all that a remote may ask for. Null when no such ref is there. */
export function refName(text: string, refs: VisibleRefs): ObjectName | null {
  const { base, path } = splitPath(text)
  const ref = findRef(refs, base)
  return ref && { text, id: ref.oid, isTip: true, steps: [], path }
}

/** Any name: a ref or an id, steps, a path. Null when it is none, or its ref isn't there. */
export function parseObjectName(text: string, refs: VisibleRefs, format: ObjectFormat): ObjectName | null {
  const { base, path } = splitPath(text)
  const from = base.search(/[~^]/)
  const start = from < 0 ? base : base.slice(0, from)
  const steps = from < 0 ? [] : parseSteps(base.slice(from))
  if (steps === null) return null
  const isId = /^[0-9a-f]+$/i.test(start) && start.length >= shortestId && start.length <= hashBytes(format) * 2
  const id = start.toLowerCase() as ObjectId
  if (isId && id.length === hashBytes(format) * 2) return { text, id, isTip: false, steps, path }
  const ref = findRef(refs, start)
  if (ref) return { text, id: ref.oid, isTip: true, steps, path }
  return isId ? { text, id, isTip: false, steps, path } : null
}

function splitPath(text: string): { base: string; path: string | null } {
  const colon = text.indexOf(':')
  return colon < 0 ? { base: text, path: null } : { base: text.slice(0, colon), path: latin1(utf8(text.slice(colon + 1))) }
}

function parseSteps(text: string): Step[] | null {
  const steps: Step[] = []
  let at = 0
  while (at < text.length) {
    const match = /^(?:\^\{(\w*)\}|([~^])(\d{0,9}))/.exec(text.slice(at))
    if (!match) return null
    const [whole, kind, sign, digits = ''] = match
    if (sign === undefined) {
      if (!['', 'commit', 'tree', 'blob', 'tag', 'object'].includes(kind ?? '')) return null
      steps.push({ type: 'peel', kind: kind === '' ? null : (kind ?? null) })
    } else {
      const count = digits === '' ? 1 : Number(digits)
      steps.push(sign === '~' ? { type: 'ancestor', count } : { type: 'parent', place: count })
    }
    at += whole.length
  }
  return steps
}
