// `npm stage`: publishing that waits for somebody's word (docs/design/npm-access.md, "Staged publishing"). What names a staged version by its id alone declares no package: the
// handler finds it, and asks `may` about it.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, may, onRegistry, packageOf, packageResourceOf } from '../../access/index.ts'
import { CorruptError, hex, InputError, type Randomness } from '../../base/index.ts'
import { notFound, Refusal, type Routes } from '../../http/index.ts'
import { demandOtp, demandOtpToWrite, type OtpAsking } from '../account/otp.ts'
import { type NpmName, parseName } from '../format/names.ts'
import { sendJson } from '../protocol/form.ts'
import { onNamed, registryPrefixes } from '../protocol/targets.ts'
import { linkByRepository } from '../publish/linking.ts'
import { receive } from '../publish/publish.ts'
import { incomingOf } from '../publish/requests.ts'
import type { NpmRegistry } from '../registry.ts'
import { approve, findStaged, insertStaged, listStaged, reject, type Staged, type StagedAs } from './staged-rows.ts'

export interface StagedParts {
  readonly registry: NpmRegistry
  readonly asking: OtpAsking
  readonly randomness: Randomness
}

const pageSizes = { usual: 100, most: 100 }

export function registerStaged(routes: Routes, parts: StagedParts): void {
  const { registry } = parts
  const asked = { config: { access: onRegistry('registry:read') } }
  const toStage = { config: { access: onNamed(registry.root, 'package:stage'), encodedSlash: true } }
  for (const prefix of registryPrefixes) {
    const path = `${prefix}/-/stage`
    routes.post(`${path}/package/:package`, toStage, (request, reply) => stage(parts, request, reply))
    routes.get(path, asked, (request, reply) => list(parts, request, reply))
    routes.get(`${path}/:stage`, asked, async (request, reply) => sendJson(reply, 200, stagedJson(await stagedIn(parts, request))))
    routes.get(`${path}/:stage/tarball`, { ...asked, exposeHeadRoute: false }, (request, reply) => sendTarball(parts, request, reply))
    routes.post(`${path}/:stage/approve`, asked, (request, reply) => approveOne(parts, request, reply))
    routes.delete(`${path}/:stage`, asked, (request, reply) => rejectOne(parts, request, reply))
  }
}

/** As a publish, into a package that is there; no code is asked for: that comes with somebody's word. */
async function stage({ registry, randomness }: StagedParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const one = packageOf(request)
  const incoming = incomingOf(registry, request, reply)
  const attachment = await incoming.begin()
  if (attachment === null) throw new InputError('bad-document', 'A version is put forward with its tarball')
  const [id, actor, name] = [randomness.uuid(), actorOf(request), nameOf(one.name)]
  await receive(registry, { incoming, attachment, name, ownerId: one.ownerId }, async (tx, received, content) =>
    insertStaged(tx, registry.store, { ...received, id, one, content, actor, stagedAs: stagedAs(request) }),
  )
  return sendJson(reply, 201, { ok: true, stageId: id })
}

function stagedAs({ identity }: FastifyRequest): StagedAs {
  if (identity.kind !== 'account') return 'token'
  return identity.job === undefined ? 'user' : 'oidc'
}

async function list({ registry }: StagedParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  assertKnown(request)
  const { page: wantedPage, perPage: wantedSize, package: name } = request.query as Readonly<Record<string, unknown>>
  const { owner = null } = request.params as { readonly owner?: string }
  const [page, size] = [countIn(wantedPage) ?? 0, Math.max(1, Math.min(pageSizes.most, countIn(wantedSize) ?? pageSizes.usual))]
  const wanted = { owner, name: typeof name === 'string' ? (parseName(name)?.full ?? '') : null }
  const all = await listStaged(registry.db.queries, request.identity, wanted)
  return sendJson(reply, 200, { items: all.slice(page * size, (page + 1) * size).map(stagedJson), total: all.length, page, perPage: size })
}

function countIn(value: unknown): number | null {
  return typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : null
}

/** As npm's client shows it. */
function stagedJson({ id, one, version, publication, stagedBy, stagedAs, createdAt }: Staged) {
  return {
    id,
    packageName: one.name,
    version,
    tag: publication.tags[0] ?? 'latest',
    status: 'staged',
    createdAt: createdAt.toISOString(),
    actor: stagedBy,
    actorType: stagedAs,
    shasum: hex(publication.tarball.sha1),
  }
}

/** Refusal 401 for nobody in particular, and 404: there is none, or the caller may not know of it. */
async function stagedIn({ registry }: StagedParts, request: FastifyRequest): Promise<Staged> {
  assertKnown(request)
  const { stage: id, owner = null } = request.params as { readonly stage: string; readonly owner?: string }
  const found = await findStaged(registry.db.queries, request.identity, id)
  const isElsewhere = owner !== null && found?.one.ownerLogin.toLowerCase() !== owner.toLowerCase()
  if (found === null || isElsewhere) throw notFound()
  return found
}

function assertKnown({ identity }: FastifyRequest): void {
  if (identity.kind === 'anonymous') throw new Refusal(401, 'unauthenticated', 'Requires authentication')
}

async function sendTarball(parts: StagedParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { content, one, id } = await stagedIn(parts, request)
  const open = await parts.registry.store.get(content.digest)
  if (open === null) throw new CorruptError('content', `The staged version ${id} of ${one.name} has a row and no content`)
  reply.raw.setHeader('content-type', 'application/octet-stream')
  reply.raw.setHeader('content-length', String(content.sizeBytes))
  reply.raw.setHeader('cache-control', 'no-store')
  reply.raw.setHeader('x-content-type-options', 'nosniff')
  reply.hijack()
  try {
    await open.sendTo(reply.raw)
    reply.raw.end()
  } catch (error) {
    parts.registry.log.warn({ err: error, staged: id }, 'a download broke off')
    reply.raw.destroy()
  }
  return reply
}

async function approveOne(parts: StagedParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { registry } = parts
  const staged = await decided(parts, request)
  const { db, store } = registry
  const by = { name: nameOf(staged.one.name), actor: actorOf(request), identity: request.identity }
  const isDone = await db.transaction((tx) => approve(tx, store, staged, by), { mayRetry: true })
  if (!isDone) throw notFound()
  linkByRepository(registry, request, staged.one, staged.publication.repository)
  return sendJson(reply, 200, { ok: true, id: `${staged.one.name}@${staged.version}` })
}

async function rejectOne(parts: StagedParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const staged = await decided(parts, request)
  if (!(await parts.registry.db.transaction((tx) => reject(tx, staged, actorOf(request)), { mayRetry: true }))) throw notFound()
  return reply.code(204).send()
}

/** By a person who may publish it, and shows his code where he has one: that is what it waits for. Refusal 403. */
async function decided(parts: StagedParts, request: FastifyRequest): Promise<Staged> {
  const staged = await stagedIn(parts, request)
  const { identity } = request
  if (!may(identity, 'package:write', packageResourceOf(staged.one)))
    throw new Refusal(
      403,
      'forbidden',
      'You may put versions forward, but not approve or reject them: that takes a token with package:write',
    )
  if (identity.kind !== 'account' || identity.job !== undefined || (await bypasses(parts, identity.tokenId)))
    throw new Refusal(
      403,
      'forbidden',
      'A version that waits is approved or rejected by a person: not by a job’s token, or one that does without two-factor authentication',
    )
  await demandOtpToWrite(parts.asking, request, staged.one)
  await demandOtp(parts.asking, request, identity, { isOnce: false })
  return staged
}

async function bypasses({ registry }: StagedParts, tokenId: number | null): Promise<boolean> {
  const row = await registry.db.queries.selectFrom('token').select('bypasses_otp').where('id', '=', tokenId).executeTakeFirst()
  return row?.bypasses_otp === true
}

/** Of a package that is there. */
function nameOf(text: string): NpmName {
  const name = parseName(text)
  if (name === null) throw new CorruptError('package', `A package is called ${text}, which is no name`)
  return name
}
