// `stemma mirror`: repositories that are kept in step with others elsewhere. The rows are the database's; the running server does the work,
// and `mirror run` does it at once.
import { createRepository, findAccount, findRepository, fullName, type Repository } from '../access/index.ts'
import { InputError, systemClock, systemRandomness } from '../base/index.ts'
import { withDatabase } from './database.ts'
import { noRepository, parseRepository, repositoryNamed, type RepositoryName } from './repository-name.ts'
import { interruptible, quietLog, withRooms } from './rooms.ts'
import { Progress } from './progress.ts'
import { type Flags, print, printDone, readToken, shortDuration, UsageError } from './usage.ts'
import { type Config, parseDuration } from '../config.ts'
import { type Database, sql } from '../db/index.ts'
import {
  addMirror,
  defaultRefs,
  listMirrors,
  type MirrorFacts,
  type MirrorOutcome,
  type MirrorRunnerOptions,
  parsePlace,
  parseRefPatterns,
  RemoteOrigin,
  removeMirrors,
  type RemoteUrl,
  runNextMirror,
  withToken,
} from '../git/index.ts'
import { makeRemoteClient } from '../rooms.ts'
import { openSealer } from '../secret-key.ts'

const defaultEvery = '10m'
const shortestEveryMs = 10_000

export async function runMirrorAdd(config: Config, given: Flags, [name = '', url = '']: readonly string[]): Promise<void> {
  if (given.pull === true && given.push === true) throw new UsageError('--pull and --push are two mirrors: add them one by one')
  const direction = given.push === true ? 'push' : 'pull'
  const everyMs = parseDuration(given.every ?? defaultEvery)
  if (everyMs === null || everyMs < shortestEveryMs)
    throw new UsageError(`--every ${given.every} is no duration of 10 s or more; write 10m or 1h`)
  const refs = given.refs === undefined ? defaultRefs[direction] : parseRefPatterns(given.refs)
  const remote = remoteOf(url, given)
  const wanted = parseRepository(name)
  const made = await withDatabase(config, quietLog(config), async (db) => {
    const found = await findRepository(db.queries, wanted.owner, wanted.name)
    if (found === null && direction === 'push') throw noRepository(wanted)
    const repository = found ?? (await createFollower(config, db, wanted, remote, given))
    const sealer = await openSealer(config, systemRandomness)
    await addMirror(db, sealer, { repository, direction, remote, refs, everyS: Math.round(everyMs / 1000) })
    return found === null
  })
  const what = direction === 'pull' ? `follows ${remote.url}` : `is pushed to ${remote.url}`
  const done = { repository: name, direction, url: remote.url, refs, everyS: Math.round(everyMs / 1000), made }
  if (given.json === true) return print(JSON.stringify(done))
  print(`${name} ${what} every ${given.every ?? defaultEvery}${made ? '; it was made for that' : ''}`)
  if (direction === 'pull') print('What is pushed to it here, in the refs that it follows, is undone by the next run.')
}

export async function runMirrorList(config: Config, given: Flags): Promise<void> {
  const found = await withDatabase(config, quietLog(config), (db) => listMirrors(db.queries))
  if (given.json === true) return found.forEach((mirror) => print(JSON.stringify(mirror)))
  const rows = found.map((mirror) => [
    mirror.repository,
    mirror.direction,
    mirror.url,
    shortDuration(mirror.everyS),
    mirror.succeededAt?.toISOString() ?? 'never',
    state(mirror),
  ])
  print([['REPOSITORY', 'DIRECTION', 'URL', 'EVERY', 'LAST SUCCESS', 'STATE'], ...rows].map((row) => row.join('\t')).join('\n'))
}

/** Sets the exit code to 1 when a mirror failed. */
export async function runMirrorRun(config: Config, given: Flags, [name]: readonly string[]): Promise<void> {
  const outcomes = await interruptible((signal) =>
    withRooms(config, async ({ db, git, log }) => {
      const repositoryId = name === undefined ? null : (await repositoryNamed(db, parseRepository(name))).id
      const { rows } = await sql<{ now: Date }>`select now() as now`.execute(db.queries)
      const choice = { due: false, repositoryId, notAfter: rows[0]?.now ?? new Date(systemClock.now()) } as const
      const sealer = await openSealer(config, systemRandomness)
      const bar = new Progress(process.stderr, systemClock)
      const progress: MirrorRunnerOptions['progress'] = ({ repository }, phase, at, total) =>
        bar.show(fullName(repository), phase, at, total)
      const options = { parts: git.importParts, client: makeRemoteClient(config), sealer, randomness: systemRandomness, log, progress }
      const done: MirrorOutcome[] = []
      for (;;) {
        const outcome = await runNextMirror(options, choice, signal).finally(() => bar.clear())
        if (outcome === null) return done
        print(given.json === true ? JSON.stringify(plain(outcome)) : line(outcome))
        done.push(outcome)
      }
    }),
  )
  if (outcomes.length === 0 && given.json !== true) print('There is no mirror to run, or another run is at it.')
  if (outcomes.some((outcome) => outcome.error !== null)) process.exitCode = 1
}

export async function runMirrorRemove(config: Config, given: Flags, [name = '', url]: readonly string[]): Promise<void> {
  const removed = await withDatabase(config, quietLog(config), async (db) => {
    const repository = await repositoryNamed(db, parseRepository(name))
    return removeMirrors(db, repository, url === undefined ? null : remoteOf(url, {}).url)
  })
  if (removed === 0) throw new InputError('no-mirror', `${name} has no ${url === undefined ? 'mirror' : 'mirror to that URL'}`)
  printDone(given.json === true, { repository: name, removed }, `Removed: ${removed}. The repository stays as it is.`)
}

/** A repository that follows another is made when that one can be read: it must name objects the same way. */
async function createFollower(
  config: Config,
  db: Database,
  { owner, name }: RepositoryName,
  remote: RemoteUrl,
  given: Flags,
): Promise<Repository> {
  const account = await findAccount(db.queries, owner)
  if (account === null) throw new InputError('no-account', `there is no account '${owner}'; stemma user list shows those that there are`)
  const state = await interruptible((signal) => new RemoteOrigin(remote, makeRemoteClient(config), signal).readState())
  return createRepository(db, {
    ownerId: account.id,
    name,
    visibility: given.public === true ? 'public' : 'private',
    objectFormat: state.format,
    ...(state.head === null ? {} : { head: state.head }),
  })
}

function remoteOf(url: string, given: Flags): RemoteUrl {
  const place = parsePlace(url)
  if ('folder' in place) throw new UsageError(`${url}: a mirror is another server's repository, by its https or http URL`)
  return given['token-file'] === undefined ? place.remote : withToken(place.remote, readToken(given['token-file']))
}

function state({ isRunning, failures, error, endedAt }: MirrorFacts): string {
  if (isRunning) return 'running'
  if (error !== null) return `failed ${failures === 1 ? 'once' : `${failures} times`}: ${error}`
  return endedAt === null ? 'not run yet' : 'in step'
}

function line({ mirror, result, error }: MirrorOutcome): string {
  const name = `${mirror.repository.ownerLogin}/${mirror.repository.name}`
  if (result === null) return `failed\t${name}\t${mirror.direction}\t${mirror.remote.url}\t${error}`
  const { created, updated, deleted } = result
  const what = created + updated + deleted === 0 ? 'nothing new' : `${created} refs created, ${updated} moved, ${deleted} deleted`
  return `in step\t${name}\t${mirror.direction}\t${mirror.remote.url}\t${what}`
}

function plain({ mirror, result, error }: MirrorOutcome): Record<string, unknown> {
  const { repository, direction, remote } = mirror
  const { created = 0, updated = 0, deleted = 0 } = result ?? {}
  return { repository: `${repository.ownerLogin}/${repository.name}`, direction, url: remote.url, created, updated, deleted, error }
}
