// A request joined with what only the refs and settings can tell, as plain data: everything that a worker needs beside the packs.
import { concatBytes, fromHex, InputError } from '../../base/index.ts'
import { printable } from '../format/capabilities.ts'
import type { FilterSpec } from '../format/filter-spec.ts'
import { type ObjectFormat, type ObjectId, parseObjectId } from '../format/object-id.ts'
import { headRef, type VisibleRefs } from '../refs/visible-refs.ts'
import type { FetchOffer } from './offer.ts'
import { type PackfileUri, packfileUris } from './packfile-uris.ts'
import type { FetchRequest } from './request.ts'

export interface FetchTask {
  readonly request: FetchRequest
  /** All that is wanted: by id, and by name. */
  readonly wants: readonly ObjectId[]
  /** What was wanted by name, and is answered with what the name stands for. */
  readonly wantedRefs: readonly { readonly name: string; readonly oid: ObjectId }[]
  /** Wants that are no tips of visible refs: served only when these reach them. */
  readonly unlisted: readonly ObjectId[]
  /** Packed ids of all tips and of what they peel to; empty when the request names nothing but tips. */
  readonly tips: Uint8Array
  /** Packed ids of annotated tags, each followed by that of what it finally points to; empty unless the client asked for such tags. */
  readonly tags: Uint8Array
  /** What the names in deepen-not stand for. */
  readonly deepenNot: readonly ObjectId[]
  /** The blobs that hold the patterns of `sparse:oid` filters. */
  readonly sparse: readonly SparseName[]
  /** Objects that the client gets from elsewhere. */
  readonly uris: readonly PackfileUri[]
  /** Commits whose parents the repository doesn't have. */
  readonly cutOff: readonly ObjectId[]
}

/** `rev:path` with the revision looked up; without a path the object itself. */
export interface SparseName {
  readonly name: string
  readonly oid: ObjectId
  readonly path: string | null
}

/**
 * @param tipsOf `packedTips`, or what remembers its answers
 * @throws InputError for a want that isn't allowed, a want-ref that isn't there, a name in deepen-not that is no ref, a sparse filter that nothing is named by
 */
export function fetchTask(request: FetchRequest, refs: VisibleRefs, offer: FetchOffer, tipsOf = packedTips): FetchTask {
  const { allowsAny, allowsReachable, allowsTips } = offer.settings
  const unlisted = allowsAny ? [] : unlistedWants(request.wants, refs, allowsTips)
  // version 2 knows no such capability: partial clones live on wants by id
  if (request.version < 2 && !allowsReachable && unlisted[0]) throw new InputError('not-our-ref', `upload-pack: not our ref ${unlisted[0]}`)
  const wantedRefs = request.wantRefs.map((name) => ({ name, oid: wantedRef(name, refs) }))
  const claims = request.shallows.length > 0 || request.negotiation.some((entry) => entry !== 'flush' && entry !== 'done')
  const sparse = sparseNames(request.filter, refs, offer.format)
  const annotated = request.includeTag ? refs.refs.filter((ref) => ref.peeled && ref.name.startsWith('refs/tags/')) : []
  return {
    request,
    wants: [...new Set([...request.wants, ...wantedRefs.map(({ oid }) => oid)])],
    wantedRefs,
    unlisted,
    tips: unlisted.length === 0 && !claims && sparse.length === 0 ? new Uint8Array(0) : tipsOf(refs),
    tags: concatBytes(annotated.flatMap((ref) => [fromHex(ref.oid), fromHex(ref.peeled as ObjectId)])),
    deepenNot: request.deepenNot.map((name) => deepenNot(name, refs)),
    sparse,
    uris: request.uriProtocols.length === 0 ? [] : packfileUris(offer, request.uriProtocols),
    cutOff: offer.cutOff,
  }
}

/** Those that are neither a tip nor what one peels to. There are more refs than wants, as a rule: each ref is looked at once. */
function unlistedWants(wants: readonly ObjectId[], refs: VisibleRefs, allowsTips: boolean): ObjectId[] {
  const open = new Set(wants)
  const head = headRef(refs)
  if (head) open.delete(head.oid)
  for (const ref of refs.refs) {
    if (open.size === 0) break
    open.delete(ref.oid)
    if (ref.peeled) open.delete(ref.peeled)
  }
  if (allowsTips) for (const ref of refs.hidden ?? []) open.delete(ref.oid)
  return [...open]
}

/** Packed ids of what the refs and HEAD point to, and of what those peel to. */
export function packedTips(refs: VisibleRefs): Uint8Array {
  const tips = new Set<ObjectId>()
  const head = headRef(refs)
  for (const ref of head ? [head, ...refs.refs] : refs.refs) {
    tips.add(ref.oid)
    if (ref.peeled) tips.add(ref.peeled)
  }
  return concatBytes([...tips].map((oid) => fromHex(oid)))
}

/** A full name, or HEAD: hidden and missing look the same. */
function wantedRef(name: string, refs: VisibleRefs): ObjectId {
  const ref = name === 'HEAD' ? headRef(refs) : name.startsWith('refs/') ? refs.byName.get(name) : undefined
  if (!ref) throw new InputError('unknown-ref', `unknown ref ${printable(name)}`)
  return ref.oid
}

/** As git's rev-parse rules: the name itself, or below refs/, refs/tags/, refs/heads/ or refs/remotes/. All that it may stand for, the first first. */
function expand(name: string, refs: VisibleRefs): ObjectId[] {
  const head = name === 'HEAD' ? headRef(refs) : null
  const names = ['', 'refs/', 'refs/tags/', 'refs/heads/', 'refs/remotes/'].map((folder) => folder + name)
  const found = [head, ...[...names, `refs/remotes/${name}/HEAD`].map((full) => refs.byName.get(full))]
  return found.flatMap((ref) => (ref ? [ref.oid] : []))
}

function deepenNot(name: string, refs: VisibleRefs): ObjectId {
  const [oid, other] = expand(name, refs)
  if (oid === undefined) throw new InputError('bad-request', `git upload-pack: deepen-not is not a ref: deepen-not ${printable(name)}`)
  if (other !== undefined) throw new InputError('bad-request', `git upload-pack: ambiguous deepen-not: deepen-not ${printable(name)}`)
  return oid
}

function sparseNames(filter: FilterSpec | null, refs: VisibleRefs, format: ObjectFormat): SparseName[] {
  if (filter?.kind === 'combine') return filter.filters.flatMap((part) => sparseNames(part, refs, format))
  if (filter?.kind !== 'sparse:oid') return []
  const { name } = filter
  const colon = name.indexOf(':')
  const revision = colon < 0 ? name : name.slice(0, colon)
  const oid = parseObjectId(revision, format) ?? expand(revision, refs)[0]
  if (!oid) throw new InputError('sparse-filter', `unable to access sparse blob in '${printable(name)}'`)
  return [{ name, oid, path: colon < 0 ? null : name.slice(colon + 1) }]
}
