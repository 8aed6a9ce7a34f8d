// Objects by ids that somebody names, whole or by their beginning: which are meant, and whether visible refs reach them.
import { fromHex, InputError } from '../../base/index.ts'
import { hashBytes, Kind } from '../format/object-id.ts'
import { assertReachable } from './reach.ts'
import type { PacedRepository } from './repository.ts'

/** Objects whose ids begin alike, of which each has to be asked whether it is reachable. */
const mostCandidates = 8

/** Objects that may be meant by an id or its beginning, in hex: of a shortened one, only commits and tags. */
export function candidatesById({ set }: PacedRepository, id: string): number[] {
  if (id.length === hashBytes(set.format) * 2) {
    const number = set.find(fromHex(id), 0)
    return number < 0 ? [] : [number]
  }
  const found = new Set<number>()
  for (const oid of set.startingWith(id)) {
    const number = set.find(oid, 0)
    if (set.kind(number) === Kind.commit || set.kind(number) === Kind.tag) found.add(number)
    if (found.size >= mostCandidates) break
  }
  return [...found]
}

/** @param tips packed ids of what visible refs point to */
export async function isReached(repository: PacedRepository, tips: Uint8Array, number: number): Promise<boolean> {
  try {
    await assertReachable(repository, tips, [number])
    return true
  } catch (error) {
    if (error instanceof InputError && error.code === 'not-our-ref') return false
    throw error
  }
}
