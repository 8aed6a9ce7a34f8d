// What a command is: the words that call it stand in the tables of commands, its help beside them.
import type { Config } from '../config.ts'
import type { FlagName, Flags } from './usage.ts'

export interface Command {
  readonly flags: readonly FlagName[]
  /** What stands behind the command's words; in brackets what may be left out, with an ellipsis what may come any number of times. */
  readonly takes?: readonly string[]
  /** What the first of them may be, where there are few. */
  readonly choices?: readonly string[]
  readonly run: (config: Config, given: Flags, taken: readonly string[]) => Promise<void>
}

export type Commands = Readonly<Record<string, Command>>
