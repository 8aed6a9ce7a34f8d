// The `object-info` command of protocol version 2 (gitprotocol-v2(5)): sizes of objects, for clients that have a part of the history only.
// Invariant: an object that the visible refs don't reach is answered as one that isn't stored.
import { fromHex, InputError } from '../../base/index.ts'
import { printable } from '../format/capabilities.ts'
import { type ObjectFormat, type ObjectId, parseObjectId } from '../format/object-id.ts'
import { PktLineWriter } from '../format/pkt-line.ts'
import { unreached } from './reach.ts'
import { type FetchRepository, paced } from './repository.ts'

const lookUpSteps = 4

export interface ObjectInfoRequest {
  /** Else the answer only says which are known. */
  readonly size: boolean
  readonly oids: readonly ObjectId[]
}

/** InputError in git's words. */
export function parseObjectInfo(args: readonly string[], format: ObjectFormat): ObjectInfoRequest {
  const oids: ObjectId[] = []
  let size = false
  for (const arg of args) {
    if (arg === 'size') size = true
    else if (arg.startsWith('oid ')) {
      const oid = parseObjectId(arg.slice(4), format)
      if (oid === null) {
        throw new InputError('bad-request', `object-info: protocol error, expected to get oid, not '${printable(arg.slice(4))}'`)
      }
      oids.push(oid)
    } else throw new InputError('bad-request', `object-info: unexpected line: '${printable(arg)}'`)
  }
  return { size, oids }
}

/**
 * The whole answer, in the order of the request.
 * @param tips packed ids of what the visible refs point to
 * @throws CorruptError when what has to be walked can't be read; the signal's reason
 */
export async function objectInfo(
  kept: FetchRepository,
  tips: Uint8Array,
  { oids, size }: ObjectInfoRequest,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const repository = paced(kept, signal)
  const { pace, set } = repository
  const numbers: number[] = []
  for (const oid of oids) {
    const turn = pace.turn(lookUpSteps)
    if (turn) await turn
    numbers.push(set.find(fromHex(oid), 0))
  }
  const foreign = new Set(await unreached(repository, tips, [...new Set(numbers.filter((number) => number >= 0))]))
  const out = new PktLineWriter()
  if (size && oids.length > 0) out.text('size')
  for (const [place, oid] of oids.entries()) {
    const turn = pace.turn(lookUpSteps)
    if (turn) await turn
    const number = numbers[place] as number
    if (number < 0 || foreign.has(number)) out.text(`${oid} `)
    else out.text(size ? `${oid} ${set.sizeBytes(number)}` : oid)
  }
  return out.flush().take()
}
