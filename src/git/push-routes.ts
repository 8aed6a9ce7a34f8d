// Pushes over Smart HTTP: the advertisement, and the POST that brings commands and pack.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, createOrFind, type Identity, readableSiblings, type Repository } from '../access/index.ts'
import { InputError, withoutEnd } from '../base/index.ts'
import { Refusal, requestBody } from '../http/index.ts'
import { Answer } from './answer.ts'
import { scopeOf, settingsOf } from './context.ts'
import { protocolVersion } from './fetch-routes.ts'
import type { ObjectId } from './format/index.ts'
import type { GitRoom } from './git-room.ts'
import {
  advertisePush,
  formatOtherRefs,
  makeNonce,
  type NonceIssuer,
  noHooks,
  pushCapabilities,
  receivePack,
} from './receive-pack/index.ts'
import { everything, namespacePrefix, type RefScope, type RefSnapshot, type VisibleRefs } from './refs/index.ts'
import type { GitSettings } from './settings/index.ts'

/** Room for the commands before the pack. */
const commandBytes = 64 << 20
/** Of siblings so many are asked for their tips, and so many tips are shown as `.have` lines. */
const shown = { siblings: 16, tips: 1000 }
/** What a push may rest on: no less than what was shown, though siblings have moved since. */
const counted = { siblings: 64, tips: 100_000 }

/** The body of `GET info/refs?service=git-receive-pack`. Refusal 403 where pushes are switched off. */
export async function advertisePushes(room: GitRoom, request: FastifyRequest): Promise<Uint8Array> {
  assertEnabled(room, request)
  const { repository } = request
  const { clock, randomness, agent } = room.options
  const format = repository?.objectFormat ?? 'sha1'
  const nonce = makeNonce(noncesOf(room, request), Math.floor(clock.now() / 1000))
  const capabilities = pushCapabilities({ settings: settingsOf(room, request), format, agent, nonce, sessionId: randomness.uuid() })
  const version = protocolVersion(request)
  if (!repository) {
    const refs: VisibleRefs = { head: 'refs/heads/main', refs: [], byName: new Map() }
    return advertisePush({ format, version, capabilities, refs, otherLines: new Uint8Array(0), haves: [], cutOff: [] })
  }
  const scope = scopeOf(room, request, 'push')
  const otherLines = await room.refAnswer(repository, scope, 'git-receive-pack', formatOtherRefs)
  const snapshot = await room.refs.read(repository.id, repository.refsVersion)
  const haves = [...outsideOf(scope, snapshot.refs), ...(await siblingTips(room, request.identity, repository, shown))]
  return advertisePush({
    format,
    version,
    capabilities,
    refs: room.views.of(snapshot, scope),
    otherLines,
    haves,
    cutOff: settingsOf(room, request).cutOff,
  })
}

/** In a namespace, the others' tips: their objects are there (gitnamespaces(7)). */
function outsideOf({ namespace }: RefScope, refs: VisibleRefs['refs']): ObjectId[] {
  const prefix = namespacePrefix(namespace)
  return prefix === '' ? [] : refs.filter((ref) => !ref.name.startsWith(prefix)).map((ref) => ref.oid)
}

/** Tips of other repositories in the network, as far as the caller may read them. */
async function siblingTips(room: GitRoom, identity: Identity, repository: Repository, most: typeof shown): Promise<ObjectId[]> {
  if (!repository.isShared) return []
  const tips = new Set<ObjectId>()
  const own = new Set(room.settings.read(repository.settings).cutOff)
  for (const sibling of await readableSiblings(room.options.db.queries, identity, repository, most.siblings)) {
    const snapshot = await refsOfSibling(room, sibling)
    if (snapshot === null) continue
    const { hidden, cutOff } = room.settings.read(sibling.settings)
    if (cutOff.some((oid) => !own.has(oid))) continue // what rests on its history would be cut off where this repository isn't
    for (const ref of room.views.of(snapshot, { ...everything, hidden: hidden.fetch }).refs) {
      if (tips.size >= most.tips) return [...tips]
      tips.add(ref.oid)
    }
  }
  return [...tips]
}

/** Null: it was deleted a moment ago. */
async function refsOfSibling(room: GitRoom, { id, refsVersion }: Repository): Promise<RefSnapshot | null> {
  try {
    return await room.refs.read(id, refsVersion)
  } catch (error) {
    if (error instanceof InputError && error.code === 'repository-deleted') return null
    throw error
  }
}

/** As http-backend: http.receivepack says it. */
function assertEnabled(room: GitRoom, request: FastifyRequest): void {
  if (settingsOf(room, request).push.isEnabled === false) {
    throw new Refusal(403, 'service-disabled', "Service not enabled: 'receive-pack'")
  }
}

function noncesOf(room: GitRoom, request: FastifyRequest): NonceIssuer {
  const { repository } = request
  const { certNonceSeed, certNonceSlopS } = settingsOf(room, request).push
  const format = repository?.objectFormat ?? 'sha1'
  return { seed: certNonceSeed, repository: String(repository?.id ?? ''), format, slopS: certNonceSlopS }
}

/** Host and scheme aside, which differ from network to network: the path's last two parts name owner and repository. */
function isUrlOf(url: string, { owner, repo }: { readonly owner: string; readonly repo: string }): boolean {
  const nameOf = (path: string) =>
    withoutEnd(path, '/')
      .replace(/\.git$/i, '')
      .split('/')
      .slice(-2)
      .join('/')
      .toLowerCase()
  return nameOf(url) === nameOf(`${owner}/${repo}`)
}

/** A fork isn't cut off: what it shares with the others would have no history table any more, and its owner is a stranger to them. */
function pushSettingsOf(room: GitRoom, request: FastifyRequest): GitSettings {
  const settings = settingsOf(room, request)
  const isFork = (request.repository?.parentId ?? null) !== null
  return isFork ? { ...settings, push: { ...settings.push, allowsShallowUpdate: false } } : settings
}

/** POST git-receive-pack. */
export async function push(room: GitRoom, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  assertEnabled(room, request)
  const { repository, repositoryToCreate, identity } = request
  if (identity.kind === 'anonymous') throw new Error('a push of nobody')
  const newNetworkId = room.options.randomness.uuid()
  const create = async () => {
    if (!repositoryToCreate) throw new Error('nothing to create')
    return targetOf(await createOrFind(room.options.db, { ...repositoryToCreate, networkId: newNetworkId, actor: actorOf(request) }))
  }
  await receivePack(room.receive, {
    objectFormat: repository?.objectFormat ?? 'sha1',
    target: repository ? targetOf(repository) : null,
    newNetworkId,
    create,
    accountId: identity.kind === 'account' ? identity.accountId : null,
    settings: pushSettingsOf(room, request),
    scope: scopeOf(room, request, 'push'),
    hooks: room.options.hooksOf?.(request) ?? noHooks,
    nonces: noncesOf(room, request),
    isPushee: (url) => isUrlOf(url, request.params as { owner: string; repo: string }),
    siblingTips: async () => (repository ? await siblingTips(room, identity, repository, counted) : []),
    body: pushedBody(room, request),
    open: () => new Answer(reply, 'application/x-git-receive-pack-result'),
  })
}

/** A pack may be large, but it must come along: a push that holds a place may neither trickle nor go on for ever. */
async function* pushedBody(room: GitRoom, request: FastifyRequest): AsyncGenerator<Uint8Array, void, undefined> {
  const { clock, limits } = room.options
  const endMs = clock.monotonic() + limits.requestTimeoutMs
  for await (const bytes of requestBody(request, { limitBytes: limits.packBytes + commandBytes })) {
    if (clock.monotonic() > endMs) throw new InputError('slow-body', 'the push took longer than this server allows')
    yield bytes
  }
}

function targetOf(repository: Repository) {
  return { repositoryId: repository.id, networkId: repository.networkId, refsVersion: repository.refsVersion }
}
