// One SSH connection: the login by key, then commands, each on a channel of its own. Everything else that SSH can do is refused, with words where the
// protocol has room for them. Invariants: a connection that doesn't log in, or runs nothing, ends; what a client sends or leaves unread is bounded.
import type { Socket } from 'node:net'
import ssh2 from 'ssh2'
import type { AuthContext, Connection as SshConnection, PublicKeyAuthContext, ServerChannel, Session } from 'ssh2'
import { decodeSshKey, type KeyBearer, type SshPublicKey } from '../access/index.ts'
import { InputError, type Log } from '../base/index.ts'
import { ChannelLine } from './channel-line.ts'
import {
  leastPacketBytes,
  lingerMs,
  mostAuthRequests,
  mostCommands,
  mostTries,
  mostUnreadBytes,
  mostUnsentBytes,
  type SshLimits,
} from './limits.ts'
import { type AskedCommand, type CommandParts, runCommand } from './run-command.ts'
import { isSignatureGood } from './user-signature.ts'

export interface ConnectionParts extends CommandParts {
  readonly limits: SshLimits
  readonly findBearer: (queries: CommandParts['db']['queries'], fingerprint: Uint8Array) => Promise<KeyBearer | 'suspended' | null>
}

const speaks = 'This server speaks git: git clone ssh://git@HOST/OWNER/REPOSITORY.git'

/** Who has logged in. */
interface Login {
  readonly fingerprint: Uint8Array
  readonly user: string
  readonly name: string
}

export class Connection {
  readonly #parts: ConnectionParts
  readonly #client: SshConnection
  readonly #socket: Socket
  readonly #log: Log
  readonly #lines = new Set<ChannelLine>()
  readonly #onLogin: () => void
  #login: Login | null = null
  #tries = 0
  #authRequests = 0
  #sessions = 0
  #isEnding = false
  #idle: NodeJS.Timeout | undefined

  constructor(parts: ConnectionParts, client: SshConnection, socket: Socket, onLogin: () => void) {
    this.#parts = parts
    this.#client = client
    this.#socket = socket
    this.#onLogin = onLogin
    this.#log = parts.log.child({ ip: socket.remoteAddress })
    // once for each exchange of keys, the first one too
    client.on('handshake', () => this.#lines.forEach((line) => line.keyed()))
    client.on('authentication', (context) => void this.#authenticate(context))
    client.on('ready', () => this.#ready())
    client.on('session', (accept, reject) => this.#openSession(accept, reject))
    client.on('request', (_accept, reject) => reject?.())
    client.on('error', (error: Error & { level?: string }) => {
      this.#log.debug({ err: error }, 'an SSH connection failed')
      this.#closed()
      socket.destroy()
    })
    // at once: what is written when the library has put the connection away is thrown back at whoever writes
    client.on('end', () => this.#closed())
    socket.on('close', () => this.#closed())
    socket.on('data', () => this.#bound())
  }

  /** Ends it, now or when its commands have ended. */
  end(): void {
    this.#isEnding = true
    if (this.#lines.size === 0) this.#leave()
  }

  /** Says good-bye, and waits a while for the client to hang up. */
  #leave(): void {
    this.#client.end()
    setTimeout(() => this.#socket.destroy(), lingerMs).unref()
  }

  #ready(): void {
    this.#onLogin()
    this.#log.debug({ account: this.#login?.name }, 'logged in over SSH')
    this.#rest()
  }

  #closed(): void {
    clearTimeout(this.#idle)
    for (const line of this.#lines) line.leave()
  }

  /** Nothing is run: for a while it may stay like that. */
  #rest(): void {
    clearTimeout(this.#idle)
    if (this.#lines.size > 0 || this.#socket.destroyed) return
    if (this.#isEnding) this.#leave()
    else this.#idle = setTimeout(() => this.#leave(), this.#parts.limits.idleTimeoutMs)
  }

  /** The library answers whatever comes, whether its answers are taken or not, and keeps whatever comes, whether it was allowed or not. */
  #bound(): void {
    for (const line of this.#lines) if (line.unreadBytes > mostUnreadBytes) return this.#cut('the client sends more than it may')
    if (this.#socket.writableLength <= mostUnsentBytes || this.#socket.isPaused()) return
    this.#socket.pause()
    this.#socket.once('drain', () => this.#socket.resume())
  }

  #cut(reason: string): void {
    this.#log.info({ account: this.#login?.name, reason }, 'an SSH connection was cut off')
    this.#closed()
    this.#socket.destroy()
  }

  async #authenticate(context: AuthContext): Promise<void> {
    if (++this.#authRequests > mostAuthRequests || this.#tries >= mostTries) return this.#cut('too many tries to log in')
    if (context.method !== 'publickey') {
      // everyone asks first what there is; a password is thrown away unread
      if (context.method !== 'none') this.#tries++
      return context.reject(['publickey'])
    }
    try {
      const login = await this.#loginBy(context)
      if (this.#socket.destroyed) return
      if (login !== null) {
        if (context.signature) this.#login = login
        return context.accept()
      }
      this.#tries++
      context.reject(['publickey'])
    } catch (error) {
      // not a refusal: the client would try its other keys, and tell its user that none is good
      this.#log.error({ err: error }, 'nobody can log in over SSH')
      this.#socket.destroy()
    }
  }

  /**
   * Null: the key isn't known, may not be used, or isn't the client's. Without a signature the client asks whether it is worth to sign: that the key
   * is known is what it must learn, and all that it learns.
   */
  async #loginBy({ blob, hashAlgo, key, signature, username }: PublicKeyAuthContext): Promise<Login | null> {
    const decoded = decode(key.data)
    if (decoded === null || decoded.type !== key.algo) return null
    const bearer = await this.#parts.findBearer(this.#parts.db.queries, decoded.fingerprint)
    if (bearer === null || bearer === 'suspended') return null
    if (signature && !(blob && isSignatureGood(decoded, { signed: blob, signature, hash: hashAlgo }))) return null
    const { identity } = bearer
    const name = identity.kind === 'account' ? identity.login : identity.kind === 'repository' ? identity.name : ''
    return { fingerprint: decoded.fingerprint, user: username, name }
  }

  #openSession(accept: () => Session, reject: () => void): void {
    if (this.#login === null || this.#isEnding || this.#sessions >= mostCommands) return reject()
    const login = this.#login
    const session = accept()
    this.#sessions++
    session.once('close', () => this.#sessions--)
    let gitProtocol = ''
    session.on('env', (acceptEnv, rejectEnv, { key, val }) => {
      const isTaken = key === 'GIT_PROTOCOL' && val.length <= 256
      if (isTaken) gitProtocol = val
      if (isTaken) acceptEnv?.()
      else rejectEnv?.()
    })
    session.on('exec', (open, _refuse, { command: line }) => {
      const asked = { ...login, ip: this.#socket.remoteAddress ?? '', line, gitProtocol }
      void this.#run(open(), asked)
    })
    session.on('shell', (open) => this.#tell(open(), `Hi ${login.name}! You have logged in, but there is no shell here. ${speaks}`))
    session.on('subsystem', (open, _refuse, { name }) => this.#tell(open(), `ERROR: There is no ${shown(name)} here. ${speaks}`))
    for (const event of ['pty', 'x11', 'auth-agent'] as const) session.on(event as 'pty', (_accept, refuse) => refuse?.())
  }

  async #run(channel: ServerChannel | undefined, asked: AskedCommand): Promise<void> {
    if (!this.#isFit(channel)) return
    const lines = this.#lines
    const opened: { line?: ChannelLine } = {}
    clearTimeout(this.#idle)
    await runCommand(this.#parts, asked, (renew) => {
      const cut = (reason: string) => this.#cut(reason)
      opened.line = new ChannelLine({ channel, socket: this.#socket, limits: this.#parts.limits, renew, cut })
      lines.add(opened.line)
      return opened.line
    })
    if (opened.line) lines.delete(opened.line)
    this.#rest()
  }

  #tell(channel: ServerChannel | undefined, text: string): void {
    if (!this.#isFit(channel)) return
    channel.on('error', () => {})
    channel.stderr.write(`${text}\n`)
    channel.exit(1)
    channel.end()
  }

  /** False: the client doesn't keep to the protocol, and is gone. */
  #isFit(channel: ServerChannel | undefined): channel is ServerChannel {
    if (channel === undefined) return false
    const { packetSize } = (channel as unknown as { outgoing: { packetSize: number } }).outgoing
    if (packetSize >= leastPacketBytes) return true
    this.#cut('the client takes too small packets')
    return false
  }
}

function decode(blob: Uint8Array): SshPublicKey | null {
  try {
    return decodeSshKey(blob)
  } catch (error) {
    if (error instanceof InputError) return null
    throw error
  }
}

function shown(text: string): string {
  return text.slice(0, 40).replaceAll(/[^\x21-\x7e]/g, '?')
}

/** The socket under a connection of ssh2's, which says nowhere else whose it is. */
export function socketOf(client: SshConnection): Socket {
  const { _sock: socket } = client as unknown as { _sock?: Socket }
  if (socket === undefined)
    throw new Error(`ssh2 ${String((ssh2 as unknown as { version?: string }).version)} has no socket in its connections any more`)
  return socket
}
