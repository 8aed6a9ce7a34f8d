// One run of one mirror. Pull: what the other has and this lacks is fetched, then refs and HEAD become the other's. Push: the other's refs
// become this one's, forced and pruned. Either way only the refs that the mirror is about.
import { CorruptError, fromHex, InputError, UnavailableError } from '../../base/index.ts'
import { bring, type ImportParts } from '../import/bring.ts'
import { emptyPack } from '../import/empty-pack.ts'
import type { ImportProgress } from '../import/origin.ts'
import { RemoteOrigin } from '../import/remote-origin.ts'
import type { NetworkPacks } from '../odb/index.ts'
import { packStream } from '../pack-stream.ts'
import type { RefSnapshot } from '../refs/index.ts'
import {
  pushPack,
  readRemote,
  type RemoteClient,
  type RemoteCommand,
  RemoteHttp,
  type RemoteRefusal,
  type RemoteState,
} from '../remote/index.ts'
import { refMatcher } from './mirror-refs.ts'
import type { Mirror } from './mirrors.ts'

export interface MirrorRun {
  readonly parts: ImportParts
  readonly client: RemoteClient
  readonly signal: AbortSignal
  /** Of what is pulled; what is pushed says nothing. */
  readonly progress?: ImportProgress
}

/** How many refs moved. */
export interface MirrorResult {
  readonly created: number
  readonly updated: number
  readonly deleted: number
}

const mostListed = 3

/** @throws InputError or UnavailableError, whose message tells the operator what is wrong; CorruptError; the signal's reason */
export async function runMirror(run: MirrorRun, mirror: Mirror): Promise<MirrorResult> {
  if ((mirror.repository.settings['stemma.shallow'] ?? []).length > 0) {
    throw new InputError(
      'mirror-shallow',
      'the history is cut off here (stemma.shallow): the repository can neither be pushed as a whole nor follow another',
    )
  }
  return mirror.direction === 'pull' ? pull(run, mirror) : push(run, mirror)
}

async function pull({ parts, client, signal, progress = () => {} }: MirrorRun, mirror: Mirror): Promise<MirrorResult> {
  const { repository, remote, refs } = mirror
  const origin = new RemoteOrigin(remote, client, signal)
  const state = await origin.readState()
  return bring(parts, {
    repositoryId: repository.id,
    networkId: repository.networkId,
    origin,
    state,
    isMeant: refMatcher(refs),
    reason: 'mirror',
    isStrict: true,
    progress,
    signal,
  })
}

async function push({ parts, client, signal }: MirrorRun, mirror: Mirror): Promise<MirrorResult> {
  const { agent } = client
  const http = new RemoteHttp({ remote: mirror.remote, client, signal })
  const state = await readRemote(http, 'git-receive-pack', agent)
  const refs = await parts.refs.read(mirror.repository.id)
  const packs = await parts.packs.open(mirror.repository.networkId) // after the refs: they may rest on no newer pack
  const isEmpty = state.refs.length === 0
  if (!isEmpty && state.format !== packs.handle.format) {
    throw new InputError('mirror-format', `the server there names objects by ${state.format}, this repository by ${packs.handle.format}`)
  }
  const commands = commandsFor(refs, state, refMatcher(mirror.refs))
  if (commands.length === 0) return { created: 0, updated: 0, deleted: 0 }
  const refused = await pushPack(http, state, commands, packFor(parts, packs, refs, state, commands, signal), agent)
  if (refused.length > 0) throw refusal(refused)
  return {
    created: commands.filter((command) => command.oldOid === null).length,
    updated: commands.filter((command) => command.oldOid !== null && command.newOid !== null).length,
    deleted: commands.filter((command) => command.newOid === null).length,
  }
}

function commandsFor(refs: RefSnapshot, state: RemoteState, isMeant: (name: string) => boolean): RemoteCommand[] {
  const there = new Map(state.refs.filter((ref) => isMeant(ref.name)).map((ref) => [ref.name, ref.oid]))
  const commands: RemoteCommand[] = []
  // first, because git takes one command after the other: `a/b` must be gone before there can be an `a`
  for (const [name, oldOid] of there) if (!refs.byName.has(name)) commands.push({ name, oldOid, newOid: null })
  for (const { name, oid } of refs.refs) {
    const oldOid = there.get(name) ?? null
    if (isMeant(name) && oldOid !== oid) commands.push({ name, oldOid, newOid: oid })
  }
  return commands
}

/** What the new values need beyond what the other's refs reach, by the same planner that serves fetches. */
async function* packFor(
  parts: ImportParts,
  packs: NetworkPacks,
  refs: RefSnapshot,
  state: RemoteState,
  commands: readonly RemoteCommand[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { format } = packs.handle
  const there = new Set(state.refs.map((ref) => ref.oid))
  const wants = [...new Set(commands.flatMap(({ newOid }) => (newOid === null || there.has(newOid) ? [] : [newOid])))]
  if (wants.length === 0) return yield* emptyPack(format)
  const haves = [...there].filter((oid) => packs.set.find(fromHex(oid), 0) >= 0)
  const workers = { pool: parts.workers, memory: parts.fetchMemory }
  yield* packStream(workers, packs, { wants, haves, isThin: true, refs, cutOff: [], signal })
}

function refusal(refused: readonly RemoteRefusal[]): InputError {
  const list = refused.slice(0, mostListed).map(({ name, reason }) => `${name} (${reason})`)
  const more = refused.length > mostListed ? ` and ${refused.length - mostListed} more` : ''
  return new InputError(
    'mirror-refused',
    `${refused.length} ref${refused.length === 1 ? ' was' : 's were'} refused there: ${list.join(', ')}${more}`,
  )
}

/** What stands in `mirror list` for an error: one line; of our own faults only that there was one (the log has the rest). */
export function shownError(error: unknown): string {
  const isTold = error instanceof InputError || error instanceof UnavailableError || error instanceof CorruptError
  return isTold ? error.message.replaceAll(/\s+/g, ' ') : 'internal error: see the log'
}
