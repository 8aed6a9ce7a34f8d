// Objects as git names and stores them one by one: `type SP size NUL bytes`, hashed, and deflated as a loose object.
import { createHash } from 'node:crypto'
import { asBuffer, InputError, utf8 } from '../../base/index.ts'
import { Kind, kindName, type ObjectFormat, type ObjectId } from './object-id.ts'

/** The kind that a name stands for (`commit`, `tree`, `blob`, `tag`), or null. */
export function parseKindName(name: string): Kind | null {
  return name === 'commit' ? Kind.commit : name === 'tree' ? Kind.tree : name === 'blob' ? Kind.blob : name === 'tag' ? Kind.tag : null
}

/** `type SP size NUL`: what is hashed, and stored loose, before an object's bytes. */
export function encodeObjectHeader(kind: Kind, sizeBytes: number): Uint8Array {
  return utf8(`${kindName(kind)} ${sizeBytes}\0`)
}

export interface ObjectHeader {
  readonly kind: Kind
  readonly sizeBytes: number
  readonly headerBytes: number
}

/** The longest header: `commit` and 16 digits (sizes are below 2^53), with space and NUL. */
const MAX_HEADER_BYTES = 24

/** The header of an inflated loose object; null when more bytes are needed. InputError `object-header`. */
export function decodeObjectHeader(bytes: Uint8Array): ObjectHeader | null {
  const head = bytes.subarray(0, MAX_HEADER_BYTES)
  const nul = head.indexOf(0)
  if (nul === -1) {
    if (head.length < MAX_HEADER_BYTES) return null
    throw new InputError('object-header', 'unable to parse object header: it has no end')
  }
  const [, name, digits] = /^(commit|tree|blob|tag) (0|[1-9][0-9]{0,15})$/.exec(asBuffer(head.subarray(0, nul)).toString('latin1')) ?? []
  const kind = name === undefined ? null : parseKindName(name)
  if (kind === null || !Number.isSafeInteger(Number(digits))) {
    throw new InputError('object-header', 'unable to parse object header')
  }
  return { kind, sizeBytes: Number(digits), headerBytes: nul + 1 }
}

/** The object's id, as packed bytes. Plain SHA-1: no collision detection, so not for bytes that a client brings. */
export function hashObject(kind: Kind, bytes: Uint8Array, format: ObjectFormat): Uint8Array {
  return new Uint8Array(createHash(format).update(encodeObjectHeader(kind, bytes.length)).update(bytes).digest())
}

/** The object's id, as hex. See `hashObject`. */
export function objectIdOf(kind: Kind, bytes: Uint8Array, format: ObjectFormat): ObjectId {
  return createHash(format).update(encodeObjectHeader(kind, bytes.length)).update(bytes).digest('hex') as ObjectId
}
