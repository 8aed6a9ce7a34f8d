// What /proc says about a process: who its children are, what it costs. Linux only.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

export interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly name: string
  readonly state: string
}

/** One process, or null when it is gone. */
export function processEntry(pid: number): ProcessEntry | null {
  const fields = statFields(pid)
  if (fields === null) return null
  return { pid, parent: Number(fields.rest[1]), name: fields.name, state: fields.rest[0] ?? '?' }
}

/** The live processes below `pid`, itself not counted. */
export function descendants(pid: number): ProcessEntry[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processEntry(Number(name)))
    .filter((entry) => entry !== null)
  const found: ProcessEntry[] = []
  const parents = new Set([pid])
  for (let before = -1; before !== found.length; ) {
    before = found.length
    for (const entry of all) {
      if (!parents.has(entry.parent) || parents.has(entry.pid)) continue
      parents.add(entry.pid)
      found.push(entry)
    }
  }
  return found.filter((entry) => entry.state !== 'Z')
}

/** Processor time of all threads of one process that live now, its children not counted, in milliseconds. 0 when it is gone. */
export function cpuMs(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`)
    return threads.reduce((sum, thread) => sum + runNs(`/proc/${pid}/task/${thread}/schedstat`), 0) / 1e6
  } catch {
    return 0
  }
}

/** Nanoseconds on a processor: the first number of schedstat (proc(5) counts user and system time in ticks of 10 ms only). */
function runNs(path: string): number {
  try {
    return Number.parseInt(readFileSync(path, 'latin1'), 10)
  } catch {
    return 0 // the thread ended between the listing and this
  }
}

export interface Memory {
  readonly residentBytes: number
  /** The highest since the start or the last `resetPeak`. */
  readonly peakBytes: number
}

/** Resident memory of one process, its children not counted. */
export function memory(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const kib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0)
  return { residentBytes: kib('VmRSS') * 1024, peakBytes: kib('VmHWM') * 1024 }
}

/** Sets the high-water mark of `memory` back to what is resident now. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

function statFields(pid: number): { name: string; rest: string[] } | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return null
  }
  const close = stat.lastIndexOf(')')
  return { name: stat.slice(stat.indexOf('(') + 1, close), rest: stat.slice(close + 2).split(' ') }
}
