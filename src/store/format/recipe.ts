// What content is made of: runs of neighbouring chunks in segments. docs/design/content-store.md, A recipe. Pure.
//   recipe := (varint zigzag(segment − the run before's), varint zigzag(first − where that one ended; 0 in another segment), varint count,
//              varint bytes) for each run
import { crc32 } from 'node:zlib'
import { asBuffer, CorruptError } from '../../base/index.ts'

/** Chunks `first` … `first + count − 1` of a segment, `sizeBytes` in all. */
export interface Run {
  readonly segment: number
  readonly first: number
  readonly count: number
  readonly sizeBytes: number
}

/** Adds a run behind the others; one that goes on where the last one ended becomes part of it. */
export function addRun(runs: Run[], run: Run): void {
  const last = runs.at(-1)
  if (last !== undefined && last.segment === run.segment && last.first + last.count === run.first) {
    runs[runs.length - 1] = { ...last, count: last.count + run.count, sizeBytes: last.sizeBytes + run.sizeBytes }
  } else runs.push(run)
}

export function encodeRecipe(runs: readonly Run[]): Uint8Array {
  const bytes: number[] = []
  let segment = 0
  let next = 0
  for (const run of runs) {
    const isSame = run.segment === segment
    pushVarint(bytes, zigzag(run.segment - segment))
    pushVarint(bytes, zigzag(run.first - (isSame ? next : 0)))
    pushVarint(bytes, run.count)
    pushVarint(bytes, run.sizeBytes)
    segment = run.segment
    next = run.first + run.count
  }
  return Uint8Array.from(bytes)
}

/** CorruptError 'recipe' for what `encodeRecipe` can't have made, and where the runs don't have `sizeBytes` in all. */
export function decodeRecipe(bytes: Uint8Array, sizeBytes: number): Run[] {
  const runs: Run[] = []
  const reader = { bytes, at: 0 }
  let segment = 0
  let next = 0
  let total = 0
  while (reader.at < bytes.length) {
    const step = unzigzag(readVarint(reader))
    if (step !== 0) next = 0
    segment += step
    const first = next + unzigzag(readVarint(reader))
    const run = { segment, first, count: readVarint(reader), sizeBytes: readVarint(reader) }
    if (segment < 0 || first < 0 || run.count === 0 || run.sizeBytes < run.count) throw damaged()
    runs.push(run)
    next = first + run.count
    total += run.sizeBytes
  }
  if (total !== sizeBytes) throw damaged()
  return runs
}

/** A content's recipe as its row keeps it: behind the runs, CRC-32 (u32) of the digest and them, so that no damaged row gives other content's bytes. */
export function sealRecipe(digest: Uint8Array, runs: readonly Run[]): Uint8Array {
  const bytes = encodeRecipe(runs)
  const sealed = Buffer.alloc(bytes.length + 4)
  sealed.set(bytes)
  sealed.writeUInt32LE(crc32(bytes, crc32(digest)), bytes.length)
  return sealed
}

/** CorruptError 'recipe' when it isn't what was written for that digest. */
export function openRecipe(digest: Uint8Array, sealed: Uint8Array, sizeBytes: number): Run[] {
  const bytes = sealed.subarray(0, -4)
  if (sealed.length < 4 || asBuffer(sealed).readUInt32LE(bytes.length) !== crc32(bytes, crc32(digest))) throw damaged()
  return decodeRecipe(bytes, sizeBytes)
}

/** A recipe that stands in a segment itself: its segments by UUID (16 bytes each), for it was written before they had rows. */
export interface PortableRecipe {
  readonly digest: Uint8Array
  readonly sizeBytes: number
  readonly uuids: readonly Uint8Array[]
  /** `segment` is a place in `uuids`. */
  readonly runs: readonly Run[]
}

const headBytes = 48

/** digest (32) | u64 size | u32 UUIDs | u32 bytes of the recipe | UUIDs | recipe, for each. */
export function encodePortable(contents: readonly PortableRecipe[]): Uint8Array {
  const parts = contents.flatMap(({ digest, sizeBytes, uuids, runs }) => {
    const recipe = encodeRecipe(runs)
    const head = Buffer.alloc(headBytes)
    head.set(digest)
    head.writeBigUInt64LE(BigInt(sizeBytes), 32)
    head.writeUInt32LE(uuids.length, 40)
    head.writeUInt32LE(recipe.length, 44)
    return [head, ...uuids, recipe]
  })
  return Buffer.concat(parts)
}

/** CorruptError 'recipe' when the records don't fit the bytes. */
export function decodePortable(bytes: Uint8Array): PortableRecipe[] {
  const buffer = asBuffer(bytes)
  const contents: PortableRecipe[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + headBytes > bytes.length) throw damaged()
    const sizeBytes = Number(buffer.readBigUInt64LE(at + 32))
    const count = buffer.readUInt32LE(at + 40)
    const recipeAt = at + headBytes + count * 16
    const end = recipeAt + buffer.readUInt32LE(at + 44)
    if (end > bytes.length) throw damaged()
    const uuids = Array.from({ length: count }, (_, n) => bytes.subarray(at + headBytes + n * 16, at + headBytes + (n + 1) * 16))
    const runs = decodeRecipe(bytes.subarray(recipeAt, end), sizeBytes)
    if (runs.some((run) => run.segment >= count)) throw damaged()
    contents.push({ digest: bytes.subarray(at, at + 32), sizeBytes, uuids, runs })
    at = end
  }
  return contents
}

function damaged(): CorruptError {
  return new CorruptError('recipe', 'a recipe of stored content is damaged')
}

function zigzag(value: number): number {
  return value < 0 ? -value * 2 - 1 : value * 2
}

function unzigzag(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2
}

function pushVarint(bytes: number[], value: number): void {
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
}

function readVarint(reader: { readonly bytes: Uint8Array; at: number }): number {
  let value = 0
  for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
    const byte = reader.bytes[reader.at++]
    if (byte === undefined) throw damaged()
    value += (byte % 128) * scale
    if (byte < 128) {
      if (value > Number.MAX_SAFE_INTEGER) throw damaged()
      return value
    }
  }
  throw damaged()
}
