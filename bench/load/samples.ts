// What is measured: times by kind of request, and the server's memory once a second.
import type { Server } from '../../tests/support/server.ts'
import { median } from '../table.ts'

export class Times {
  readonly #byKind = new Map<string, number[]>()
  readonly errors: string[] = []
  errorCount = 0

  add(kind: string, ms: number): void {
    const times = this.#byKind.get(kind) ?? []
    this.#byKind.set(kind, times)
    times.push(ms)
  }

  fail(kind: string, what: string): void {
    this.errorCount++
    if (this.errors.length < 20) this.errors.push(`${kind}: ${what}`)
  }

  get kinds(): string[] {
    return [...this.#byKind.keys()].sort()
  }

  count(kind: string): number {
    return this.#byKind.get(kind)?.length ?? 0
  }

  percentile(kind: string, part: number): number {
    const times = (this.#byKind.get(kind) ?? []).toSorted((a, b) => a - b)
    return times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? Number.NaN
  }
}

const MiB = 1 << 20

export class MemorySamples {
  readonly #mib: number[] = []
  readonly #timer: NodeJS.Timeout

  constructor(server: Server) {
    this.#timer = setInterval(() => this.#mib.push(server.memory().residentBytes / MiB), 1000)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Median of a part of the time, from 0 to 1. */
  of(from: number, to: number): number {
    return median(this.#mib.slice(Math.floor(this.#mib.length * from), Math.max(1, Math.ceil(this.#mib.length * to))))
  }

  get peak(): number {
    return Math.max(...this.#mib)
  }
}
