// How far a long command is, on standard error: one line that is drawn again on a terminal; where there is none a line now and then, and one for the end of
// each phase, so that what was written last is how far it came.
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
  /** What was last shown, and what would have been if it had been time. */
  #written = ''
  #unwritten = ''

  constructor(screen: Screen, clock: Clock) {
    this.#screen = screen
    this.#clock = clock
  }

  /** @param total 0: not known */
  show(subject: string, phase: string, done: number, total: number): void {
    const now = this.#clock.monotonic()
    const everyMs = this.#screen.isTTY === true ? redrawMs : lineEveryMs
    const figures = `${done.toLocaleString('en')}${total > 0 ? `/${total.toLocaleString('en')}` : ''}`
    const text = `${subject}: ${phase} ${figures}\n`
    if (phase === this.#lastPhase && now - this.#lastMs < everyMs) {
      this.#unwritten = text
      return
    }
    if (phase !== this.#lastPhase) this.#endPhase()
    this.#lastMs = now
    this.#lastPhase = phase
    this.#unwritten = ''
    if (this.#screen.isTTY !== true) {
      this.#screen.write(text)
      this.#written = text
      return
    }
    const share = total > 0 ? Math.min(1, done / total) : 0
    const filled = Math.round(share * barWidth)
    const bar = total > 0 ? ` [${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}] ${String(Math.floor(share * 100)).padStart(3)}%` : ''
    const line = `${subject}${bar} ${phase} ${figures}`
    this.#screen.write(`\r\u001b[K${line.slice(0, Math.max(20, (this.#screen.columns ?? 80) - 1))}`)
    this.#drawn = true
  }

  /** Where there is no terminal: how far the phase came. */
  #endPhase(): void {
    if (this.#screen.isTTY !== true && this.#unwritten !== '' && this.#unwritten !== this.#written) this.#screen.write(this.#unwritten)
    this.#unwritten = ''
  }

  /** Takes the bar away, so that something else can be written. */
  clear(): void {
    if (this.#drawn) this.#screen.write('\r\u001b[K')
    this.#endPhase()
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
