// Finds the command that the command line names, and runs it with what it takes. The commands themselves stand in the tables beside this file.
import { parseArgs } from 'node:util'
import { loadConfig } from '../config.ts'
import { version } from '../version.ts'
import type { Commands } from './command.ts'
import { helpText } from './help.ts'
import { packageCommands } from './package-commands.ts'
import { peopleCommands } from './people-commands.ts'
import { serverCommands } from './server-commands.ts'
import { type Flags, flags, print, UsageError } from './usage.ts'

const commands: Commands = {
  ...serverCommands,
  ...peopleCommands,
  ...packageCommands,
  completion: {
    flags: [],
    takes: ['SHELL'],
    choices: ['bash', 'zsh', 'fish'],
    run: async (_config, _given, [shell = '']) => print((await import('./completion.ts')).completionScript(shell, commands)),
  },
}

/** Runs the command that the arguments name. UsageError when they name none or give it what it doesn't take; else what stopped it. */
export async function runCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args)
  if (values.version === true) return print(`stemma ${version}`)
  const words = positionals[0] === 'help' ? positionals.slice(1) : positionals
  const name = commandName(words)
  if (values.help === true || positionals[0] === 'help') return print(helpText(name, words))
  if (positionals.length === 0) throw new UsageError(`which command? One of: ${firstWords().join(', ')} (stemma --help explains them)`)
  const command = name === null ? undefined : commands[name]
  if (name === null || command === undefined) {
    const names = Object.keys(commands)
    const near = names.filter((known) => known.startsWith(`${positionals[0]} `))
    const known = near.length > 0 ? near : firstWords()
    const what =
      near.length > 0 && positionals.length === 1 ? `'${positionals[0]}' alone is no command` : `unknown command '${positionals.join(' ')}'`
    throw new UsageError(`${what}; there are: ${known.join(', ')}`)
  }
  const taken = positionals.slice(name.split(' ').length)
  const stray = Object.keys(values).find((flag) => !command.flags.some((known) => known === flag))
  if (stray !== undefined) throw new UsageError(`'stemma ${name}' takes no --${stray}; it takes --${command.flags.join(', --')}`)
  const { takes = [] } = command
  const fewest = takes.filter((word) => !word.startsWith('[')).length
  const most = takes.at(-1)?.includes('…') ? Number.POSITIVE_INFINITY : takes.length
  if (taken.length < fewest || taken.length > most) {
    throw new UsageError(`'stemma ${name}' takes ${takes.length === 0 ? 'flags only' : takes.join(' ')}: see stemma ${name} --help`)
  }
  await command.run(loadConfig({ flags: { data: values.data, listen: values.listen }, file: values.config }), values, taken)
}

function firstWords(): string[] {
  return [...new Set(Object.keys(commands).map((name) => name.split(' ', 1)[0] ?? ''))]
}

/** The command whose words stand first: of two, the one with more words. */
function commandName(positionals: readonly string[]): string | null {
  for (let words = positionals.length; words > 0; words--) {
    const name = positionals.slice(0, words).join(' ')
    if (Object.hasOwn(commands, name)) return name
  }
  return null
}

function parse(args: readonly string[]): { values: Flags; positionals: string[] } {
  try {
    return parseArgs({ args: [...args], options: flags, allowPositionals: true, strict: true })
  } catch (error) {
    // Node's explanation of how to pass a positional argument that begins with a dash helps nobody here.
    const what = error instanceof Error ? (error.message.split(/\. To |\n/)[0] ?? error.message) : String(error)
    const words = args.findIndex((word) => word.startsWith('-'))
    const name = commandName(args.slice(0, Math.max(0, words)))
    throw new UsageError(`${what}: see stemma ${name === null ? '' : `${name} `}--help`)
  }
}
