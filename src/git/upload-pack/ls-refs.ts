// The `ls-refs` command of protocol version 2 (gitprotocol-v2(5)), and the pkt-lines that advertisements are made of.
import { latin1, utf8 } from '../../base/index.ts'
import type { Ref, RefSnapshot } from '../refs/ref-snapshot.ts'

/** The refs that a caller may see, sorted by name in byte order. */
export type VisibleRefs = Pick<RefSnapshot, 'head' | 'refs' | 'byName'>

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
  const lines: string[] = []
  const head = refs.byName.get(refs.head)
  const symref = request.symrefs ? ` symref-target:${refs.head}` : ''
  if (prefixes.length === 0 || prefixes.some((prefix) => 'HEAD'.startsWith(prefix))) {
    if (head) lines.push(pktText(`${head.oid} HEAD${symref}${peeled(head, request)}\n`))
    else if (request.unborn && request.symrefs) lines.push(pktText(`unborn HEAD${symref}\n`))
  }
  const matches = prefixMatcher(prefixes)
  for (const ref of refs.refs) {
    if (matches(ref.name)) lines.push(pktText(`${ref.oid} ${ref.name}${peeled(ref, request)}\n`))
  }
  lines.push('0000')
  return Buffer.from(lines.join(''), 'latin1')
}

function peeled(ref: Ref, request: LsRefsRequest): string {
  return request.peel && ref.peeled ? ` peeled:${ref.peeled}` : ''
}

/** A client that fetches thousands of refs by name sends thousands of prefixes: whole names are looked up, not tried one by one. */
function prefixMatcher(prefixes: readonly string[]): (name: string) => boolean {
  if (prefixes.length === 0) return () => true
  if (prefixes.length < 32) return (name) => prefixes.some((prefix) => name.startsWith(prefix))
  const set = new Set(prefixes)
  const lengths = [...new Set(prefixes.map((prefix) => prefix.length))]
  return (name) => lengths.some((length) => length <= name.length && set.has(name.slice(0, length)))
}

/** One pkt-line as text of one character for each byte, to be joined and encoded at once. */
export function pktText(line: string): string {
  // oxlint-disable-next-line no-control-regex
  const bytes = /^[\u0000-\u007f]*$/.test(line) ? line : latin1(utf8(line))
  return (bytes.length + 4).toString(16).padStart(4, '0') + bytes
}
