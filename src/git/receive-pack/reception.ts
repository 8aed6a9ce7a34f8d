// One push under way: the pack is taken in, each command is judged, and what stands is done in one transaction. git's receive-pack,
// `execute_commands`, in its order.
import { concatBytes, CorruptError, fromHex, InputError, UnavailableError } from '../../base/index.ts'
import type { ObjectId, PktLineReader, PushCertificate, PushRequest } from '../format/index.ts'
import { isCommitUnknown } from '../../db/index.ts'
import type { NetworkPacks } from '../odb/index.ts'
import {
  isHidden,
  moveRefs,
  mustGoForward,
  namespacePrefix,
  type NewCertificate,
  type NewPack,
  readRefRules,
  type RefChange,
  type RefRule,
  type RefSnapshot,
} from '../refs/index.ts'
import { asHookCommands, failAll, type PushCommand, startCommands } from './commands.ts'
import { pushFsckOf } from './fsck-settings.ts'
import type { PackFacts, StagedPack } from './pack-intake.ts'
import { isForProcReceive, procReceive } from './proc-receive.ts'
import type { Ancestry, AncestryQuestion, Tip } from './push-facts.ts'
import type { HookPush } from './push-hooks.ts'
import type { NonceVerdict } from './push-nonce.ts'
import { asksForAncestry, judge, mayDeleteCurrent } from './push-policy.ts'
import type { Push, ReceivePackParts } from './receive-pack.ts'
import type { Reporter } from './report.ts'

/** Codes of UnavailableErrors that end when the operator has made room. */
const spaceCodes: ReadonlySet<string> = new Set(['spool-full', 'bucket-full'])

/** Old values of refs that are looked at for what a push rests on. */
const mostLikely = 100
/** Commits that a repository may be cut off at: they are read and told with every request. */
const mostCutOff = 1000

export interface Received {
  readonly commands: readonly PushCommand[]
  /** Why the pack wasn't taken; null: it was. */
  readonly unpackError: string | null
  /** What was thrown meanwhile; null: nothing. Then no command is done. */
  readonly failure: Error | null
}

export class Reception {
  readonly #parts: ReceivePackParts
  readonly #push: Push
  readonly #request: PushRequest
  readonly #about: HookPush
  readonly #reporter: Reporter
  readonly #commands: readonly PushCommand[]
  readonly #prefix: string
  #staged: StagedPack | null = null
  #tips: ReadonlyMap<ObjectId, Tip> = new Map()
  #generation: number | undefined
  /** As they were when the push began: what to find out beforehand. The transaction asks again. */
  #rules: readonly RefRule[] = []
  #ancestry: ReadonlyMap<PushCommand, Ancestry | undefined> = new Map()

  constructor(parts: ReceivePackParts, push: Push, request: PushRequest, about: HookPush, reporter: Reporter) {
    this.#parts = parts
    this.#push = push
    this.#request = request
    this.#about = about
    this.#reporter = reporter
    this.#commands = startCommands(request.commands)
    this.#prefix = namespacePrefix(push.scope.namespace)
  }

  async run(reader: PktLineReader): Promise<Received> {
    const commands = this.#commands
    try {
      const { target } = this.#push
      const refs = target && (await this.#parts.refs.read(target.repositoryId, target.refsVersion)) // before the packs: they hold what refs point to
      const packs = target && (await this.#parts.packs.open(target.networkId))
      this.#generation = packs?.generation
      if (target?.hasRefRules === true) this.#rules = await readRefRules(this.#parts.db.queries, target.repositoryId)
      this.#refuseOtherOptions()
      if (commands.some((command) => command.action !== 'delete')) await this.#takePack(refs, packs, reader)
      await this.#judge(refs, packs)
      await this.#askStore()
      if (!(await this.#move())) await this.#staged?.discard()
      this.#tell()
      return { commands, unpackError: null, failure: null }
    } catch (error) {
      // after an unknown commit the pack may be visible: it stays, and if it isn't, its intent row leads the sweeper to it
      if (!isCommitUnknown(error)) await this.#staged?.discard()
      const isUnconnected = error instanceof InputError && error.code === 'object-missing' && !this.#push.settings.push.fsck.isOn
      for (const command of commands) command.error = isUnconnected ? 'missing necessary objects' : 'unpacker error'
      const reason = this.#explain(error)
      // as git: without fsck a pack is taken for what it is, and its refs are refused
      return { commands, unpackError: isUnconnected ? null : reason, failure: error instanceof Error ? error : new Error(String(error)) }
    }
  }

  /** What was signed must be what was sent. */
  #refuseOtherOptions(): void {
    const { certificate } = this.#request
    if (certificate === null) return
    const options = this.#about.options ?? []
    const isSame = certificate.options.length === options.length && certificate.options.every((option, i) => option === options[i])
    if (!isSame) failAll(this.#commands, 'inconsistent push options')
  }

  async #takePack(refs: RefSnapshot | null, packs: NetworkPacks | null, reader: PktLineReader): Promise<void> {
    const { objectFormat, settings } = this.#push
    const fsck = pushFsckOf(settings.push.fsck, objectFormat)
    for (const warning of fsck.warnings) this.#about.say(`${warning}\n`)
    const values = this.#commands.filter((command) => command.action !== 'delete').map((command) => command.newId)
    const asked = this.#questions()
    const questions = {
      packs: packs?.handle ?? { networkId: 'new', format: objectFormat, lineage: 0, packs: [] },
      networkId: this.#push.target?.networkId ?? this.#push.newNetworkId,
      tips: [...new Set(values)],
      fsck: fsck.settings,
      buildOn: refs && packs?.isShared ? await this.#buildOn(refs) : null,
      shallows: this.#request.shallows,
      cutOff: settings.cutOff,
      ancestry: asked,
      maxInputBytes: settings.push.maxInputBytes,
      quota: await this.#push.quota(),
      ...(this.#push.caller === undefined ? {} : { caller: this.#push.caller }),
      ...(this.#push.onPlace === undefined ? {} : { onPlace: this.#push.onPlace }),
      ...(this.#push.staysOpen === undefined ? {} : { staysOpen: this.#push.staysOpen }),
    }
    const { intake, clock } = this.#parts
    const progress = (phase: 'receiving' | 'resolving' | 'checking', done: number, total: number) =>
      this.#reporter.progress(phase, done, total, clock.now())
    this.#staged = await intake.take(questions, reader.rest(), progress)
    this.#about.pack = this.#keptPack()
    this.#about.cutOff = this.#newCutOff()
    this.#reporter.endProgress()
    const { ancestry } = this.#staged.facts
    this.#ancestry = new Map(asked.map((command, i) => [command, ancestry[i]]))
    this.#tips = new Map(this.#staged.facts.tips.map((tip) => [tip.oid, tip]))
    for (const warning of this.#staged.facts.warnings) this.#about.say(`${warning}\n`)
  }

  async #buildOn(refs: RefSnapshot): Promise<{ tips: Uint8Array; likely: Uint8Array }> {
    const tips = new Set<ObjectId>(await this.#push.siblingTips())
    for (const ref of refs.refs) tips.add(ref.oid)
    const head = refs.byName.get(refs.head)?.oid
    const old = this.#commands.flatMap((command) => (command.action === 'update' ? [command.oldId] : [])).slice(0, mostLikely)
    const packed = (ids: Iterable<ObjectId>) => concatBytes([...ids].map((oid) => fromHex(oid)))
    return { tips: packed(tips), likely: packed(head ? [head, ...old] : old) }
  }

  #questions(): readonly (PushCommand & AncestryQuestion)[] {
    const { settings, by } = this.#push
    const isByRules = ({ action, ref }: PushCommand) => action === 'update' && mustGoForward(this.#rules, by, this.#prefix + ref)
    return this.#commands.filter((command) => asksForAncestry(settings.push, command) || isByRules(command))
  }

  /** Puts down what stands against each command. */
  async #judge(refs: RefSnapshot | null, packs: NetworkPacks | null): Promise<void> {
    const facts = this.#staged?.facts
    if (facts) this.#refuseCutOff(facts, packs)
    for (const command of this.#commands) {
      if (command.action !== 'delete' && !this.#tips.get(command.newId)?.kind) command.error ??= 'missing necessary objects'
    }
    this.#refuseHidden()
    if (this.#commands.every((command) => command.error !== null)) return
    const { hooks } = this.#push
    const isDeclined = hooks.preReceive && !(await hooks.preReceive(this.#about, this.#commands.flatMap(asHookCommands)))
    if (isDeclined) return failAll(this.#commands, 'pre-receive hook declined')
    await this.#giveToHook()
    this.#passMissing(refs, packs)
    await this.#judgeEach(refs)
  }

  /**
   * What rests on a commit without its parents is refused where the repository may not be cut off; and so is what came in the same pack, which
   * isn't stored then.
   */
  #refuseCutOff({ cutOff }: PackFacts, packs: NetworkPacks | null): void {
    if (cutOff.roots.length === 0 || this.#newCutOff().length > 0) return
    for (const command of this.#commands) {
      const isThere = (this.#tips.get(command.newId)?.kind ?? 0) !== 0
      const isStored = isThere && packs !== null && packs.set.find(fromHex(command.newId), 0) >= 0
      if (command.action !== 'delete' && (!isStored || cutOff.tips.has(command.newId))) command.error ??= 'shallow update not allowed'
    }
  }

  #refuseHidden(): void {
    const { hidden } = this.#push.scope
    for (const command of this.#commands) {
      if (!isHidden(command.ref, this.#prefix + command.ref, hidden)) continue
      command.error ??= command.action === 'delete' ? 'deny deleting a hidden ref' : 'deny updating a hidden ref'
    }
  }

  async #giveToHook(): Promise<void> {
    const { hooks, settings, objectFormat } = this.#push
    const scheduled = this.#commands.filter((command) => command.error === null && isForProcReceive(settings.push.procReceiveRefs, command))
    if (scheduled.length === 0) return
    for (const command of scheduled) command.hook = 'scheduled'
    await procReceive(this.#commands, this.#about, objectFormat, hooks.procReceive ?? (() => null))
  }

  /** As git: to delete what isn't there is a warning. (In a network of several, an id's being stored is nobody's to find out by that.) */
  #passMissing(refs: RefSnapshot | null, packs: NetworkPacks | null): void {
    for (const command of this.#commands) {
      const { action, error, hook, ref, oldId } = command
      if (action !== 'delete' || error !== null || hook !== 'none' || refs?.byName.has(this.#prefix + ref)) continue
      if (packs && !packs.isShared && packs.set.find(fromHex(oldId), 0) >= 0) continue
      command.wasMissing = true
      this.#about.say('warning: deleting a non-existent ref\n')
    }
  }

  async #judgeEach(refs: RefSnapshot | null): Promise<void> {
    const { settings, hooks, scope } = this.#push
    const head = (this.#prefix === '' ? null : scope.namespaceHead) ?? refs?.head ?? ''
    for (const command of this.#inOrder()) {
      if (command.error !== null || command.hook !== 'none') continue
      const { error, said } = judge(command, settings.push, {
        head,
        ancestry: this.#ancestry.get(command),
        tip: this.#tips.get(command.newId),
      })
      if (said !== '') this.#about.say(said)
      command.error = error
      if (error === null && hooks.update && !(await hooks.update(this.#about, command))) {
        this.#about.say(`error: hook declined to update ${command.ref}\n`)
        command.error = 'hook declined'
      }
      if (command.error !== null && this.#about.isAtomic) break
    }
    if (this.#about.isAtomic && this.#commands.some((command) => command.error !== null)) failAll(this.#commands, 'atomic push failure')
  }

  /** As git does them: deletions make room for what is created, unless it is all one. */
  #inOrder(): readonly PushCommand[] {
    if (this.#about.isAtomic) return this.#commands
    const isDeletion = ({ action }: PushCommand) => action === 'delete'
    return [...this.#commands.filter(isDeletion), ...this.#commands.filter((command) => !isDeletion(command))]
  }

  /** A store beside ours moves its refs first. */
  async #askStore(): Promise<void> {
    const moving = this.#commands.filter(({ error, hook, wasMissing }) => error === null && hook === 'none' && !wasMissing)
    if (moving.length === 0) return
    const refused = await this.#push.hooks.beforeMove?.(this.#about, moving.flatMap(asHookCommands))
    for (const command of moving) command.error = refused?.get(command.ref) ?? null
    if (this.#about.isAtomic && moving.some((command) => command.error !== null)) failAll(this.#commands, 'atomic push failure')
  }

  /** True when the pack is stored for good. */
  async #move(): Promise<boolean> {
    const open = this.#commands.filter((command) => command.error === null)
    const moving = open.filter((command) => command.hook === 'none' && !command.wasMissing)
    const keepsPack = open.some((command) => command.hook === 'answered')
    if (moving.length === 0 && !keepsPack) return false
    const { settings, by } = this.#push
    const { certificate } = this.#request
    const nonce = this.#about.certificate?.nonce
    const target = this.#push.target ?? (await this.#push.create())
    const pack = this.#keptPack()
    // two first pushes at once; what lies in the bucket must say rightly whose it is
    if (pack?.key && !this.#push.target && target.networkId !== this.#push.newNetworkId) {
      throw new UnavailableError('repository-made', 'another push made the repository meanwhile; push again')
    }
    const outcomes = await moveRefs(this.#parts.db, this.#parts.refs, {
      ...target,
      generation: this.#generation,
      by,
      changes: moving.map((command) => this.#changeOf(command)),
      atomic: this.#about.isAtomic,
      pack,
      keepsPack,
      brought: this.#commands.filter(({ action }) => action !== 'delete').map(({ newId }) => newId),
      mayDeleteHead: mayDeleteCurrent(settings.push),
      adoptsHead: settings.push.adoptsHead && this.#prefix === '',
      newCutOff: this.#newCutOff(),
      certificate: certificate && nonce ? this.#keptCertificate(certificate, nonce) : null,
      options: this.#about.options ?? [],
      explain: (sentence) => this.#about.say(`error: ${sentence}\n`),
    })
    for (const command of moving) command.error = outcomes.get(this.#prefix + command.ref) ?? null
    return pack !== null && (keepsPack || moving.some((command) => command.error === null))
  }

  #keptCertificate(certificate: PushCertificate, nonce: NonceVerdict): NewCertificate {
    const isPusheeRight = certificate.pushee !== null && this.#push.isPushee(certificate.pushee)
    return { ...certificate, isPusheeRight, nonceStatus: nonce.status, nonceSlopS: nonce.slopS }
  }

  /** An empty pack says nothing, and one that is cut off is not let in: nothing that is accepted needs it. */
  #keptPack(): NewPack | null {
    const staged = this.#staged
    const isClosed = staged?.facts.cutOff.roots.length === 0 || this.#newCutOff().length > 0
    return staged && isClosed && staged.pack.objectCount > 0 ? staged.pack : null
  }

  /** Commits of the pack that the repository will be cut off at, where its settings let it be: all that have no parents there, used or not. */
  #newCutOff(): readonly ObjectId[] {
    const roots = this.#staged?.facts.cutOff.roots ?? []
    const { settings } = this.#push
    return settings.push.allowsShallowUpdate && roots.length + settings.cutOff.length <= mostCutOff ? roots : []
  }

  #changeOf(command: PushCommand): RefChange {
    const { ref, action, oldId, newId } = command
    const ancestry = this.#ancestry.get(command)
    return {
      name: this.#prefix + ref,
      oldOid: action === 'create' || /^0+$/.test(oldId) ? null : oldId,
      newOid: action === 'delete' ? null : newId,
      peeled: this.#tips.get(newId)?.peeled ?? null,
      isForward: ancestry && ancestry === 'forward',
    }
  }

  /** For the operator: who pushed how much. */
  #tell(): void {
    const { target, by } = this.#push
    const moved = this.#commands.filter((command) => command.error === null).length
    const refs = { moved, refused: this.#commands.length - moved }
    const staged = this.#staged
    const pack = staged && { objects: staged.pack.objectCount, bytes: staged.pack.packBytes, place: staged.pack.key ?? 'tail' }
    this.#parts.log.info(
      { repository: target?.repositoryId ?? 'new', account: by.kind === 'account' ? by.accountId : null, refs, pack },
      'pushed',
    )
  }

  /** What the client is told; what is not its fault is logged. */
  #explain(error: unknown): string {
    if (error instanceof InputError) {
      const isFinding = error.code === 'fsck'
      this.#about.say(isFinding ? `error: ${error.message}\nfatal: fsck error in packed object\n` : `fatal: ${error.message}\n`)
      return error.message.replaceAll('\n', ' ')
    }
    const alarm = error instanceof CorruptError
    this.#parts.log.error({ err: error, alarm }, alarm ? 'ALARM: stored data is wrong' : 'a push failed')
    if (error instanceof UnavailableError && spaceCodes.has(error.code)) return 'no space left on the server'
    if (error instanceof UnavailableError && error.code === 'objects-left') return error.message
    if (error instanceof UnavailableError) return 'the server cannot store the push now; try again'
    return alarm ? 'stored data failed its check; the operator has been told' : 'internal server error'
  }
}
