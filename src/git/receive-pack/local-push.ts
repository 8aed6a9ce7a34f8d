// A push that begins in this process: its commands and its pack were made here, for somebody who asked for less than a push. It is judged and done as every
// other one.
import { InputError, utf8 } from '../../base/index.ts'
import { type ObjectId, PktLineReader, type RefCommand, refusalOfPushTo, zeroId } from '../format/index.ts'
import type { PushCommand } from './commands.ts'
import type { HookPush } from './push-hooks.ts'
import type { Push, ReceivePackParts } from './receive-pack.ts'
import { Reception } from './reception.ts'
import { Reporter } from './report.ts'

/** Null stands for "there is no such ref". */
export interface LocalCommand {
  readonly ref: string
  readonly old: ObjectId | null
  readonly fresh: ObjectId | null
}

export type LocalPush = Omit<Push, 'body' | 'open' | 'nonces' | 'isPushee' | 'newNetworkId' | 'create'>

export interface LocalOutcome {
  /** By command: why not, in git's words; null: it is done. */
  readonly errors: readonly (string | null)[]
  /** What a pusher would have been told beside it. */
  readonly said: string
}

/**
 * All commands or none.
 * @throws InputError when the pack is not to be had (`fsck`, `object-missing`, …); UnavailableError, CorruptError; then nothing is done
 */
export async function pushLocally(
  parts: ReceivePackParts,
  push: LocalPush,
  commands: readonly LocalCommand[],
  pack: Uint8Array,
): Promise<LocalOutcome> {
  let said = ''
  const about: HookPush = {
    options: null,
    isAtomic: commands.length > 1, // of one, its own reason is told
    certificate: null,
    pack: null,
    cutOff: [],
    say: (text) => {
      said += typeof text === 'string' ? text : Buffer.from(text).toString('utf8')
    },
  }
  const whole: Push = {
    ...push,
    newNetworkId: '',
    create: async () => {
      throw new InputError('repository-deleted', 'the repository was deleted')
    },
    nonces: { seed: null, repository: '', format: push.objectFormat, slopS: 0 },
    isPushee: () => false,
    body: once(pack),
    open: () => noSink,
  }
  const request = {
    commands: commands.map((command) => commandOf(command, push.objectFormat)),
    shallows: [],
    capabilities: [],
    certificate: null,
  }
  const reception = new Reception(parts, whole, request, about, new Reporter(noSink, { frameBytes: null, quiet: true }))
  const received = await reception.run(new PktLineReader(once(pack)))
  if (received.failure !== null) throw received.failure
  return { errors: received.commands.map(({ error }: PushCommand) => error), said }
}

const noSink = { write: () => undefined, end: () => {} }

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}

function commandOf({ fresh, old, ref }: LocalCommand, format: Push['objectFormat']): RefCommand {
  const none = zeroId(format)
  const action = fresh === null ? 'delete' : old === null ? 'create' : 'update'
  return { action, oldId: old ?? none, newId: fresh ?? none, ref, refBytes: utf8(ref), refusal: refusalOfPushTo(ref, action === 'delete') }
}
