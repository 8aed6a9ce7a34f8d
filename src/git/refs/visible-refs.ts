// The refs that a client may see: those of its namespace (gitnamespaces(7)), without the hidden ones (git-config(1), transfer.hideRefs).
// Fetches, pushes and everything else that lists or names refs look at them through here.
// Invariant: HEAD is a ref of its own, as in git: it stays when what it points to is hidden, and goes only by a pattern `HEAD`.
import { withoutEnd } from '../../base/index.ts'
import type { Ref, RefSnapshot } from './ref-snapshot.ts'

export interface VisibleRefs extends Pick<RefSnapshot, 'head' | 'refs' | 'byName'> {
  /** What HEAD resolves to where that isn't `byName.get(head)`: null for an unborn or a hidden one (then `head` is empty, too). */
  readonly headRef?: Ref | null
  /** Refs of the namespace that are hidden: their tips may be asked for by id where uploadpack.allowTipSHA1InWant says so. */
  readonly hidden?: readonly Ref[]
}

export interface RefScope {
  /** Patterns in order, the last that matches wins: `refs/pull`, `!refs/pull/1`, `^refs/namespaces/a/refs/x` (GitSettings.hidden). */
  readonly hidden: readonly string[]
  /** As in GIT_NAMESPACE: `a`, `a/b`; empty: none. */
  readonly namespace: string
  /** What the namespace's HEAD points to, without the namespace; null: what the repository's does. */
  readonly namespaceHead: string | null
}

export const everything: RefScope = { hidden: [], namespace: '', namespaceHead: null }

/** What HEAD resolves to; null when it is unborn or hidden. */
export function headRef(refs: VisibleRefs): Ref | null {
  return refs.headRef === undefined ? (refs.byName.get(refs.head) ?? null) : refs.headRef
}

/** `a/b` → `refs/namespaces/a/refs/namespaces/b/`. */
export function namespacePrefix(namespace: string): string {
  const parts = namespace.split('/').filter((part) => part !== '')
  return parts.map((part) => `refs/namespaces/${part}/`).join('')
}

/**
 * As git's ref_is_hidden.
 * @param name without the namespace; null for a ref outside of it
 * @param fullName with the namespace, which patterns that begin with `^` are compared to
 */
export function isHidden(name: string | null, fullName: string, patterns: readonly string[]): boolean {
  for (let i = patterns.length - 1; i >= 0; i--) {
    let pattern = patterns[i] as string
    const shows = pattern.startsWith('!')
    if (shows) pattern = pattern.slice(1)
    const isFull = pattern.startsWith('^')
    const match = withoutEnd(isFull ? pattern.slice(1) : pattern, '/')
    const subject = isFull ? fullName : name
    if (subject?.startsWith(match) && (subject.length === match.length || subject[match.length] === '/')) return !shows
  }
  return false
}

/** Without patterns and namespace it is the snapshot itself. */
export function visibleRefs(snapshot: RefSnapshot, scope: RefScope): VisibleRefs {
  const { hidden: patterns } = scope
  const prefix = namespacePrefix(scope.namespace)
  if (prefix === '' && patterns.length === 0) return snapshot
  const refs: Ref[] = []
  const hidden: Ref[] = []
  for (const ref of snapshot.refs) {
    if (!ref.name.startsWith(prefix === '' ? '' : `${prefix}refs/`)) continue
    const name = ref.name.slice(prefix.length)
    const own = prefix === '' ? ref : { ...ref, name }
    if (isHidden(name, ref.name, patterns)) hidden.push(own)
    else refs.push(own)
  }
  const head = (prefix === '' ? null : scope.namespaceHead) ?? snapshot.head
  const target = snapshot.byName.get(prefix + head) ?? null
  const isHeadHidden = isHidden('HEAD', `${prefix}HEAD`, patterns)
  const seen = isHeadHidden ? { head: '', headRef: null } : { head, headRef: target }
  return { ...seen, refs, byName: new Map(refs.map((ref) => [ref.name, ref])), hidden }
}

/** Scopes of one snapshot that are kept: a repository has one for fetches and one for pushes, in each namespace. */
const mostScopes = 8

/** Views by snapshot and scope. One scope of one snapshot is always the same object, so that what is made of it can be kept beside it. */
export class RefViews {
  readonly #views = new WeakMap<RefSnapshot, Map<string, VisibleRefs>>()
  readonly #made = new WeakMap<VisibleRefs, Uint8Array>()

  /** Bytes that are made of a view alone, always by the same function: made once. Not to be changed. */
  once(view: VisibleRefs, make: (view: VisibleRefs) => Uint8Array): Uint8Array {
    const known = this.#made.get(view)
    if (known) return known
    const bytes = make(view)
    this.#made.set(view, bytes)
    return bytes
  }

  of(snapshot: RefSnapshot, scope: RefScope): VisibleRefs {
    if (scope.namespace === '' && scope.hidden.length === 0) return snapshot
    const views = this.#views.get(snapshot) ?? new Map<string, VisibleRefs>()
    this.#views.set(snapshot, views)
    const key = JSON.stringify([scope.hidden, scope.namespace, scope.namespaceHead])
    const known = views.get(key)
    if (known) return known
    const view = visibleRefs(snapshot, scope)
    if (views.size >= mostScopes) views.delete(views.keys().next().value as string)
    views.set(key, view)
    return view
  }
}
