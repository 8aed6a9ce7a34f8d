// One command's channel as a line that git's services talk on. ssh2 counts windows but not what the socket holds, and keeps what is written while keys
// are exchanged anew: here both are waited for. Invariants: what is written waits for the client, in the channel, in the library and in the socket
// alike, and no more than one write is under way; a client that takes or sends too little is cut off; when it is gone, nobody waits for it.
import type { Socket } from 'node:net'
import type { ServerChannel } from 'ssh2'
import { asBuffer, InputError, LeastPace } from '../base/index.ts'
import type { GitAnswer, GitCall, GitLine } from '../git/index.ts'
import type { SshLimits } from './limits.ts'

export interface ChannelLineOptions {
  readonly channel: ServerChannel
  /** Under the channel, with other channels. */
  readonly socket: Socket
  readonly limits: Pick<SshLimits, 'requestTimeoutMs' | 'slowestBytesPerSecond' | 'slowGraceMs'>
  /** Asks again whether the command may be done, and on what. */
  readonly renew: () => Promise<GitCall>
  /** Ends the connection: its client takes too little. */
  readonly cut: (reason: string) => void
}

export class ChannelLine implements GitLine {
  readonly #options: ChannelLineOptions
  readonly #gone = new AbortController()
  readonly #pace: LeastPace
  #isOver = false
  #isKeying = false
  #waiting: Promise<void> | undefined
  #wake: () => void = () => {}
  /** Payload, without what SSH adds. */
  readonly bytes = { in: 0, out: 0 }

  constructor(options: ChannelLineOptions) {
    this.#options = options
    this.#pace = new LeastPace(options.limits)
    const { channel } = options
    // a channel that was closed says so only when all has been read
    channel.on('readable', () => {
      if (channel.readableLength === 0) channel.read()
    })
    channel.on('close', () => this.leave())
    channel.on('error', () => this.leave())
    channel.stderr.on('error', () => this.leave())
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** What the client has sent and nobody has read. */
  get unreadBytes(): number {
    return this.#options.channel.readableLength
  }

  /** The client is gone, or the connection is. */
  leave(): void {
    this.#gone.abort(new Error('the client closed the connection'))
    this.#wake()
  }

  /** Keys are as they should be again: what was kept back has been sent. */
  keyed(): void {
    this.#isKeying = false
    this.#wake()
  }

  async read(pace: 'patient' | 'paced'): Promise<Uint8Array | null> {
    const { channel, limits } = this.#options
    const endMs = performance.now() + limits.requestTimeoutMs
    for (;;) {
      const bytes = channel.read() as Buffer | null
      if (bytes !== null) {
        this.bytes.in += bytes.length
        this.#pace.arrived(bytes.length)
        return bytes
      }
      if (channel.readableEnded) return null
      if (this.gone.aborted) throw new InputError('client-gone', 'the client closed the connection')
      const startedMs = performance.now()
      const isLate = await this.#arrival(pace === 'paced' ? this.#pace.leftMs : endMs - startedMs)
      if (pace === 'paced') this.#pace.waited(performance.now() - startedMs)
      if (isLate) throw new InputError('slow-body', pace === 'paced' ? 'what you send arrives too slowly' : 'nothing came for too long')
    }
  }

  answer(): GitAnswer {
    return {
      gone: this.gone,
      write: (bytes) => this.#write(bytes),
      end: (bytes) => void (bytes && this.#write(bytes)),
      fail: (bytes) => {
        this.#isOver = true
        if (bytes) void this.#write(bytes)
      },
      break: () => {
        this.#isOver = true
      },
    }
  }

  async flush(): Promise<void> {
    while (this.#waiting && !this.gone.aborted) await this.#waiting
  }

  renew(): Promise<GitCall> {
    return this.#options.renew()
  }

  /** A line for the user beside the protocol: ssh prints it on his standard error. */
  async say(text: string): Promise<void> {
    await this.flush()
    if (!this.gone.aborted) this.#options.channel.stderr.write(text)
  }

  /** The command has ended. Resolves when the client has all, or is gone. */
  async end(status: number): Promise<void> {
    await this.flush()
    const { channel } = this.#options
    if (this.gone.aborted) return
    channel.exit(status)
    channel.end()
  }

  #write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.gone.aborted || bytes.length === 0) return undefined
    const { channel, socket } = this.#options
    this.bytes.out += bytes.length
    // each packet is several writes of the library's
    socket.cork()
    process.nextTick(() => socket.uncork())
    const sentBytes = socket.bytesWritten
    const waitingBytes = channel.writableLength
    try {
      channel.write(asBuffer(bytes), () => this.#wake())
    } catch {
      this.leave() // the connection was put away in this very turn
      return undefined
    }
    const takenBytes = bytes.length - (channel.writableLength - waitingBytes)
    if (socket.bytesWritten - sentBytes < takenBytes) this.#isKeying = true
    if (this.#hasRoom()) return undefined
    this.#waiting ??= this.#room().finally(() => {
      this.#waiting = undefined
    })
    return this.#waiting
  }

  #hasRoom(): boolean {
    const { channel, socket } = this.#options
    return channel.writableLength === 0 && !this.#isKeying && !socket.writableNeedDrain
  }

  async #room(): Promise<void> {
    const { channel, cut, limits, socket } = this.#options
    const waitingBytes = channel.writableLength + socket.writableLength
    const longestMs = limits.slowGraceMs + (waitingBytes / limits.slowestBytesPerSecond) * 1000
    const timer = setTimeout(() => cut('the client takes too little'), Math.min(longestMs, 2 ** 31 - 1))
    const awake = () => this.#wake()
    socket.on('drain', awake)
    try {
      while (!this.#hasRoom() && !this.gone.aborted) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      clearTimeout(timer)
      socket.off('drain', awake)
      this.#wake = () => {}
    }
  }

  /** Resolves when there may be something to read; true: not within that time. */
  async #arrival(withinMs: number): Promise<boolean> {
    const { channel } = this.#options
    const events = ['readable', 'end', 'close'] as const
    return await new Promise((resolve) => {
      const done = (isLate: boolean) => {
        clearTimeout(timer)
        for (const event of events) channel.off(event, awake)
        this.gone.removeEventListener('abort', awake)
        resolve(isLate)
      }
      const awake = () => done(false)
      const timer = setTimeout(() => done(true), Math.max(0, withinMs))
      for (const event of events) channel.on(event, awake)
      this.gone.addEventListener('abort', awake)
    })
  }
}
