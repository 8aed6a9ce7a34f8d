// Tar archives as `git archive` writes them: ustar headers, pax headers for what doesn't fit (POSIX.1-2017, pax, "ustar Interchange Format").
//   pax global header with the commit's id · entries: header of 512 bytes, contents padded to 512 · zeros up to a multiple of 10240,
//   1024 of them at least
// Names are bytes. Everything is root's, and modified at one time.
import { latin1 } from '../../base/index.ts'
import { isGitlinkMode, isTreeMode, Mode } from './tree.ts'

const recordBytes = 512
const blockBytes = 20 * recordBytes
/** What eleven octal digits hold. */
const largestNumber = 0o77777777777
const linkBytes = 100
const nameBytes = 100
const prefixBytes = 155

export interface TarRules {
  /** Seconds since 1970. */
  readonly time: number
  /** Taken away from what everybody may; git's default is 0o002. */
  readonly umask: number
}

export interface TarEntry {
  /** A folder's or submodule's ends in a slash. */
  readonly path: Uint8Array
  /** As in trees. */
  readonly mode: number
  /** In hex: names the entry where its path doesn't fit. */
  readonly oid: string
  readonly sizeBytes: number
  /** A symbolic link's target. */
  readonly target?: Uint8Array
}

/** The header that stands first; empty where there is neither a commit nor a time that doesn't fit. */
export function encodeTarStart(commit: string | null, rules: TarRules): Uint8Array {
  const records: Uint8Array[] = []
  if (commit !== null) records.push(paxRecord('comment', Buffer.from(commit)))
  if (rules.time > largestNumber) records.push(paxRecord('mtime', Buffer.from(String(rules.time))))
  if (records.length === 0) return new Uint8Array(0)
  const body = Buffer.concat(records)
  return padded([header({ name: Buffer.from('pax_global_header'), type: 'g', mode: 0o666, sizeBytes: body.length }, rules), body])
}

/** An entry's headers. The contents of a file follow, then `tarPadding` of its size. */
export function encodeTarEntry(entry: TarEntry, rules: TarRules): Uint8Array {
  const { path, oid, sizeBytes } = entry
  const pax: Uint8Array[] = []
  const place = splitPath(path)
  if (!place) pax.push(paxRecord('path', path))
  const { name, prefix } = place ?? { name: Buffer.from(`${oid}.data`), prefix: new Uint8Array(0) }
  let link: Uint8Array = entry.target ?? new Uint8Array(0)
  if (link.length > linkBytes) {
    pax.push(paxRecord('linkpath', link))
    link = Buffer.from(`see ${oid}.paxheader`)
  }
  const { type, mode } = kindOf(entry.mode, rules.umask)
  let size = type === '0' ? sizeBytes : 0
  if (size > largestNumber) {
    pax.push(paxRecord('size', Buffer.from(String(size))))
    size = 0
  }
  const own = header({ name, prefix, type, mode, sizeBytes: size, link }, rules)
  if (pax.length === 0) return own
  const body = Buffer.concat(pax)
  const extended = { name: Buffer.from(`${oid}.paxheader`), type: 'x', mode: 0o666, sizeBytes: body.length }
  return padded([header(extended, rules), body, own])
}

/** Zeros behind so many bytes of contents. */
export function tarPadding(sizeBytes: number): Uint8Array {
  return new Uint8Array((recordBytes - (sizeBytes % recordBytes)) % recordBytes)
}

/** Zeros behind the last entry, where the archive has so many bytes so far. */
export function encodeTarEnd(sizeBytes: number): Uint8Array {
  const tail = blockBytes - (sizeBytes % blockBytes)
  return new Uint8Array(tail < 2 * recordBytes ? tail + blockBytes : tail)
}

function kindOf(mode: number, umask: number): { type: string; mode: number } {
  if (isTreeMode(mode) || isGitlinkMode(mode)) return { type: '5', mode: (mode | 0o777) & ~umask }
  if ((mode & 0o170000) === Mode.symlink) return { type: '2', mode: mode | 0o777 }
  return { type: '0', mode: (mode | (mode & 0o100 ? 0o777 : 0o666)) & ~umask }
}

/** A path that is too long for the name's field may be cut at a slash; null when it can't. */
function splitPath(path: Uint8Array): { name: Uint8Array; prefix: Uint8Array } | null {
  if (path.length <= nameBytes) return { name: path, prefix: new Uint8Array(0) }
  let cut = path[path.length - 1] === 0x2f ? path.length - 1 : path.length
  cut = Math.min(cut, prefixBytes)
  do cut--
  while (cut > 0 && path[cut] !== 0x2f)
  const name = path.subarray(cut + 1)
  return cut > 0 && name.length <= nameBytes ? { name, prefix: path.subarray(0, cut) } : null
}

interface HeaderParts {
  readonly name: Uint8Array
  readonly prefix?: Uint8Array
  readonly type: string
  readonly mode: number
  readonly sizeBytes: number
  readonly link?: Uint8Array
}

function header(parts: HeaderParts, { time }: TarRules): Uint8Array {
  const out = Buffer.alloc(recordBytes)
  const octal = (value: number, digits: number, at: number) => out.write(value.toString(8).padStart(digits, '0'), at, 'latin1')
  out.set(parts.name, 0)
  octal(parts.mode & 0o7777, 7, 100)
  octal(0, 7, 108)
  octal(0, 7, 116)
  octal(parts.sizeBytes, 11, 124)
  octal(Math.min(time, largestNumber), 11, 136)
  out.fill(0x20, 148, 156) // the checksum counts as spaces
  out.write(parts.type, 156, 'latin1')
  if (parts.link) out.set(parts.link, 157)
  out.write('ustar\x0000', 257, 'latin1')
  out.write('root', 265, 'latin1')
  out.write('root', 297, 'latin1')
  octal(0, 7, 329)
  octal(0, 7, 337)
  if (parts.prefix) out.set(parts.prefix, 345)
  let sum = 0
  for (const byte of out) sum += byte
  octal(sum, 7, 148)
  out[155] = 0
  return out
}

/** `LENGTH KEYWORD=VALUE\n`, the length its own digits included. */
function paxRecord(keyword: string, value: Uint8Array): Uint8Array {
  const rest = ` ${keyword}=`.length + value.length + 1
  let length = rest + 1
  while (String(length).length + rest !== length) length = String(length).length + rest
  return Buffer.from(`${length} ${keyword}=${latin1(value)}\n`, 'latin1')
}

function padded(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts.flatMap((part) => [part, tarPadding(part.length)]))
}
