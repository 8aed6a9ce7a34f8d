// Commits and tags as they are written.
import { encodeHeaderBlock, formatIdentity } from '../format/header-block.ts'
import { utf8 } from '../../base/index.ts'
import { type Kind, kindName, type ObjectFormat, type ObjectId } from '../format/object-id.ts'

/** Who, and when. */
export interface Signer {
  readonly name: string
  readonly email: string
  /** Since 1970. */
  readonly seconds: number
  /** `+0100` */
  readonly timezone: string
}

export interface NewCommit {
  readonly author: Signer
  readonly committer: Signer
  readonly message: string
  /** ASCII-armoured, of the commit as it is without it. */
  readonly signature: string | null
}

export function encodeCommit(format: ObjectFormat, tree: ObjectId, parents: readonly ObjectId[], commit: NewCommit): Uint8Array {
  const { author, committer, message, signature } = commit
  const text = (name: string, value: string) => ({ name, value: utf8(value) })
  const headers = [
    text('tree', tree),
    ...parents.map((parent) => text('parent', parent)),
    { name: 'author', value: formatIdentity(author) },
    { name: 'committer', value: formatIdentity(committer) },
    ...(signature === null ? [] : [text(format === 'sha1' ? 'gpgsig' : 'gpgsig-sha256', signature.replace(/\n+$/, ''))]),
  ]
  return encodeHeaderBlock({ headers, message: utf8(message) })
}

export interface NewTag {
  readonly name: string
  readonly object: ObjectId
  readonly kind: Kind
  readonly message: string
  readonly tagger: Signer
}

export function encodeTag({ kind, message, name, object, tagger }: NewTag): Uint8Array {
  const text = (header: string, value: string) => ({ name: header, value: utf8(value) })
  const headers = [
    text('object', object),
    text('type', kindName(kind)),
    text('tag', name),
    { name: 'tagger', value: formatIdentity(tagger) },
  ]
  return encodeHeaderBlock({ headers, message: utf8(message.endsWith('\n') ? message : `${message}\n`) })
}
