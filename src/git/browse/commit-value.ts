// Commits and tags as plain values, for showing.
import { CorruptError, InputError } from '../../base/index.ts'
import { decodeCommit } from '../format/commit.ts'
import { decodeText, type Identity } from '../format/header-block.ts'
import { kindName, type KindName, type ObjectFormat, type ObjectId } from '../format/object-id.ts'
import { signedCommit, type SignedParts, signedTag } from '../format/signed-object.ts'
import { decodeTag } from '../format/tag.ts'
import type { PacedRepository } from '../upload-pack/repository.ts'
import { idOf } from './named.ts'

export interface Person {
  readonly name: string
  readonly email: string
  /** Since 1970; null when the date can't be read. */
  readonly seconds: number | null
}

export interface CommitValue {
  readonly oid: ObjectId
  readonly tree: ObjectId
  readonly parents: readonly ObjectId[]
  readonly author: Person | null
  readonly committer: Person | null
  readonly message: string
  readonly signature: string | null
  /** What was signed; null without a signature. */
  readonly payload: string | null
  /** The same as it is, where the text isn't that. */
  readonly payloadBytes: Uint8Array | null
}

export interface TagValue {
  readonly oid: ObjectId
  readonly name: string
  readonly object: ObjectId
  readonly kind: KindName
  readonly tagger: Person | null
  readonly message: string
  readonly signature: string | null
  readonly payload: string | null
  readonly payloadBytes: Uint8Array | null
}

/** CorruptError when the stored commit is none. */
export async function readCommit(repository: PacedRepository, number: number): Promise<CommitValue> {
  const oid = idOf(repository, number)
  return sound(oid, await repository.objects.read(number), (bytes) => commitValue(oid, bytes, repository.set.format))
}

export async function readTag(repository: PacedRepository, number: number): Promise<TagValue> {
  const oid = idOf(repository, number)
  return sound(oid, await repository.objects.read(number), (bytes) => tagValue(oid, bytes, repository.set.format))
}

/** What is written through the API is shown by the same functions. InputError `commit-malformed`, `object-headers`. */
export function commitValue(oid: ObjectId, bytes: Uint8Array, format: ObjectFormat): CommitValue {
  const { tree, parents, author, committer, message } = decodeCommit(bytes, format)
  const people = { author: person(author), committer: person(committer) }
  return { oid, tree, parents, ...people, message: shown(message), ...signatureOf(signedCommit(bytes, format)) }
}

/** InputError `tag-malformed`, `object-headers`. */
export function tagValue(oid: ObjectId, bytes: Uint8Array, format: ObjectFormat): TagValue {
  const { name, object, kind, tagger, message } = decodeTag(bytes, format)
  const shape = { oid, name, object, kind: kindName(kind), tagger: person(tagger), message: shown(message) }
  return { ...shape, ...signatureOf(signedTag(bytes, format)) }
}

function signatureOf(parts: SignedParts | null): Pick<CommitValue, 'signature' | 'payload' | 'payloadBytes'> {
  if (parts === null) return { signature: null, payload: null, payloadBytes: null }
  const { signature, payload: bytes } = parts
  const payload = decodeText(bytes)
  const isText = Buffer.compare(Buffer.from(payload), bytes) === 0
  return { signature, payload, payloadBytes: isText ? null : bytes.slice() }
}

/** As GitHub: without the line end that git writes behind a message. */
function shown(message: string): string {
  return message.replace(/\n+$/, '')
}

function person(identity: Identity | null): Person | null {
  return identity && { name: identity.name, email: identity.email, seconds: identity.seconds }
}

function sound<T>(oid: ObjectId, bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(bytes)
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause
    throw new CorruptError('object', `object ${oid} is not sound`, { cause })
  }
}
