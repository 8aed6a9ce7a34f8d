// Commits and tags as plain values, for showing.
import { CorruptError, InputError } from '../../base/index.ts'
import { decodeCommit } from '../format/commit.ts'
import { decodeHeaderBlock, decodeText, encodeHeaderBlock, type Identity } from '../format/header-block.ts'
import { kindName, type KindName, type ObjectFormat, type ObjectId } from '../format/object-id.ts'
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
  const { tree, parents, author, committer, message, signature } = decodeCommit(bytes, format)
  const payload = signature === null ? null : unsigned(bytes)
  return { oid, tree, parents, author: person(author), committer: person(committer), message: shown(message), signature, payload }
}

/** InputError `tag-malformed`, `object-headers`. */
export function tagValue(oid: ObjectId, bytes: Uint8Array, format: ObjectFormat): TagValue {
  const { name, object, kind, tagger, message, signature } = decodeTag(bytes, format)
  const payload = signature === null ? null : decodeText(bytes.subarray(0, bytes.length - Buffer.byteLength(signature)))
  return { oid, name, object, kind: kindName(kind), tagger: person(tagger), message: shown(message), signature, payload }
}

/** As GitHub: without the line end that git writes behind a message. */
function shown(message: string): string {
  return message.replace(/\n+$/, '')
}

function unsigned(bytes: Uint8Array): string {
  const { headers, message } = decodeHeaderBlock(bytes)
  return decodeText(encodeHeaderBlock({ headers: headers.filter(({ name }) => !name.startsWith('gpgsig')), message }))
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
