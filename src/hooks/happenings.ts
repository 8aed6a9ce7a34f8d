// Rows of the outbox as events: what happened, in GitHub's words. A row of a kind that nobody here knows tells nothing.
import { type AccountId, findAccount, findAccountById, findRepositoryById, type Repository, type RepositoryId } from '../access/index.ts'
import { CorruptError, UnavailableError } from '../base/index.ts'
import type { OutboxRow } from '../jobs/index.ts'
import type { HookEvent } from './format/events.ts'
import type { CommitQuestion, HookAccount, HookRoom, PushedCommits, RefMove } from './hook-room.ts'
import { eventsOfPackage, isOfPackage, packageHeardAt } from './package-happenings.ts'
import {
  forkEvent,
  memberEvent,
  organizationEvent,
  pushEvent,
  refEvent,
  refOf,
  type RepositoryAction,
  repositoryEvent,
  type Surroundings,
} from './payloads.ts'

/** Nobody hears of a push that moves more branches and tags at once: it is a copy of a repository, and its events would be read by nobody. GitHub has such a limit, too. */
export const mostMovesTold = 1000

/** In one event, as GitHub. */
export const mostCommits = 2048
/** In all events of one push, to however many branches. */
const mostCommitsOfAPush = 10_000

type Told = Readonly<Record<string, unknown>>
type Wants = (event: string) => boolean

/** Whose hooks hear of a row: a repository's (and its owner's), or an account's alone. */
export function heardAt(row: OutboxRow): { readonly repositoryId: number } | { readonly accountId: number } | null {
  if (isOfPackage(row)) return packageHeardAt(row)
  const { sourceId, ownerId, organizationId } = row.payload as Told
  if (row.kind === 'repository.deleted') return typeof ownerId === 'number' ? { accountId: ownerId } : null
  if (typeof organizationId === 'number') return { accountId: organizationId }
  const repositoryId = row.kind === 'repository.forked' && typeof sourceId === 'number' ? sourceId : row.repositoryId
  return repositoryId === null ? null : { repositoryId }
}

/**
 * What the row tells, as far as `wants` it. The documents are those of now. UnavailableError when something that it needs doesn't answer.
 */
export async function* eventsOf(room: HookRoom, row: OutboxRow, wants: Wants): AsyncGenerator<HookEvent, void, undefined> {
  if (isOfPackage(row)) return yield* eventsOfPackage(room, row, wants)
  const place = heardAt(row)
  if (place === null) return
  if ('accountId' in place) return yield* accountEvents(room, row, place.accountId, wants)
  const repository = await findRepositoryById(room.db.queries, place.repositoryId as RepositoryId)
  if (repository === null) return
  const told = row.payload as Told
  const about = await aboutRepository(room, repository, await senderOf(room, told))
  switch (row.kind) {
    case 'push':
      return yield* pushEvents(room, repository, about, told.changes as readonly RefMove[], wants)
    case 'repository.forked':
      if (wants('fork')) yield* forkEvents(room, repository, about, row)
      return
    case 'repository.created':
      if (wants('repository')) yield repositoryEvent(about, 'created')
      return
    case 'repository.updated':
      if (wants('repository')) yield* updateEvents(about, told)
      return
    case 'repository.transferred':
      if (wants('repository')) yield await transferEvent(room, about, told)
      return
    case 'collaborator.add':
    case 'collaborator.change':
    case 'collaborator.remove':
      if (wants('member')) yield* collaboratorEvents(room, about, row.kind, told)
  }
}

/** @param sender the owner, where nobody is known to have done it */
export async function aboutRepository(room: HookRoom, repository: Repository, sender: HookAccount | null): Promise<Surroundings> {
  const { documents } = room
  const owner = ownerOf(repository)
  return {
    repository: await documents.repository(repository),
    ...(owner.kind === 'organization' ? { organization: documents.organization(owner) } : {}),
    sender: documents.account(sender ?? owner),
  }
}

async function senderOf({ db }: HookRoom, { account }: Told): Promise<HookAccount | null> {
  return typeof account === 'number' ? await findAccountById(db.queries, account as AccountId) : null
}

function ownerOf({ ownerId: id, ownerLogin: login, ownerKind: kind, ownerIsAdmin: isAdmin }: Repository): HookAccount {
  return { id, login, kind, isAdmin }
}

async function* pushEvents(
  room: HookRoom,
  repository: Repository,
  about: Surroundings,
  changes: readonly RefMove[],
  wants: Wants,
): AsyncGenerator<HookEvent, void, undefined> {
  const told = changes.filter((change) => refOf(change.ref) !== null)
  if (told.length > mostMovesTold) {
    room.log.info({ repository: repository.id, refs: told.length }, 'a push of so many refs is told to no webhook')
    return
  }
  const beside = told.map((change) => change.ref)
  let left = mostCommitsOfAPush
  for (const change of told) {
    const { type, short } = refOf(change.ref) as NonNullable<ReturnType<typeof refOf>>
    if (change.before === null && wants('create')) yield refEvent(about, 'create', change.ref, type, short)
    if (change.after === null && wants('delete')) yield refEvent(about, 'delete', change.ref, type, short)
    if (!wants('push')) continue
    const pushed = await commitsOf(room, repository, { ...change, beside, most: Math.min(mostCommits, left) })
    left -= pushed.commits.length
    yield pushEvent(about, change, pushed)
  }
}

/** A push is told though its commits can't be: the receiver knows that it happened, and the operator that something is wrong. */
export async function commitsOf(room: HookRoom, repository: Repository, question: CommitQuestion): Promise<PushedCommits> {
  const none = { commits: [], head: null, isForced: false }
  if (question.after === null) return none
  try {
    return await room.commits(repository, question)
  } catch (error) {
    // a worker that dies of it would die of it again
    if (error instanceof UnavailableError && error.code !== 'worker') throw error
    const alarm = error instanceof CorruptError
    const words = alarm ? 'ALARM: stored data is wrong' : 'a push was told without its commits'
    room.log.error({ err: error, alarm, repository: repository.id }, words)
    return none
  }
}

/** Of a private fork, only its owner is to know. */
async function* forkEvents(
  room: HookRoom,
  source: Repository,
  about: Surroundings,
  row: OutboxRow,
): AsyncGenerator<HookEvent, void, undefined> {
  const fork = await findRepositoryById(room.db.queries, row.repositoryId as RepositoryId)
  if (fork === null || (fork.visibility === 'private' && fork.ownerId !== source.ownerId)) return
  const isKnown = typeof (row.payload as Told).account === 'number'
  const sender = isKnown ? about.sender : room.documents.account(ownerOf(fork))
  yield forkEvent({ ...about, sender }, await room.documents.repository(fork))
}

function* updateEvents(about: Surroundings, told: Told): Generator<HookEvent, void, undefined> {
  const event = (action: RepositoryAction, changes?: Told) => repositoryEvent(about, action, changes)
  const { name, oldName, visibility, oldVisibility, description, oldDescription, head, oldHead } = told
  const isNew = (value: unknown, old: unknown) => value !== undefined && value !== old
  if (isNew(name, oldName)) yield event('renamed', { repository: { name: { from: oldName } } })
  // `internal` is more open than private, and less than public: GitHub has no word for that alone
  if (isNew(visibility, oldVisibility)) yield event(visibility === 'public' ? 'publicized' : 'privatized')
  const changes = {
    ...(isNew(description, oldDescription) ? { description: { from: oldDescription } } : {}),
    ...(isNew(head, oldHead) ? { default_branch: { from: String(oldHead).replace('refs/heads/', '') } } : {}),
  }
  if (Object.keys(changes).length > 0) yield event('edited', changes)
}

async function transferEvent(room: HookRoom, about: Surroundings, { oldOwnerId }: Told): Promise<HookEvent> {
  const before = await findAccountById(room.db.queries, oldOwnerId as AccountId)
  const from = before === null ? {} : { [before.kind]: room.documents.account(before) }
  return repositoryEvent(about, 'transferred', { owner: { from } })
}

async function* collaboratorEvents(
  room: HookRoom,
  about: Surroundings,
  kind: 'collaborator.add' | 'collaborator.change' | 'collaborator.remove',
  { memberId, role, before }: Told,
): AsyncGenerator<HookEvent, void, undefined> {
  const member = await findAccountById(room.db.queries, memberId as AccountId)
  if (member === null) return
  const actions = { 'collaborator.add': 'added', 'collaborator.change': 'edited', 'collaborator.remove': 'removed' } as const
  const permission = { ...(before === null ? {} : { from: before }), ...(role === null ? {} : { to: role }) }
  yield memberEvent(about, actions[kind], room.documents.account(member), { permission, role_name: permission })
}

/** What an account's own hooks alone hear of: a repository is no more, a member came or went. */
async function* accountEvents(
  room: HookRoom,
  { kind, payload, repositoryId }: OutboxRow,
  accountId: number,
  wants: Wants,
): AsyncGenerator<HookEvent, void, undefined> {
  const { db, documents } = room
  const told = payload as Told
  const owner = await findAccountById(db.queries, accountId as AccountId)
  if (owner === null) return
  const sender = documents.account((await senderOf(room, told)) ?? owner)
  const organization = documents.organization(owner)
  if (kind === 'repository.deleted' && wants('repository')) {
    // its row is gone, and with it everything else
    const repository = {
      id: repositoryId,
      name: told.name,
      full_name: `${owner.login}/${String(told.name)}`,
      owner: documents.account(owner),
    }
    yield repositoryEvent({ repository, organization, sender }, 'deleted')
  }
  if ((kind !== 'member.add' && kind !== 'member.remove') || !wants('organization')) return
  const user = await findAccount(db.queries, String(told.login))
  if (user === null) return
  const action = kind === 'member.add' ? 'member_added' : 'member_removed'
  yield organizationEvent({ organization, sender }, action, documents.account(user), String(told.role ?? told.before))
}
