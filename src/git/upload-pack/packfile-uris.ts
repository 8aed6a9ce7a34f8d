// The `packfile-uris` section of protocol version 2 (gitprotocol-v2(5)): objects that a client gets as packs from elsewhere, by the setting
// uploadpack.blobPackfileUri: `<object id> <pack's hash> <uri>`. They are left out of the pack; what is delivered in their place is the operator's word.
import { fromHex, InputError } from '../../base/index.ts'
import { printable } from '../format/capabilities.ts'
import { type ObjectId, parseObjectId } from '../format/object-id.ts'
import { MAX_PKT_DATA_BYTES } from '../format/pkt-line.ts'
import { Mark } from './commit-walk.ts'
import type { FetchOffer } from './offer.ts'
import type { FetchRepository } from './repository.ts'
import type { Selection } from './selection.ts'

export interface PackfileUri {
  readonly oid: ObjectId
  /** Hex; the hash that stands at the pack's end. */
  readonly packHash: string
  readonly uri: string
}

/** Those whose protocol the client takes. InputError in git's words when a setting is none. */
export function packfileUris({ format, settings }: FetchOffer, protocols: readonly string[]): PackfileUri[] {
  const uris: PackfileUri[] = []
  const seen = new Set<string>()
  for (const value of settings.blobPackfileUris) {
    const [object = '', pack = ''] = value.split(' ', 2)
    const uri = value.slice(object.length + pack.length + 2)
    const oid = parseObjectId(object, format)
    const packHash = parseObjectId(pack, format)
    const isSound = oid !== null && packHash !== null && uri !== '' && uri.length < MAX_PKT_DATA_BYTES / 2
    if (!isSound) throw fault(`must be of the form '<object-hash> <pack-hash> <uri>' (got '${printable(value)}')`)
    if (seen.has(oid)) throw fault(`has the object twice (got '${printable(value)}')`)
    seen.add(oid)
    if (protocols.some((protocol) => uri.startsWith(`${protocol}:`))) uris.push({ oid, packHash, uri })
  }
  return uris
}

/** Takes those of the objects out of the selection that are in it; the section's lines for them, each once. */
export function excludeByUri(
  { set }: FetchRepository,
  selection: Selection,
  uris: readonly PackfileUri[],
): { lines: string[]; selection: Selection } {
  const lines = new Set<string>()
  const whole = new Set(selection.whole)
  for (const { oid, packHash, uri } of uris) {
    const number = set.find(fromHex(oid), 0)
    if (number < 0 || !((selection.marks[number] as number) & Mark.send)) continue
    selection.marks[number] = (selection.marks[number] as number) & ~Mark.send
    whole.delete(set.packOf(number))
    lines.add(`${packHash} ${uri}\n`)
  }
  return { lines: [...lines], selection: { ...selection, whole } }
}

function fault(what: string): InputError {
  return new InputError('git-setting', `value of uploadpack.blobpackfileuri ${what}`)
}
