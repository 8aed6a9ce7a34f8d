// What annotated tags lead to: by the history table, or read.
import { fromHex, latin1 } from '../../base/index.ts'
import { hashBytes, Kind } from '../format/object-id.ts'
import { knownTagTarget } from './history.ts'
import { objectSteps } from './pace.ts'
import type { PacedRepository } from './repository.ts'

/** Number of what an annotated tag points to. */
export async function tagTarget(repository: PacedRepository, tag: number): Promise<number> {
  const known = knownTagTarget(repository.history, tag)
  if (known >= 0) return known
  const turn = repository.pace.turn(objectSteps)
  if (turn) await turn
  const bytes = await repository.objects.read(tag)
  const width = hashBytes(repository.set.format) * 2
  // "object <id>" is a tag's first line; what was stored has passed fsck
  return repository.set.find(fromHex(latin1(bytes.subarray(7, 7 + width))), 0)
}

/** Number of the object that tags, one on another perhaps, lead to; the number itself where it is no tag. */
export async function peelTags(repository: PacedRepository, number: number): Promise<number> {
  let at = number
  while (repository.set.kind(at) === Kind.tag) at = await tagTarget(repository, at)
  return at
}
