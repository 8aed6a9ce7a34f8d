// What a server tells first: refs and capabilities (versions 0 and 1; gitprotocol-pack(5)) or capabilities alone (version 2; gitprotocol-v2(5)).
// An advertisement is one buffer, the same for everyone who sees the same refs: worth keeping beside the snapshot.
import { type ObjectFormat, type ObjectId, zeroId } from '../format/object-id.ts'
import { PktLineWriter } from '../format/pkt-line.ts'
import { isDetached } from '../refs/ref-snapshot.ts'
import { headRef, type VisibleRefs } from '../refs/visible-refs.ts'
import { capabilitiesV0, capabilitiesV2, type FetchOffer } from './offer.ts'

/** The body of `GET info/refs?service=git-upload-pack`. */
export function advertiseUploadPack(refs: VisibleRefs, offer: FetchOffer, version: 0 | 1 | 2): Uint8Array {
  if (version === 2) return advertiseV2(offer)
  const head = headRef(refs)
  const symref = head && !isDetached(refs.head) ? `HEAD:${refs.head}` : null
  const out = new Advertisement('git-upload-pack', capabilitiesV0(offer, symref), offer.format, version)
  if (head) {
    out.add(head.oid, 'HEAD')
    if (head.peeled) out.add(head.peeled, 'HEAD^{}')
  }
  for (const ref of refs.refs) {
    out.add(ref.oid, ref.name)
    if (ref.peeled) out.add(ref.peeled, `${ref.name}^{}`)
  }
  return out.end(offer.cutOff)
}

/** Lines of refs behind the service's name; the first carries the capabilities. */
class Advertisement {
  readonly #out = new PktLineWriter()
  readonly #format: ObjectFormat
  #capabilities: string

  constructor(service: string, capabilities: string, format: ObjectFormat, version: 0 | 1 | 2) {
    this.#format = format
    this.#capabilities = `\0${capabilities}`
    this.#out.text(`# service=${service}\n`).flush()
    if (version === 1) this.#out.text('version 1\n')
  }

  add(oid: ObjectId, name: string): void {
    this.#out.text(`${oid} ${name}${this.#capabilities}\n`)
    this.#capabilities = ''
  }

  end(cutOff: readonly ObjectId[]): Uint8Array {
    if (this.#capabilities !== '') this.add(zeroId(this.#format), 'capabilities^{}')
    for (const oid of cutOff) this.#out.text(`shallow ${oid}\n`)
    return this.#out.flush().take()
  }
}

function advertiseV2(offer: FetchOffer): Uint8Array {
  const out = new PktLineWriter().text('version 2\n')
  for (const line of capabilitiesV2(offer)) out.text(`${line}\n`)
  return out.flush().take()
}
