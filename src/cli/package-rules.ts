// `stemma package retention` and `stemma package immutable`: what is kept of packages, and which tags may not move; straight in the database.
import { operator, type Package, packageFullName, targetOf } from '../access/index.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/index.ts'
import {
  clearRetention,
  type DryRun,
  type HeldPolicy,
  planFor,
  readTagRules,
  type RetentionPolicy,
  retentionAt,
  type RuleAct,
  type RuleHome,
  setRetention,
  setTagRules,
} from '../oci/index.ts'
import { accountNamed } from './account-named.ts'
import { withDatabase } from './database.ts'
import { packageNamed } from './packages.ts'
import { formatBytes } from './progress.ts'
import { quietLog } from './rooms.ts'
import { parseDays, parseRetentionRule, parseTagRule, retentionRuleText, tagRuleText } from './rule-text.ts'
import { chosen, counted, type Flags, flagChoices, print, printDone, printRows, UsageError } from './usage.ts'

/** A package, or an owner, whose rules hold for all his packages. */
interface Place {
  readonly name: string
  readonly home: RuleHome
  readonly act: RuleAct
  /** Null: an owner. */
  readonly package: Package | null
}

export async function runShowRetention(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  await withPlace(config, name, async (db, place) => tellPolicy(given, place, await retentionAt(db.queries, place.home, place.act.ownerId)))
}

export async function runSetRetention(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const policy = policyOf(given) ?? missingRules('set')
  await withPlace(config, name, async (db, place) => {
    await setRetention(db, place.home, policy, place.act)
    tellPolicy(given, place, await retentionAt(db.queries, place.home, place.act.ownerId))
  })
}

export async function runClearRetention(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  await withPlace(config, name, async (db, place) => {
    const cleared = await clearRetention(db, place.home, place.act)
    const words = cleared ? `${place.name} has no policy of its own any more` : `${place.name} had no policy of its own`
    printDone(given.json === true, { name: place.name, cleared }, words)
  })
}

export async function runTryRetention(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const wanted = policyOf(given)
  await withPlace(config, name, async (db, place) => {
    if (place.package === null) throw new UsageError(`'${name}' is not OWNER/NAME: what goes is told of one package`)
    const policy = wanted ?? (await retentionAt(db.queries, place.home, place.act.ownerId))?.policy ?? missingRules('try')
    tellPlan(given, place.name, await planFor(db, place.package.id, policy, config.registry))
  })
}

export async function runShowImmutable(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  await withPlace(config, name, (db, place) => tellTagRules(db, given, place))
}

export async function runSetImmutable(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  const rules = (given.rule ?? []).map(parseTagRule)
  if (rules.length === 0)
    throw new UsageError("'stemma package immutable set' needs --rule; to take all away: stemma package immutable clear")
  await changeImmutable(config, given, name, rules)
}

export async function runClearImmutable(config: Config, given: Flags, [name = '']: readonly string[]): Promise<void> {
  await changeImmutable(config, given, name, [])
}

async function changeImmutable(config: Config, given: Flags, name: string, rules: Parameters<typeof setTagRules>[2]): Promise<void> {
  await withPlace(config, name, async (db, place) => {
    await setTagRules(db, place.home, rules, place.act)
    await tellTagRules(db, given, place)
  })
}

/** `OWNER`, or `OWNER/NAME`. */
async function withPlace(config: Config, name: string, run: (db: Database, place: Place) => Promise<void>): Promise<void> {
  await withDatabase(config, quietLog(config), async (db) => {
    if (!name.includes('/')) {
      const { id, login } = await accountNamed(db, name)
      const act = { actor: operator, ownerId: id, target: login }
      return run(db, { name: login, home: { ownerId: id }, act, package: null })
    }
    const one = await packageNamed(db, name, { format: 'oci' })
    const act = { actor: operator, ownerId: one.ownerId, target: targetOf(one) }
    return run(db, { name: packageFullName(one), home: { packageId: one.id }, act, package: one })
  })
}

/** Null: the command line names no policy. */
function policyOf({ rule, untagged, referrers }: Flags): RetentionPolicy | null {
  if (rule === undefined && untagged === undefined && referrers === undefined) return null
  return {
    rules: (rule ?? []).map(parseRetentionRule),
    untaggedDays: untagged === undefined ? null : parseDays(untagged, '--untagged'),
    referrersGo: referrers === undefined || chosen('referrers', referrers, flagChoices.referrers ?? []) === 'go',
  }
}

function missingRules(command: string): never {
  const why = command === 'try' ? 'there is no policy to try: say one by' : "'stemma package retention set' needs"
  throw new UsageError(`${why} --rule or --untagged (stemma package retention ${command} --help)`)
}

function tellPolicy(given: Flags, { name, package: one }: Place, found: HeldPolicy | null): void {
  if (given.json === true) {
    const { policy, of = null, updatedAt, dueAt } = found ?? {}
    return print(JSON.stringify({ name, of, ...policy, updatedAt: updatedAt?.toISOString(), nextRunAt: dueAt?.toISOString() }))
  }
  if (found === null) return print(`${name} has no policy: everything stays`)
  const { of, policy, dueAt } = found
  const whose = one !== null && of === 'owner' ? 'by its owner’s policy' : 'by a policy of its own'
  print(`${name}, ${whose}, which is applied next at ${dueAt.toISOString()}`)
  for (const rule of policy.rules) print(`  --rule '${retentionRuleText(rule)}'`)
  if (policy.untaggedDays !== null) print(`  --untagged ${policy.untaggedDays}d`)
  print(`  --referrers ${policy.referrersGo ? 'go' : 'stay'}`)
}

function tellPlan(given: Flags, name: string, plan: DryRun): void {
  const { tags, manifests, freedBytes, tagCount, goingTagCount, goingManifestCount } = plan
  const going = tags.filter(({ goes }) => goes)
  if (given.json === true) {
    const told = tags.map(({ updatedAt, digest, ...tag }) => ({ ...tag, digest: digestText(digest), updatedAt: updatedAt.toISOString() }))
    const gone = manifests.map(({ digest, why }) => ({ digest: digestText(digest), why }))
    return print(
      JSON.stringify({ name, tagCount: goingTagCount, manifestCount: goingManifestCount, freedBytes, tags: told, manifests: gone }),
    )
  }
  const rows = [
    ...going.map((tag) => ['tag', tag.name, 'goes', tag.why]),
    ...tags.filter(({ goes }) => !goes).map((tag) => ['tag', tag.name, 'stays', tag.why]),
    ...manifests.map(({ digest, why }) => ['manifest', digestText(digest), 'goes', why]),
  ]
  printRows(false, ['WHAT', 'NAME', 'GOES', 'WHY'], rows, (row) => row)
  print(
    `${goingTagCount} of ${counted(tagCount, 'tag')} and ${counted(goingManifestCount, 'manifest')} would go, and ${formatBytes(freedBytes)} with them; nothing has changed`,
  )
}

async function tellTagRules({ queries }: Database, given: Flags, { name, home, package: one }: Place): Promise<void> {
  const own = await readTagRules(queries, home)
  const owners = one === null ? [] : await readTagRules(queries, { ownerId: one.ownerId })
  const rows = [
    ...own.map((rule) => ({ of: one === null ? 'owner' : 'package', ...rule })),
    ...owners.map((rule) => ({ of: 'owner', ...rule })),
  ]
  if (given.json !== true && rows.length === 0)
    return print(
      one === null ? `${name} says of no tags that they stay; a package’s own rules hold` : `${name} has no immutable tags: all may move`,
    )
  printRows(given.json === true, ['OF', 'RULE'], rows, ({ of, ...rule }) => [of, tagRuleText(rule)])
}

function digestText(hex: string): string {
  return `${hex.length === 64 ? 'sha256' : 'sha512'}:${hex}`
}
