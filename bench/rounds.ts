// What was measured of servers that take turns: by server and line of work, round after round; and the table that sets the first of them beside the best of the others.
import { markdownTable, median, short } from './table.ts'

export interface Round {
  readonly perSecond: number
  /** Processor time of the server for one operation. */
  readonly cpuMs: number
  readonly timesMs: readonly number[]
}

interface Figures {
  readonly perSecond: number
  readonly cpuMs: number
  readonly p50: number
  readonly p99: number
}

export class Rounds {
  readonly #rounds = new Map<string, Round[]>()

  add(server: string, line: string, round: Round): void {
    const key = `${server}\n${line}`
    this.#rounds.set(key, [...(this.#rounds.get(key) ?? []), round])
    const { perSecond, p99, cpuMs } = figures([round])
    console.log(`${line} ${server}: ${short(perSecond)}/s, p99 ${short(p99)} ms, CPU ${short(cpuMs)} ms`)
  }

  /** Operations a second; p50 / p99; processor time. Of several rounds the medians. @param servers the first is set beside the others */
  table(servers: readonly string[], lines: readonly { readonly name: string; readonly clients: number }[]): string {
    const rows = lines.map(({ name: line, clients }) => {
      const [mine, ...peers] = servers.map((server) => figures(this.#rounds.get(`${server}\n${line}`) ?? [])) as [Figures, ...Figures[]]
      return [
        `${line}, ${clients} clients`,
        ...[mine, ...peers].map(({ perSecond, p50, p99, cpuMs }) => `${short(perSecond)}; ${short(p50)} / ${short(p99)}; ${short(cpuMs)}`),
        `**${short(mine.perSecond / Math.max(...peers.map((one) => one.perSecond)))}**`,
        short(mine.p99 / Math.min(...peers.map((one) => one.p99))),
        short(mine.cpuMs / Math.min(...peers.map((one) => one.cpuMs))),
      ]
    })
    return markdownTable(['work', ...servers, 'throughput ÷ best peer', 'p99 ÷ best peer', 'CPU ÷ best peer'], rows)
  }
}

function figures(rounds: readonly Round[]): Figures {
  const times = rounds.flatMap(({ timesMs }) => timesMs)
  return {
    perSecond: median(rounds.map((round) => round.perSecond)),
    cpuMs: median(rounds.map((round) => round.cpuMs)),
    p50: median(times),
    p99: times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN,
  }
}
