// Rows of rules of refs. Who changes them holds the repository's row locked, as who moves refs does: a rule counts for every move that comes after it.
// Each change stands in the audit and the outbox.
import { type Actor, type AccountId, audit, type AuditAction, fullName, type Repository } from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import { type Database, type Queries, sql, type Tx } from '../../db/index.ts'
import { type Allowed, fullPattern, patternMatcher, type RefAct, refActs, type RefRule } from './ref-rule.ts'

/** Each ref that moves is compared with each of them. */
const mostRules = 50
const mostAccounts = 100

/** Who may, by logins. In a change, what is left out keeps what it is. */
export interface WantedAllowed {
  readonly role?: Allowed['role'] | undefined
  readonly users?: readonly string[] | undefined
  readonly deploy?: boolean | undefined
}

export interface WantedRule extends Readonly<Partial<Record<RefAct, WantedAllowed | undefined>>> {
  /** As `fullPattern` takes it. */
  readonly pattern?: string | undefined
  readonly bindsAdmins?: boolean | undefined
}

const nobody: Allowed = { role: null, accounts: [], deploy: false }

/** Of a new rule that doesn't say who: whoever may push at all pushes; nobody forces or deletes. One that names a role or users allows nobody else. */
const defaults: Readonly<Record<RefAct, Allowed>> = { push: { role: 'write', accounts: [], deploy: true }, force: nobody, delete: nobody }

/** All rules of the repository, in the order they were made. */
export async function readRefRules(queries: Queries, repositoryId: number): Promise<RefRule[]> {
  const { rows } = await sql<RuleRow>`
    select rule.id, rule.pattern, rule.binds_admins, coalesce(jsonb_agg(jsonb_build_object('act', act, 'role', role, 'id', account_id, 'login', login,
      'deploy', is_deploy) order by lower(login)) filter (where act is not null), '[]') as grants
    from ref_rule rule left join ref_rule_grant on rule_id = rule.id left join account on account.id = account_id
    where repository_id = ${repositoryId} group by rule.id order by rule.id`.execute(queries)
  return rows.map(ruleOf)
}

interface GrantRow {
  readonly act: RefAct
  readonly role: Allowed['role']
  readonly id: number | null
  readonly login: string | null
  readonly deploy: true | null
}

interface RuleRow {
  readonly id: number
  readonly pattern: string
  readonly binds_admins: boolean
  readonly grants: readonly GrantRow[]
}

function ruleOf({ id, pattern, binds_admins: bindsAdmins, grants }: RuleRow): RefRule {
  const allowed = (act: RefAct): Allowed => {
    const own = grants.filter((grant) => grant.act === act)
    return {
      role: own.find(({ role }) => role !== null)?.role ?? null,
      accounts: own.flatMap(({ id: of, login }) => (of === null ? [] : [{ id: of as AccountId, login: login ?? '' }])),
      deploy: own.some(({ deploy }) => deploy === true),
    }
  }
  const acts = { push: allowed('push'), force: allowed('force'), delete: allowed('delete') }
  return { id, pattern, bindsAdmins, ...acts, matches: patternMatcher(pattern) }
}

/** Whether a rule is about the ref, for whoever shows it. */
export async function findProtection(
  queries: Queries,
  { id, hasRefRules }: Pick<Repository, 'id' | 'hasRefRules'>,
): Promise<(ref: string) => boolean> {
  const rules = hasRefRules ? await readRefRules(queries, id) : []
  return (ref) => rules.some((rule) => rule.matches(ref))
}

/** Null: the repository is gone. InputError `ref-pattern`, `rule-exists`, `too-many-rules`, `no-such-user`. */
export async function addRefRule(db: Database, repository: Repository, wanted: WantedRule, actor: Actor): Promise<RefRule | null> {
  return await changing(db, repository, async (tx, rules) => {
    const pattern = fullPattern(wanted.pattern ?? '')
    if (rules.length >= mostRules)
      throw new InputError('too-many-rules', `A repository has at most ${mostRules} rules; one may have a pattern`)
    assertFree(rules, pattern)
    const { id } = await tx
      .insertInto('ref_rule')
      .values({ repository_id: repository.id, pattern, binds_admins: wanted.bindsAdmins ?? true })
      .returning('id')
      .executeTakeFirstOrThrow()
    for (const act of refActs) {
      const { role, users } = wanted[act] ?? {}
      await allow(tx, id, act, wanted[act] ?? {}, role === undefined && users === undefined ? defaults[act] : nobody)
    }
    await tx.updateTable('repository').set({ has_ref_rules: true }).where('id', '=', repository.id).execute()
    return await told(tx, repository, 'ref-rule.create', id, actor)
  })
}

/** Null: there is no such rule. InputError as `addRefRule`. */
export async function changeRefRule(
  db: Database,
  repository: Repository,
  id: number,
  wanted: WantedRule,
  actor: Actor,
): Promise<RefRule | null> {
  return await changing(db, repository, async (tx, rules) => {
    const before = rules.find((rule) => rule.id === id)
    if (!before) return null
    const pattern = wanted.pattern === undefined ? before.pattern : fullPattern(wanted.pattern)
    assertFree(
      rules.filter((rule) => rule !== before),
      pattern,
    )
    const change = { pattern, binds_admins: wanted.bindsAdmins ?? before.bindsAdmins, updated_at: sql<Date>`now()` }
    await tx.updateTable('ref_rule').set(change).where('id', '=', id).execute()
    for (const act of refActs) if (wanted[act]) await allow(tx, id, act, wanted[act], before[act])
    return await told(tx, repository, 'ref-rule.change', id, actor)
  })
}

/** False: there is no such rule. */
export async function removeRefRule(db: Database, repository: Repository, id: number, actor: Actor): Promise<boolean> {
  const removed = await changing(db, repository, async (tx, rules) => {
    if (!rules.some((rule) => rule.id === id)) return null
    const gone = await told(tx, repository, 'ref-rule.delete', id, actor)
    await tx.deleteFrom('ref_rule').where('id', '=', id).execute()
    await tx
      .updateTable('repository')
      .set({ has_ref_rules: rules.length > 1 })
      .where('id', '=', repository.id)
      .execute()
    return gone
  })
  return removed !== null
}

async function changing<T>(
  db: Database,
  { id }: Repository,
  change: (tx: Tx, rules: readonly RefRule[]) => Promise<T | null>,
): Promise<T | null> {
  return await db.transaction(
    async (tx) => {
      const isThere = await tx.selectFrom('repository').select('id').where('id', '=', id).forUpdate().executeTakeFirst()
      return isThere ? await change(tx, await readRefRules(tx, id)) : null
    },
    { mayRetry: true },
  )
}

function assertFree(rules: readonly RefRule[], pattern: string): void {
  if (rules.some((rule) => rule.pattern === pattern)) throw new InputError('rule-exists', `There is a rule for ${pattern} already`)
}

/** Makes the rows of one act anew. */
async function allow(tx: Tx, ruleId: number, act: RefAct, { role, users, deploy }: WantedAllowed, otherwise: Allowed): Promise<void> {
  const ids = users === undefined ? otherwise.accounts.map(({ id }) => id) : await idsOf(tx, users)
  const grant = { rule_id: ruleId, act, role: null, account_id: null, is_deploy: null }
  const roleNow = role === undefined ? otherwise.role : role
  const rows = [
    ...(roleNow === null ? [] : [{ ...grant, role: roleNow }]),
    ...ids.map((id) => ({ ...grant, account_id: id })),
    ...((deploy ?? otherwise.deploy) ? [{ ...grant, is_deploy: true }] : []),
  ]
  await tx.deleteFrom('ref_rule_grant').where('rule_id', '=', ruleId).where('act', '=', act).execute()
  if (rows.length > 0) await tx.insertInto('ref_rule_grant').values(rows).execute()
}

async function idsOf(tx: Tx, logins: readonly string[]): Promise<AccountId[]> {
  const names = [...new Set(logins.map((login) => login.toLowerCase()))]
  if (names.length > mostAccounts) throw new InputError('no-such-user', `A rule names at most ${mostAccounts} users for one thing`)
  if (names.length === 0) return []
  const rows = await tx
    .selectFrom('account')
    .select(['id', sql<string>`lower(login)`.as('name')])
    .where('kind', '=', 'user')
    .where(sql<boolean>`lower(login) = any(${names}::text[])`)
    .execute()
  const missing = names.find((name) => !rows.some((row) => row.name === name))
  if (missing !== undefined) throw new InputError('no-such-user', `There is no user ${missing.slice(0, 60)}`)
  return rows.map(({ id }) => id as AccountId)
}

/** The rule as it is now, in the audit and the outbox. */
async function told(tx: Tx, repository: Repository, action: AuditAction, id: number, actor: Actor): Promise<RefRule> {
  const rule = (await readRefRules(tx, repository.id)).find((one) => one.id === id)
  if (!rule) throw new Error('a rule that was just written is missing')
  const { pattern, bindsAdmins } = rule
  const acts = refActs.map((act) => [act, { ...rule[act], accounts: rule[act].accounts.map(({ login }) => login) }] as const)
  const details = { rule: id, pattern, bindsAdmins, ...Object.fromEntries(acts) }
  await audit(tx, actor, { action, ownerId: repository.ownerId, repositoryId: repository.id, target: fullName(repository), details })
  await tx
    .insertInto('outbox')
    .values({ kind: action, repository_id: repository.id, payload: JSON.stringify({ rule: id, pattern }) })
    .execute()
  return rule
}
