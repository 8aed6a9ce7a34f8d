// The rooms for commands that do the server's work: on its database and bucket, beside it while it runs, or by themselves.
import { type Log, makeLog, systemClock, systemRandomness } from '../base/index.ts'
import { openBucket } from '../bucket/index.ts'
import { withDatabase } from './database.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/index.ts'
import type { GitRoom } from '../git/index.ts'
import { bucketConfig, makeGit } from '../rooms.ts'

export interface CommandRooms {
  readonly db: Database
  readonly git: GitRoom
  readonly log: Log
}

/** The log of a command that shows by itself what it does: what goes wrong alone. */
export function quietLog(config: Config): Log {
  return makeLog(config.log.level === 'info' ? 'warn' : config.log.level)
}

/** Runs the function with rooms that are closed when it ends. UnavailableError 'no-data' where there is no Stemma yet. */
export async function withRooms<T>(config: Config, run: (rooms: CommandRooms) => Promise<T>): Promise<T> {
  const log = quietLog(config)
  return withDatabase(config, log, async (db) => {
    const bucket = await openBucket(bucketConfig(config), { clock: systemClock, randomness: systemRandomness })
    try {
      // The disk cache is the server's: what passes through here once would only push out what it needs.
      const git = makeGit({ ...config, cache: { ...config.cache, diskBytes: 0, packBytes: 0 } }, { db, bucket, log })
      try {
        return await run({ db, git, log })
      } finally {
        await git.close()
      }
    } finally {
      await bucket.close()
    }
  })
}

/** Runs the function with a signal that fires when the user wants to stop; then the process ends as one that was stopped. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopping = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping.signal.aborted) process.exit(exitCodes[signal])
    stopping.abort(new Interrupted(signal))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    return await run(stopping.signal)
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

const exitCodes: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 130, SIGTERM: 143 }

/** The command was told to stop. */
export class Interrupted extends Error {
  readonly exitCode: number
  constructor(signal: NodeJS.Signals) {
    super(`interrupted; the same command goes on with what is left`)
    this.exitCode = exitCodes[signal] ?? 1
  }
}
