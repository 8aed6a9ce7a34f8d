// What a server tells first: refs and capabilities (versions 0 and 1; gitprotocol-pack(5)) or capabilities alone (version 2; gitprotocol-v2(5)).
// An advertisement is one buffer, the same for everyone who sees the same refs: worth keeping beside the snapshot.
import { zeroId, type ObjectFormat } from '../format/object-id.ts'
import { pktText, type VisibleRefs } from './ls-refs.ts'

export interface AdvertiseOptions {
  readonly format: ObjectFormat
  /** `stemma/0.1.0`. */
  readonly agent: string
  readonly version: 0 | 1 | 2
}

const uploadPackCapabilities =
  'multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not deepen-relative no-progress include-tag' +
  ' multi_ack_detailed allow-tip-sha1-in-want allow-reachable-sha1-in-want no-done'

const receivePackCapabilities = 'report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta'

/** The body of `GET info/refs?service=git-upload-pack`. */
export function advertiseUploadPack(refs: VisibleRefs, options: AdvertiseOptions): Uint8Array {
  if (options.version === 2) return advertiseV2(options)
  const head = refs.byName.get(refs.head)
  const symref = head ? ` symref=HEAD:${refs.head}` : ''
  const capabilities = `${uploadPackCapabilities}${symref} object-format=${options.format} agent=${options.agent}`
  const lines: string[] = []
  if (head) {
    lines.push(`${head.oid} HEAD`)
    if (head.peeled) lines.push(`${head.peeled} HEAD^{}`)
  }
  for (const ref of refs.refs) {
    lines.push(`${ref.oid} ${ref.name}`)
    if (ref.peeled) lines.push(`${ref.peeled} ${ref.name}^{}`)
  }
  return advertisement('git-upload-pack', lines, capabilities, options)
}

/** The body of `GET info/refs?service=git-receive-pack`; pushes have no version 2, so 2 is answered as 0. */
export function advertiseReceivePack(refs: VisibleRefs, options: AdvertiseOptions): Uint8Array {
  const capabilities = `${receivePackCapabilities} object-format=${options.format} agent=${options.agent}`
  const lines = refs.refs.map((ref) => `${ref.oid} ${ref.name}`)
  return advertisement('git-receive-pack', lines, capabilities, { ...options, version: options.version === 1 ? 1 : 0 })
}

function advertisement(service: string, lines: string[], capabilities: string, options: AdvertiseOptions): Uint8Array {
  if (lines.length === 0) lines.push(`${zeroId(options.format)} capabilities^{}`)
  lines[0] = `${lines[0]}\0${capabilities}`
  const out = [pktText(`# service=${service}\n`), '0000']
  if (options.version === 1) out.push(pktText('version 1\n'))
  for (const line of lines) out.push(pktText(`${line}\n`))
  out.push('0000')
  return Buffer.from(out.join(''), 'latin1')
}

function advertiseV2({ format, agent }: AdvertiseOptions): Uint8Array {
  const lines = ['version 2', `agent=${agent}`, 'ls-refs=unborn', 'fetch=shallow wait-for-done', 'server-option', `object-format=${format}`]
  return Buffer.from(`${lines.map((line) => pktText(`${line}\n`)).join('')}0000`, 'latin1')
}
