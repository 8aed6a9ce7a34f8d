// One row of the comparison: what is done, how often, what has to be ready before, and what the issue asks for.
import { readFileSync } from 'node:fs'
import type { Git, TempFolder } from '../../tests/support/git.ts'
import type { NamedRepository } from '../arguments.ts'
import { type Contender, type Cpu, measure, type Sample, type StemmaContender } from '../contenders.ts'
import { firstPackByte } from '../raw-client.ts'
import { median, short } from '../table.ts'

/** As ratios to the peer. */
export interface Target {
  readonly wall?: number
  readonly cpu?: number
}

export interface Row {
  /** For `--only`: a part of it is enough. */
  readonly name: string
  readonly target?: Target
  /** Fewer or more than `--runs`. */
  readonly runs?: (runs: number) => number
  /** Measured; what has to be ready before is done in `prepare`. */
  readonly act: (contender: Contender, run: number) => Promise<unknown>
  readonly prepare?: (contender: Contender, run: number) => Promise<void>
  readonly finish?: (contender: Contender, run: number) => Promise<void>
  /** The fetch whose first pack byte is timed, in a request of its own that is prepared like a run. */
  readonly packRequest?: { readonly file: string; readonly url: (contender: Contender) => string }
}

/** What rows are made from: a repository that both contenders hold. */
export interface Bench {
  readonly git: Git
  readonly folder: TempFolder
  readonly contenders: readonly Contender[]
  readonly stemma: StemmaContender
  readonly repository: NamedRepository
  readonly url: (contender: Contender) => string
}

export interface Figures {
  readonly samples: readonly Sample[]
  readonly peakBytes: number
  readonly firstByteMs: number
}

export const head = [
  'repository, action',
  'runs',
  'wall ms',
  'peer ms',
  'ratio',
  'CPU ms',
  '+ PostgreSQL',
  'peer CPU ms',
  'ratio',
  '1st pack byte ms',
  'peer',
  'peak MiB',
  'peer',
  'target',
  'met',
]

/** Alternating runs after one that isn't counted, in which memory is watched. */
export async function runRow(row: Row, contenders: readonly Contender[], askedRuns: number): Promise<Map<Contender, Figures>> {
  const runs = row.runs?.(askedRuns) ?? askedRuns
  const samples = new Map<Contender, Sample[]>(contenders.map((contender) => [contender, []]))
  const peaks = new Map<Contender, number>()
  const firsts = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]))
  for (let run = -1; run < runs; run++) {
    for (const contender of run % 2 === 0 ? contenders : contenders.toReversed()) {
      await row.prepare?.(contender, run)
      const peak = run < 0 ? contender.watchMemory() : null
      const sample = await measure(contender, () => row.act(contender, run))
      if (peak !== null) peaks.set(contender, peak())
      await row.finish?.(contender, run)
      if (run < 0) continue
      samples.get(contender)?.push(sample)
      if (row.packRequest && run < 5) firsts.get(contender)?.push(await timeFirstByte(row, contender, run))
    }
  }
  return new Map(
    contenders.map((contender) => [
      contender,
      {
        samples: samples.get(contender) ?? [],
        peakBytes: peaks.get(contender) ?? Number.NaN,
        firstByteMs: median(firsts.get(contender) ?? []),
      },
    ]),
  )
}

async function timeFirstByte(row: Row, contender: Contender, run: number): Promise<number> {
  if (!row.packRequest) return Number.NaN
  await row.prepare?.(contender, run)
  return await firstPackByte(contender, row.packRequest.url(contender), readFileSync(row.packRequest.file))
}

/** The cells of the row; wall times with their range. */
export function cells(label: string, row: Row, ours: Figures, theirs: Figures): string[] {
  const walls = ({ samples }: Figures): number[] => samples.map((sample) => sample.wallMs)
  const cpu = ({ samples }: Figures, of: (cpu: Cpu) => number): number => median(samples.map((sample) => of(sample.cpu)))
  const spread = (values: readonly number[]): string =>
    `${short(median(values))} (${short(Math.min(...values))}–${short(Math.max(...values))})`
  const wallRatio = median(walls(ours)) / median(walls(theirs))
  const cpuRatio = cpu(ours, (each) => each.serverMs) / cpu(theirs, (each) => each.serverMs)
  const { wall, cpu: cpuTarget } = row.target ?? {}
  const wanted = [wall === undefined ? '' : `wall ≤ ${wall}`, cpuTarget === undefined ? '' : `CPU ≤ ${cpuTarget}`].filter(Boolean)
  const missed = [
    wall !== undefined && wallRatio > wall ? 'wall' : '',
    cpuTarget !== undefined && cpuRatio > cpuTarget ? 'CPU' : '',
  ].filter(Boolean)
  return [
    label,
    String(ours.samples.length),
    spread(walls(ours)),
    spread(walls(theirs)),
    wallRatio.toFixed(2),
    short(cpu(ours, (each) => each.serverMs)),
    short(cpu(ours, (each) => each.databaseMs)),
    short(cpu(theirs, (each) => each.serverMs)),
    cpuRatio.toFixed(2),
    short(ours.firstByteMs),
    short(theirs.firstByteMs),
    short(ours.peakBytes / 2 ** 20),
    short(theirs.peakBytes / 2 ** 20),
    wanted.join(', '),
    wanted.length === 0 ? '' : missed.length === 0 ? 'yes' : `**no: ${missed.join(', ')}**`,
  ]
}
