// Packs as the server would store them: indexed upon what a set holds already.
import { PackIndex, encodePackIndex, indexStart, type PackIndexParts } from '../../src/git/format/stored-pack.ts'
import { hashBytes } from '../../src/git/format/object-id.ts'
import { neededExternals } from '../../src/git/implied-externals.ts'
import { Pace } from '../../src/git/upload-pack/pace.ts'
import { ObjectCache, ObjectReader, PackSet } from '../../src/git/odb/index.ts'
import { deepestBase } from '../../src/git/index-pack/index.ts'
import { type GitPack, gitPackSet } from './git-pack.ts'
import { indexBytes } from './pack-indexing.ts'

/** The pack, thin or not, on top of those in the set. */
export async function storePack(pack: Uint8Array, older: PackSet): Promise<GitPack> {
  const { format } = older
  const h = hashBytes(format)
  const reader = new ObjectReader(older, new ObjectCache(1 << 20))
  const { pack: bytes, ...parts } = await indexBytes(pack, {
    format,
    existing: {
      read: async (oid) => {
        const found = await reader.readById(oid)
        return found && { kind: older.kind(found.number), bytes: found.bytes, depth: older.depth(found.number, deepestBase) }
      },
      kinds: (oids) =>
        Uint8Array.from({ length: oids.length / h }, (_, i) => {
          const number = older.find(oids, i * h)
          return number < 0 ? 0 : older.kind(number)
        }),
    },
  })
  const whole = { ...parts, trailer: bytes.subarray(parts.packBytes - h) }
  const stored = { index: openedIndex(whole), bytes: bytes.subarray(0, parts.packBytes) }
  const alone = new ObjectReader(gitPackSet([stored], format), new ObjectCache(1 << 20), undefined, reader)
  const read = async (oid: Uint8Array) => (await alone.readById(oid))?.bytes ?? (await reader.readById(oid))?.bytes ?? null
  const externals = await neededExternals({
    index: stored.index,
    externals: parts.externals,
    read,
    mostTrees: Number.POSITIVE_INFINITY,
    pace: new Pace(),
  })
  return externals.length === parts.externals.length ? stored : { ...stored, index: openedIndex({ ...whole, externals, leavesOut: true }) }
}

/** The index as it would be stored. */
export function openedIndex(parts: PackIndexParts): PackIndex {
  const encoded = encodePackIndex(parts)
  const from = indexStart(parts.packBytes)
  const aligned = new Uint8Array(encoded.length - (from - parts.packBytes))
  aligned.set(encoded.subarray(from - parts.packBytes))
  return new PackIndex(aligned, from)
}

/** These packs one after the other, each on top of those before. */
export async function storePacks(packs: readonly Uint8Array[], format: 'sha1' | 'sha256' = 'sha1'): Promise<GitPack[]> {
  const stored: GitPack[] = []
  for (const pack of packs) stored.push(await storePack(pack, gitPackSet(stored, format)))
  return stored
}
