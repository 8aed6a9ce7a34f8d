// From the outbox to deliveries: which hooks hear of what happened. A batch's deliveries and the place behind it move in one transaction, so each hook
// gets each event once, whatever dies when.
import { UnavailableError } from '../base/index.ts'
import { moveConsumer, type OutboxRow, readOutbox } from '../jobs/index.ts'
import { addDeliveries } from './deliveries.ts'
import { type HookEvent, isWanted } from './format/events.ts'
import { eventsOf, heardAt } from './happenings.ts'
import type { HookRoom } from './hook-room.ts'
import { type Hook, hooksAt, hooksOfAccounts } from './hooks.ts'

/** The name in `outbox_consumer`. */
export const consumer = 'webhooks'
const batchRows = 100
/** A batch ends behind the row with which it has so many events. */
const batchEvents = 200

interface Told {
  readonly event: HookEvent
  readonly hooks: readonly Hook[]
  readonly at: Date
}

/** One batch; how many rows of the outbox it was. */
export async function dispatch(room: HookRoom, signal: AbortSignal): Promise<number> {
  const { db } = room
  const { from, rows } = await readOutbox(db, consumer, batchRows)
  if (rows.length === 0) return 0
  const hooks = await hooksFor(room, rows)
  const told: Told[] = []
  let last: OutboxRow | undefined
  let count = 0
  for (const row of rows) {
    signal.throwIfAborted()
    // what happened before there was a hook is none of its business
    const hearing = hooks(row).filter((hook) => hook.createdAt <= row.at)
    told.push(...(await tell(room, row, hearing)))
    last = row
    count++
    if (told.length >= batchEvents) break
  }
  const to = (last as OutboxRow).place
  await db.transaction(async (tx) => {
    if (!(await moveConsumer(tx, consumer, from, to))) throw new UnavailableError('lease-lost', 'another node tells webhooks')
    for (const { event, hooks: all, at } of told) await addDeliveries(tx, room.randomness, event, all, at)
  })
  return count
}

/** Which active hooks hear of which row. */
async function hooksFor({ db }: HookRoom, rows: readonly OutboxRow[]): Promise<(row: OutboxRow) => readonly Hook[]> {
  const places = rows.map(heardAt).filter((place) => place !== null)
  const repositories = new Set(places.flatMap((place) => ('repositoryId' in place ? [place.repositoryId] : [])))
  const accounts = new Set(places.flatMap((place) => ('accountId' in place ? [place.accountId] : [])))
  const [at, of] = await Promise.all([hooksAt(db.queries, [...repositories]), hooksOfAccounts(db.queries, [...accounts])])
  return (row) => {
    const place = heardAt(row)
    if (place === null) return []
    return ('repositoryId' in place ? at.get(place.repositoryId) : of.get(place.accountId)) ?? []
  }
}

/** What can't be told for a reason of its own is logged and passed over: it must not hold up everything behind it. */
async function tell(room: HookRoom, row: OutboxRow, hooks: readonly Hook[]): Promise<readonly Told[]> {
  if (hooks.length === 0) return []
  const told: Told[] = []
  try {
    for await (const event of eventsOf(room, row, (name) => hooks.some((hook) => isWanted(hook, name)))) {
      told.push({ event, hooks: hooks.filter((hook) => isWanted(hook, event.event)), at: row.at })
    }
  } catch (error) {
    if (error instanceof UnavailableError) throw error
    room.log.error({ err: error, kind: row.kind, repository: row.repositoryId }, 'webhooks could not be told of something')
  }
  return told
}
