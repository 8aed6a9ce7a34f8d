// How far a long command is, on standard error: one line that is drawn again on a terminal, now and then a line where there is none.
import type { Clock } from '../base/index.ts'

const redrawMs = 100
const lineEveryMs = 10_000
const barWidth = 20

export interface Screen {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

export class Progress {
  readonly #screen: Screen
  readonly #clock: Clock
  #drawn = false
  #lastMs = Number.NEGATIVE_INFINITY
  #lastPhase = ''

  constructor(screen: Screen, clock: Clock) {
    this.#screen = screen
    this.#clock = clock
  }

  /** @param total 0: not known */
  show(subject: string, phase: string, done: number, total: number): void {
    const now = this.#clock.monotonic()
    const everyMs = this.#screen.isTTY === true ? redrawMs : lineEveryMs
    if (phase === this.#lastPhase && now - this.#lastMs < everyMs) return
    if (this.#screen.isTTY !== true && this.#lastPhase === '' && now - this.#lastMs < everyMs) return
    this.#lastMs = now
    this.#lastPhase = phase
    const figures = `${done.toLocaleString('en')}${total > 0 ? `/${total.toLocaleString('en')}` : ''}`
    if (this.#screen.isTTY !== true) {
      this.#screen.write(`${subject}: ${phase} ${figures}\n`)
      return
    }
    const share = total > 0 ? Math.min(1, done / total) : 0
    const filled = Math.round(share * barWidth)
    const bar = total > 0 ? ` [${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] ${String(Math.floor(share * 100)).padStart(3)}%` : ''
    const line = `${subject}${bar} ${phase} ${figures}`
    this.#screen.write(`\r\u001b[K${line.slice(0, Math.max(20, (this.#screen.columns ?? 80) - 1))}`)
    this.#drawn = true
  }

  /** Takes the bar away, so that something else can be written. */
  clear(): void {
    if (this.#drawn) this.#screen.write('\r\u001b[K')
    this.#drawn = false
    this.#lastPhase = ''
    this.#lastMs = Number.NEGATIVE_INFINITY
  }
}

/** `143.2 MB` */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
