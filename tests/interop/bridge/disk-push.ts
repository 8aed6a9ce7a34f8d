// A push, seen from the disk: the repository's hooks are asked where git asks them, and what the server accepts is written back before the
// pusher is told.
import type { HookCommand, HookProcess, HookPush, PushHooks } from '../../../src/git/receive-pack/push-hooks.ts'
import { namespacePrefix } from '../../../src/git/refs/index.ts'
import { judgeCheckedOut } from './checked-out.ts'
import { certificateEnvironment } from './push-certificate.ts'
import { type Environment, findHook, pushEnvironment, runHook, startHook } from './disk-hooks.ts'
import { addShallow, readRefs } from './disk-refs.ts'
import type { DiskConfig } from './disk-settings.ts'
import { runGit } from './git-process.ts'
import type { DiskPlace } from './place.ts'
import type { BridgeRequest } from './request.ts'
import { makeQuarantine, moveDiskRefs, type PushedPack, quarantineEnvironment, removeQuarantine, writeObjects } from './write-back.ts'

export interface DiskPushParts {
  readonly place: DiskPlace
  readonly config: DiskConfig
  readonly request: BridgeRequest
  readonly namespace: string
  /** The bytes of what the push brought; null: nothing. */
  readonly packOf: (push: HookPush) => PushedPack | null
}

export class DiskPush implements PushHooks {
  readonly #parts: DiskPushParts
  readonly #base: Environment
  #environment: Environment

  constructor(parts: DiskPushParts) {
    this.#parts = parts
    this.#base = pushEnvironment(parts.request)
    this.#environment = this.#base
  }

  readonly preReceive = async (push: HookPush, commands: readonly HookCommand[]): Promise<boolean> => {
    const { place } = this.#parts
    this.#environment = await this.#hookEnvironment(push)
    const pack = this.#parts.packOf(push)
    const hook = this.#find('pre-receive', push)
    if (hook !== null && !(await this.#passes(hook, pack, push, commands))) return false
    if (pack) await writeObjects(place, pack, { limit: this.#unpackLimit() })
    return true
  }

  /** The hook sees what is pushed in a folder of its own. */
  async #passes(hook: string, pack: PushedPack | null, push: HookPush, commands: readonly HookCommand[]): Promise<boolean> {
    const { place } = this.#parts
    const folder = await makeQuarantine(place)
    try {
      if (pack) await writeObjects(place, pack, { limit: this.#unpackLimit(), quarantine: folder })
      const environment = { ...this.#environment, ...quarantineEnvironment(place, folder) }
      return (await runHook(hook, [], { place, environment, input: lines(commands), say: push.say })) === 0
    } finally {
      await removeQuarantine(folder)
    }
  }

  readonly procReceive = (push: HookPush): HookProcess | null => {
    const hook = this.#find('proc-receive', push)
    if (hook === null) return null
    return startHook(hook, { place: this.#parts.place, environment: this.#environment, say: push.say })
  }

  readonly update = async (push: HookPush, command: HookCommand): Promise<boolean> => {
    const hook = this.#find('update', push)
    if (hook === null) return true
    const args = [command.ref, command.oldId, command.newId]
    return (await this.#run(hook, args, push, '')) === 0
  }

  /** The disk's refs move first: what git refuses there isn't done here either. */
  readonly beforeMove = async (push: HookPush, commands: readonly HookCommand[]): Promise<ReadonlyMap<string, string>> => {
    const { place, namespace, config } = this.#parts
    const prefix = namespacePrefix(namespace)
    const { refused, same } = await this.#aliases(push, commands)
    const parts = {
      place,
      environment: this.#environment,
      policy: this.#value('receive.denycurrentbranch'),
      deletion: this.#value('receive.denydeletecurrent'),
      isSha256: config.objectFormat === 'sha256',
      isBare: this.#value('core.bare') === 'true',
      prefix,
      hook: this.#find('push-to-checkout', push),
    }
    const open = commands.filter(({ ref }) => !refused.has(ref) && !same.has(ref))
    for (const [ref, reason] of await judgeCheckedOut(parts, push, open)) refused.set(ref, reason)
    if (refused.size > 0 && push.isAtomic) return refused
    const moving = open.filter(({ ref }) => !refused.has(ref))
    const { isAtomic, say } = push
    addShallow(place.gitDir, push.cutOff)
    const failures = await moveDiskRefs({ place, environment: this.#base, prefix, commands: moving, isAtomic, say })
    return new Map([...refused, ...failures])
  }

  readonly postReceive = async (push: HookPush, commands: readonly HookCommand[]): Promise<void> => {
    const hook = this.#find('post-receive', push)
    if (hook !== null) await this.#run(hook, [], push, lines(commands))
  }

  readonly postUpdate = async (push: HookPush, refs: readonly string[]): Promise<void> => {
    const hook = this.#find('post-update', push)
    if (hook !== null) await this.#run(hook, refs, push, '')
    if (this.#value('receive.updateserverinfo') === 'true') await runGit(this.#parts.place, ['update-server-info'])
  }

  /** Names that stand for one another: an update of both is one, if they agree (git's check_aliased_updates). */
  async #aliases(push: HookPush, commands: readonly HookCommand[]): Promise<{ refused: Map<string, string>; same: Set<string> }> {
    const refused = new Map<string, string>()
    const same = new Set<string>()
    const { symrefs } = await readRefs(this.#parts.place)
    const prefix = namespacePrefix(this.#parts.namespace)
    for (const command of commands) {
      const target = symrefs.get(prefix + command.ref)
      const other = commands.find(({ ref }) => prefix + ref === target)
      if (!other) continue
      same.add(command.ref)
      if (other.oldId === command.oldId && other.newId === command.newId) continue
      const span = ({ ref, oldId, newId }: HookCommand) => `'${ref}' (${oldId.slice(0, 7)}..${newId.slice(0, 7)})`
      push.say(`error: refusing inconsistent update between symref ${span(command)} and its target ${span(other)}\n`)
      for (const { ref } of [command, other]) refused.set(ref, 'inconsistent aliased update')
    }
    return { refused, same }
  }

  #find(name: string, push: HookPush): string | null {
    return findHook(this.#parts.place, this.#value('core.hookspath'), name, push.say)
  }

  #run(hook: string, args: readonly string[], push: HookPush, input: string): Promise<number> {
    return runHook(hook, args, { place: this.#parts.place, environment: this.#environment, input, say: push.say })
  }

  async #hookEnvironment({ options, certificate }: HookPush): Promise<Environment> {
    return {
      ...this.#base,
      ...(options && { GIT_PUSH_OPTION_COUNT: String(options.length) }),
      ...Object.fromEntries((options ?? []).map((option, i) => [`GIT_PUSH_OPTION_${i}`, option])),
      ...(certificate && (await certificateEnvironment(this.#parts.place, certificate, this.#base))),
    }
  }

  #unpackLimit(): number | undefined {
    const value = this.#value('receive.unpacklimit') ?? this.#value('transfer.unpacklimit')
    return value === undefined ? undefined : Number(value)
  }

  #value(key: string): string | undefined {
    return this.#parts.config.values[key]?.at(-1)
  }
}

function lines(commands: readonly HookCommand[]): string {
  return commands.map(({ ref, oldId, newId }) => `${oldId} ${newId} ${ref}\n`).join('')
}
