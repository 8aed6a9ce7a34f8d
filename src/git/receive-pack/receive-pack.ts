// A push, from the ref commands to the report: gitprotocol-pack(5) "Pushing Data To a Server".
// Nothing is visible before the one transaction of moveRefs; a push that fails before it leaves no row and no key.
import { type Clock, CorruptError, InputError, type Log, UnavailableError } from '../../base/index.ts'
import type { Database } from '../../db/index.ts'
import {
  encodeReportStatus,
  hasCapability,
  Kind,
  type ObjectFormat,
  type ObjectId,
  PktLineReader,
  type PushRequest,
  type RefCommand,
  readPushRequest,
} from '../format/index.ts'
import type { PackSetHandle, PackStore } from '../odb/index.ts'
import { moveRefs, type RefChange, type RefOutcomes, type RefStore } from '../refs/index.ts'
import type { PackIntake, StagedPack } from './pack-intake.ts'
import type { Tip } from './receive-job.ts'
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
}

export interface Push {
  readonly objectFormat: ObjectFormat
  /** Null: the push creates the repository, once its objects have been found good. */
  readonly target: PushTarget | null
  readonly create: () => Promise<PushTarget>
  readonly accountId: number
  readonly body: AsyncIterable<Uint8Array>
  /** Opens the answer: called once the request has turned out to be one. */
  readonly open: () => ReportSink
}

const keepAliveMs = 5000
/** Codes of UnavailableErrors that end when the operator has made room. */
const spaceCodes: ReadonlySet<string> = new Set(['spool-full', 'bucket-full'])

/** @throws InputError before anything was answered when the body is not a push at all */
export async function receivePack(parts: ReceivePackParts, push: Push): Promise<void> {
  const reader = new PktLineReader(push.body, { lines: parts.limits.pktLines })
  const request = await readPushRequest(reader, push.objectFormat, { commands: parts.limits.refsPerPush })
  const sink = push.open()
  if (request.commands.length === 0) return sink.end()
  const reporter = new Reporter(sink, Reporter.frames(request.capabilities))
  const keepAlive = setInterval(() => reporter.keepAlive(), keepAliveMs)
  try {
    const { unpack, outcomes } = await new Reception(parts, push, request, reporter).run(reader)
    await reporter.end(report(request, unpack, outcomes))
  } finally {
    clearInterval(keepAlive)
  }
}

/** The report in the version that the client asked for; null when it wants none. */
function report(request: PushRequest, unpackError: string | null, outcomes: RefOutcomes): Uint8Array | null {
  const version = hasCapability(request.capabilities, 'report-status-v2')
    ? 2
    : hasCapability(request.capabilities, 'report-status')
      ? 1
      : null
  if (version === null) return null
  const results = request.commands.map(({ ref, refBytes }) => ({ ref: refBytes, error: outcomes.get(ref) ?? null }))
  return encodeReportStatus({ unpackError, results }, version)
}

interface Verdicts {
  /** Null: ok. */
  readonly unpack: string | null
  readonly outcomes: RefOutcomes
}

/** One push under way. */
class Reception {
  readonly #parts: ReceivePackParts
  readonly #push: Push
  readonly #request: PushRequest
  readonly #reporter: Reporter

  constructor(parts: ReceivePackParts, push: Push, request: PushRequest, reporter: Reporter) {
    this.#parts = parts
    this.#push = push
    this.#request = request
    this.#reporter = reporter
  }

  async run(reader: PktLineReader): Promise<Verdicts> {
    const { commands } = this.#request
    const tips = [...new Set(commands.flatMap((command) => (command.action === 'delete' ? [] : [command.newId])))]
    let staged: StagedPack | null = null
    try {
      const found = tips.length === 0 ? [] : (staged = await this.#takePack(tips, reader)).tips
      const outcomes = await this.#move(found, staged)
      const moved = [...outcomes.values()].filter((outcome) => outcome === null).length
      if (moved === 0) await staged?.discard()
      this.#tell(moved, staged)
      return { unpack: null, outcomes }
    } catch (error) {
      // after an unknown commit the pack may be visible: it stays, and if it isn't, its intent row leads the sweeper to it
      if (!(error instanceof UnavailableError && error.code === 'commit-unknown')) await staged?.discard()
      return { unpack: this.#explain(error), outcomes: new Map(commands.map((command) => [command.ref, 'unpacker error'])) }
    }
  }

  async #takePack(tips: readonly ObjectId[], reader: PktLineReader): Promise<StagedPack> {
    const packs = await this.#openPacks()
    const staged = await this.#parts.intake.take(packs, tips, reader.rest(), (phase, done, total) =>
      this.#reporter.progress(phase, done, total, this.#parts.clock.now()),
    )
    this.#reporter.endProgress()
    return staged
  }

  async #openPacks(): Promise<PackSetHandle> {
    const { target, objectFormat } = this.#push
    if (target) return (await this.#parts.packs.open(target.networkId)).handle
    return { networkId: 'new', format: objectFormat, lineage: 0, packs: [] }
  }

  async #move(tips: readonly Tip[], staged: StagedPack | null): Promise<RefOutcomes> {
    const { commands, capabilities } = this.#request
    const tipOf = new Map(tips.map((tip) => [tip.oid, tip]))
    const refusals = new Map<string, string>()
    for (const command of commands) {
      const refusal = refuse(command, tipOf.get(command.newId))
      if (refusal !== null) refusals.set(command.ref, refusal)
    }
    const atomic = hasCapability(capabilities, 'atomic')
    const sound = commands.filter((command) => !refusals.has(command.ref))
    if (sound.length === 0 || (atomic && refusals.size > 0)) {
      return new Map(commands.map((command) => [command.ref, refusals.get(command.ref) ?? 'atomic push failure']))
    }
    const target = this.#push.target ?? (await this.#push.create())
    const outcomes = await moveRefs(this.#parts.db, this.#parts.refs, {
      ...target,
      accountId: this.#push.accountId,
      changes: sound.map((command) => changeOf(command, tipOf.get(command.newId))),
      atomic,
      pack: staged?.pack.objectCount ? staged.pack : null,
    })
    return new Map(commands.map((command) => [command.ref, refusals.get(command.ref) ?? outcomes.get(command.ref) ?? null]))
  }

  /** For the operator: who pushed how much. */
  #tell(moved: number, staged: StagedPack | null): void {
    const { target, accountId } = this.#push
    const refs = { moved, refused: this.#request.commands.length - moved }
    const pack = staged && { objects: staged.pack.objectCount, bytes: staged.pack.packBytes, place: staged.pack.key ?? 'tail' }
    this.#parts.log.info({ repository: target?.repositoryId ?? 'new', account: accountId, refs, pack }, 'pushed')
  }

  /** What the client is told; what is not its fault is logged. */
  #explain(error: unknown): string {
    if (error instanceof InputError) {
      this.#reporter.message(`fatal: ${error.message}\n`)
      return error.message.replaceAll('\n', ' ')
    }
    const alarm = error instanceof CorruptError
    this.#parts.log.error({ err: error, alarm }, alarm ? 'ALARM: stored data is wrong' : 'a push failed')
    if (error instanceof UnavailableError && spaceCodes.has(error.code)) return 'no space left on the server'
    if (error instanceof UnavailableError) return 'the server cannot store the push now; try again'
    return alarm ? 'stored data failed its check; the operator has been told' : 'internal server error'
  }
}

function changeOf(command: RefCommand, tip: Tip | undefined): RefChange {
  return {
    name: command.ref,
    oldOid: command.action === 'create' ? null : command.oldId,
    newOid: command.action === 'delete' ? null : command.newId,
    peeled: tip?.peeled ?? null,
  }
}

/** Why a command can't be done whatever the refs are now; null when it can. */
function refuse(command: RefCommand, tip: Tip | undefined): string | null {
  if (command.refusal !== null) return command.refusal
  if (command.action === 'delete') return null
  if (tip === undefined || tip.kind === 0) return 'missing necessary objects'
  if (command.ref.startsWith('refs/heads/') && tip.kind !== Kind.commit) return `trying to write non-commit object ${tip.oid} to branch`
  return null
}
