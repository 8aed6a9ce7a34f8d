// Runs mirrors under their leases: as the server's background work those that are due, for a command those that it names.
import { setTimeout as sleep } from 'node:timers/promises'
import { CorruptError, InputError, type Log, type Randomness, type Sealer, UnavailableError } from '../../base/index.ts'
import type { Job } from '../../jobs/index.ts'
import type { ImportParts } from '../import/bring.ts'
import type { RemoteClient } from '../remote/index.ts'
import { dropRun, endRun, isAnyDue, keepLease, type Mirror, type MirrorChoice, openMirror, takeMirror } from './mirrors.ts'
import type { ImportProgress } from '../import/origin.ts'
import { type MirrorResult, runMirror, shownError } from './run-mirror.ts'

export interface MirrorRunnerOptions {
  readonly parts: ImportParts
  readonly client: RemoteClient
  /** Opens what mirrors are signed in with. */
  readonly sealer: Sealer
  readonly randomness: Randomness
  readonly log: Log
  /** How far that mirror's run is. */
  readonly progress?: (mirror: Mirror, ...how: Parameters<ImportProgress>) => void
}

export interface MirrorOutcome {
  readonly mirror: Mirror
  readonly result: MirrorResult | null
  /** One line; null: it went well. */
  readonly error: string | null
}

const leaseMs = 60_000
/** A server that sends one byte now and then would keep a place from the other mirrors for ever. */
const longestRunMs = 12 * 3600_000
/** So often the server looks for mirrors that are due. */
const lookEveryMs = 10_000
/** So many at once: they mostly wait for others' servers. */
const atOnce = 4

/** The server's own work. One node at a time has it. */
export function mirrorJob(options: MirrorRunnerOptions): Job {
  return {
    kind: 'mirrors',
    intervalMs: lookEveryMs,
    work: () => isAnyDue,
    run: async (signal) => {
      const worker = async (): Promise<void> => {
        while (!signal.aborted && (await runNext(options, { due: true }, signal)) !== null);
      }
      const ended = await Promise.allSettled(Array.from({ length: atOnce }, worker)) // each gives its mirror back before the server ends
      for (const end of ended) if (end.status === 'rejected') throw end.reason
    },
  }
}

/** One mirror's run; null when there is none to run. Failures are outcomes, and noted; what is thrown is the database's, or the signal's reason. */
export async function runNext(options: MirrorRunnerOptions, choice: MirrorChoice, signal: AbortSignal): Promise<MirrorOutcome | null> {
  const { parts, randomness, log } = options
  const holder = randomness.uuid()
  const mirror = await takeMirror(parts.db, choice, holder, leaseMs)
  if (mirror === null) return null
  const { queries } = parts.db
  const done = new AbortController()
  const lost = new AbortController()
  const keeping = keep(options, mirror, holder, lost, done.signal)
  try {
    const progress: ImportProgress = (...how) => options.progress?.(mirror, ...how)
    const run = { parts, client: options.client, signal: AbortSignal.any([signal, lost.signal]), progress }
    const result = await runMirror(run, openMirror(mirror, options.sealer))
    await endRun(queries, mirror, holder, null)
    return { mirror, result, error: null }
  } catch (error) {
    if (signal.aborted) {
      await dropRun(queries, mirror.id, holder)
      throw error
    }
    tell(log, mirror, error)
    await endRun(queries, mirror, holder, shownError(error))
    return { mirror, result: null, error: shownError(error) }
  } finally {
    done.abort()
    await keeping
  }
}

async function keep(
  { parts }: MirrorRunnerOptions,
  mirror: Mirror,
  holder: string,
  lost: AbortController,
  done: AbortSignal,
): Promise<void> {
  for (let ms = 0; !done.aborted; ms += leaseMs / 3) {
    if (ms > longestRunMs) return lost.abort(new UnavailableError('mirror-time', 'the run took longer than 12 hours, and was ended'))
    await sleep(leaseMs / 3, undefined, { signal: done }).catch(() => {})
    if (done.aborted) return
    // a database that doesn't answer shows in the run itself
    const isKept = await keepLease(parts.db.queries, mirror.id, holder, leaseMs).catch(() => true)
    if (!isKept) return lost.abort(new UnavailableError('lease-lost', 'the mirror was removed, or another run took it over'))
  }
}

function tell(log: Log, { repository, direction, remote }: Mirror, error: unknown): void {
  const facts = { repository: repository.id, direction, url: remote.url }
  if (error instanceof CorruptError) log.error({ ...facts, err: error, alarm: true }, 'ALARM: stored data is wrong')
  else if (error instanceof InputError || error instanceof UnavailableError)
    log.warn({ ...facts, reason: error.message }, 'a mirror failed')
  else log.error({ ...facts, err: error }, 'a mirror failed')
}
