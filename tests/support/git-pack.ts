// Stored packs for tests and benchmarks, made from packs that git wrote: reads NAME.pack and NAME.idx, works out what docs/design/pack-key.md
// keeps beside the pack, and gives a PackSet over memory.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants, inflateSync } from 'node:zlib'
import { latin1 } from '../../src/base/index.ts'
import { decodeDeltaHeader } from '../../src/git/format/delta.ts'
import { decodeIdx } from '../../src/git/format/idx.ts'
import { hashBytes, Kind, type ObjectFormat } from '../../src/git/format/object-id.ts'
import { decodeEntryHeader, EntryType } from '../../src/git/format/pack.ts'
import { appendedBit, deltaBit, encodePackIndex, indexStart, PackIndex, type PackIndexParts } from '../../src/git/format/stored-pack.ts'
import { references } from '../../src/git/index-pack/scanner.ts'
import { ObjectCache, ObjectReader, PackSet, tailBytes } from '../../src/git/odb/index.ts'

export interface GitPack {
  readonly index: PackIndex
  readonly bytes: Uint8Array
}

/**
 * @param path of the pack without its ending
 * @param references `commits` trusts that trees and blobs are referred to by the pack's own trees (true of what rev-list chose) and reads
 * only commits and tags for sources; `all` reads every tree too
 * @param older what was stored before: objects that it holds too count as appended to complete a thin pack
 */
export async function loadGitPack(
  path: string,
  format: ObjectFormat,
  references: 'all' | 'commits' = 'all',
  older?: PackSet,
): Promise<GitPack> {
  const bytes = readFileSync(`${path}.pack`)
  const start = indexStart(bytes.length)
  const cached = `${path}.stored-index`
  let index: Uint8Array
  if (existsSync(cached)) {
    index = readFileSync(cached)
  } else {
    const parts = readParts(bytes, readFileSync(`${path}.idx`), format, older)
    index = encoded(parts, start)
    const ends = await findEnds(gitPackSet([{ index: new PackIndex(aligned(index), start), bytes }], format), references)
    index = encoded({ ...parts, ...ends }, start)
    writeFileSync(cached, index)
  }
  return { index: new PackIndex(aligned(index), start), bytes }
}

/** A set of these packs, the first as the oldest. */
export function gitPackSet(packs: readonly GitPack[], format: ObjectFormat): PackSet {
  return PackSet.empty(format).with(packs.map(({ index, bytes }, id) => ({ id, index, bytes: tailBytes(bytes) })))
}

function encoded(parts: PackIndexParts, start: number): Uint8Array {
  return encodePackIndex(parts).subarray(start - parts.packBytes)
}

function aligned(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(Math.ceil(bytes.length / 8) * 8)
  copy.set(bytes)
  return copy.subarray(0, bytes.length)
}

function readParts(pack: Buffer, idx: Buffer, format: ObjectFormat, older: PackSet | undefined): PackIndexParts {
  const { oids, crcs, offsets } = decodeIdx(idx, format)
  const count = offsets.length
  const width = hashBytes(format)
  const byOffset = new Map(Array.from(offsets, (offset, i) => [offset, i]))
  const byId = new Map(Array.from(offsets, (_, i) => [latin1(oids.subarray(i * width, (i + 1) * width)), i]))
  const kinds = new Uint8Array(count)
  const sizes = new Float64Array(count)
  const bases = new Uint32Array(count).fill(0xffffffff)
  const order = Array.from(offsets, (_, i) => i).sort((a, b) => (offsets[a] as number) - (offsets[b] as number))
  for (const i of order) {
    const offset = offsets[i] as number
    const header = decodeEntryHeader(pack, offset, format)
    if (!header) throw new Error('the pack is cut off')
    if (header.type < 5) {
      kinds[i] = header.type
      sizes[i] = header.sizeBytes
      continue
    }
    const base =
      header.type === EntryType.ofsDelta ? byOffset.get(offset - header.baseDistance) : byId.get(latin1(header.baseId as Uint8Array))
    bases[i] = base as number
    const from = offset + header.headerBytes
    const head = inflateSync(pack.subarray(from, from + 400), { finishFlush: constants.Z_SYNC_FLUSH })
    sizes[i] = decodeDeltaHeader(head).targetBytes
  }
  for (const i of order) kinds[i] = kindOf(kinds, bases, i) | (bases[i] === 0xffffffff ? 0 : deltaBit)
  for (let i = 0; older && i < count; i++) if (older.find(oids, i * width) >= 0) kinds[i] = (kinds[i] as number) | appendedBit
  const none = new Uint8Array(0)
  return { format, packBytes: pack.length, oids, offsets, crcs, kinds, sizes, bases, sources: none, externals: none }
}

function kindOf(kinds: Uint8Array, bases: Uint32Array, position: number): number {
  let at = position
  while (bases[at] !== 0xffffffff) at = bases[at] as number
  return (kinds[at] as number) & 7
}

async function findEnds(set: PackSet, reading: 'all' | 'commits'): Promise<{ sources: Uint8Array; externals: Uint8Array }> {
  const reader = new ObjectReader(set, new ObjectCache(64 << 20))
  const referred = new Uint8Array(set.size)
  const externals = new Map<string, Uint8Array>()
  const refer = (id: Uint8Array) => {
    const number = set.find(id, 0)
    if (number >= 0) referred[number] = 1
    else externals.set(latin1(id), id.slice())
  }
  for (let number = 0; number < set.size; number++) {
    const kind = set.kind(number)
    if (isAppended(set, number)) continue
    if (reading === 'commits' && (kind === Kind.tree || kind === Kind.blob)) referred[number] = 1
    if (kind === Kind.blob || (kind === Kind.tree && reading === 'commits')) continue
    references(kind, await reader.read(number), set.format, refer)
  }
  const sources: Uint8Array[] = []
  for (let number = 0; number < set.size; number++) if (!referred[number] && !isAppended(set, number)) sources.push(set.oid(number))
  return {
    sources: new Uint8Array(Buffer.concat(sources)),
    externals: new Uint8Array(Buffer.concat([...externals.values()].sort(Buffer.compare))),
  }
}

function isAppended(set: PackSet, number: number): boolean {
  const pack = set.packOf(number)
  return pack.index.isAppended(number - pack.first)
}
