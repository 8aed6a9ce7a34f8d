// The commands of one push on their way from request to report: what stands against each, and what was really done.
import type { RefCommand } from '../format/receive-commands.ts'
import type { RefResult } from '../format/report-status.ts'
import type { HookCommand } from './push-hooks.ts'

/** What a command became, where that isn't what it said: a block of option lines in a version 2 report. */
export type RefReport = Pick<RefResult, 'refname' | 'oldId' | 'newId' | 'isForced'>

export interface PushCommand extends RefCommand {
  /** Why not, in git's words; null: nothing stands against it. The first reason stays. */
  error: string | null
  /** The ref wasn't there to be deleted: done, and no news to anyone. */
  wasMissing: boolean
  /** The proc-receive hook has this one: it was given it, or has answered for it. */
  hook: 'none' | 'scheduled' | 'answered'
  reports: readonly RefReport[]
}

export function startCommands(commands: readonly RefCommand[]): PushCommand[] {
  return commands.map((command) => ({ ...command, error: null, wasMissing: false, hook: 'none', reports: [] }))
}

/** Gives that reason to all that have none yet. */
export function failAll(commands: readonly PushCommand[], reason: string): void {
  for (const command of commands) command.error ??= reason
}

/** As hooks are told: by what was done where that is another thing than was asked. */
export function asHookCommands({ ref, oldId, newId, reports }: PushCommand): HookCommand[] {
  if (reports.length === 0) return [{ ref, oldId, newId }]
  return reports.map((report) => ({ ref: report.refname ?? ref, oldId: report.oldId ?? oldId, newId: report.newId ?? newId }))
}

/** Lines of the report. Version 1 has one for each command; version 2 one for each thing done. */
export function resultsOf(commands: readonly PushCommand[], version: 1 | 2): RefResult[] {
  return commands.flatMap(({ refBytes, error, reports }) => {
    if (error !== null || version === 1 || reports.length === 0) return [{ ref: refBytes, error }]
    return reports.map((report) => ({ ...report, ref: refBytes, error: null }))
  })
}
