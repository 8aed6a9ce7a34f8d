// What a server tells first: refs and capabilities (versions 0 and 1; gitprotocol-pack(5)) or capabilities alone (version 2; gitprotocol-v2(5)).
// An advertisement is one buffer, the same for everyone who sees the same refs: worth keeping beside the snapshot.
import { type ObjectFormat, type ObjectId, zeroId } from '../format/object-id.ts'
import { PktLineWriter } from '../format/pkt-line.ts'
import { isDetached } from '../refs/ref-snapshot.ts'
import { headRef, type VisibleRefs } from '../refs/visible-refs.ts'

export interface AdvertiseOptions {
  readonly format: ObjectFormat
  /** `stemma/0.1.0`. */
  readonly agent: string
  readonly version: 0 | 1 | 2
}

const uploadPackCapabilities =
  'multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not deepen-relative no-progress include-tag' +
  ' multi_ack_detailed allow-tip-sha1-in-want allow-reachable-sha1-in-want no-done'

/** The body of `GET info/refs?service=git-upload-pack`. */
export function advertiseUploadPack(refs: VisibleRefs, options: AdvertiseOptions): Uint8Array {
  if (options.version === 2) return advertiseV2(options)
  const head = headRef(refs)
  const symref = head && !isDetached(refs.head) ? ` symref=HEAD:${refs.head}` : ''
  const capabilities = `${uploadPackCapabilities}${symref} object-format=${options.format} agent=${options.agent}`
  const out = new Advertisement('git-upload-pack', capabilities, options)
  if (head) {
    out.add(head.oid, 'HEAD')
    if (head.peeled) out.add(head.peeled, 'HEAD^{}')
  }
  for (const ref of refs.refs) {
    out.add(ref.oid, ref.name)
    if (ref.peeled) out.add(ref.peeled, `${ref.name}^{}`)
  }
  return out.end()
}

/** Lines of refs behind the service's name; the first carries the capabilities. */
class Advertisement {
  readonly #out = new PktLineWriter()
  readonly #format: ObjectFormat
  #capabilities: string

  constructor(service: string, capabilities: string, { format, version }: AdvertiseOptions) {
    this.#format = format
    this.#capabilities = `\0${capabilities}`
    this.#out.text(`# service=${service}\n`).flush()
    if (version === 1) this.#out.text('version 1\n')
  }

  add(oid: ObjectId, name: string): void {
    this.#out.text(`${oid} ${name}${this.#capabilities}\n`)
    this.#capabilities = ''
  }

  end(): Uint8Array {
    if (this.#capabilities !== '') this.add(zeroId(this.#format), 'capabilities^{}')
    return this.#out.flush().take()
  }
}

function advertiseV2({ format, agent }: AdvertiseOptions): Uint8Array {
  const lines = ['version 2', `agent=${agent}`, 'ls-refs=unborn', 'fetch=shallow wait-for-done', 'server-option', `object-format=${format}`]
  const out = new PktLineWriter()
  for (const line of lines) out.text(`${line}\n`)
  return out.flush().take()
}
