// The log: pino's JSON lines (one event a line) on standard error (standard output is for the command's answers); message first, then what it is about.
import { type Logger, pino } from 'pino'
import { activityFields } from './activity.ts'

export type Log = Logger

/** A log that writes lines of `level` and above. Tokens and passwords are never passed to it. */
export function makeLog(level: string): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, mixin: activityFields },
    pino.destination({ fd: 2, sync: true }),
  )
}
