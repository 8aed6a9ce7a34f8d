// The last look before objects leave, under the locks that every push takes: nothing that came meanwhile needs one of them.
import { hex, UnavailableError } from '../../base/index.ts'
import type { Tx } from '../../db/index.ts'
import { hashBytes } from '../format/object-id.ts'
import type { NetworkPacks } from '../odb/index.ts'
import { readRoots } from './roots.ts'

/** Forks that are made while the locks are taken are locked in the next round. */
const mostRounds = 20

export interface Leaving {
  /** Of these packs. */
  readonly packs: NetworkPacks
  /** By number. */
  readonly keep: Uint8Array
  /** Roots that `keep` was made of: as text. */
  readonly known: ReadonlySet<string>
}

/** False when the network is gone. Locks its repositories, then the network, as whoever takes both must. */
export async function lockNetwork(tx: Tx, networkId: string): Promise<boolean> {
  let locked = -1
  for (let round = 0; round < mostRounds; round++) {
    const rows = await tx.selectFrom('repository').select('id').where('network_id', '=', networkId).orderBy('id').forUpdate().execute()
    if (rows.length === locked) return await hasNetwork(tx, networkId)
    locked = rows.length
  }
  throw new UnavailableError('gc-raced', 'forks are made faster than they can be looked at; nothing was changed, try again')
}

async function hasNetwork(tx: Tx, networkId: string): Promise<boolean> {
  return (await tx.selectFrom('network').select('id').where('id', '=', networkId).forUpdate().executeTakeFirst()) !== undefined
}

/**
 * Under the locks. `now` are the packs as they are at this moment.
 * @throws UnavailableError 'gc-raced' when a ref, or a pack that came meanwhile, needs what is to leave
 */
export async function assertUnneeded(tx: Tx, networkId: string, leaving: Leaving, now: NetworkPacks): Promise<void> {
  const old = new Set(leaving.packs.handle.packs.map(({ id }) => id))
  const added = now.set.packs.filter(({ id }) => !old.has(id))
  const isThere = (ids: Uint8Array, at: number) => isKept(leaving, ids, at) || added.some(({ index }) => index.find(ids, at) >= 0)
  const h = hashBytes(now.set.format)
  const { tips } = await readRoots(tx, networkId, 0)
  for (let at = 0; at < tips.length; at += h) {
    const id = hex(tips.subarray(at, at + h))
    if (!leaving.known.has(id) && !isThere(tips, at)) throw raced(id)
  }
  for (const { index } of added) {
    for (let at = 0; at < index.externals.length; at += h) {
      if (!isThere(index.externals, at)) throw raced(hex(index.externals.subarray(at, at + h)))
    }
    for (let base = index.count; base < index.count + index.outsideCount; base++) {
      if (!isThere(index.baseId(base), 0)) throw raced(hex(index.baseId(base)))
    }
  }
}

function isKept({ keep, packs }: Leaving, ids: Uint8Array, at: number): boolean {
  const number = packs.set.find(ids, at)
  return number >= 0 && keep[number] !== 0
}

function raced(id: string): UnavailableError {
  return new UnavailableError('gc-raced', `object ${id} was to leave, and a push needs it since; nothing was changed, try again`)
}
