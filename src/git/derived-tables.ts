// What keeps a derived table of each network (history, paths) up to date in the background: networks that have grown beyond theirs are found by their packs,
// and a worker makes what is lacking. Doing it twice does no harm; no push or fetch waits for it.
import type { MessagePort } from 'node:worker_threads'
import { concatBytes, CorruptError, InputError, MessageStream, UnavailableError } from '../base/index.ts'
import type { Key } from '../bucket/index.ts'
import { type Database, type RawBuilder, sql } from '../db/index.ts'
import type { Job } from '../jobs/index.ts'
import type { GitRoom } from './git-room.ts'
import { isPackAbove, newestPack, packRanges } from './new-packs.ts'

/** A table's upload that takes longer is nobody's any more. */
const leaseSeconds = 3600
/** A reader that knows the old tables' rows may still be about to load them. */
export const keyGrace = sql<Date>`now() + interval '1 hour'`
/** Rows that got their ids before others and were committed after them: looked at again. */
const idSlack = 1000
/** So often is looked for those, where no new pack is the reason. */
const lookAgainMs = 60_000
/** A network that no table can be made for is tried again when it has so many times the objects; so many such networks are remembered. */
const worthAgain = 1.5
const mostHopeless = 10_000

/** A repository that is cut off leaves commits without parents in its network `n`: those aren't the same for all of its repositories. */
export const isWhole = sql`not exists (select 1 from repository r where r.network_id = n.id and r.settings ? 'stemma.shallow')`

export interface Outgrown {
  readonly id: string
  readonly objects: number
}

export interface TableWork<N extends Outgrown> {
  readonly kind: string
  readonly intervalMs: number
  /** Of the networks of these packs, those whose tables lack enough. */
  readonly find: (db: Database, isIn: RawBuilder<boolean>) => Promise<readonly N[]>
  readonly make: (network: N, signal: AbortSignal) => Promise<void>
  /** For the log. */
  readonly failure: string
}

/** Leased work: every network whose packs outgrew its table gets what it lacks. */
export function tableJob<N extends Outgrown>(room: GitRoom, { kind, intervalMs, find, make, failure }: TableWork<N>): Job {
  const { clock, db, log } = room.options
  let lastPack = 0 // packs up to this id were seen by this node
  let lookedAtMs = Number.NEGATIVE_INFINITY
  const hopeless = new Map<string, number>() // networks that can have no table, and how many objects each had
  return {
    kind,
    intervalMs,
    work: () => (clock.monotonic() - lookedAtMs > lookAgainMs ? sql<boolean>`true` : isPackAbove(lastPack)),
    run: async (signal) => {
      const newest = await newestPack(db)
      for (const isIn of packRanges(lastPack - idSlack, newest)) {
        for (const network of await find(db, isIn)) {
          signal.throwIfAborted()
          if (network.objects < (hopeless.get(network.id) ?? 0) * worthAgain) continue
          try {
            await make(network, signal)
          } catch (error) {
            if (error instanceof InputError && error.code === 'repository-deleted') continue
            // what doesn't answer keeps it from the others, too; what is damaged, too large, or cut off (its oldest commits' parents aren't stored), doesn't
            if (signal.aborted || (error instanceof UnavailableError && error.code !== 'worker')) throw error
            if (!(error instanceof CorruptError)) note(hopeless, network) // so does what a worker has no memory for
            log.warn({ err: error, network: network.id }, failure)
          }
        }
      }
      lastPack = newest
      lookedAtMs = clock.monotonic()
    },
  }
}

function note(hopeless: Map<string, number>, { id, objects }: Outgrown): void {
  hopeless.delete(id)
  hopeless.set(id, objects)
  if (hopeless.size > mostHopeless) hopeless.delete(hopeless.keys().next().value as string)
}

/** What a worker says of the part that it made, and the part's bytes; null: it made none. */
export async function collectPart<M>(port: MessagePort): Promise<{ readonly made: M; readonly bytes: Uint8Array | null }> {
  const worker = new MessageStream<M>(port)
  const made = await worker.message()
  const parts: Uint8Array[] = []
  for await (const bytes of worker.bytes()) parts.push(bytes)
  if (parts.length === 0) return { made, bytes: null }
  return { made, bytes: parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts) }
}

/** Stores a part: intent, then bytes. Its own transaction makes it visible. */
export async function storePart({ options: { bucket, db } }: GitRoom, key: Key, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  await db.queries
    .insertInto('upload_intent')
    .values({ key, expires_at: sql<Date>`now() + ${leaseSeconds} * interval '1 second'` })
    .execute()
  await bucket.put(key, bytes, signal)
}

/** Takes back one that no row will name. */
export async function dropPart({ options: { bucket, db } }: GitRoom, key: Key): Promise<void> {
  await bucket.delete(key)
  await db.queries.deleteFrom('upload_intent').where('key', '=', key).execute()
}
