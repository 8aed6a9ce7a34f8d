// `stemma import`: repositories from a folder or a URL. Answers, a line for each repository, go to standard output; how far it is, to
// standard error.
import { findAccount } from '../access/index.ts'
import { CorruptError, InputError, systemClock, UnavailableError } from '../base/index.ts'
import { formatBytes, Progress } from './progress.ts'
import { type CommandRooms, interruptible, withRooms } from './rooms.ts'
import { type Flags, print, readToken, UsageError } from './usage.ts'
import type { Config } from '../config.ts'
import { makeRemoteClient } from '../rooms.ts'
import {
  DiskOrigin,
  findRepositories,
  type ImportResult,
  importRepository,
  nameOf,
  parsePlace,
  RemoteOrigin,
  type Origin,
  withToken,
} from '../git/index.ts'

interface Item {
  readonly label: string
  readonly name: string
  readonly open: (signal: AbortSignal) => Origin
}

interface Outcome {
  readonly item: Item
  readonly repository: string
  readonly seconds: number
  readonly result: ImportResult | null
  readonly error: Error | null
}

/** @throws UsageError; what stops all of it. Sets the exit code to 1 when a repository failed. */
export async function runImport(config: Config, given: Flags, source: string): Promise<void> {
  const items = itemsOf(config, source, given)
  const owner = given.owner ?? 'admin'
  if (given['dry-run'] === true) return listOnly(items, owner, given)
  const outcomes = await interruptible((signal) => withRooms(config, (rooms) => importAll(rooms, items, owner, given, signal)))
  const failed = outcomes.filter((outcome) => outcome.error !== null).length
  if (items.length > 1 && given.json !== true) print(`${items.length - failed} of ${items.length} repositories are here and verified`)
  if (failed > 0) process.exitCode = 1
}

function itemsOf(config: Config, source: string, given: Flags): Item[] {
  const place = parsePlace(source)
  if ('remote' in place) {
    const { url } = place.remote
    const remote = given['token-file'] === undefined ? place.remote : withToken(place.remote, readToken(given['token-file']))
    const open = (signal: AbortSignal) => new RemoteOrigin(remote, makeRemoteClient(config), signal)
    return [{ label: url, name: given.name ?? nameOf(decodeURIComponent(url.slice(url.lastIndexOf('/') + 1))), open }]
  }
  if (given['token-file'] !== undefined) throw new UsageError('--token-file is for a URL')
  const found = findRepositories(place.folder, (path) => process.stderr.write(`passed over: ${path} (a symbolic link)\n`))
  if (given.name !== undefined && found.length > 1) {
    throw new UsageError(`--name is for one repository; ${source} holds ${found.length}`)
  }
  return found.map(({ path, name }) => ({ label: path, name: given.name ?? name, open: () => new DiskOrigin(path) }))
}

function listOnly(items: readonly Item[], owner: string, given: Flags): void {
  for (const { label, name } of items) {
    print(given.json === true ? JSON.stringify({ source: label, repository: `${owner}/${name}` }) : `${label}\t${owner}/${name}`)
  }
}

async function importAll(
  rooms: CommandRooms,
  items: readonly Item[],
  owner: string,
  given: Flags,
  signal: AbortSignal,
): Promise<readonly Outcome[]> {
  const account = await findAccount(rooms.db.queries, owner)
  if (account === null) throw new InputError('no-account', `there is no account '${owner}'; stemma user list shows those that there are`)
  const progress = new Progress(process.stderr, systemClock)
  const outcomes: Outcome[] = []
  for (const item of items) {
    const owned = { ownerId: account.id, ownerLogin: account.login }
    const outcome = await importOne(rooms, item, owned, given, progress, signal).finally(() => progress.clear())
    signal.throwIfAborted()
    print(given.json === true ? JSON.stringify(plain(outcome)) : line(outcome))
    outcomes.push(outcome)
  }
  return outcomes
}

async function importOne(
  { git }: CommandRooms,
  item: Item,
  owner: Pick<Parameters<typeof importRepository>[1]['target'], 'ownerId' | 'ownerLogin'>,
  given: Flags,
  progress: Progress,
  signal: AbortSignal,
): Promise<Outcome> {
  const startMs = systemClock.monotonic()
  const repository = `${owner.ownerLogin}/${item.name}`
  const end = (result: ImportResult | null, error: Error | null): Outcome => {
    return { item, repository, seconds: (systemClock.monotonic() - startMs) / 1000, result, error }
  }
  let origin: Origin | null = null
  try {
    origin = item.open(signal)
    const result = await importRepository(git.importParts, {
      target: { ...owner, name: item.name, visibility: given.public === true ? 'public' : 'private' },
      origin,
      isStrict: given['no-strict'] !== true,
      progress: (phase, done, total) => progress.show(repository, phase, done, total),
      signal,
    })
    return end(result, null)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof InputError || error instanceof UnavailableError || error instanceof CorruptError) return end(null, error)
    throw error
  } finally {
    origin?.close()
  }
}

function line({ item, repository, seconds, result, error }: Outcome): string {
  if (result === null) return `failed\t${repository}\t${error?.message.replaceAll('\n', '; ')}`
  const parts = [`${result.refs} refs`, `${result.objects} objects`]
  if (result.packBytes > 0) parts.push(formatBytes(result.packBytes))
  if (result.outcome !== 'present') parts.push(`verified, ${seconds.toFixed(1)} s`)
  if (result.objectsLeftOut) parts.push(`${result.objectsLeftOut} objects that no ref reaches were left behind`)
  if (result.refsLeftOut.length > 0) parts.push(`left behind: ${result.refsLeftOut.join(' ')}`)
  return `${result.outcome}\t${repository}\t${parts.join(', ')}\t${item.label}`
}

function plain({ item, repository, seconds, result, error }: Outcome): Record<string, unknown> {
  const shown = result ?? { outcome: 'failed', error: { code: error && 'code' in error ? error.code : null, message: error?.message } }
  return { source: item.label, repository, seconds: Math.round(seconds * 1000) / 1000, ...shown }
}
