// Annotated tags: which object, of which kind, under which name, by whom. `parseTagTarget` is for walks, `decodeTag` for showing one.
import { InputError, latin1 } from '../../base/index.ts'
import { decodeHeaderBlock, decodeText, findHeader, type Header, type Identity, parseIdentity } from './header-block.ts'
import { parseKindName } from './object.ts'
import { hashBytes, type Kind, type ObjectFormat, type ObjectId, parseObjectId } from './object-id.ts'
import { signatureAt } from './signed-object.ts'

/** What a tag points to. */
export interface TagTarget {
  /** Offset of the id in hex. */
  readonly objectAt: number
  readonly object: ObjectId
  readonly kind: Kind
}

/** Reads the tag's first two lines. InputError `tag-malformed`. */
export function parseTagTarget(bytes: Uint8Array, format: ObjectFormat): TagTarget {
  const hexSize = hashBytes(format) * 2
  const objectAt = 'object '.length
  // `object <id>\ntype commit\n` is the longest head.
  const head = latin1(bytes.subarray(0, objectAt + hexSize + '\ntype commit\n'.length))
  const object = parseObjectId(head.slice(objectAt, objectAt + hexSize), format)
  const type = /^\ntype ([a-z]+)\n/.exec(head.slice(objectAt + hexSize))?.[1]
  const kind = type === undefined ? null : parseKindName(type)
  if (!head.startsWith('object ') || object === null || kind === null) throw new InputError('tag-malformed', 'bogus tag: no object or type')
  return { objectAt, object, kind }
}

/** A whole tag, for showing. */
export interface Tag {
  readonly object: ObjectId
  readonly kind: Kind
  readonly name: string
  readonly tagger: Identity | null
  /** The message, without the signature. */
  readonly message: string
  /** The signature at the message's end, or null. */
  readonly signature: string | null
  /** All headers in order, those above too. */
  readonly headers: readonly Header[]
}

/** Reads a whole tag. InputError `tag-malformed` or `object-headers`. */
export function decodeTag(bytes: Uint8Array, format: ObjectFormat): Tag {
  const { object, kind } = parseTagTarget(bytes, format)
  const block = decodeHeaderBlock(bytes)
  const name = findHeader(block, 'tag')
  if (name === null) throw new InputError('tag-malformed', 'bogus tag: no name')
  const tagger = findHeader(block, 'tagger')
  const message = block.message ?? new Uint8Array(0)
  const at = signatureAt(message)
  return {
    object,
    kind,
    name: decodeText(name),
    tagger: tagger === null ? null : parseIdentity(tagger),
    message: decodeText(message.subarray(0, at)),
    signature: at === message.length ? null : latin1(message.subarray(at)),
    headers: block.headers,
  }
}
