// `stemma package versions` and `stemma package prune`: the versions of a package of any format, and prereleases of npm's that nobody needs any more.
import { operator, type Package, packageFullName } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import type { Config } from '../config.ts'
import { type Database, sql } from '../db/index.ts'
import { judgePrereleases, removePrereleases } from '../npm/index.ts'
import { packageFormats } from '../package-formats.ts'
import { type FormatVersion, roomOf } from '../packages/index.ts'
import { withDatabase } from './database.ts'
import { packageNamed } from './packages.ts'
import { quietLog } from './rooms.ts'
import { parseDays } from './rule-text.ts'
import { counted, type Flags, print, printRows, UsageError } from './usage.ts'

/** What stays where nothing is said. */
const usual = { newest: 10, days: 30 }

export async function runListVersions(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const versions = await withDatabase(config, quietLog(config), async (db) => allVersions(db, await packageNamed(db, name, given)))
  const rows = versions.map(({ name: version, tags, publishedAt }) => ({ version, tags, publishedAt: publishedAt.toISOString() }))
  printRows(given.json === true, ['VERSION', 'PUBLISHED', 'TAGS'], rows, ({ version, tags, publishedAt }) => [
    version,
    publishedAt.slice(0, 10),
    tags.length === 0 ? null : tags.join(' '),
  ])
}

/** The newest first. */
async function allVersions({ queries }: Database, one: Package): Promise<FormatVersion[]> {
  const room = roomOf(packageFormats, one)
  const found: FormatVersion[] = []
  for (let page = 1; ; page++) {
    const { versions, total } = await room.listVersions(queries, one.id, { page, perPage: 1000 })
    found.push(...versions)
    if (versions.length === 0 || found.length >= total) return found
  }
}

export async function runPrune(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const { newest = String(usual.newest), grace = `${usual.days}d`, yes = false } = given
  if (!/^\d{1,6}$/.test(newest)) throw new UsageError(`'${newest}' for --newest is no number of versions`)
  const policy = { newest: Number(newest), days: parseDays(grace, '--grace') }
  await withDatabase(config, quietLog(config), async (db) => {
    const one = await packageNamed(db, name, { format: 'npm' })
    if (one.upstreamId !== null)
      throw new InputError('upstreams-package', `${name} comes from an upstream: how long it is kept is said of that`)
    const { rows } = await sql<{ now: Date }>`select now() as now`.execute(db.queries)
    const verdicts = judgePrereleases(policy, await allVersions(db, one), rows[0]?.now as Date)
    const going = verdicts.filter(({ goes }) => goes).map((version) => version.name)
    const gone = yes ? await removePrereleases(db, one, going, operator) : []
    tell(given, packageFullName(one), verdicts, yes ? gone : null)
  })
}

/** @param gone null: nothing was done */
function tell(given: Flags, name: string, verdicts: ReturnType<typeof judgePrereleases>, gone: readonly string[] | null): void {
  const rows = verdicts.map(({ name: version, goes, why }) => ({ version, goes: gone === null ? goes : gone.includes(version), why }))
  if (given.json === true) return print(JSON.stringify({ name, isDone: gone !== null, prereleases: rows }))
  printRows(false, ['VERSION', 'GOES', 'WHY'], rows, ({ version, goes, why }) => [version, goes ? 'goes' : 'stays', why])
  const count = rows.filter(({ goes }) => goes).length
  const outcome = gone === null ? 'would go; nothing has changed (--yes does it)' : 'went, and never come again'
  print(`${count} of ${counted(rows.length, 'prerelease')} ${outcome}`)
}
