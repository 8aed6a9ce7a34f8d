// Connections that have not logged in yet: bounded in number and time. When there are too many, one of whoever has most of them goes, the oldest: somebody
// who opens many and says nothing keeps out nobody but himself.
import type { Socket } from 'node:net'

export class Logins {
  readonly #most: number
  readonly #timeoutMs: number
  readonly #waiting = new Map<Socket, { readonly address: string; readonly timer: NodeJS.Timeout }>()

  constructor(most: number, timeoutMs: number) {
    this.#most = most
    this.#timeoutMs = timeoutMs
  }

  get count(): number {
    return this.#waiting.size
  }

  add(socket: Socket, address = socket.remoteAddress ?? ''): void {
    if (this.#waiting.size >= this.#most) this.#oldestOfMost()?.destroy()
    const timer = setTimeout(() => socket.destroy(), this.#timeoutMs)
    this.#waiting.set(socket, { address, timer })
    socket.once('close', () => this.remove(socket))
  }

  /** It has logged in, or is gone. */
  remove(socket: Socket): void {
    clearTimeout(this.#waiting.get(socket)?.timer)
    this.#waiting.delete(socket)
  }

  #oldestOfMost(): Socket | undefined {
    const counts = new Map<string, number>()
    for (const { address } of this.#waiting.values()) counts.set(address, (counts.get(address) ?? 0) + 1)
    const most = Math.max(...counts.values())
    const found = [...this.#waiting].find(([socket, { address }]) => counts.get(address) === most && !socket.destroyed)
    if (found) this.remove(found[0])
    return found?.[0]
  }
}
