// Events that somebody asks for: a ping, and the last push once more (GitHub's `pings` and `tests`).
import type { Repository } from '../access/index.ts'
import { sql } from '../db/index.ts'
import { addDeliveries } from './deliveries.ts'
import { hookDocument } from './documents.ts'
import { aboutRepository, commitsOf, mostCommits } from './happenings.ts'
import type { HookAccount, HookRoom } from './hook-room.ts'
import type { Hook } from './hooks.ts'
import { pingEvent, pushEvent } from './payloads.ts'

/** What a hook hangs on. */
export type HookSubject = { readonly repository: Repository } | { readonly organization: HookAccount }

export async function pingHook(room: HookRoom, hook: Hook, subject: HookSubject, sender: HookAccount): Promise<void> {
  const about =
    'repository' in subject
      ? { repository: await room.documents.repository(subject.repository) }
      : { organization: room.documents.organization(subject.organization) }
  const home = Object.values(about)[0] as { readonly url: string }
  const event = pingEvent({ ...about, sender: room.documents.account(sender) }, { ...hookDocument(hook, home.url) })
  await addDeliveries(room.db.queries, room.randomness, event, [hook])
}

/** Sends what the last push to the default branch told; false where there is nothing to tell, or the hook doesn't want pushes. */
export async function testHook(room: HookRoom, hook: Hook, repository: Repository, sender: HookAccount): Promise<boolean> {
  if (!hook.events.includes('push') && !hook.events.includes('*')) return false
  const { queries } = room.db
  const row = await queries
    .selectFrom('reflog')
    .select(['old_oid', 'new_oid'])
    .where('repository_id', '=', repository.id)
    .where(sql<boolean>`name collate "C" = ${repository.head}`)
    .where('new_oid', 'is not', null)
    .orderBy('id', 'desc')
    .executeTakeFirst()
  if (!row) return false
  const hex = (oid: Uint8Array | null) => oid && Buffer.from(oid).toString('hex')
  const move = { ref: repository.head, before: hex(row.old_oid), after: hex(row.new_oid) }
  const pushed = await commitsOf(room, repository, { ...move, beside: [], most: mostCommits })
  const about = await aboutRepository(room, repository, sender)
  await addDeliveries(queries, room.randomness, pushEvent(about, move, pushed), [hook])
  return true
}
