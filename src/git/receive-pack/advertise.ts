// What a pushing client is told first: refs and capabilities (gitprotocol-pack(5), gitprotocol-capabilities(5)), and as `.have` lines what it
// need not send though no ref of the repository shows it.
import { concatBytes } from '../../base/index.ts'
import { type ObjectFormat, type ObjectId, zeroId } from '../format/object-id.ts'
import { PktLineWriter } from '../format/pkt-line.ts'
import type { VisibleRefs } from '../refs/index.ts'
import type { GitSettings } from '../settings/index.ts'

export interface PushAdvertisement {
  readonly format: ObjectFormat
  /** 1 begins with a line of its own; pushes have no version 2, so 2 is answered as 0. */
  readonly version: 0 | 1 | 2
  readonly capabilities: string
  readonly refs: VisibleRefs
  /** Lines of all refs but the first (`formatRefLines`), which may be kept. */
  readonly otherLines: Uint8Array
  /** Tips of what else the client may build on. */
  readonly haves: readonly ObjectId[]
  /** Commits whose parents the repository doesn't have. */
  readonly cutOff: readonly ObjectId[]
}

export interface CapabilityFacts {
  readonly settings: GitSettings
  readonly format: ObjectFormat
  /** `stemma/0.1.0`. */
  readonly agent: string
  /** Null: signed pushes are not offered. */
  readonly nonce: string | null
  readonly sessionId: string
}

/** The capabilities, as git orders them. `side-band` is ours: git's client never asks for it, others do. */
export function pushCapabilities({ settings, format, agent, nonce, sessionId }: CapabilityFacts): string {
  const { push, advertisesSessionId } = settings
  return [
    'report-status report-status-v2 delete-refs side-band side-band-64k quiet',
    push.advertisesAtomic ? 'atomic' : null,
    'ofs-delta',
    nonce === null ? null : `push-cert=${nonce}`,
    push.advertisesOptions ? 'push-options' : null,
    advertisesSessionId ? `session-id=${sessionId}` : null,
    `object-format=${format}`,
    `agent=${agent}`,
  ]
    .filter((word) => word !== null)
    .join(' ')
}

/** The lines of all refs but the first. */
export function formatOtherRefs({ refs }: VisibleRefs): Uint8Array {
  const out = new PktLineWriter()
  for (const ref of refs.slice(1)) out.text(`${ref.oid} ${ref.name}\n`)
  return out.take()
}

/** The body of `GET info/refs?service=git-receive-pack`. */
export function advertisePush({ format, version, capabilities, refs, otherLines, haves, cutOff }: PushAdvertisement): Uint8Array {
  const begin = new PktLineWriter()
  begin.text('# service=git-receive-pack\n').flush()
  if (version === 1) begin.text('version 1\n')
  const own = refs.refs[0]
  const more = otherTips(refs, haves)
  const first = own ? `${own.oid} ${own.name}` : more.length > 0 ? `${more.shift()} .have` : `${zeroId(format)} capabilities^{}`
  begin.text(`${first}\0${capabilities}\n`)
  const end = new PktLineWriter()
  for (const oid of more) end.text(`${oid} .have\n`)
  for (const oid of cutOff) end.text(`shallow ${oid}\n`)
  return concatBytes([begin.take(), otherLines, end.flush().take()])
}

/** Each once, and none that a ref shows. */
function otherTips({ refs }: VisibleRefs, haves: readonly ObjectId[]): ObjectId[] {
  if (haves.length === 0) return []
  const shown = new Set(refs.map((ref) => ref.oid))
  return [...new Set(haves)].filter((oid) => !shown.has(oid))
}
