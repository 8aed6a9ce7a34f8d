// A push, seen from the disk: the repository's hooks are asked where git asks them, and what the server accepts is written back before the
// pusher is told.
import type { HookCommand, HookProcess, HookPush, PushHooks } from '../../../src/git/receive-pack/push-hooks.ts'
import { namespacePrefix } from '../../../src/git/refs/index.ts'
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
    this.#base = pushEnvironment(parts.request, parts.place)
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
    const { place, namespace } = this.#parts
    const checkedOut = await this.#checkedOut(push, commands)
    if (checkedOut.size > 0 && push.isAtomic) return checkedOut
    addShallow(place.gitDir, push.cutOff)
    const failures = await moveDiskRefs({
      place,
      environment: this.#base,
      prefix: namespacePrefix(namespace),
      commands: commands.filter(({ ref }) => !checkedOut.has(ref)),
      isAtomic: push.isAtomic,
      say: push.say,
    })
    return new Map([...checkedOut, ...failures])
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

  /** receive.denyCurrentBranch of a repository with a work tree. */
  async #checkedOut(push: HookPush, commands: readonly HookCommand[]): Promise<Map<string, string>> {
    const refused = new Map<string, string>()
    const { place, namespace } = this.#parts
    const policy = this.#value('receive.denycurrentbranch') ?? 'refuse'
    if (this.#value('core.bare') !== 'false' || ['ignore', 'false', 'no', 'off'].includes(policy)) return refused
    const { head } = await readRefs(place)
    const prefix = namespacePrefix(namespace)
    const found = commands.find(({ ref, newId }) => 'ref' in head && prefix + ref === head.ref && !/^0+$/.test(newId))
    if (!found) return refused
    if (policy === 'warn') push.say('warning: updating the current branch\n')
    else {
      push.say(`error: refusing to update checked out branch: ${found.ref}\n`)
      refused.set(found.ref, 'branch is currently checked out')
    }
    return refused
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
