// A request joined with what only the refs can tell, as plain data: everything that a worker needs beside the packs.
import { concatBytes, fromHex, InputError } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import { headRef, type VisibleRefs } from '../refs/visible-refs.ts'
import type { FetchRequest } from './request.ts'

export interface FetchTask {
  readonly request: FetchRequest
  /** Wants that are no tips of visible refs: served only when these reach them. */
  readonly unlisted: readonly ObjectId[]
  /** Packed ids of all tips and of what they peel to; empty when the request names nothing but tips. */
  readonly tips: Uint8Array
  /** Packed ids of annotated tags, each followed by that of what it finally points to; empty unless the client asked for such tags. */
  readonly tags: Uint8Array
  /** What the names in deepen-not stand for. */
  readonly deepenNot: readonly ObjectId[]
}

/** InputError when a name in deepen-not is no ref. */
export function fetchTask(request: FetchRequest, refs: VisibleRefs): FetchTask {
  const tips = new Set<string>()
  const head = headRef(refs)
  for (const ref of head ? [head, ...refs.refs] : refs.refs) {
    tips.add(ref.oid)
    if (ref.peeled) tips.add(ref.peeled)
  }
  const unlisted = request.wants.filter((want) => !tips.has(want))
  const claims = request.shallows.length > 0 || request.negotiation.some((entry) => entry !== 'flush' && entry !== 'done')
  const annotated = request.includeTag ? refs.refs.filter((ref) => ref.peeled && ref.name.startsWith('refs/tags/')) : []
  return {
    request,
    unlisted,
    tips: unlisted.length === 0 && !claims ? new Uint8Array(0) : concatBytes([...tips].map((oid) => fromHex(oid))),
    tags: concatBytes(annotated.flatMap((ref) => [fromHex(ref.oid), fromHex(ref.peeled as ObjectId)])),
    deepenNot: request.deepenNot.map((name) => resolve(name, refs)),
  }
}

/** As git's expand_ref: the name itself, or below refs/, refs/tags/, refs/heads/ or refs/remotes/. */
function resolve(name: string, refs: VisibleRefs): ObjectId {
  const head = name === 'HEAD' ? headRef(refs) : null
  const found = ['', 'refs/', 'refs/tags/', 'refs/heads/', 'refs/remotes/'].map((folder) => refs.byName.get(folder + name))
  const ref = head ?? found.find((candidate) => candidate !== undefined)
  if (!ref) throw new InputError('bad-request', `git upload-pack: deepen-not is not a ref: deepen-not ${name}`)
  return ref.oid
}
