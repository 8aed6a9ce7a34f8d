// Numbers and tables of the benchmarks' reports.
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** 1234.5 → `1235`, 12.34 → `12.3`, 0.123 → `0.12`. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, n) => (n === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

/** The machine and the programs that the figures belong to, without names of hosts or paths. */
export function conditions(): string {
  const say = (command: string, ...args: string[]): string => {
    try {
      return execFileSync(command, args, { encoding: 'utf8', env: { ...process.env, GIT_OPTIONAL_LOCKS: '0' } }).split('\n')[0] ?? ''
    } catch {
      return `${command}: not there`
    }
  }
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const commit = say('git', '-C', import.meta.dirname, 'describe', '--always', '--dirty')
  return [
    `- ${cpus().length} × ${model}, ${process.platform} ${process.arch}`,
    `- Stemma ${commit}, Node ${process.version}, ${say('git', '--version')}, ${say('/usr/sbin/apache2', '-v')}`,
    '- everything on one machine over loopback; the client runs on the same processors',
  ].join('\n')
}
