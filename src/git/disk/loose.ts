// Loose objects: one zlib stream for each, at xx/yyyy… below the objects folder (gitrepository-layout(5)).
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { hashBytes, type Kind, type ObjectFormat, type ObjectId } from '../format/object-id.ts'
import { decodeObjectHeader, objectIdOf } from '../format/object.ts'
import { readIfThere, reading, wrong } from './errors.ts'

export interface DiskObject {
  readonly kind: Kind
  readonly bytes: Uint8Array
}

/** Ids of all loose objects in that folder, ascending. Other files (temporary ones, mostly) are passed over. */
export function* looseIds(folder: string, format: ObjectFormat): Generator<ObjectId> {
  const rest = new RegExp(`^[0-9a-f]{${hashBytes(format) * 2 - 2}}$`)
  const folders = reading(folder, () => readdirSync(folder)).filter((name) => /^[0-9a-f]{2}$/.test(name))
  for (const first of folders.sort()) {
    const here = join(folder, first)
    for (const name of reading(here, () => readdirSync(here)).sort()) if (rest.test(name)) yield `${first}${name}` as ObjectId
  }
}

/**
 * The object, checked against its id; null when there is none. InputError `disk-object`, naming the file, when it isn't what its name says, or
 * is larger than that.
 */
export function readLoose(folder: string, oid: ObjectId, format: ObjectFormat, limitBytes: number): DiskObject | null {
  const path = join(folder, oid.slice(0, 2), oid.slice(2))
  const deflated = readIfThere(path)
  if (deflated === null) return null
  let object: DiskObject
  try {
    // Room for the header, too.
    const whole = inflateSync(deflated, { maxOutputLength: limitBytes + 32 })
    const header = decodeObjectHeader(whole)
    if (header === null) throw wrong('disk-object', path, 'loose object is corrupt: it is empty')
    object = { kind: header.kind, bytes: whole.subarray(header.headerBytes) }
    if (object.bytes.length !== header.sizeBytes)
      throw wrong('disk-object', path, 'loose object is corrupt: its size is another than it says')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'disk-object') throw cause
    const isLarge = cause instanceof RangeError
    throw wrong('disk-object', path, isLarge ? `loose object is larger than ${limitBytes} bytes` : 'loose object is corrupt', cause)
  }
  if (objectIdOf(object.kind, object.bytes, format) !== oid)
    throw wrong('disk-object', path, 'loose object is corrupt: its content has another id')
  return object
}
