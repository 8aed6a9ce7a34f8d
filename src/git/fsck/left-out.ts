// Externals that a pack's index doesn't name, since others are said to lead to them: do they?
import { compareBytes, concatBytes, CorruptError, latin1 } from '../../base/index.ts'
import { hashBytes } from '../format/object-id.ts'
import type { PackIndex } from '../format/stored-pack.ts'
import { neededExternals } from '../implied-externals.ts'
import type { ObjectReader } from '../odb/index.ts'
import type { Pace } from '../upload-pack/pace.ts'

/**
 * The first of the ids (packed, as text) to which no other external leads; null when there is none, or when what would show it can't be read, which
 * is another pack's fault.
 * @throws CorruptError when a value went meanwhile
 */
export async function findNeeded(
  index: PackIndex,
  leftOut: ReadonlySet<string>,
  reader: ObjectReader,
  pace: Pace,
): Promise<Uint8Array | null> {
  const h = hashBytes(index.format)
  const named = Array.from({ length: index.externals.length / h }, (_, i) => index.externals.subarray(i * h, (i + 1) * h))
  const externals = concatBytes([...named, ...Array.from(leftOut, (id) => Buffer.from(id, 'latin1'))].sort(compareBytes))
  const read = async (oid: Uint8Array) => (await reader.readById(oid))?.bytes ?? null
  try {
    const needed = await neededExternals({ index, externals, read, mostTrees: Number.POSITIVE_INFINITY, pace })
    for (let at = 0; at < needed.length; at += h) {
      const id = needed.subarray(at, at + h)
      if (leftOut.has(latin1(id))) return id
    }
  } catch (error) {
    if (!(error instanceof CorruptError) || error.code === 'missing-key' || error.code === 'short') throw error
  }
  return null
}
