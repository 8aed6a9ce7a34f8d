// `stemma repack`: one new pack for all that a repository's network stores, beside the running server. How far it is goes to standard error, what came of it
// to standard output.
import { availableParallelism } from 'node:os'
import { systemClock } from '../base/index.ts'
import { type Config, parseSize } from '../config.ts'
import { repackUnderLease, type RepackResult } from '../git/index.ts'
import { formatBytes, Progress } from './progress.ts'
import { parseRepository, repositoryNamed } from './repository-name.ts'
import { interruptible, withRooms } from './rooms.ts'
import { type Flags, print, UsageError } from './usage.ts'

const defaultWindow = 10
const defaultDepth = 50
const largestWindow = 1000
/** What readers take: git's own limit. */
const largestDepth = 4095
const defaultMemory = '192MiB'
const leastMemoryBytes = 64 << 20

/** @throws UsageError; InputError for a repository that isn't there; what stops the repack. Nothing is changed then. */
export async function runRepack(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const wanted = parseRepository(name)
  const window = count('window', given.window, defaultWindow, 2, largestWindow)
  const depth = count('depth', given.depth, defaultDepth, 1, largestDepth)
  const memoryBytes = memory(given.memory ?? defaultMemory)
  const threads = count('threads', given.threads, Math.max(1, Math.min(config.workers.count, availableParallelism())), 1, 64)
  const progress = new Progress(process.stderr, systemClock)
  const startMs = systemClock.monotonic()
  const workers = { ...config.workers, count: Math.max(threads, config.workers.count) }
  const result = await interruptible((signal) =>
    withRooms({ ...config, workers }, async ({ db, git }) => {
      const { networkId } = await repositoryNamed(db, wanted)
      const show = (phase: string, done: number, total: number) => progress.show(name, phase, done, total)
      const options = { window, depth, reuse: given['no-reuse'] !== true, threads, memoryBytes, progress: show, signal }
      return await repackUnderLease(git, networkId, options).finally(() => progress.clear())
    }),
  )
  const seconds = (systemClock.monotonic() - startMs) / 1000
  if (given.json === true)
    return print(JSON.stringify({ repository: name, ...(result ?? { objects: 0 }), seconds: Math.round(seconds * 1000) / 1000 }))
  print(result === null ? `${name} has no objects: there is nothing to repack` : line(name, result, seconds))
}

function line(name: string, { objects, packsBefore, bytesBefore, bytesAfter }: RepackResult, seconds: number): string {
  const packs = `${packsBefore} ${packsBefore === 1 ? 'pack' : 'packs'}`
  const parts = `${objects} objects, ${packs} of ${formatBytes(bytesBefore)} became one of ${formatBytes(bytesAfter)}`
  return `repacked\t${name}\t${parts}, ${seconds.toFixed(1)} s`
}

function count(flag: string, value: string | undefined, fallback: number, least: number, most: number): number {
  if (value === undefined) return fallback
  const number = Number(value)
  if (!/^\d+$/.test(value) || number < least || number > most)
    throw new UsageError(`--${flag} ${value} is no number from ${least} to ${most}`)
  return number
}

function memory(value: string): number {
  const bytes = parseSize(value)
  if (bytes === null || bytes < leastMemoryBytes)
    throw new UsageError(`--memory ${value} is no size of 64MiB or more; write 192MiB or 1GiB`)
  return bytes
}
