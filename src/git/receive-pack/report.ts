// What a pushing client is told while its push goes on and at its end: progress and errors on band 2, the report on band 1, in the words
// and frames that it asked for (gitprotocol-pack(5), gitprotocol-common(5)).
import { Band, type Capability, encodeBand, flushPkt, hasCapability, sidebandLimits } from '../format/index.ts'

/** Where the report goes. */
export interface ReportSink {
  write(bytes: Uint8Array): Promise<void> | undefined
  end(bytes?: Uint8Array): void
}

export interface ReportOptions {
  /** Longest frame; null: the client has no side-band, so only the report itself can be sent. */
  readonly frameBytes: number | null
  /** The client wants no progress. */
  readonly quiet: boolean
}

const phases = { receiving: 'Unpacking objects', resolving: 'Resolving deltas', checking: 'Checking connectivity' }
const phaseIntervalMs = 250

export class Reporter {
  readonly #sink: ReportSink
  readonly #options: ReportOptions
  #phase: keyof typeof phases | undefined
  #total = 0
  #shownAt = Number.NEGATIVE_INFINITY

  constructor(sink: ReportSink, options: ReportOptions) {
    this.#sink = sink
    this.#options = options
  }

  /** The client's capabilities say how it reads. */
  static frames(capabilities: readonly Capability[]): ReportOptions {
    const frameBytes = hasCapability(capabilities, 'side-band-64k')
      ? sidebandLimits['side-band-64k']
      : hasCapability(capabilities, 'side-band')
        ? sidebandLimits['side-band']
        : null
    return { frameBytes, quiet: hasCapability(capabilities, 'quiet') }
  }

  /** Shown as `remote: …`. */
  message(text: string | Uint8Array): void {
    this.#band(Band.progress, text)
  }

  /** A line of progress that is written over by the next; at most four times a second. `now` in ms. */
  progress(phase: keyof typeof phases, done: number, total: number, now: number): void {
    if (this.#options.quiet) return
    const ends = done >= total
    if (this.#phase === phase && !ends && now - this.#shownAt < phaseIntervalMs) return
    if (this.#phase !== phase) this.endProgress()
    else if (ends && this.#total === -1) return
    this.#phase = phase
    this.#shownAt = now
    this.#total = ends ? -1 : total
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100)
    const line = `${phases[phase]}: ${String(percent).padStart(3)}% (${done}/${total})`
    this.message(ends ? `${line}, done.\n` : `${line}\r`)
  }

  /** Closes an unfinished line of progress. */
  endProgress(): void {
    if (this.#phase !== undefined && this.#total !== -1) this.message('\n')
    this.#phase = undefined
    this.#total = 0
  }

  /** An empty frame: the connection is alive. */
  keepAlive(): void {
    if (this.#options.frameBytes !== null) void this.#sink.write(new Uint8Array(Buffer.from('0005\x02', 'latin1')))
  }

  /** The report's lines (already pkt-lines, flush included); null when the client wants none. */
  async report(report: Uint8Array | null): Promise<void> {
    this.endProgress()
    if (report === null) return
    const { frameBytes } = this.#options
    await this.#sink.write(frameBytes === null ? report : encodeBand(Band.data, report, frameBytes))
  }

  end(): void {
    this.#sink.end(this.#options.frameBytes === null ? undefined : flushPkt)
  }

  #band(band: Band, text: string | Uint8Array): void {
    if (this.#options.frameBytes !== null) void this.#sink.write(encodeBand(band, text, this.#options.frameBytes))
  }
}
