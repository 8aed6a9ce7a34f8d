// What a repository's settings say about one ref command: git's receive-pack `update()`. Refs that are protected by rules: the transaction's. Pure.
import { Kind } from '../format/object-id.ts'
import type { PushSettings } from '../settings/index.ts'
import type { PushCommand } from './commands.ts'
import type { Ancestry, Tip } from './push-facts.ts'

export interface PolicyFacts {
  /** What HEAD points to, as the pusher names it. */
  readonly head: string
  /** Of an update whose ancestry was asked for. */
  readonly ancestry: Ancestry | undefined
  readonly tip: Tip | undefined
}

export interface Judgement {
  /** For the report; null: the command may go on. */
  readonly error: string | null
  /** For the pusher, with line ends. */
  readonly said: string
}

const branches = 'refs/heads/'
const passed: Judgement = { error: null, said: '' }

const deleteCurrentAdvice = `error: By default, deleting the current branch is denied, because the next
'git clone' won't result in any file checked out, causing confusion.

You can set 'receive.denyDeleteCurrent' configuration variable to
'warn' or 'ignore' in the remote repository to allow deleting the
current branch, with or without a warning message.

To squelch this message, you can set it to 'refuse'.
`

/** Whether it must be known if the update is a fast-forward. */
export function asksForAncestry(settings: PushSettings, { action, ref }: PushCommand): boolean {
  return action === 'update' && settings.denyNonFastForwards && ref.startsWith(branches)
}

/** In git's order and words. The update hook comes after it. */
export function judge(command: PushCommand, settings: PushSettings, facts: PolicyFacts): Judgement {
  const { ref, action } = command
  if (command.refusal !== null) return { error: command.refusal, said: `error: refusing to update funny ref '${ref}' remotely\n` }
  if (action === 'delete') return judgeDeletion(command, settings, facts)
  const { tip, ancestry } = facts
  if (tip === undefined || tip.kind === 0) return { error: 'missing necessary objects', said: '' }
  if (action === 'update' && settings.denyNonFastForwards && ref.startsWith(branches)) {
    if (ancestry === 'no-commits') return { error: 'bad ref', said: `error: bad sha1 objects for ${ref}\n` }
    if (ancestry === 'forced') {
      return { error: 'non-fast-forward', said: `error: denying non-fast-forward ${ref} (you should pull first)\n` }
    }
  }
  if (ref.startsWith(branches) && tip.kind !== Kind.commit) {
    const said = `error: cannot update ref '${ref}': trying to write non-commit object ${tip.oid} to branch '${ref}'\n`
    return { error: 'invalid new value provided', said }
  }
  return passed
}

function judgeDeletion({ ref, oldId }: PushCommand, settings: PushSettings, { head }: PolicyFacts): Judgement {
  if (/^0+$/.test(oldId)) return passed
  if (settings.denyDeletes && ref.startsWith(branches)) {
    return { error: 'deletion prohibited', said: `error: denying ref deletion for ${ref}\n` }
  }
  if (ref !== head) return passed
  if (settings.denyDeleteCurrent === 'ignore') return passed
  if (settings.denyDeleteCurrent === 'warn') return { error: null, said: 'warning: deleting the current branch\n' }
  const advice = settings.denyDeleteCurrent === null ? deleteCurrentAdvice : ''
  return { error: 'deletion of the current branch prohibited', said: `${advice}error: refusing to delete the current branch: ${ref}\n` }
}

/** Whether HEAD's branch may go. */
export function mayDeleteCurrent({ denyDeleteCurrent }: PushSettings): boolean {
  return denyDeleteCurrent === 'ignore' || denyDeleteCurrent === 'warn'
}
