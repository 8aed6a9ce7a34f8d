// Tags that may not move: rules of a package, or of all packages of an owner. The database holds them against whoever would move or delete such a tag, under the
// lock of the tag's row (`oci_tag_holds`), so no way round them can be forgotten. docs/design/oci-keeping.md, Immutable tags.
import { type AccountId, type Actor, assertOwners, audit, findPackageById, type PackageId } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { type Database, type Queries, sql, sqlState, type Tx } from '../../db/index.ts'
import { assertTagPattern, matchesAny, matchesGlob } from './glob.ts'

/** Whose rules they are. */
export type RuleHome = { readonly ownerId: AccountId } | { readonly packageId: PackageId }

/** Who changes rules, and under which name they stand in whose audit. */
export interface RuleAct {
  readonly actor: Actor
  readonly ownerId: AccountId
  readonly target: string
}

export interface TagRule {
  /** Tags that match may not move or go. */
  readonly tags: string
  /** But for those. */
  readonly except: readonly string[]
}

/** Of one home. */
const mostRules = 50
const mostExceptions = 50

export async function readTagRules(queries: Queries, home: RuleHome): Promise<readonly TagRule[]> {
  const { rows } = await sql<TagRule>`
    select tags, except_tags as except from oci_tag_rule where ${atHome(home)} order by id`.execute(queries)
  return rows
}

/** All that hold in a package: its own, and its owner's. */
export async function tagRulesOfPackage(queries: Queries, packageId: PackageId): Promise<readonly TagRule[]> {
  const { rows } = await sql<TagRule>`
    select r.tags, r.except_tags as except from oci_tag_rule r join package p on r.package_id = p.id or r.owner_id = p.owner_id
    where p.id = ${packageId} order by r.id`.execute(queries)
  return rows
}

/** The rule that holds a tag where it is; null: none does. */
export function ruleOf(rules: readonly TagRule[], tag: string): TagRule | null {
  return rules.find(({ tags, except }) => matchesGlob(tags, tag) && !matchesAny(except, tag)) ?? null
}

/** Of what comes from an upstream nothing is said here: it is kept as the upstream's cache is. InputError `upstreams-package`. */
export async function assertRulable(tx: Tx, home: RuleHome): Promise<void> {
  const one = 'packageId' in home ? await findPackageById(tx, home.packageId) : null
  if (one !== null) assertOwners(one)
}

/** These, and no others, from now on. InputError `tag-pattern`, `too-many-rules`, `upstreams-package`. */
export async function setTagRules(db: Database, home: RuleHome, rules: readonly TagRule[], act: RuleAct): Promise<void> {
  if (rules.length > mostRules) throw new InputError('too-many-rules', `there may be ${mostRules} rules at most`)
  for (const { tags, except } of rules) {
    if (except.length > mostExceptions) throw new InputError('too-many-rules', `a rule may have ${mostExceptions} exceptions at most`)
    for (const pattern of [tags, ...except]) assertTagPattern(pattern)
  }
  await db.transaction(
    async (tx) => {
      if (rules.length > 0) await assertRulable(tx, home)
      await sql`delete from oci_tag_rule where ${atHome(home)}`.execute(tx)
      for (const { tags, except } of rules) {
        await tx
          .insertInto('oci_tag_rule')
          .values({ ...columnsOf(home), tags, except_tags: [...except] })
          .execute()
      }
      await audit(tx, act.actor, { action: 'package.tag-rules', ownerId: act.ownerId, target: act.target, details: { rules } })
    },
    { mayRetry: true },
  )
}

/** What to tell a client whose statement moved or deleted an immutable tag; null: that isn't what went wrong. */
export function immutableTagFault(error: unknown): string | null {
  return sqlState(error) === 'SM001' && error instanceof Error ? error.message : null
}

/** In this transaction immutable tags may go: the package goes as a whole. */
export async function tagsMayGo(tx: Tx): Promise<void> {
  await sql`select set_config('stemma.tags_may_go', 'on', true)`.execute(tx)
}

/** SQL: that a row is of that home. */
export function atHome(home: RuleHome) {
  return 'ownerId' in home ? sql<boolean>`owner_id = ${home.ownerId}` : sql<boolean>`package_id = ${home.packageId}`
}

export function columnsOf(home: RuleHome) {
  return 'ownerId' in home ? { owner_id: home.ownerId, package_id: null } : { owner_id: null, package_id: home.packageId }
}
