// Zip archives (PKWARE APPNOTE 6.3), as `git archive` writes them: local headers, contents, a central directory, the commit's id as comment.
// Zip64 where a number doesn't fit. An entry whose size isn't known ahead has a data descriptor behind its contents.
import { isUtf8 } from 'node:buffer'
import { isGitlinkMode, isTreeMode, Mode } from './tree.ts'

const most16 = 0xffff
const most32 = 0xffffffff
/** Streamed entries of this size get 64-bit fields: deflated they may be larger than they are. */
const largeStream = 0x7fffffff

export const ZipMethod = { store: 0, deflate: 8 } as const
const Flag = { descriptor: 1 << 3, utf8: 1 << 11 } as const

/** One entry as it stands in the archive. */
export interface ZipEntry {
  /** At most 65535 bytes; a folder's or submodule's ends in a slash. */
  readonly path: Uint8Array
  /** As in trees. */
  readonly mode: number
  /** Where its local header begins. */
  readonly offset: number
  readonly method: (typeof ZipMethod)[keyof typeof ZipMethod]
  /** True: size, deflated size and CRC stand behind the contents. */
  readonly isStreamed: boolean
  readonly sizeBytes: number
  readonly storedBytes: number
  readonly crc: number
  readonly isText: boolean
}

/** Seconds since 1970. DOS times are UTC here, and no earlier than 1980. */
export interface ZipTime {
  readonly seconds: number
}

function dosTime({ seconds }: ZipTime): { date: number; time: number } {
  const at = new Date(Math.min(seconds, 4354819198) * 1000) // the end of 2107
  if (at.getUTCFullYear() < 1980) return { date: (1 << 5) | 1, time: 0 }
  return {
    date: ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate(),
    time: (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1),
  }
}

function flagsOf({ path, isStreamed }: ZipEntry): number {
  const isAscii = path.every((byte) => byte < 0x80)
  return (isStreamed ? Flag.descriptor : 0) | (!isAscii && isUtf8(path) ? Flag.utf8 : 0)
}

/** True where local header and descriptor of the entry have 64-bit sizes. */
function isLarge({ isStreamed, sizeBytes, storedBytes }: ZipEntry): boolean {
  return sizeBytes > (isStreamed ? largeStream : most32) || storedBytes > most32
}

/** What stands before the contents. Of a streamed entry only `sizeBytes` need be right. */
export function encodeZipHeader(entry: ZipEntry, when: ZipTime): Uint8Array {
  const large = isLarge(entry)
  const { isStreamed, path } = entry
  const { date, time } = dosTime(when)
  const field = new Fields()
    .u32(0x04034b50)
    .u16(large ? 45 : 10)
    .u16(flagsOf(entry))
    .u16(entry.method)
    .u16(time)
    .u16(date)
    .u32(isStreamed ? 0 : entry.crc)
    .u32(large ? most32 : isStreamed ? 0 : entry.storedBytes)
    .u32(large ? most32 : isStreamed ? 0 : entry.sizeBytes)
    .u16(path.length)
    .u16(9 + (large ? 20 : 0))
    .bytes(path)
  extendedTime(field, when)
  if (large)
    field
      .u16(1)
      .u16(16)
      .u64(isStreamed ? 0 : entry.sizeBytes)
      .u64(isStreamed ? 0 : entry.storedBytes)
  return field.take()
}

/** What stands behind a streamed entry's contents; all of the entry is known by then. */
export function encodeZipDescriptor(entry: ZipEntry): Uint8Array {
  const field = new Fields().u32(0x08074b50).u32(entry.crc)
  if (isLarge(entry)) field.u64(entry.storedBytes).u64(entry.sizeBytes)
  else field.u32(entry.storedBytes).u32(entry.sizeBytes)
  return field.take()
}

/** The entry's line in the central directory. */
export function encodeZipDirectoryEntry(entry: ZipEntry, when: ZipTime): Uint8Array {
  const { mode, offset, path, sizeBytes, storedBytes } = entry
  const { date, time } = dosTime(when)
  const wide = [sizeBytes, storedBytes, offset].filter((value) => value >= most32)
  const field = new Fields()
    .u32(0x02014b50)
    .u16(hasUnixMode(mode) ? 0x0317 : 0)
    .u16(isLarge(entry) || wide.length > 0 ? 45 : 10)
    .u16(flagsOf(entry))
    .u16(entry.method)
    .u16(time)
    .u16(date)
    .u32(entry.crc)
    .u32(Math.min(storedBytes, most32))
    .u32(Math.min(sizeBytes, most32))
    .u16(path.length)
    .u16(9 + (wide.length > 0 ? 4 + 8 * wide.length : 0))
    .u16(0)
    .u16(0)
    .u16(entry.isText ? 1 : 0)
    .u32(attributesOf(mode))
    .u32(Math.min(offset, most32))
    .bytes(path)
  extendedTime(field, when)
  if (wide.length > 0) {
    field.u16(1).u16(8 * wide.length)
    for (const value of wide) field.u64(value)
  }
  return field.take()
}

/** What ends the archive: behind the central directory, which begins at `offset`. */
export function encodeZipEnd(directory: { entries: number; offset: number; sizeBytes: number }, comment: string): Uint8Array {
  const { entries, offset, sizeBytes } = directory
  const field = new Fields()
  if (entries > most16 || offset > most32 || sizeBytes > most32) {
    field.u32(0x06064b50).u64(44).u16(0x0317).u16(45).u32(0).u32(0).u64(entries).u64(entries).u64(sizeBytes).u64(offset)
    field
      .u32(0x07064b50)
      .u32(0)
      .u64(offset + sizeBytes)
      .u32(1)
  }
  const count = Math.min(entries, most16)
  field.u32(0x06054b50).u16(0).u16(0).u16(count).u16(count).u32(Math.min(sizeBytes, most32)).u32(Math.min(offset, most32))
  return field.u16(comment.length).bytes(Buffer.from(comment, 'latin1')).take()
}

/** Only links and executables need one; anything else gets what its reader gives to new files. */
function hasUnixMode(mode: number): boolean {
  return (mode & 0o170000) === Mode.symlink || ((mode & 0o170000) === 0o100000 && (mode & 0o111) !== 0)
}

function attributesOf(mode: number): number {
  if (isTreeMode(mode) || isGitlinkMode(mode)) return 16
  const unix = (mode & 0o170000) === Mode.symlink ? mode | 0o777 : mode
  return hasUnixMode(mode) ? unix * 0x10000 : 0
}

/** Info-ZIP's extended timestamp: the time of modification alone. */
function extendedTime(field: Fields, { seconds }: ZipTime): void {
  field.u16(0x5455).u16(5).u8(1).u32(Math.min(seconds, 0x7fffffff))
}

/** Little-endian fields, one behind the other. */
class Fields {
  readonly #parts: Uint8Array[] = []

  u8(value: number): this {
    return this.#number(value, 1)
  }

  u16(value: number): this {
    return this.#number(value, 2)
  }

  u32(value: number): this {
    return this.#number(value, 4)
  }

  u64(value: number): this {
    return this.#number(value % 0x1_0000_0000, 4).#number(Math.floor(value / 0x1_0000_0000), 4)
  }

  bytes(bytes: Uint8Array): this {
    this.#parts.push(bytes)
    return this
  }

  take(): Uint8Array {
    return Buffer.concat(this.#parts)
  }

  #number(value: number, sizeBytes: number): this {
    const part = Buffer.alloc(sizeBytes)
    part.writeUIntLE(value, 0, sizeBytes)
    this.#parts.push(part)
    return this
  }
}
