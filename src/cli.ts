// The operator's command. Standard output is for answers (the URL, a token, a list), standard error for the log and for errors.
// What a command needs is imported when it runs: --help must not wait for the whole server.
// Exit codes: 0 done, 1 it failed, 2 the command line or the configuration is wrong.
import { parseArgs } from 'node:util'
import { type Log, InputError, UnavailableError, makeLog, systemClock, systemRandomness } from './base/index.ts'
import { helpText } from './cli-help.ts'
import { type Flags, flags, needed, print, UsageError } from './cli-usage.ts'
import { type Config, loadConfig, parseDuration } from './config.ts'
import { version } from './version.ts'

interface Command {
  readonly flags: readonly (keyof typeof flags)[]
  /** What stands behind the command's words; in brackets what may be left out. */
  readonly takes?: readonly string[]
  readonly run: (given: Flags, taken: readonly string[]) => Promise<void>
}

const commands: Readonly<Record<string, Command>> = {
  serve: { flags: ['data', 'listen', 'config'], run: serve },
  migrate: { flags: ['data', 'config'], run: runMigrate },
  'config check': { flags: ['data', 'listen', 'config'], run: checkConfig },
  import: {
    flags: ['owner', 'name', 'public', 'token-file', 'no-strict', 'dry-run', 'json', 'data', 'config'],
    takes: ['SOURCE'],
    run: runImport,
  },
  'mirror add': {
    flags: ['pull', 'push', 'every', 'refs', 'token-file', 'public', 'data', 'config'],
    takes: ['OWNER/REPO', 'URL'],
    run: async (given, taken) => (await import('./cli-mirror.ts')).runMirrorAdd(configOf(given), given, taken),
  },
  'mirror list': {
    flags: ['json', 'data', 'config'],
    run: async (given) => (await import('./cli-mirror.ts')).runMirrorList(configOf(given), given),
  },
  'mirror run': {
    flags: ['json', 'data', 'config'],
    takes: ['[OWNER/REPO]'],
    run: async (given, taken) => (await import('./cli-mirror.ts')).runMirrorRun(configOf(given), given, taken),
  },
  'mirror remove': {
    flags: ['data', 'config'],
    takes: ['OWNER/REPO', '[URL]'],
    run: async (given, taken) => (await import('./cli-mirror.ts')).runMirrorRemove(configOf(given), given, taken),
  },
  'token create': { flags: ['data', 'config', 'account', 'name', 'expires'], run: runCreateToken },
  'token list': { flags: ['data', 'config', 'account'], run: runListTokens },
  'token revoke': { flags: ['data', 'config', 'account', 'name'], run: runRevokeToken },
}

/** The server was told to stop while it started. */
class StopSignal extends Error {}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args)
  if (values.version === true) return print(`stemma ${version}`)
  const name = commandName(positionals)
  if (values.help === true || positionals[0] === 'help') return print(helpText(name))
  if (positionals.length === 0)
    throw new UsageError(`which command? One of: ${Object.keys(commands).join(', ')} (stemma --help explains them)`)
  const command = name === null ? undefined : commands[name]
  if (name === null || command === undefined) {
    throw new UsageError(`unknown command '${positionals.join(' ')}'; there are: ${Object.keys(commands).join(', ')}`)
  }
  const taken = positionals.slice(name.split(' ').length)
  const stray = Object.keys(values).find((flag) => !command.flags.some((known) => known === flag))
  if (stray !== undefined) throw new UsageError(`'stemma ${name}' takes no --${stray}; it takes --${command.flags.join(', --')}`)
  const { takes = [] } = command
  const fewest = takes.filter((word) => !word.startsWith('[')).length
  if (taken.length < fewest || taken.length > takes.length) {
    throw new UsageError(`'stemma ${name}' takes ${takes.length === 0 ? 'flags only' : takes.join(' ')}: see stemma ${name} --help`)
  }
  await command.run(values, taken)
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
    throw new UsageError(error instanceof Error ? (error.message.split(/\. To |\n/)[0] ?? error.message) : String(error))
  }
}

function configOf(given: Flags): Config {
  return loadConfig({ flags: { data: given.data, listen: given.listen }, file: given.config })
}

async function serve(given: Flags): Promise<void> {
  const config = configOf(given)
  const log = makeLog(config.log.level)
  const { startServer } = await import('./main.ts')
  const stopping = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    log.info({ signal }, 'stopping; a second signal stops at once')
    stopping.abort(new StopSignal(signal))
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  endOnUncaught(log)
  try {
    const server = await startServer({ config, log, showToken: showToken(given), signal: stopping.signal })
    print(`Stemma is ready at ${server.url}`)
    stopping.signal.addEventListener('abort', () => {
      void server.close().then(() => {
        log.info('stopped')
        process.exit(0)
      })
    })
  } catch (error) {
    if (!(error instanceof StopSignal)) throw error
    process.exit(0)
  }
}

function showToken({ data, config }: Flags): (secret: string) => void {
  const where = `${data === undefined ? '' : ` --data ${data}`}${config === undefined ? '' : ` --config ${config}`}`
  return (secret) => {
    print(`The administrator's token (account admin; shown only this once): ${secret}`)
    print(`Should it get lost, make another one: ./bin/stemma token create --account admin --name NAME${where}`)
  }
}

/** What nobody caught leaves the process in an unknown state: it ends, and the kernel tells the embedded PostgreSQL to stop. */
function endOnUncaught(log: Log): void {
  const end = (error: unknown): void => {
    log.fatal({ err: error }, 'an error that nothing caught')
    process.exit(1)
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
}

async function runMigrate(given: Flags): Promise<void> {
  const config = configOf(given)
  const log = makeLog(config.log.level)
  const { withDatabaseUrl } = await import('./cli-database.ts')
  const { migrate } = await import('./db/index.ts')
  const applied = await withDatabaseUrl(config, log, true, (url) => migrate({ url, log, mayApply: true }))
  print(applied.length === 0 ? 'The database is up to date.' : `Applied: ${applied.join(', ')}`)
}

async function runImport(given: Flags, [source = '']: readonly string[]): Promise<void> {
  await (await import('./cli-import.ts')).runImport(configOf(given), given, source)
}

async function checkConfig(given: Flags): Promise<void> {
  const { database, adminToken, ...config } = configOf(given)
  const bucket = config.bucket.kind === 's3' ? { ...config.bucket, secretAccessKey: hidden(config.bucket.secretAccessKey) } : config.bucket
  const shown = { ...config, bucket, adminToken: hidden(adminToken), database: { ...database, url: hidden(database.url) } }
  print(JSON.stringify(shown, null, 2))
}

function hidden(value: string | null): string | null {
  return value === null ? null : '(set)'
}

async function runCreateToken(given: Flags): Promise<void> {
  const account = needed(given.account, 'token create', 'account')
  const name = needed(given.name, 'token create', 'name')
  const lifetimeMs = given.expires === undefined ? null : parseDuration(given.expires)
  if (given.expires !== undefined && (lifetimeMs === null || lifetimeMs < 60_000))
    throw new UsageError(`--expires ${given.expires} is no duration of a minute or more; write 90d or 12h`)
  const expiresAt = lifetimeMs === null ? null : new Date(systemClock.now() + lifetimeMs)
  const config = configOf(given)
  print(
    await (await import('./cli-database.ts')).withDatabase(config, makeLog(config.log.level), (db, access) =>
      access.createToken(db.queries, { account, name, expiresAt }, systemRandomness),
    ),
  )
}

async function runListTokens(given: Flags): Promise<void> {
  const config = configOf(given)
  const found = await (await import('./cli-database.ts')).withDatabase(config, makeLog(config.log.level), (db, access) =>
    access.listTokens(db.queries, given.account ?? null),
  )
  const rows = found.map((token) => [token.account, token.name, day(token.createdAt), minute(token.expiresAt), day(token.lastUsedAt)])
  print([['ACCOUNT', 'NAME', 'CREATED', 'EXPIRES', 'LAST USED'], ...rows].map((row) => row.join('\t')).join('\n'))
}

async function runRevokeToken(given: Flags): Promise<void> {
  const account = needed(given.account, 'token revoke', 'account')
  const name = needed(given.name, 'token revoke', 'name')
  const config = configOf(given)
  await (await import('./cli-database.ts')).withDatabase(config, makeLog(config.log.level), (db, access) =>
    access.revokeToken(db.queries, account, name),
  )
}

function day(at: Date | null): string {
  return at === null ? 'never' : at.toISOString().slice(0, 10)
}

/** Tokens may end within hours. */
function minute(at: Date | null): string {
  return at === null ? 'never' : `${at.toISOString().slice(0, 16)}Z`
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  const isExpected = error instanceof UsageError || error instanceof InputError || error instanceof UnavailableError
  const isUsage = error instanceof UsageError || (error instanceof InputError && error.code === 'config')
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number') {
    process.stderr.write(`stemma: ${error.message}\n`)
    process.exit(error.exitCode)
  }
  process.stderr.write(`stemma: ${isExpected ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(isUsage ? 2 : 1)
}
