// One command from its line to its exit status: what is asked for, whether that may be, and git's service that answers. What goes wrong is said on
// the client's standard error, in words that begin with ERROR, as other hosts have it.
import { type Action, actorBy, identityKey, type KeyBearer, touchSshKey } from '../access/index.ts'
import { CorruptError, InputError, type Log, UnavailableError } from '../base/index.ts'
import type { RateLimits } from '../http/index.ts'
import { converse, everywhere, type GitCall, type GitRoom, protocolVersion } from '../git/index.ts'
import { type AdmissionParts, admit, type Admitted } from './admission.ts'
import type { ChannelLine } from './channel-line.ts'
import { parseSshCommand, type SshCommand } from './command-line.ts'
import { lfsAuthenticate, type LfsParts } from './lfs-authenticate.ts'

export interface CommandParts extends AdmissionParts, LfsParts {
  /** Each command counts as one request of git's. */
  readonly rates: RateLimits
  readonly git: GitRoom
  readonly log: Log
}

/** Whoever has logged in, and what he asks for. */
export interface AskedCommand {
  readonly fingerprint: Uint8Array
  /** As he logged in, and as he is known by his key. */
  readonly user: string
  readonly name: string
  readonly ip: string
  readonly line: string
  /** GIT_PROTOCOL of his environment; empty: he set none. */
  readonly gitProtocol: string
}

/** Why a command ends before git has a word: for the client's eyes. */
class Refused extends Error {}

/** The exit status of git's own deaths. */
const failed = 128

/** Runs the command to its end, and never rejects. `openLine` is given what renews the command's call. */
export async function runCommand(
  parts: CommandParts,
  asked: AskedCommand,
  openLine: (renew: () => Promise<GitCall>) => ChannelLine,
): Promise<void> {
  const startedMs = parts.clock.monotonic()
  const run = new Run(parts, asked)
  const line = openLine(() => run.call())
  let status = 0
  try {
    await run.serve(line)
    if (line.isOver) status = failed
  } catch (error) {
    status = failed
    const words = run.wordsOf(error)
    await line.say(`ERROR: ${words}\n`)
  }
  await line.flush()
  const told = line.gone.aborted ? null : status // null: nobody was there to be told
  await line.end(status)
  const ms = Math.round(parts.clock.monotonic() - startedMs)
  parts.log.info({ ...run.facts, status: told, ms, bytes: line.bytes, ip: asked.ip }, 'answered over SSH')
}

class Run {
  readonly #parts: CommandParts
  readonly #asked: AskedCommand
  readonly #requestId: string
  #command: SshCommand | null = null

  constructor(parts: CommandParts, asked: AskedCommand) {
    this.#parts = parts
    this.#asked = asked
    this.#requestId = parts.randomness.uuid()
  }

  /** For the log. */
  get facts() {
    const command = this.#command
    const name = command && (command.kind === 'git' ? command.service : `git-lfs-authenticate ${command.operation}`)
    return { reqId: this.#requestId, command: name, repository: command && nameOf(command), account: this.#asked.name }
  }

  async serve(line: ChannelLine): Promise<void> {
    const { user } = this.#asked
    if (user !== 'git') throw new Refused(`log in as git, not as ${shown(user)}: ssh://git@HOST/OWNER/REPOSITORY`)
    const command = parseSshCommand(this.#asked.line)
    this.#command = command
    const admitted = await this.#admit(command)
    this.#assertRate(admitted.bearer)
    void touchSshKey(this.#parts.db.queries, admitted.bearer, this.#parts.clock, this.#parts.log)
    if (command.kind === 'git') return await converse(this.#parts.git, command.service, this.#callOf(admitted, command), line)
    line.answer().end(Buffer.from(await lfsAuthenticate(this.#parts, admitted, command.operation, nameOf(command))))
    await line.flush()
  }

  /** The call as it is now. */
  async call(): Promise<GitCall> {
    const command = this.#command
    if (command === null) throw new Error('a command that was not read')
    return this.#callOf(await this.#admit(command), command)
  }

  /** Throws Refused in the words that are the same for what isn't there and for what he may not know of. */
  async #admit(command: SshCommand): Promise<Admitted> {
    const isChange = command.kind === 'git' ? command.service === 'git-receive-pack' : command.operation === 'upload'
    const action: Action = isChange ? 'repository:push' : 'repository:read'
    const admission = await admit(this.#parts, this.#asked.fingerprint, action, command.path)
    if (admission === 'no-key') throw new Refused('This key is not known any more.')
    if (admission === 'suspended') throw new Refused('This account is suspended.')
    if (admission === 'forbidden') throw new Refused(`You may read ${nameOf(command)}, but not push to it.`)
    if (admission === 'hidden') throw new Refused('Repository not found.')
    return admission
  }

  #assertRate({ identity }: KeyBearer): void {
    const charge = this.#parts.rates.charge('git', 'POST', identityKey(identity), this.#asked.ip)
    if (charge?.isAllowed !== false) return
    throw new Refused(`Too many requests; try again in ${Math.max(1, Math.ceil(charge.waitMs / 1000))} s.`)
  }

  #callOf({ identity, repository, repositoryToCreate }: Admitted, { path }: SshCommand): GitCall {
    return {
      identity,
      repository,
      repositoryToCreate,
      actor: { ...actorBy(identity), ip: this.#asked.ip, requestId: this.#requestId },
      path: path ?? { owner: '', repo: '' },
      version: protocolVersion(this.#asked.gitProtocol),
      isStateful: true,
      ...everywhere,
    }
  }

  /** For the client's eyes; what is none of his business is logged instead. */
  wordsOf(error: unknown): string {
    if (error instanceof Refused || error instanceof InputError) return error.message
    if (error instanceof UnavailableError) return 'The server can’t answer now; try again in a few seconds.'
    const alarm = error instanceof CorruptError
    this.#parts.log.error({ err: error, alarm, ...this.facts }, alarm ? 'ALARM: stored data is wrong' : 'an SSH command failed')
    return 'The server failed; try again later.'
  }
}

function nameOf({ path }: SshCommand): string {
  return path === null ? '' : `${path.owner}/${path.repo}`
}

function shown(text: string): string {
  return `'${text.slice(0, 40).replaceAll(/[^\x21-\x7e]/g, '?')}'`
}
