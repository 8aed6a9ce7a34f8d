// /repos/{owner}/{repo}/branches/{branch}/protection (GitHub REST "Protected branches"): the rule that names this branch alone, in GitHub's shape. What
// GitHub can ask of a branch and we can't is refused where it is asked for.
import type { FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { actorOf, findAccountById, fullName, onRepository, repositoryOf } from '../access/index.ts'
import { addRefRule, changeRefRule, readRefRules, type RefRule, removeRefRule, type WantedRule } from '../git/index.ts'
import { type FieldFault, Refusal, type Routes, validationFailed } from '../http/index.ts'
import { branchNotFound } from './branches.ts'
import { originOf, ownerJson } from './documents.ts'
import { RepositoryCall } from './repository-call.ts'
import type { ApiOptions } from './index.ts'
import { BranchProtectionChangeJson, BranchProtectionJson, BranchProtectionParams } from './ref-rules-schemas.ts'
import { asRuleFault, refRuleJson } from './ref-rules.ts'
import { unsupported } from './repositories.ts'
import { ErrorJson } from './schemas.ts'

const tags = ['BranchProtection']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }
const path = '/repos/:owner/:repo/branches/:branch/protection'

export function registerBranchProtection(routes: Routes, options: ApiOptions): void {
  const { db } = options
  const config = { access: onRepository('repository:administer'), encodedSlash: true }

  const reading = {
    tags,
    summary: 'How a branch is protected',
    params: BranchProtectionParams,
    response: { 200: BranchProtectionJson, ...errors },
  }
  routes.get(path, { config, schema: reading }, async (request) => {
    const ref = await branchOf(options, request, request.params.branch)
    const about = (await readRefRules(db.queries, repositoryOf(request).id)).filter((rule) => rule.matches(ref))
    // the one that names it; else the one that says most
    const rule = about.find(({ pattern }) => pattern === ref) ?? about.sort((a, b) => b.pattern.length - a.pattern.length)[0]
    if (!rule) throw notProtected()
    return await documentOf(options, request, rule, request.params.branch)
  })

  const changing = { ...reading, summary: 'Protects a branch', body: BranchProtectionChangeJson }
  routes.put(path, { config, schema: changing }, async (request) => {
    const wanted = wantedOf(request.body)
    const ref = await branchOf(options, request, request.params.branch)
    const repository = repositoryOf(request)
    const actor = actorOf(request)
    const present = (await readRefRules(db.queries, repository.id)).find(({ pattern }) => pattern === ref)
    const rule = await (present
      ? changeRefRule(db, repository, present.id, wanted, actor)
      : addRefRule(db, repository, { ...wanted, pattern: ref }, actor)
    ).catch(asRuleFault)
    if (rule === null) throw branchNotFound()
    return await documentOf(options, request, rule, request.params.branch)
  })

  const deletion = {
    tags,
    summary: 'Ends a branch’s protection',
    params: BranchProtectionParams,
    response: { 204: Type.Null(), ...errors },
  }
  routes.delete(path, { config, schema: deletion }, async (request, reply) => {
    const ref = await branchOf(options, request, request.params.branch)
    const repository = repositoryOf(request)
    const rule = (await readRefRules(db.queries, repository.id)).find(({ pattern }) => pattern === ref)
    if (!rule || !(await removeRefRule(db, repository, rule.id, actorOf(request)))) throw notProtected()
    return reply.code(204).send(null)
  })
}

function notProtected(): Refusal {
  return new Refusal(404, 'not-found', 'Branch not protected')
}

/** The ref of a branch that is there. */
async function branchOf(options: ApiOptions, request: FastifyRequest, branch: string): Promise<string> {
  const { view } = await RepositoryCall.of(options, request)
  const ref = `refs/heads/${branch}`
  if (!view.refs.byName.has(ref)) throw branchNotFound()
  return ref
}

const lacking = {
  required_status_checks: 'leave it null',
  required_pull_request_reviews: 'leave it null',
  required_linear_history: 'leave it out',
  block_creations: 'make a rule for a pattern (ref-rules)',
  required_conversation_resolution: 'leave it out',
  allow_fork_syncing: 'leave it out',
} as const

function wantedOf(body: Static<typeof BranchProtectionChangeJson>): WantedRule {
  const { restrictions } = body
  const asked = (Object.keys(lacking) as (keyof typeof lacking)[]).filter((field) => (body[field] ?? false) !== false)
  const faults: FieldFault[] = asked.map((field) => unsupported(field, lacking[field]))
  for (const kind of ['teams', 'apps'] as const)
    if ((restrictions?.[kind] ?? []).length > 0) faults.push(unsupported(`restrictions.${kind}`, 'name users'))
  if (faults.length > 0) throw validationFailed(faults)
  const everyone = { role: 'write', users: [], deploy: true } as const
  const nobody = { role: null, users: [], deploy: false } as const
  const named = restrictions && { role: null, users: restrictions.users, deploy: false }
  return {
    push: body.lock_branch === true ? nobody : (named ?? everyone),
    force: body.allow_force_pushes === true ? everyone : nobody,
    delete: body.allow_deletions === true ? everyone : nobody,
    bindsAdmins: body.enforce_admins ?? false,
  }
}

async function documentOf(
  { db, publicUrl }: ApiOptions,
  request: FastifyRequest,
  rule: RefRule,
  branch: string,
): Promise<BranchProtectionJson> {
  const repository = repositoryOf(request)
  const origin = originOf(request, publicUrl)
  const url = `${origin}/api/v3/repos/${fullName(repository)}/branches/${encodeURIComponent(branch)}/protection`
  const { push, force, delete: deletion, bindsAdmins } = rule
  const isOpen = push.role === 'write'
  const isLocked = push.role === null && push.accounts.length === 0 && !push.deploy
  const at = `${url}/restrictions`
  const accounts = await Promise.all(push.accounts.map(({ id }) => findAccountById(db.queries, id)))
  const users = accounts.flatMap((account) => (account === null ? [] : [ownerJson(origin, account)]))
  const restrictions = { url: at, users_url: `${at}/users`, teams_url: `${at}/teams`, apps_url: `${at}/apps`, users, teams: [], apps: [] }
  const off = { enabled: false }
  return {
    url,
    enforce_admins: { url: `${url}/enforce_admins`, enabled: bindsAdmins },
    ...(isOpen || isLocked ? {} : { restrictions }),
    required_signatures: { url: `${url}/required_signatures`, enabled: false },
    required_linear_history: off,
    allow_force_pushes: { enabled: force.role === 'write' },
    allow_deletions: { enabled: deletion.role === 'write' },
    block_creations: off,
    required_conversation_resolution: off,
    lock_branch: { enabled: isLocked },
    allow_fork_syncing: off,
    rule: refRuleJson(origin, repository, rule),
  }
}
