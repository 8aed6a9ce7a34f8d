// The `ls-refs` command of protocol version 2 (gitprotocol-v2(5)).
import { PktLineWriter } from '../format/pkt-line.ts'
import type { Ref } from '../refs/ref-snapshot.ts'
import { isDetached } from '../refs/ref-snapshot.ts'
import { headRef, type VisibleRefs } from '../refs/visible-refs.ts'

export type { VisibleRefs }

export interface LsRefsRequest {
  readonly peel: boolean
  readonly symrefs: boolean
  readonly unborn: boolean
  /** Only refs whose names begin with one of these; none: all. */
  readonly prefixes: readonly string[]
}

/** The whole answer. */
export function formatLsRefs(refs: VisibleRefs, request: LsRefsRequest): Uint8Array {
  const { prefixes } = request
  const out = new PktLineWriter()
  const head = headRef(refs)
  const symref = request.symrefs && !isDetached(refs.head) ? ` symref-target:${refs.head}` : ''
  if (prefixes.length === 0 || prefixes.some((prefix) => 'HEAD'.startsWith(prefix))) {
    if (head) out.text(`${head.oid} HEAD${symref}${peeled(head, request)}\n`)
    else if (request.unborn && request.symrefs && refs.head !== '') out.text(`unborn HEAD${symref}\n`)
  }
  const matches = prefixMatcher(prefixes)
  for (const ref of refs.refs) {
    if (matches(ref.name)) out.text(`${ref.oid} ${ref.name}${peeled(ref, request)}\n`)
  }
  return out.flush().take()
}

function peeled(ref: Ref, request: LsRefsRequest): string {
  return request.peel && ref.peeled ? ` peeled:${ref.peeled}` : ''
}

/** A client that fetches thousands of refs by name sends thousands of prefixes: whole names are looked up, not tried one by one. */
function prefixMatcher(prefixes: readonly string[]): (name: string) => boolean {
  if (prefixes.length === 0) return () => true
  if (prefixes.length < 32) return (name) => prefixes.some((prefix) => name.startsWith(prefix))
  const set = new Set(prefixes)
  // as many lengths as a client likes, but no name has many
  const lengths = [...new Set(prefixes.map((prefix) => prefix.length))].toSorted((a, b) => a - b)
  return (name) => {
    for (const length of lengths) {
      if (length > name.length) return false
      if (set.has(name.slice(0, length))) return true
    }
    return false
  }
}
