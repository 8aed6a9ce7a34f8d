// The proc-receive hook's own little protocol (githooks(5)): version and capabilities, commands, push options; back come `ok`, `ng` and
// `option` lines. What it answers for a command is what became of it; with `option fall-through` the command goes the ordinary way.
import { InputError, withoutEnd } from '../../base/index.ts'
import { encodePkt, flushPkt, type ObjectId, parseObjectId, PktLineReader, pktText, type ObjectFormat } from '../format/index.ts'
import { failAll, type PushCommand, type RefReport } from './commands.ts'
import type { HookProcess, HookPush } from './push-hooks.ts'

/** receive.procReceiveRefs, `[adm!:]prefix` each: whether the command is one for the hook. */
export function isForProcReceive(patterns: readonly string[], { ref, action }: Pick<PushCommand, 'ref' | 'action'>): boolean {
  const letter = { create: 'a', update: 'm', delete: 'd' }[action]
  for (const pattern of patterns) {
    const colon = pattern.indexOf(':')
    const modifiers = colon < 0 ? 'adm' : pattern.slice(0, colon)
    if (!modifiers.includes(letter)) continue
    const prefix = withoutEnd(pattern.slice(colon + 1), '/')
    const matches = ref.startsWith(prefix) && (ref.length === prefix.length || ref[prefix.length] === '/')
    if (matches !== modifiers.includes('!')) return true
  }
  return false
}

/**
 * Gives the scheduled commands to the hook and takes its answers; what it doesn't answer for is refused.
 * @param start starts the hook; null: there is none
 */
export async function procReceive(
  commands: readonly PushCommand[],
  push: HookPush,
  format: ObjectFormat,
  start: (push: HookPush) => HookProcess | null,
): Promise<void> {
  const faults: string[] = []
  const hook = start(push)
  const isSound = hook ? await converse(hook, commands, push, format, faults) : false
  if (!hook) faults.push("cannot find hook 'proc-receive'")
  if (faults.length > 0) push.say(`error: ${faults.join('\n')}\n`)
  if (isSound) return
  failAll(
    commands.filter((command) => command.hook !== 'answered' && (command.hook === 'scheduled' || push.isAtomic)),
    'fail to run proc-receive hook',
  )
}

/** False when the hook failed, or refused something. */
async function converse(
  hook: HookProcess,
  commands: readonly PushCommand[],
  push: HookPush,
  format: ObjectFormat,
  faults: string[],
): Promise<boolean> {
  const reader = new PktLineReader(hook.output)
  let isSound = true
  try {
    isSound = await speak(hook, reader, commands, push, format, faults)
  } catch (error) {
    if (!(error instanceof InputError)) throw error
    faults.push(error.message)
    isSound = false
  } finally {
    hook.end()
  }
  await reader.close()
  return (await hook.exit) === 0 && isSound
}

async function speak(
  hook: HookProcess,
  reader: PktLineReader,
  commands: readonly PushCommand[],
  push: HookPush,
  format: ObjectFormat,
  faults: string[],
): Promise<boolean> {
  const capabilities = [push.isAtomic ? 'atomic' : null, push.options ? 'push-options' : null].filter((word) => word !== null)
  hook.write(encodePkt(`version=1${capabilities.length > 0 ? `\0${capabilities.join(' ')}` : ''}\n`))
  hook.write(flushPkt)
  const greeting = await readLines(reader)
  const version = greeting?.map((line) => /^version=(\d+)(?:\0(.*))?$/s.exec(line)).findLast((match) => match !== null)
  if (greeting === null) {
    faults.push('fail to negotiate version with proc-receive hook')
    return false
  }
  if (Number(version?.[1] ?? 0) > 1) {
    faults.push(`proc-receive version '${version?.[1]}' is not supported`)
    return false
  }
  for (const { hook: state, error, oldId, newId, refBytes } of commands) {
    if (state !== 'scheduled' || error !== null) continue
    hook.write(encodePkt(Buffer.concat([Buffer.from(`${oldId} ${newId} `), refBytes])))
  }
  hook.write(flushPkt)
  if ((version?.[2] ?? '').split(' ').includes('push-options')) {
    for (const option of push.options ?? []) hook.write(encodePkt(option))
    hook.write(flushPkt)
  }
  return readAnswers(await readLines(reader, true), commands, format, faults)
}

/** Lines up to a flush; null when the stream ends instead — at once, if an end behind some lines will do. */
async function readLines(reader: PktLineReader, mayEnd = false): Promise<string[] | null> {
  const lines: string[] = []
  for (;;) {
    const pkt = await reader.read()
    if (pkt === null) return mayEnd && lines.length > 0 ? lines : null
    if (pkt.type !== 'data') return lines
    lines.push(pktText(pkt.data))
  }
}

function readAnswers(lines: readonly string[] | null, commands: readonly PushCommand[], format: ObjectFormat, faults: string[]): boolean {
  if (lines === null) {
    faults.push('proc-receive exited abnormally')
    return false
  }
  const answers = new Answers(commands, format, faults)
  for (const line of lines) answers.line(line)
  for (const command of commands) {
    if (command.hook !== 'scheduled' || command.error !== null) continue
    command.error = 'proc-receive failed to report status'
    answers.isSound = false
  }
  return answers.isSound
}

class Answers {
  isSound = true
  readonly #byName: ReadonlyMap<string, PushCommand>
  readonly #format: ObjectFormat
  readonly #faults: string[]
  #command: PushCommand | null = null // what option lines are about
  #toldOfOptions = false
  #begins = false // the last line said `ok`: an option line begins a report

  constructor(commands: readonly PushCommand[], format: ObjectFormat, faults: string[]) {
    this.#byName = new Map(commands.map((command) => [command.ref, command]))
    this.#format = format
    this.#faults = faults
  }

  line(text: string): void {
    const [, word = '', rest = ''] = /^([^ ]*) (.*)$/s.exec(text) ?? []
    if (!text.includes(' ')) this.#fault(`proc-receive reported incomplete status line: '${text}'`)
    else if (word === 'option') this.#option(rest)
    else this.#status(word, rest)
  }

  #status(word: string, rest: string): void {
    const space = rest.indexOf(' ')
    const ref = space < 0 ? rest : rest.slice(0, space)
    this.#begins = false
    this.#command = null
    if (word !== 'ok' && word !== 'ng') return this.#fault(`proc-receive reported bad status '${word}' on ref '${ref}'`)
    const command = this.#byName.get(ref)
    if (command === undefined) return this.#fault(`proc-receive reported status on unknown ref: ${ref}`)
    if (command.hook === 'none') return this.#fault(`proc-receive reported status on unexpected ref: ${ref}`)
    command.hook = 'answered'
    if (word === 'ng') {
      command.error = space < 0 ? 'failed' : rest.slice(space + 1)
      this.isSound = false
      return
    }
    this.#command = command
    this.#begins = true
  }

  #option(rest: string): void {
    const command = this.#command
    if (command === null) {
      if (!this.#toldOfOptions) this.#faults.push("proc-receive reported 'option' without a matching 'ok/ng' directive")
      this.#toldOfOptions = true
      this.isSound = false
      return
    }
    const space = rest.indexOf(' ')
    const [key, value] = space < 0 ? [rest, null] : [rest.slice(0, space), rest.slice(space + 1)]
    const last: RefReport = this.#begins ? {} : (command.reports.at(-1) ?? {})
    const before = this.#begins ? command.reports : command.reports.slice(0, -1)
    this.#begins = false
    if (key === 'fall-through') command.hook = 'none'
    command.reports = [...before, { ...last, ...this.#told(key, value) }]
  }

  #told(key: string, value: string | null): RefReport {
    if (key === 'refname' && value !== null) return { refname: value }
    if (key === 'forced-update') return { isForced: true }
    const oid: ObjectId | null = value === null ? null : parseObjectId(value, this.#format)
    if (key === 'old-oid' && oid !== null) return { oldId: oid }
    return key === 'new-oid' && oid !== null ? { newId: oid } : {}
  }

  #fault(text: string): void {
    this.#faults.push(text)
    this.isSound = false
  }
}
