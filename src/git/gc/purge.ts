// Objects that must go now: found, and what still reaches them named; what isn't reached leaves with everything else that no ref reaches.
import type { MessagePort } from 'node:worker_threads'
import { concatBytes, fromHex, InputError, MessageStream } from '../../base/index.ts'
import { sql } from '../../db/index.ts'
import type { GitRoom } from '../git-room.ts'
import type { FsckJob, FsckMessage } from '../fsck/fsck-job.ts'
import { hashBytes, type ObjectFormat, type ObjectId, parseObjectId } from '../format/object-id.ts'
import { cutOffOf } from '../repack/index.ts'
import { type NamedRef, namedRefs } from './roots.ts'

export interface Holders {
  /** As they were given, without those that aren't stored. */
  readonly stored: readonly ObjectId[]
  readonly missing: readonly ObjectId[]
  /** Refs, of any repository of the network, that reach one of them. */
  readonly refs: readonly NamedRef[]
}

/** @throws InputError 'bad-object-id' for what is no whole id of the network's format; CorruptError when something stored can't be read */
export async function findHolders(room: GitRoom, networkId: string, ids: readonly string[], signal: AbortSignal): Promise<Holders> {
  const packs = await room.packs.open(networkId)
  const refs = await namedRefs(room.options.db.queries, networkId)
  const wanted = [...new Set(ids)].map((id) => parsed(id, packs.handle.format))
  const numbers = new Map(wanted.map((id) => [id, packs.set.find(fromHex(id), 0)]))
  const stored = wanted.filter((id) => (numbers.get(id) as number) >= 0)
  const missing = wanted.filter((id) => (numbers.get(id) as number) < 0)
  if (stored.length === 0 || refs.length === 0) return { stored, missing, refs: [] }
  const bad = [stored.map((id) => numbers.get(id) as number)]
  const tips = concatBytes(refs.map(({ oid }) => fromHex(oid)))
  const cutOff = await cutOffOf(room, networkId)
  const job: FsckJob = { packs: packs.handle, cutOff, task: { type: 'reaching', tips, bad, missing: [] } }
  const ask = (port: MessagePort) => new MessageStream<FsckMessage>(port).message()
  const answer = await room.workers.run('fsck', job, [], ask, signal)
  if (answer.type !== 'reaching') throw new Error('a search for refs ended without a result')
  return { stored, missing, refs: refs.filter((_, i) => answer.marks[i] !== 0) }
}

/** What merges and repacks replaced is due now, and not after the grace for whoever still reads it: it may hold what was purged. */
export async function endGrace(room: GitRoom, networkId: string): Promise<void> {
  await room.options.db.queries
    .updateTable('key_deletion')
    .set({ not_before: sql<Date>`now()` })
    .where('network_id', '=', networkId)
    .where('not_before', '>', sql<Date>`now()`)
    .execute()
}

function parsed(text: string, format: ObjectFormat): ObjectId {
  const id = parseObjectId(text, format)
  if (id === null) {
    const digits = hashBytes(format) * 2
    const lfs = /^[0-9a-f]{64}$/.test(text) ? '; an LFS object that no pointer names any more leaves by stemma gc --grace 0' : ''
    throw new InputError('bad-object-id', `'${text}' is no whole object id: ${digits} hex digits (git rev-parse prints them)${lfs}`)
  }
  return id
}
