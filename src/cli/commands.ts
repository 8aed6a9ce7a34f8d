// The commands: what each takes of the command line, and what it runs.
// What a command needs is imported when it runs: --help must not wait for the whole server.
import { parseArgs } from 'node:util'
import { makeLog } from '../base/index.ts'
import { type Config, loadConfig } from '../config.ts'
import { version } from '../version.ts'
import { helpText } from './help.ts'
import { type Flags, flags, print, UsageError } from './usage.ts'

interface Command {
  readonly flags: readonly (keyof typeof flags)[]
  /** What stands behind the command's words; in brackets what may be left out, with an ellipsis what may come any number of times. */
  readonly takes?: readonly string[]
  readonly run: (config: Config, given: Flags, taken: readonly string[]) => Promise<void>
}

const commands: Readonly<Record<string, Command>> = {
  serve: { flags: ['data', 'listen', 'config'], run: async (config, given) => (await import('./serve.ts')).runServe(config, given) },
  migrate: { flags: ['data', 'config'], run: runMigrate },
  'config check': { flags: ['data', 'listen', 'config'], run: checkConfig },
  import: {
    flags: ['owner', 'name', 'public', 'token-file', 'no-strict', 'dry-run', 'json', 'data', 'config'],
    takes: ['SOURCE'],
    run: async (config, given, [source = '']) => (await import('./import.ts')).runImport(config, given, source),
  },
  'mirror add': {
    flags: ['pull', 'push', 'every', 'refs', 'token-file', 'public', 'data', 'config'],
    takes: ['OWNER/REPO', 'URL'],
    run: async (...given) => (await import('./mirror.ts')).runMirrorAdd(...given),
  },
  'mirror list': {
    flags: ['json', 'data', 'config'],
    run: async (config, given) => (await import('./mirror.ts')).runMirrorList(config, given),
  },
  'mirror run': {
    flags: ['json', 'data', 'config'],
    takes: ['[OWNER/REPO]'],
    run: async (...given) => (await import('./mirror.ts')).runMirrorRun(...given),
  },
  'mirror remove': {
    flags: ['data', 'config'],
    takes: ['OWNER/REPO', '[URL]'],
    run: async (...given) => (await import('./mirror.ts')).runMirrorRemove(...given),
  },
  backup: {
    flags: ['to', 'json', 'data', 'config'],
    run: async (config, given) => (await import('./backup.ts')).runBackup(config, given),
  },
  'backup hold': {
    flags: ['for', 'data', 'config'],
    run: async (config, given) => (await import('./backup.ts')).runHold(config, given),
  },
  'backup release': {
    flags: ['data', 'config'],
    run: async (config) => (await import('./backup.ts')).runRelease(config),
  },
  restore: {
    flags: ['from', 'json', 'data', 'config'],
    run: async (config, given) => (await import('./backup.ts')).runRestore(config, given),
  },
  export: {
    flags: ['to', 'json', 'data', 'config'],
    takes: ['[OWNER/REPO…]'],
    run: async (config, given, names) => (await import('./export.ts')).runExport(config, given, names),
  },
  fsck: {
    flags: ['rebuild', 'json', 'data', 'config'],
    takes: ['[OWNER/REPO]'],
    run: async (config, given, [repository]) => (await import('./fsck.ts')).runFsck(config, given, repository),
  },
  repack: {
    flags: ['window', 'depth', 'no-reuse', 'threads', 'memory', 'json', 'data', 'config'],
    takes: ['OWNER/REPO'],
    run: async (...given) => (await import('./repack.ts')).runRepack(...given),
  },
  gc: {
    flags: ['grace', 'dry-run', 'yes', 'json', 'data', 'config'],
    takes: ['[OWNER/REPO]'],
    run: async (...given) => (await import('./gc.ts')).runGc(...given),
  },
  purge: {
    flags: ['yes', 'json', 'data', 'config'],
    takes: ['OWNER/REPO', 'OBJECT_ID', '[OBJECT_ID…]'],
    run: async (...given) => (await import('./gc.ts')).runPurge(...given),
  },
  'quota show': {
    flags: ['json', 'data', 'config'],
    takes: ['OWNER'],
    run: async (...given) => (await import('./quota.ts')).runShowQuota(...given),
  },
  'quota set': {
    flags: ['json', 'data', 'config'],
    takes: ['OWNER', 'SIZE'],
    run: async (...given) => (await import('./quota.ts')).runSetQuota(...given),
  },
  'quota clear': {
    flags: ['json', 'data', 'config'],
    takes: ['OWNER'],
    run: async (...given) => (await import('./quota.ts')).runClearQuota(...given),
  },
  'token create': {
    flags: ['data', 'config', 'account', 'name', 'expires'],
    run: async (config, given) => (await import('./tokens.ts')).runCreateToken(config, given),
  },
  'token list': {
    flags: ['data', 'config', 'account'],
    run: async (config, given) => (await import('./tokens.ts')).runListTokens(config, given),
  },
  'token revoke': {
    flags: ['data', 'config', 'account', 'name'],
    run: async (config, given) => (await import('./tokens.ts')).runRevokeToken(config, given),
  },
}

/** Runs the command that the arguments name. UsageError when they name none or give it what it doesn't take; else what stopped it. */
export async function runCommand(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args)
  if (values.version === true) return print(`stemma ${version}`)
  const name = commandName(positionals[0] === 'help' ? positionals.slice(1) : positionals)
  if (values.help === true || positionals[0] === 'help') return print(helpText(name))
  if (positionals.length === 0)
    throw new UsageError(`which command? One of: ${Object.keys(commands).join(', ')} (stemma --help explains them)`)
  const command = name === null ? undefined : commands[name]
  if (name === null || command === undefined) {
    const names = Object.keys(commands)
    const near = names.filter((known) => known.startsWith(`${positionals[0]} `))
    throw new UsageError(`unknown command '${positionals.join(' ')}'; there are: ${(near.length > 0 ? near : names).join(', ')}`)
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

async function runMigrate(config: Config): Promise<void> {
  const log = makeLog(config.log.level)
  const { withDatabaseUrl } = await import('./database.ts')
  const { migrate } = await import('../db/index.ts')
  const applied = await withDatabaseUrl(config, log, true, (url) => migrate({ url, log, mayApply: true }))
  print(applied.length === 0 ? 'The database is up to date.' : `Applied: ${applied.join(', ')}`)
}

async function checkConfig({ database, adminToken, secretKey, ...config }: Config): Promise<void> {
  const bucket = config.bucket.kind === 's3' ? { ...config.bucket, secretAccessKey: hidden(config.bucket.secretAccessKey) } : config.bucket
  const shown = {
    ...config,
    bucket,
    adminToken: hidden(adminToken),
    secretKey: hidden(secretKey),
    database: { ...database, url: hidden(database.url) },
  }
  print(JSON.stringify(shown, null, 2))
}

function hidden(value: string | null): string | null {
  return value === null ? null : '(set)'
}
