// `stemma gc` and `stemma purge`: objects leave that no ref reaches, and LFS objects that no pointer names. What came of it goes to standard output.
import { setTimeout as sleep } from 'node:timers/promises'
import { CorruptError, InputError, systemClock, UnavailableError } from '../base/index.ts'
import { type Config, parseDuration, parseSize } from '../config.ts'
import { sql, type Tx } from '../db/index.ts'
import { type AuditAction, audit, operator } from '../access/index.ts'
import { type Collected, collectNetwork, endGrace, findHolders, reachedBlobs } from '../git/index.ts'
import { type Pruned, pruneObjects, type ReachedBlobs } from '../lfs/index.ts'
import { sweepOrphans } from '../jobs/index.ts'
import { formatBytes, Progress } from './progress.ts'
import { parseRepository, repositoryNamed } from './repository-name.ts'
import { type CommandRooms, interruptible, withRooms } from './rooms.ts'
import { type Flags, print, UsageError } from './usage.ts'

const longestGraceMs = 10 * 365 * 86_400_000
/** Less than the server itself would keep: that is asked for twice. */
const shortGraceMs = 3600_000
/** As `stemma repack` has them. */
const defaults = { window: 10, depth: 50, reuse: true, memoryBytes: parseSize('192MiB') as number }
const mostNamed = 50
const patienceMs = 30_000
/** Somebody else is at the network's packs, or was. */
const mayBeTriedAgain: ReadonlySet<string> = new Set(['repack-running', 'repack-raced', 'gc-raced', 'lfs-raced'])

interface Place {
  /** `OWNER/REPO`: of a network, its oldest repository. */
  readonly name: string
  readonly networkId: string
}

function parseGrace(text: string): number {
  const graceMs = /^\d+$/.test(text) && Number(text) > 0 ? null : parseDuration(text)
  if (graceMs !== null && graceMs >= 0 && graceMs <= longestGraceMs) return graceMs
  throw new UsageError(`--grace ${text} is no duration such as 14d or 12h, or 0: a number needs its unit (d, h, m, s)`)
}

/** @throws UsageError; InputError for a repository that isn't there; what stops it. Each network is done or not: there is no half. */
export async function runGc(config: Config, given: Flags, [name]: readonly string[]): Promise<void> {
  const graceMs = given.grace === undefined ? config.git.collectGraceMs : parseGrace(given.grace)
  const isDry = given['dry-run'] === true
  if (graceMs < shortGraceMs && !isDry && given.yes !== true) {
    throw new UsageError(
      'a grace of less than an hour removes for good what no ref reaches at this moment: also what a forced push or a deleted branch left a minute ago, and LFS objects that were uploaded for a push which has not come yet. --dry-run shows how much that is; --yes does it',
    )
  }
  await interruptible((signal) =>
    withRooms(config, async (rooms) => {
      const places = name === undefined ? await allPlaces(rooms) : [await placeOf(rooms, name)]
      const failed: string[] = []
      let isDamaged = false
      for (const place of places) {
        try {
          const how = { graceS: Math.ceil(graceMs / 1000), isDry, signal }
          const tells = { action: 'repository.collect', details: { graceS: how.graceS } } as const
          const collected = await collect(config, rooms, place, { ...how, isUrgent: false, tells })
          const lfs = await prune(rooms, place, how)
          report(place.name, collected, isDry, given.json === true, lfs)
        } catch (error) {
          // of all, the others have their turn
          const isRaced = error instanceof UnavailableError && mayBeTriedAgain.has(error.code)
          if (name !== undefined || !(isRaced || error instanceof CorruptError)) throw error
          isDamaged ||= !isRaced
          failed.push(`${place.name}: ${error.message}`)
        }
      }
      if (failed.length === 0) return
      if (isDamaged) throw new CorruptError('gc-incomplete', failed.join('\n'))
      throw new UnavailableError('gc-incomplete', failed.join('\n'))
    }),
  )
}

/** @throws UsageError; InputError when there is no such repository or id, or refs still reach what is to go; what stops it. */
export async function runPurge(config: Config, given: Flags, [name = '', ...ids]: readonly string[]): Promise<void> {
  const isDry = given.yes !== true
  await interruptible((signal) =>
    withRooms(config, async (rooms) => {
      const place = await placeOf(rooms, name)
      const { missing, refs, stored } = await findHolders(rooms.git, place.networkId, ids, signal)
      for (const id of missing) print(`${id}\tis not stored in the network of ${name}`)
      if (refs.length > 0) {
        const shown = refs.slice(0, mostNamed).map((ref) => `\n  ${ref.repository} ${ref.name}`)
        const more = refs.length > mostNamed ? `\n  and ${refs.length - mostNamed} more` : ''
        throw new InputError(
          'still-reached',
          `nothing was removed: these refs still reach what is to go; move or delete them first (git filter-repo, then a forced push)${shown.join('')}${more}`,
        )
      }
      // what was purged, or left by itself, may still stand in packs that were replaced a moment ago
      if (stored.length === 0) return isDry ? undefined : await deleteKeys(rooms, place, signal)
      const tells = { action: 'repository.purge', details: { objects: stored } } as const
      const collected = await collect(config, rooms, place, { graceS: 0, isDry, isUrgent: true, signal, tells })
      report(place.name, collected, isDry, given.json === true)
      if (isDry) return print('nothing was removed yet: --yes removes these objects, and whatever else no ref of the network reaches')
      await deleteKeys(rooms, place, signal)
      print('what can still hold them: clones, backups, other servers that mirror this one, and PostgreSQL’s log until it is recycled;')
      print('a node’s local caches until they are needed for other things (docs/design/gc.md says how to empty them)')
    }),
  )
}

/** Keys of what was replaced, now and before, go at once, and not after their grace or when the server next looks. */
async function deleteKeys({ db, git, log }: CommandRooms, { networkId }: Place, signal: AbortSignal): Promise<void> {
  await endGrace(git, networkId)
  const { failures } = await sweepOrphans(db, git.options.bucket, log, signal)
  const { rows } = await sql<{ left: number }>`select count(*)::float8 as left from key_deletion where not_before <= now()`.execute(
    db.queries,
  )
  const left = rows[0]?.left ?? 0
  if (failures > 0 || left > 0) {
    const count = Math.max(left, failures)
    throw new UnavailableError(
      'keys-left',
      `the objects are gone from the repository, but ${count} old ${count === 1 ? 'value is' : 'values are'} still in the bucket: it failed, or 'stemma backup hold' keeps them; the server tries again`,
    )
  }
}

interface CollectHow {
  readonly graceS: number
  readonly isDry: boolean
  readonly isUrgent: boolean
  readonly signal: AbortSignal
  /** What the audit is told when objects leave. */
  readonly tells: { readonly action: AuditAction; readonly details: Readonly<Record<string, unknown>> }
}

/** In the audit of every repository of the network, or of one: they share what leaves. */
async function tell(
  tx: Tx,
  of: { readonly networkId: string } | { readonly id: number },
  { action, details, ...more }: CollectHow['tells'] & Readonly<Record<string, unknown>>,
): Promise<void> {
  const rows = await tx
    .selectFrom('repository')
    .innerJoin('account', 'account.id', 'repository.owner_id')
    .select(['repository.id', 'repository.owner_id', 'account.login', 'repository.name'])
    .where((row) => ('id' in of ? row('repository.id', '=', of.id) : row('repository.network_id', '=', of.networkId)))
    .orderBy('repository.id')
    .execute()
  for (const { id, login, name, owner_id: ownerId } of rows) {
    await audit(tx, operator, { action, ownerId, repositoryId: id, target: `${login}/${name}`, details: { ...details, ...more } })
  }
}

async function collect(
  config: Config,
  { git }: CommandRooms,
  { name, networkId }: Place,
  { isDry, tells, ...how }: CollectHow,
): Promise<Collected> {
  const progress = new Progress(process.stderr, systemClock)
  const show = (phase: string, done: number, total: number) => progress.show(name, phase, done, total)
  const threads = Math.max(1, config.workers.count)
  const witness = async (tx: Tx, { leavingObjects }: Pick<Collected, 'leavingObjects'>) =>
    tell(tx, { networkId }, { ...tells, leavingObjects })
  const options = { ...defaults, ...how, collects: () => !isDry, threads, progress: show, witness }
  for (const startMs = systemClock.monotonic(); ; await sleep(500, undefined, { signal: how.signal })) {
    try {
      return await collectNetwork(git, networkId, options)
    } catch (error) {
      // the server's own work at the same packs is over soon
      const isBusy = error instanceof UnavailableError && error.code === 'repack-running'
      if (!isBusy || systemClock.monotonic() - startMs > patienceMs) throw error
      show('waiting for other work at these packs', 0, 0)
    } finally {
      progress.clear()
    }
  }
}

/** Of every repository of the network. */
async function prune(
  { db, git }: CommandRooms,
  { networkId }: Place,
  how: { readonly graceS: number; readonly isDry: boolean; readonly signal: AbortSignal },
): Promise<Pruned> {
  const rows = await db.queries.selectFrom('repository').select('id').where('network_id', '=', networkId).orderBy('id').execute()
  const sums = { objects: 0, bytes: 0, kept: 0 }
  for (const { id } of rows) {
    const witness = async (tx: Tx, gone: { readonly objects: number }) =>
      tell(tx, { id }, { action: 'repository.collect', details: { graceS: how.graceS }, leavingLfsObjects: gone.objects })
    const parts = { db, reachedBlobs: (...which: Parameters<ReachedBlobs>) => reachedBlobs(git, ...which) }
    const { objects, bytes, kept } = await pruneObjects(parts, id, { ...how, witness })
    sums.objects += objects
    sums.bytes += bytes
    sums.kept += kept
  }
  return sums
}

function report(name: string, collected: Collected, isDry: boolean, isJson: boolean, lfs: Pruned | null = null): void {
  const { keptObjects, leavingBytes, leavingObjects, repacked } = collected
  if (isJson) {
    const stored = repacked && { bytesBefore: repacked.bytesBefore, bytesAfter: repacked.bytesAfter }
    return print(JSON.stringify({ repository: name, isDry, keptObjects, leavingObjects, leavingBytes, ...stored, ...(lfs ? { lfs } : {}) }))
  }
  const what = `${leavingObjects} ${leavingObjects === 1 ? 'object' : 'objects'} (${formatBytes(leavingBytes)})`
  if (leavingObjects === 0) print(`kept\t${name}\tall ${keptObjects} objects stay: refs reach them, or did within the grace`)
  else if (repacked === null) print(`${isDry ? 'would remove' : 'gone meanwhile'}\t${name}\t${what}; ${keptObjects} stay`)
  else print(`removed\t${name}\t${what}; ${formatBytes(repacked.bytesBefore)} became ${formatBytes(repacked.bytesAfter)}`)
  if (lfs === null || lfs.objects === 0) return
  const objects = `${lfs.objects} LFS ${lfs.objects === 1 ? 'object' : 'objects'} (${formatBytes(lfs.bytes)})`
  print(`${isDry ? 'would remove' : 'removed'}\t${name}\t${objects}; ${lfs.kept} stay`)
}

async function placeOf({ db }: CommandRooms, name: string): Promise<Place> {
  return { name, networkId: (await repositoryNamed(db, parseRepository(name))).networkId }
}

async function allPlaces({ db }: CommandRooms): Promise<Place[]> {
  const { rows } = await sql<Place>`
    select distinct on (r.network_id) a.login || '/' || r.name as name, r.network_id as "networkId"
    from repository r join account a on a.id = r.owner_id order by r.network_id, r.id`.execute(db.queries)
  return rows.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
