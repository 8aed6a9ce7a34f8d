// What an archive holds, member by member, as it is kept for whoever asks: docs/design/opened-contents.md, The file list. Pure.
//   list  := entry*
//   entry := byte type | varint mode | varint size | varint body | varint n, path (n) | of links: varint n, target (n) | of files (type `0`): gitBlob SHA-1 (20), SHA-256 (32)
// It says nothing that differs between two builds of the same files (times, owners), so that lists have most of their bytes in common.
import { CorruptError } from '../../../base/index.ts'

export interface FileEntry {
  /** As it stands in the archive. Not to be used as a path of this machine: it may say anything. */
  readonly path: Uint8Array
  readonly mode: number
  /** Tar's: `0` a file, `1` a hard link, `2` a symbolic link, `3` and `4` devices, `5` a directory, `6` a pipe, `S` a file with holes; anything else as it stands. */
  readonly type: string
  readonly sizeBytes: number
  /** Bytes of the body among the bodies: those of a file with holes are fewer. Other types have none there. */
  readonly bodyBytes: number
  readonly link: Uint8Array
  /** Of files (type `0`) alone. */
  readonly gitBlob: Uint8Array | null
  readonly sha256: Uint8Array | null
}

/** An entry with the place of its body among the bodies. */
export interface PlacedEntry extends FileEntry {
  readonly bodyAt: number
}

export function encodeEntry(entry: FileEntry): Uint8Array {
  const numbers: number[] = [entry.type.charCodeAt(0)]
  pushVarint(numbers, entry.mode)
  pushVarint(numbers, entry.sizeBytes)
  pushVarint(numbers, entry.bodyBytes)
  pushVarint(numbers, entry.path.length)
  const parts: Uint8Array[] = [Uint8Array.from(numbers), entry.path]
  if (isLink(entry.type)) {
    const length: number[] = []
    pushVarint(length, entry.link.length)
    parts.push(Uint8Array.from(length), entry.link)
  }
  if (entry.gitBlob !== null && entry.sha256 !== null) parts.push(entry.gitBlob, entry.sha256)
  return Buffer.concat(parts)
}

export function hasBody(entry: Pick<FileEntry, 'type'>): boolean {
  return entry.type === '0' || entry.type === 'S'
}

/** CorruptError 'file-list' for bytes that are no list, or one that ends too early. */
export async function* decodeList(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<PlacedEntry, void, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  let bodyAt = 0
  for await (const piece of bytes) {
    rest = Buffer.concat([rest, piece])
    let at = 0
    for (;;) {
      const read = readEntry(rest, at)
      if (read === null) break
      at = read.end
      yield { ...read.entry, bodyAt }
      if (hasBody(read.entry)) bodyAt += read.entry.bodyBytes
    }
    rest = rest.subarray(at)
  }
  if (rest.length > 0) throw new CorruptError('file-list', 'a file list ends within an entry')
}

/** Null where the bytes end before the entry does. */
function readEntry(bytes: Uint8Array, from: number): { entry: FileEntry; end: number } | null {
  const reader = { bytes, at: from + 1 }
  const code = bytes[from]
  const mode = readVarint(reader)
  const sizeBytes = readVarint(reader)
  const bodyBytes = readVarint(reader)
  if (code === undefined || mode === null || sizeBytes === null || bodyBytes === null) return null
  const type = String.fromCharCode(code)
  const path = readBytes(reader, readVarint(reader))
  if (path === null) return null // what would be read next are bytes of the path
  const link = isLink(type) ? readBytes(reader, readVarint(reader)) : new Uint8Array()
  const gitBlob = type === '0' ? readBytes(reader, 20) : new Uint8Array()
  const sha256 = type === '0' ? readBytes(reader, 32) : new Uint8Array()
  if (link === null || gitBlob === null || sha256 === null) return null
  const hashes = type === '0' ? { gitBlob, sha256 } : { gitBlob: null, sha256: null }
  return { entry: { path, mode, type, sizeBytes, bodyBytes, link, ...hashes }, end: reader.at }
}

function isLink(type: string): boolean {
  return type === '1' || type === '2'
}

interface Reader {
  readonly bytes: Uint8Array
  at: number
}

function readBytes(reader: Reader, count: number | null): Uint8Array | null {
  if (count === null || reader.at + count > reader.bytes.length) return null
  reader.at += count
  return new Uint8Array(reader.bytes.subarray(reader.at - count, reader.at))
}

export function pushVarint(bytes: number[], value: number): void {
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
}

/** Null where the bytes end first. CorruptError 'file-list' where it is too long for a number. */
export function readVarint(reader: Reader): number | null {
  let value = 0
  for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
    const byte = reader.bytes[reader.at++]
    if (byte === undefined) return null
    value += (byte % 128) * scale
    if (byte < 128) return value
  }
  throw new CorruptError('file-list', 'a file list has a number that is none')
}
