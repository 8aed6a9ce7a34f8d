// What is kept of packages, and which tags may not move: of one package, and of all packages of an owner. Ours; docs/design/oci-keeping.md.
import type { FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { accountOf, actorOf, onAccount, packageOf, targetOf } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { notFound, type RouteAccess, type Routes, validationFailed } from '../http/index.ts'
import {
  clearRetention,
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
import { timeJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { access, packageErrors } from './package-call.ts'
import { packageParams } from './packages-schemas.ts'
import {
  DryRunBodyJson,
  DryRunJson,
  ImmutableTagsJson,
  NewImmutableTagsJson,
  NewRetentionJson,
  RetentionJson,
} from './package-rules-schemas.ts'
import { LoginParams } from './schemas.ts'

const tags = ['PackageRule']
const packageUrl = '/users/:login/packages/:package_type/:package_name'
/** Of each kind, in one dry run. */
const mostTold = 1000

/** Where rules stand: how the route is declared, and whose they are. */
interface Place {
  readonly params: typeof packageParams.users | typeof LoginParams
  readonly reading: { readonly access: RouteAccess; readonly encodedSlash?: true }
  readonly changing: { readonly access: RouteAccess; readonly encodedSlash?: true }
  readonly whose: string
  readonly homeOf: (request: FastifyRequest) => RuleHome
  readonly actOf: (request: FastifyRequest) => RuleAct
}

export function registerPackageRules(routes: Routes, options: ApiOptions): void {
  const images = imagesOf(options)
  const ofPackage: Place = {
    params: packageParams.users,
    reading: access(images, 'users', 'package:read'), // whoever pulls may know how long things stay
    changing: access(images, 'users', 'package:administer'),
    whose: 'a package',
    homeOf: (request) => ({ packageId: packageOf(request).id }),
    actOf: (request) => ({ actor: actorOf(request), ownerId: packageOf(request).ownerId, target: targetOf(packageOf(request)) }),
  }
  const administering = { access: onAccount('packages:administer') }
  const ofOwner: Place = {
    params: LoginParams,
    reading: administering,
    changing: administering,
    whose: 'all packages of an owner that have none of their own',
    homeOf: (request) => ({ ownerId: accountOf(request).id }),
    actOf: (request) => ({ actor: actorOf(request), ownerId: accountOf(request).id, target: accountOf(request).login }),
  }
  registerRetention(routes, options, `${packageUrl}/retention`, ofPackage)
  registerRetention(routes, options, '/users/:login/package-retention', ofOwner)
  registerDryRun(routes, options)
  registerImmutable(routes, options, `${packageUrl}/immutable-tags`, ofPackage)
  registerImmutable(routes, options, '/users/:login/package-immutable-tags', { ...ofOwner, whose: 'all packages of an owner' })
}

/** Tags that move are images' alone. */
function imagesOf({ packageFormats }: ApiOptions) {
  return packageFormats.filter(({ format }) => format === 'oci')
}

function registerRetention(routes: Routes, { db }: ApiOptions, url: string, place: Place): void {
  const { params, whose, homeOf, actOf } = place
  const reading = { tags, params, summary: `What is kept of ${whose} (Stemma’s own)`, response: { 200: RetentionJson, ...packageErrors } }
  routes.get(url, { config: place.reading, schema: reading }, async (request) => {
    const found = await retentionAt(db.queries, homeOf(request), actOf(request).ownerId)
    if (found === null) throw notFound()
    return retentionJson(found)
  })

  const setting = { ...reading, summary: `Says what is kept of ${whose}, from a day on (Stemma’s own)`, body: NewRetentionJson }
  routes.put(url, { config: place.changing, schema: setting }, async (request) => {
    await setRetention(db, homeOf(request), policyOf(request.body as NewRetentionJson), actOf(request)).catch(asRuleFault)
    const found = await retentionAt(db.queries, homeOf(request), actOf(request).ownerId)
    if (found === null) throw notFound()
    return retentionJson(found)
  })

  const clearing = {
    tags,
    params,
    summary: `Keeps everything of ${whose} (Stemma’s own)`,
    response: { 204: Type.Null(), ...packageErrors },
  }
  routes.delete(url, { config: place.changing, schema: clearing }, async (request, reply) => {
    if (!(await clearRetention(db, homeOf(request), actOf(request)))) throw notFound()
    return reply.code(204).send(null)
  })
}

function registerDryRun(routes: Routes, options: ApiOptions): void {
  const { db, retention } = options
  const images = imagesOf(options)
  const schema = {
    tags,
    params: packageParams.users,
    summary: 'What of a package would go, and why (Stemma’s own)',
    body: DryRunBodyJson,
    response: { 200: DryRunJson, ...packageErrors },
  }
  routes.post(`${packageUrl}/retention/dry-run`, { config: access(images, 'users', 'package:administer'), schema }, async (request) => {
    const { id, ownerId } = packageOf(request)
    const { policy: given } = request.body as Static<typeof DryRunBodyJson>
    const policy = given === undefined ? (await retentionAt(db.queries, { packageId: id }, ownerId))?.policy : policyOf(given)
    if (policy === undefined) throw notFound()
    const plan = await planFor(db, id, policy, retention).catch(asRuleFault)
    const going = plan.tags.filter(({ goes }) => goes)
    const told = [...going, ...plan.tags.filter(({ goes }) => !goes)].slice(0, mostTold)
    return {
      tag_count: plan.goingTagCount,
      manifest_count: plan.goingManifestCount,
      freed_bytes: plan.freedBytes,
      tags: told.map(({ updatedAt, digest, ...tag }) => ({ ...tag, digest: digestText(digest), updated_at: timeJson(updatedAt) })),
      manifests: plan.manifests.slice(0, mostTold).map(({ digest, why }) => ({ digest: digestText(digest), why })),
    } satisfies DryRunJson
  })
}

function registerImmutable(routes: Routes, { db }: ApiOptions, url: string, place: Place): void {
  const { params, whose, homeOf, actOf } = place
  const response = { 200: ImmutableTagsJson, ...packageErrors }
  const reading = { tags, params, summary: `Which tags of ${whose} may not move (Stemma’s own)`, response }
  const shown = async (home: RuleHome): Promise<ImmutableTagsJson> => ({
    rules: (await readTagRules(db.queries, home)).map((rule) => ({ tags: rule.tags, except: [...rule.except] })),
  })
  routes.get(url, { config: place.reading, schema: reading }, async (request) => shown(homeOf(request)))

  const setting = { ...reading, summary: `Says which tags of ${whose} may not move (Stemma’s own)`, body: NewImmutableTagsJson }
  routes.put(url, { config: place.changing, schema: setting }, async (request) => {
    const { rules } = request.body as Static<typeof NewImmutableTagsJson>
    const wanted = rules.map((rule) => ({ tags: rule.tags, except: rule.except ?? [] }))
    await setTagRules(db, homeOf(request), wanted, actOf(request)).catch(asRuleFault)
    return await shown(homeOf(request))
  })
}

function policyOf({ rules, untagged_days: untaggedDays = null, referrers = 'go' }: NewRetentionJson): RetentionPolicy {
  return {
    rules: rules.map((rule) => ({
      tags: rule.tags,
      except: rule.except ?? [],
      keepNewest: rule.keep_newest ?? null,
      keepPushedDays: rule.keep_pushed_days ?? null,
      keepPulledDays: rule.keep_pulled_days ?? null,
    })),
    untaggedDays,
    referrersGo: referrers === 'go',
  }
}

function retentionJson({ of, policy, updatedAt, dueAt }: HeldPolicy): RetentionJson {
  return {
    of,
    rules: policy.rules.map((rule) => ({
      tags: rule.tags,
      except: [...rule.except],
      keep_newest: rule.keepNewest,
      keep_pushed_days: rule.keepPushedDays,
      keep_pulled_days: rule.keepPulledDays,
    })),
    untagged_days: policy.untaggedDays,
    referrers: policy.referrersGo ? 'go' : 'stay',
    updated_at: timeJson(updatedAt),
    next_run_at: timeJson(dueAt),
  }
}

function digestText(digest: string): string {
  return `${digest.length === 64 ? 'sha256' : 'sha512'}:${digest}`
}

const faults = new Set(['retention-policy', 'tag-pattern', 'too-many-rules'])

function asRuleFault(error: unknown): never {
  if (!(error instanceof InputError && faults.has(error.code))) throw error
  throw validationFailed([{ field: 'rules', code: 'invalid', message: error.message }])
}
