// A push, from the ref commands to the report: gitprotocol-pack(5) "Pushing Data To a Server".
// Nothing is visible before the one transaction of moveRefs; a push that fails before it leaves no row and no key (but an intent row where the bucket did not
// answer, by which the sweeper looks again).
import { type Clock, InputError, type Log, withPauses } from '../../base/index.ts'
import type { OwnerQuota } from '../../access/index.ts'
import type { Database } from '../../db/index.ts'
import {
  encodePkt,
  encodeReportStatus,
  hasCapability,
  newPushParser,
  type ObjectFormat,
  type ObjectId,
  PktLineReader,
  type PushRequest,
  readPushOptions,
  readPushRequest,
} from '../format/index.ts'
import type { PackStore } from '../odb/index.ts'
import type { RefMover, RefScope, RefStore } from '../refs/index.ts'
import type { GitSettings } from '../settings/index.ts'
import { asHookCommands, type PushCommand, resultsOf } from './commands.ts'
import type { PackIntake } from './pack-intake.ts'
import type { HookPush, PushHooks } from './push-hooks.ts'
import { checkNonce, type NonceIssuer } from './push-nonce.ts'
import { Reception } from './reception.ts'
import { Reporter, type ReportSink } from './report.ts'

export interface ReceivePackParts {
  readonly db: Database
  readonly packs: PackStore
  readonly refs: RefStore
  readonly intake: PackIntake
  readonly clock: Clock
  readonly log: Log
  readonly limits: { readonly refsPerPush: number; readonly pktLines: number }
}

/** Where the push goes. */
export interface PushTarget {
  readonly repositoryId: number
  readonly networkId: string
  /** Of its refs, when the request was authorised: a snapshot no older need not be read again. */
  readonly refsVersion?: number
  /** Some of its refs are protected. */
  readonly hasRefRules?: boolean
}

export interface Push {
  readonly objectFormat: ObjectFormat
  /** Null: the push creates the repository, once its objects have been found good. */
  readonly target: PushTarget | null
  /** The network's id, where the push creates the repository: its pack says it before there is a row. */
  readonly newNetworkId: string
  readonly create: () => Promise<PushTarget>
  /** Who pushes, as rules of refs see him. */
  readonly by: RefMover
  readonly settings: GitSettings
  /** For whom a large pack takes a place; the server's own work when left out. */
  readonly caller?: string
  /** What the repository's owner may store yet; null: he has no limit. Asked when a pack comes. */
  readonly quota: () => Promise<OwnerQuota | null>
  /** Which of the repository's refs the pusher speaks of. */
  readonly scope: RefScope
  readonly hooks: PushHooks
  readonly nonces: NonceIssuer
  /** Whether a URL, as a certificate has it, names this repository. */
  readonly isPushee: (url: string) => boolean
  /** Tips of other repositories of the network that the pusher may read: asked for where there are others. */
  readonly siblingTips: () => Promise<readonly ObjectId[]>
  readonly body: AsyncIterable<Uint8Array>
  /** The body may not end before the report has come: client and server talk on one line (SSH). */
  readonly staysOpen?: boolean
  /** Called when the pack is so large that it has taken a place that others may wait for. */
  readonly onPlace?: () => void
  /** Opens the answer: called once the request has turned out to be one. */
  readonly open: () => ReportSink
}

/** @throws InputError before anything was answered when the body is not a push at all, or ends early */
export async function receivePack(parts: ReceivePackParts, push: Push): Promise<void> {
  const { settings, hooks, objectFormat, nonces } = push
  const reader = new PktLineReader(push.body, { lines: parts.limits.pktLines })
  const parser = newPushParser(objectFormat, { commands: parts.limits.refsPerPush })
  const isUsed = (name: string, isAdvertised: boolean) => isAdvertised && hasCapability(parser.capabilities, name)
  let request: PushRequest
  let options: string[] | null
  try {
    request = await readPushRequest(reader, parser)
    options = isUsed('push-options', settings.push.advertisesOptions) ? await readPushOptions(reader) : null
  } catch (error) {
    const isTold = error instanceof InputError && /^(push|pkt)-/.test(error.code) && error.code !== 'pkt-truncated'
    if (!isTold || parser.capabilities.length === 0) throw error
    return await refuse(push, reader, new Reporter(push.open(), Reporter.frames(parser.capabilities)), error.message)
  }
  const sink = push.open()
  if (request.commands.length === 0) return sink.end()
  const reporter = new Reporter(sink, Reporter.frames(request.capabilities))
  const { certificate } = request
  const about: HookPush = {
    options,
    isAtomic: isUsed('atomic', settings.push.advertisesAtomic),
    certificate: certificate && {
      bytes: certificate.bytes,
      nonce: checkNonce(nonces, certificate.nonce, Math.floor(parts.clock.now() / 1000)),
    },
    pack: null,
    cutOff: [],
    say: (text) => reporter.message(text),
  }
  const everyMs = settings.push.keepAliveMs
  const keepAlive = everyMs > 0 ? setInterval(() => reporter.keepAlive(), everyMs) : undefined
  try {
    const { commands, unpackError } = await new Reception(parts, push, request, about, reporter).run(reader)
    await reporter.report(report(request, commands, unpackError))
    await tellHooks(hooks, about, commands)
    reporter.end()
    // The next request finds the new pack loaded. A large one is loaded by whoever needs it.
    if (about.pack?.tail && push.target) void parts.packs.open(push.target.networkId).catch(() => {})
  } finally {
    clearInterval(keepAlive)
  }
}

/** When a line that stays open was silent for so long, all of a refused push has come. */
const refusedPauseMs = 1000

/** A push that is one, but not to be taken: its sender reads no answer before it has sent all. */
async function refuse(push: Push, reader: PktLineReader, reporter: Reporter, reason: string): Promise<void> {
  const everyMs = push.settings.push.keepAliveMs
  const keepAlive = everyMs > 0 ? setInterval(() => reporter.keepAlive(), everyMs) : undefined
  try {
    for await (const bytes of withPauses(reader.rest(), refusedPauseMs)) {
      if (bytes === null && push.staysOpen) break // he has sent all, or will read before he goes on
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error // the reason stays what it was
  } finally {
    clearInterval(keepAlive)
  }
  await reporter.report(encodePkt(`ERR ${reason}`))
  reporter.end()
}

/** The report in the version that the client asked for; null when it wants none. */
function report({ capabilities }: PushRequest, commands: readonly PushCommand[], unpackError: string | null): Uint8Array | null {
  const version = hasCapability(capabilities, 'report-status-v2') ? 2 : hasCapability(capabilities, 'report-status') ? 1 : null
  return version && encodeReportStatus({ unpackError, results: resultsOf(commands, version) }, version)
}

async function tellHooks(hooks: PushHooks, about: HookPush, commands: readonly PushCommand[]): Promise<void> {
  const done = commands.filter((command) => command.error === null && !command.wasMissing)
  if (done.length === 0) return
  await hooks.postReceive?.(about, done.flatMap(asHookCommands))
  await hooks.postUpdate?.(
    about,
    done.map((command) => command.ref),
  )
}
