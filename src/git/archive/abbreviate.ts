// How many digits of an id are its own (core.abbrev = auto): by the number of objects, and more where another id begins alike.
import { fromHex, hex } from '../../base/index.ts'
import type { PackSet } from '../odb/pack-set.ts'

const leastDigits = 7

/** @param digits at least so many; null: as many as a repository of this size needs */
export function abbreviate(set: PackSet, oid: string, digits: number | null = null): string {
  const bits = Math.floor(Math.log2(Math.max(set.size, 1))) + 1
  let length = Math.min(Math.max(digits ?? Math.ceil(bits / 2), digits === null ? leastDigits : 4), oid.length)
  if (set.find(fromHex(oid), 0) < 0) return oid.slice(0, length)
  for (const other of set.startingWith(oid.slice(0, length))) {
    const text = hex(other)
    if (text === oid) continue
    let same = length
    while (text[same] === oid[same]) same++
    length = same + 1
  }
  return oid.slice(0, length)
}
