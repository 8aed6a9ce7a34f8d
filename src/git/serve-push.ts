// Pushes: the advertisement, and what brings commands and pack.
import { createOrFind, findQuota, type Identity, readableSiblings, type Repository } from '../access/index.ts'
import { InputError, withoutEnd } from '../base/index.ts'
import { moverOf, scopeOf, settingsOf } from './context.ts'
import type { ObjectId } from './format/index.ts'
import { type GitAnswer, type GitCall, placeKey } from './git-call.ts'
import type { GitRoom } from './git-room.ts'
import { advertisePush, formatOtherRefs, makeNonce, type NonceIssuer, pushCapabilities, receivePack } from './receive-pack/index.ts'
import { everything, namespacePrefix, type RefScope, type RefSnapshot, type VisibleRefs } from './refs/index.ts'
import type { GitSettings } from './settings/index.ts'

/** Room for the commands before the pack. */
const commandBytes = 64 << 20
/** Of siblings so many are asked for their tips, and so many tips are shown as `.have` lines. */
const shown = { siblings: 16, tips: 1000 }
/** What a push may rest on: no less than what was shown, though siblings have moved since. */
export const counted = { siblings: 64, tips: 100_000 }

/** The body of `GET info/refs?service=git-receive-pack`. InputError `service-disabled` where pushes are switched off. */
export async function advertisePushes(room: GitRoom, call: GitCall, nonce: string | null = freshNonce(room, call)): Promise<Uint8Array> {
  assertPushEnabled(room, call)
  const { repository, version } = call
  const { randomness, agent } = room.options
  const format = repository?.objectFormat ?? 'sha1'
  const capabilities = pushCapabilities({ settings: settingsOf(room, call), format, agent, nonce, sessionId: randomness.uuid() })
  if (!repository) {
    const refs: VisibleRefs = { head: 'refs/heads/main', refs: [], byName: new Map() }
    return advertisePush({ format, version, capabilities, refs, otherLines: new Uint8Array(0), haves: [], cutOff: [] })
  }
  const scope = scopeOf(room, call, 'push')
  const otherLines = await room.refAnswer(repository, scope, 'git-receive-pack', formatOtherRefs)
  const snapshot = await room.refs.read(repository.id, repository.refsVersion)
  const haves = [...outsideOf(scope, snapshot.refs), ...(await siblingTips(room, call.identity, repository, shown))]
  return advertisePush({
    format,
    version,
    capabilities,
    refs: room.views.of(snapshot, scope),
    otherLines,
    haves,
    cutOff: settingsOf(room, call).cutOff,
  })
}

/** What a client signs that its push is a new one; null: no nonces are given out. */
export function freshNonce(room: GitRoom, call: GitCall): string | null {
  return makeNonce(noncesOf(room, call), Math.floor(room.options.clock.now() / 1000))
}

/** In a namespace, the others' tips: their objects are there (gitnamespaces(7)). */
function outsideOf({ namespace }: RefScope, refs: VisibleRefs['refs']): ObjectId[] {
  const prefix = namespacePrefix(namespace)
  return prefix === '' ? [] : refs.filter((ref) => !ref.name.startsWith(prefix)).map((ref) => ref.oid)
}

/** Tips of other repositories in the network, as far as the caller may read them. */
export async function siblingTips(room: GitRoom, identity: Identity, repository: Repository, most: typeof shown): Promise<ObjectId[]> {
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
export function assertPushEnabled(room: GitRoom, call: GitCall): void {
  if (settingsOf(room, call).push.isEnabled === false) {
    throw new InputError('service-disabled', "Service not enabled: 'receive-pack'")
  }
}

function noncesOf(room: GitRoom, call: GitCall): NonceIssuer {
  const { repository } = call
  const { certNonceSeed, certNonceSlopS } = settingsOf(room, call).push
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
export function pushSettingsOf(room: GitRoom, call: GitCall): GitSettings {
  const settings = settingsOf(room, call)
  const isFork = (call.repository?.parentId ?? null) !== null
  return isFork ? { ...settings, push: { ...settings.push, allowsShallowUpdate: false } } : settings
}

/** Of all that one push sends. */
export function pushLimitBytes(room: GitRoom): number {
  return room.options.limits.packBytes + commandBytes
}

/** What comes from the client, and where the report goes. */
export interface PushLine {
  readonly body: AsyncIterable<Uint8Array>
  /** Called once the body has turned out to be a push. */
  readonly open: () => GitAnswer
  /** The push holds a place that others may wait for: from now on the body must come along. */
  readonly onPlace?: () => void
  /** The nonce that was told on the same line. */
  readonly nonce?: string | null
}

/**
 * Takes a push in, as a POST to git-receive-pack brings it, and reports.
 * @throws InputError `service-disabled`; or, before anything was answered, because the body is no push at all, or ends early
 */
export async function push(room: GitRoom, call: GitCall, { body, nonce, onPlace, open }: PushLine): Promise<void> {
  assertPushEnabled(room, call)
  const { repository, repositoryToCreate, identity } = call
  if (identity.kind === 'anonymous') throw new Error('a push of nobody')
  const newNetworkId = room.options.randomness.uuid()
  const create = async () => {
    if (!repositoryToCreate) throw new Error('nothing to create')
    return targetOf(await createOrFind(room.options.db, { ...repositoryToCreate, networkId: newNetworkId, actor: call.actor }))
  }
  room.counts.pushes++
  await receivePack(room.receive, {
    objectFormat: repository?.objectFormat ?? 'sha1',
    target: repository ? targetOf(repository) : null,
    newNetworkId,
    create,
    by: moverOf(identity, repository),
    settings: pushSettingsOf(room, call),
    caller: placeKey(call),
    quota: async () => {
      const ownerId = repository?.ownerId ?? repositoryToCreate?.ownerId
      return ownerId === undefined ? null : findQuota(room.options.db, ownerId)
    },
    scope: scopeOf(room, call, 'push'),
    hooks: call.hooks,
    nonces: { ...noncesOf(room, call), ...(nonce === undefined ? {} : { issued: nonce }) },
    isPushee: (url) => isUrlOf(url, call.path),
    siblingTips: async () => (repository ? await siblingTips(room, identity, repository, counted) : []),
    body: inTime(room, body),
    staysOpen: call.isStateful,
    open,
    ...(onPlace === undefined ? {} : { onPlace }),
  })
}

/** A pack may be large, but it must come along: a push that holds a place may neither trickle nor go on for ever. */
async function* inTime(room: GitRoom, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const { clock, limits } = room.options
  const endMs = clock.monotonic() + limits.requestTimeoutMs
  for await (const bytes of body) {
    if (clock.monotonic() > endMs) throw new InputError('slow-body', 'the push took longer than this server allows')
    yield bytes
  }
}

export function targetOf(repository: Repository) {
  return {
    repositoryId: repository.id,
    networkId: repository.networkId,
    refsVersion: repository.refsVersion,
    hasRefRules: repository.hasRefRules,
  }
}
