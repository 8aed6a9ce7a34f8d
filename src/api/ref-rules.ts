// /repos/{owner}/{repo}/ref-rules: which refs are protected, by patterns. Ours; one branch alone in GitHub's shape: branch-protection.ts.
import type { FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import Type from 'typebox'
import { actorOf, fullName, onRepository, type Repository, repositoryOf } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { addRefRule, type Allowed, changeRefRule, readRefRules, type RefRule, removeRefRule, type WantedRule } from '../git/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { originOf } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { NewRefRuleJson, RefRuleChangeJson, RefRuleJson, RefRuleParams } from './ref-rules-schemas.ts'
import { ErrorJson, RepositoryParams } from './schemas.ts'

const tags = ['RefRule']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }
const path = '/repos/:owner/:repo/ref-rules'

export function registerRefRules(routes: Routes, options: ApiOptions): void {
  const { db, publicUrl } = options
  const reading = { access: onRepository('repository:push') } // whoever is held by a rule may read it
  const changing = { access: onRepository('repository:administer') }
  const shown = (request: FastifyRequest, rule: RefRule) => refRuleJson(originOf(request, publicUrl), repositoryOf(request), rule)

  const list = {
    tags,
    summary: 'Rules that protect refs (Stemma’s own)',
    params: RepositoryParams,
    response: { 200: Type.Array(RefRuleJson), ...errors },
  }
  routes.get(path, { config: reading, schema: list }, async (request) =>
    (await readRefRules(db.queries, repositoryOf(request).id)).map((rule) => shown(request, rule)),
  )

  const creation = {
    tags,
    summary: 'Protects refs by a rule (Stemma’s own)',
    params: RepositoryParams,
    body: NewRefRuleJson,
    response: { 201: RefRuleJson, ...errors },
  }
  routes.post(path, { config: changing, schema: creation }, async (request, reply) => {
    const rule = await addRefRule(db, repositoryOf(request), wantedOf(request.body), actorOf(request)).catch(asRuleFault)
    if (rule === null) throw notFound()
    const document = shown(request, rule)
    return reply.code(201).header('location', document.url).send(document)
  })

  const one = {
    tags,
    summary: 'A rule that protects refs (Stemma’s own)',
    params: RefRuleParams,
    response: { 200: RefRuleJson, ...errors },
  }
  routes.get(`${path}/:id`, { config: reading, schema: one }, async (request) => {
    const rule = (await readRefRules(db.queries, repositoryOf(request).id)).find(({ id }) => id === request.params.id)
    if (!rule) throw notFound()
    return shown(request, rule)
  })

  const change = { ...one, summary: 'Changes a rule (Stemma’s own)', body: RefRuleChangeJson }
  routes.patch(`${path}/:id`, { config: changing, schema: change }, async (request) => {
    const { id } = request.params
    const rule = await changeRefRule(db, repositoryOf(request), id, wantedOf(request.body), actorOf(request)).catch(asRuleFault)
    if (rule === null) throw notFound()
    return shown(request, rule)
  })

  const deletion = { tags, summary: 'Takes a rule away (Stemma’s own)', params: RefRuleParams, response: { 204: Type.Null(), ...errors } }
  routes.delete(`${path}/:id`, { config: changing, schema: deletion }, async (request, reply) => {
    if (!(await removeRefRule(db, repositoryOf(request), request.params.id, actorOf(request)))) throw notFound()
    return reply.code(204).send(null)
  })
}

function wantedOf({ enforce_admins: bindsAdmins, ...rule }: Static<typeof RefRuleChangeJson>): WantedRule {
  return { ...rule, bindsAdmins }
}

export function refRuleJson(origin: string, repository: Repository, rule: RefRule): RefRuleJson {
  const { id, pattern, bindsAdmins } = rule
  const allowed = ({ role, accounts, deploy }: Allowed) => ({ role, users: accounts.map(({ login }) => login), deploy })
  return {
    id,
    url: `${origin}/api/v3/repos/${fullName(repository)}/ref-rules/${id}`,
    pattern,
    push: allowed(rule.push),
    force: allowed(rule.force),
    delete: allowed(rule.delete),
    enforce_admins: bindsAdmins,
  }
}

const fields: Readonly<Record<string, string>> = {
  'ref-pattern': 'pattern',
  'rule-exists': 'pattern',
  'too-many-rules': 'pattern',
  'no-such-user': 'users',
}

export function asRuleFault(error: unknown): never {
  const field = error instanceof InputError ? fields[error.code] : undefined
  if (field === undefined || !(error instanceof InputError)) throw error
  throw validationFailed([{ field, code: error.code === 'rule-exists' ? 'already_exists' : 'invalid', message: error.message }])
}
