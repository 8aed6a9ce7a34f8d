// GitHub's payloads ("Webhook events and payloads") of what is known. Pure.
import type { HookEvent } from './format/events.ts'
import type { PushedCommit, PushedCommits, RefMove } from './hook-room.ts'

type Document = Readonly<Record<string, unknown>>

/** What every payload says: about which repository, and who did it. */
export interface Surroundings {
  readonly repository: Document
  /** Whose repository it is, where that is an organisation. */
  readonly organization?: Document
  readonly sender: Document
}

export type RefType = 'branch' | 'tag'

/** `branch` and `main`; null for a ref that is neither branch nor tag. */
export function refOf(name: string): { readonly type: RefType; readonly short: string } | null {
  if (name.startsWith('refs/heads/')) return { type: 'branch', short: name.slice('refs/heads/'.length) }
  if (name.startsWith('refs/tags/')) return { type: 'tag', short: name.slice('refs/tags/'.length) }
  return null
}

export function pushEvent(about: Surroundings, { ref, before, after }: RefMove, pushed: PushedCommits): HookEvent {
  const { repository, organization, sender } = about
  const none = '0'.repeat((before ?? after ?? '').length)
  const html = String(repository.html_url)
  const commits = pushed.commits.map((commit) => commitDocument(commit, html))
  const from = (before ?? none).slice(0, 12)
  const to = (after ?? none).slice(0, 12)
  return {
    ...atRepository(about, 'push', ref),
    payload: {
      ref,
      before: before ?? none,
      after: after ?? none,
      repository,
      pusher: { name: sender.login, email: '' },
      ...(organization === undefined ? {} : { organization }),
      sender,
      created: before === null,
      deleted: after === null,
      forced: pushed.isForced,
      base_ref: null,
      compare: before === null || after === null ? `${html}/commit/${to}` : `${html}/compare/${from}...${to}`,
      commits,
      head_commit: pushed.head === null ? null : commitDocument(pushed.head, html),
    },
  }
}

function commitDocument(commit: PushedCommit, repositoryUrl: string): Document {
  return {
    id: commit.id,
    tree_id: commit.treeId,
    distinct: commit.isDistinct,
    message: commit.message,
    timestamp: commit.timestamp,
    url: `${repositoryUrl}/commit/${commit.id}`,
    author: commit.author,
    committer: commit.committer,
    added: commit.added,
    removed: commit.removed,
    modified: commit.modified,
  }
}

/** `create` or `delete`: a branch or a tag came or went. */
export function refEvent(about: Surroundings, event: 'create' | 'delete', ref: string, type: RefType, short: string): HookEvent {
  const { repository } = about
  const more = event === 'create' ? { master_branch: repository.default_branch, description: repository.description } : {}
  return {
    ...atRepository(about, event, short),
    type: `com.github.${event}.${type}`,
    payload: { ref: short, ref_type: type, full_ref: ref, ...more, pusher_type: 'user', ...about },
  }
}

/** The repository of the surroundings was forked. */
export function forkEvent(about: Surroundings, forkee: Document): HookEvent {
  return { ...atRepository(about, 'fork', String(forkee.url)), payload: { forkee, ...about } }
}

export type RepositoryAction = 'created' | 'deleted' | 'edited' | 'renamed' | 'transferred' | 'publicized' | 'privatized'

export function repositoryEvent(about: Surroundings, action: RepositoryAction, changes?: Document): HookEvent {
  const { repository } = about
  const { url } = repository.owner as { readonly url: string }
  return {
    event: 'repository',
    action,
    type: `com.github.repository.${action}`,
    source: url,
    subject: String(repository.name),
    payload: { action, ...(changes === undefined ? {} : { changes }), ...about },
  }
}

/** A collaborator of the repository came, changed or went. */
export function memberEvent(about: Surroundings, action: 'added' | 'edited' | 'removed', member: Document, changes: Document): HookEvent {
  return {
    ...atRepository(about, 'member', String(member.login)),
    action,
    type: `com.github.member.${action}`,
    payload: { action, member, changes, ...about },
  }
}

/** A member of an organisation came or went. */
export function organizationEvent(
  about: { readonly organization: Document; readonly sender: Document },
  action: 'member_added' | 'member_removed',
  user: Document,
  role: string,
): HookEvent {
  const { organization } = about
  const url = `${String(organization.url)}/memberships/${String(user.login)}`
  const membership = { url, state: 'active', role: role === 'admin' ? 'admin' : 'member', organization_url: organization.url, user }
  return {
    event: 'organization',
    action,
    type: `com.github.organization.${action}`,
    source: String(organization.url),
    subject: String(user.login),
    payload: { action, membership, ...about },
  }
}

/** What is said beside a package; a repository only where it is linked to one. */
export interface PackageSurroundings extends Partial<Surroundings> {
  readonly owner: Document
  readonly sender: Document
}

/** GitHub has both, and says the same in them. */
export const packageEvents = ['package', 'registry_package'] as const

/** @param name with the owner's */
export function packageEvent(
  { owner, repository, organization, sender }: PackageSurroundings,
  event: (typeof packageEvents)[number],
  action: 'published' | 'updated' | 'untagged' | 'deleted',
  name: string,
  document: Document,
): HookEvent {
  return {
    event,
    action,
    type: `com.github.${event}.${action}`,
    source: String((repository ?? owner).url),
    subject: name,
    payload: {
      action,
      [event]: document,
      ...(repository === undefined ? {} : { repository }),
      ...(organization === undefined ? {} : { organization }),
      sender,
    },
  }
}

/** GitHub sends a proverb of its own each time; one of ours is enough. */
const zen = 'What is acknowledged is durable.'

/** @param hook its document */
export function pingEvent(about: Partial<Surroundings> & { readonly sender: Document }, hook: Document): HookEvent {
  return {
    event: 'ping',
    action: null,
    type: 'com.github.ping',
    source: String(hook.url),
    subject: null,
    payload: { zen, hook_id: hook.id, hook, ...about },
  }
}

function atRepository({ repository }: Surroundings, event: string, subject: string) {
  return { event, action: null, type: `com.github.${event}`, source: String(repository.url), subject }
}
