// A conversation over a MessagePort: each side sends messages, and streams of bytes with back-pressure. One side's bytes are taken by
// the other as an AsyncIterable; at most `windowBytes` are under way, the taker grants more as it goes on.
import type { MessagePort, Transferable } from 'node:worker_threads'
import { CorruptError, InputError, UnavailableError } from './errors.ts'

const windowBytes = 1 << 20

type Frame =
  | { readonly type: 'bytes'; readonly bytes: Uint8Array }
  | { readonly type: 'end' }
  | { readonly type: 'taken'; readonly sizeBytes: number }
  | { readonly type: 'message'; readonly message: unknown }
  | { readonly type: 'error'; readonly error: PlainError }

interface PlainError {
  readonly family: string
  readonly code: string
  readonly message: string
  readonly stack: string | undefined
}

/** One end of a conversation. `M` is what the other end sends as messages. */
export class MessageStream<M> {
  readonly #port: MessagePort
  readonly #frames: Frame[] = []
  #wake: (() => void) | undefined
  #closed = false
  #underWay = 0
  #granted: (() => void) | undefined

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (frame: Frame) => {
      if (frame.type === 'taken') {
        this.#underWay -= frame.sizeBytes
        this.#granted?.()
        return
      }
      this.#frames.push(frame)
      this.#wake?.()
    })
    port.on('close', () => {
      this.#closed = true
      this.#wake?.()
      this.#granted?.()
    })
  }

  /** True when the other end has gone: what is sent now reaches nobody. */
  get closed(): boolean {
    return this.#closed
  }

  send(message: unknown, transfer: readonly Transferable[] = []): void {
    this.#port.postMessage({ type: 'message', message } satisfies Frame, [...transfer])
  }

  /** Tells the other end that its work failed: its next read throws the same family of error. */
  fail(error: unknown): void {
    this.#port.postMessage({ type: 'error', error: toPlain(error) } satisfies Frame)
  }

  /**
   * Sends bytes; resolves when there is room for more. `give: true` hands the whole underlying buffer over (the caller may not use it again);
   * otherwise the bytes are copied. Bytes for an end that has gone are dropped.
   */
  async sendBytes(bytes: Uint8Array, give = false): Promise<void> {
    if (this.#closed) return
    this.#underWay += bytes.length
    if (give && bytes.buffer instanceof ArrayBuffer) this.#port.postMessage({ type: 'bytes', bytes } satisfies Frame, [bytes.buffer])
    else this.#port.postMessage({ type: 'bytes', bytes } satisfies Frame)
    while (this.#underWay >= windowBytes && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#granted = resolve
      })
    }
  }

  endBytes(): void {
    this.#port.postMessage({ type: 'end' } satisfies Frame)
  }

  /** The other end's bytes up to its `endBytes`. Throws what it failed with; UnavailableError('worker') when it went away. */
  async *bytes(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const frame = await this.#next()
      if (frame.type === 'end') return
      if (frame.type !== 'bytes') throw new Error(`expected bytes, got ${frame.type}`)
      const sizeBytes = frame.bytes.length
      yield frame.bytes
      this.#port.postMessage({ type: 'taken', sizeBytes } satisfies Frame)
    }
  }

  /** The other end's messages and bytes in the order in which they were sent, up to its `endBytes`. Throws as `bytes` does. */
  async *all(): AsyncGenerator<{ readonly message: M } | { readonly bytes: Uint8Array }, void, undefined> {
    for (;;) {
      const frame = await this.#next()
      if (frame.type === 'end') return
      if (frame.type === 'message') yield { message: frame.message as M }
      else {
        const sizeBytes = frame.bytes.length
        yield { bytes: frame.bytes }
        this.#port.postMessage({ type: 'taken', sizeBytes } satisfies Frame)
      }
    }
  }

  /** The other end's next message; bytes may not come first. Throws as `bytes` does. */
  async message(): Promise<M> {
    const frame = await this.#next()
    if (frame.type !== 'message') throw new Error(`expected a message, got ${frame.type}`)
    return frame.message as M
  }

  async #next(): Promise<Exclude<Frame, { type: 'error' } | { type: 'taken' }>> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame?.type === 'error') throw fromPlain(frame.error)
      if (frame && frame.type !== 'taken') return frame
      if (this.#closed) throw new UnavailableError('worker', 'the other end of a job has gone')
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

function toPlain(error: unknown): PlainError {
  if (error instanceof InputError || error instanceof CorruptError || error instanceof UnavailableError) {
    return { family: error.name, code: error.code, message: error.message, stack: error.stack }
  }
  if (error instanceof Error) return { family: 'Error', code: '', message: error.message, stack: error.stack }
  return { family: 'Error', code: '', message: String(error), stack: undefined }
}

function fromPlain(plain: PlainError): Error {
  const cause = plain.stack === undefined ? undefined : { stack: plain.stack }
  switch (plain.family) {
    case 'InputError':
      return new InputError(plain.code, plain.message)
    case 'CorruptError':
      return new CorruptError(plain.code, plain.message, { cause })
    case 'UnavailableError':
      return new UnavailableError(plain.code, plain.message, { cause })
    default:
      return new Error(plain.message, { cause })
  }
}
