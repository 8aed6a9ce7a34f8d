// How an opened content is made again: its row's `form`, and, in the segment where what it rests on ends, a record of `OPEN`. docs/design/opened-contents.md gives every byte. Pure.
import { crc32 } from 'node:zlib'
import { asBuffer, CorruptError, equalBytes, fromHex, hex, utf8 } from '../../../base/index.ts'
import { pushVarint, readVarint } from './file-list.ts'

/** The store's: SHA-256 in hex. */
type Digest = string & { readonly __brand: 'Digest' }

/** What was opened: an archive as it stands, or a compressed stream; `listed`: the content is stored in another way, and the form tells of its file list only. */
export const Container = { none: 0, gzip: 1, listed: 255 } as const

export interface GzipMember {
  /** As it stands. */
  readonly header: Uint8Array
  /** Inflated bytes. */
  readonly plainBytes: number
  /** What makes the deflate stream again: store/replay's recipe. */
  readonly recipe: Uint8Array
  /** What belongs to the recipe of a difference: so many of the inner content's corrections. */
  readonly correctionBytes: number
}

export interface OpenedForm {
  readonly digest: Digest
  readonly sizeBytes: number
  /** The content that holds the parts, one behind the other: bodies, skeleton, file list, corrections of the members. */
  readonly inner: Digest
  readonly bodyBytes: number
  readonly skeletonBytes: number
  readonly listBytes: number
  /** Whether what is inside is an archive; otherwise all of it stands where bodies would. */
  readonly isTar: boolean
  /** SHA-256 of what is inside: an OCI layer's diff id. */
  readonly plain: Digest
  readonly plainBytes: number
  readonly container: number
  readonly members: readonly GzipMember[]
  /** What stands behind the last member. */
  readonly trailing: Uint8Array
}

const magic = utf8('STEMOPEN')
/** The second has corrections; it is written where there are some. */
const versions = { plain: 1, corrected: 2 }

/** Of all members. */
export function correctionBytesOf({ members }: Pick<OpenedForm, 'members'>): number {
  return members.reduce((sum, { correctionBytes }) => sum + correctionBytes, 0)
}

/**
 *   form   := "STEMOPEN" | byte version | digest (32) | inner (32) | plain (32) | varint size | varint bodies | varint skeleton | varint list | varint plain bytes
 *             | byte isTar | byte container | varint members | member* | varint n, trailing (n) | u32 CRC-32 of all before
 *   member := varint n, header (n) | varint plain bytes | varint n, recipe (n) | in version 2: varint correction bytes; n = 0: as the member before
 */
export function encodeForm(form: OpenedForm): Uint8Array {
  const numbers = (...values: number[]): Uint8Array => {
    const bytes: number[] = []
    for (const value of values) pushVarint(bytes, value)
    return Uint8Array.from(bytes)
  }
  const isCorrected = correctionBytesOf(form) > 0
  const version = isCorrected ? versions.corrected : versions.plain
  const parts: Uint8Array[] = [magic, Uint8Array.of(version), fromHex(form.digest), fromHex(form.inner), fromHex(form.plain)]
  parts.push(numbers(form.sizeBytes, form.bodyBytes, form.skeletonBytes, form.listBytes, form.plainBytes))
  parts.push(Uint8Array.of(form.isTar ? 1 : 0, form.container), numbers(form.members.length))
  let last: GzipMember | null = null
  for (const member of form.members) {
    const header = last !== null && equalBytes(last.header, member.header) ? new Uint8Array() : member.header
    const recipe = last !== null && equalBytes(last.recipe, member.recipe) ? new Uint8Array() : member.recipe
    parts.push(numbers(header.length), header, numbers(member.plainBytes, recipe.length), recipe)
    if (isCorrected) parts.push(numbers(member.correctionBytes))
    last = member
  }
  parts.push(numbers(form.trailing.length), form.trailing)
  const bytes = Buffer.concat([...parts, new Uint8Array(4)])
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
  return bytes
}

/** CorruptError 'opened-form' for bytes that `encodeForm` can't have made. */
export function decodeForm(bytes: Uint8Array): OpenedForm {
  const head = magic.length + 1 + 96
  if (bytes.length < head + 4 || asBuffer(bytes).readUInt32LE(bytes.length - 4) !== crc32(bytes.subarray(0, -4)))
    throw damaged('is damaged')
  if (!equalBytes(bytes.subarray(0, magic.length), magic)) throw damaged('is none')
  const version = bytes[magic.length]
  if (version !== versions.plain && version !== versions.corrected) throw damaged(`has version ${version}, which this server doesn't know`)
  const digests = [0, 1, 2].map((n) => hex(bytes.subarray(magic.length + 1 + n * 32, magic.length + 33 + n * 32)))
  const [digest, inner, plain] = digests as [Digest, Digest, Digest]
  const reader = { bytes: bytes.subarray(0, -4), at: head }
  const number = (): number => {
    const value = readVarint(reader)
    if (value === null) throw damaged('ends too early')
    return value
  }
  const take = (count: number): Uint8Array => {
    reader.at += count
    if (reader.at > reader.bytes.length) throw damaged('ends too early')
    return reader.bytes.slice(reader.at - count, reader.at)
  }
  const sizes = { sizeBytes: number(), bodyBytes: number(), skeletonBytes: number(), listBytes: number(), plainBytes: number() }
  const [isTar, container] = take(2)
  const members: GzipMember[] = []
  for (let left = number(); left > 0; left--) {
    const last = members.at(-1)
    const header = take(number())
    const plainBytes = number()
    const recipe = take(number())
    members.push({
      header: header.length === 0 && last !== undefined ? last.header : header,
      plainBytes,
      recipe: recipe.length === 0 && last !== undefined ? last.recipe : recipe,
      correctionBytes: version === versions.corrected ? number() : 0,
    })
  }
  const trailing = take(number())
  if (reader.at !== reader.bytes.length || container === undefined) throw damaged('has bytes behind its end')
  return { digest, inner, plain, ...sizes, isTar: isTar === 1, container, members, trailing }
}

function damaged(what: string): CorruptError {
  return new CorruptError('opened-form', `how an opened content is made again ${what}`)
}
