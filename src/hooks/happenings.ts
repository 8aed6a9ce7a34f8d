// Rows of the outbox as events: what happened, in GitHub's words. A row of a kind that nobody here knows tells nothing.
import { type AccountId, findAccountById, findRepositoryById, type Repository, type RepositoryId } from '../access/index.ts'
import { CorruptError, UnavailableError } from '../base/index.ts'
import type { OutboxRow } from '../jobs/index.ts'
import type { HookEvent } from './format/events.ts'
import type { CommitQuestion, HookAccount, HookRoom, PushedCommits, RefMove } from './hook-room.ts'
import { forkEvent, pushEvent, refEvent, refOf, type RepositoryAction, repositoryEvent, type Surroundings } from './payloads.ts'

/** Nobody hears of a push that moves more branches and tags at once: it is a copy of a repository, and its events would be read by nobody. GitHub has such a limit, too. */
export const mostMovesTold = 1000

/** In one event, as GitHub. */
export const mostCommits = 2048
/** In all events of one push, to however many branches. */
const mostCommitsOfAPush = 10_000

/** About which repository a row is: that one's hooks hear of it. */
export function heardAt(row: OutboxRow): number | null {
  const { sourceId } = row.payload as { readonly sourceId?: unknown }
  return row.kind === 'repository.forked' && typeof sourceId === 'number' ? sourceId : row.repositoryId
}

/**
 * What the row tells, as far as `wants` it. The documents are those of now. UnavailableError when something that it needs doesn't answer.
 */
export async function* eventsOf(
  room: HookRoom,
  row: OutboxRow,
  wants: (event: string) => boolean,
): AsyncGenerator<HookEvent, void, undefined> {
  const id = heardAt(row)
  const repository = id === null ? null : await findRepositoryById(room.db.queries, id as RepositoryId)
  if (repository === null) return
  const about = await surroundings(room, repository, row)
  const payload = row.payload as Readonly<Record<string, unknown>>
  switch (row.kind) {
    case 'push':
      return yield* pushEvents(room, repository, about, payload.changes as readonly RefMove[], wants)
    case 'repository.forked':
      if (wants('fork')) yield* forkEvents(room, repository, about, row)
      return
    case 'repository.created':
      if (wants('repository')) yield repositoryEvent(about, 'created')
      return
    case 'repository.updated':
      if (wants('repository')) yield* updateEvents(about, payload)
  }
}

async function surroundings(room: HookRoom, repository: Repository, row: OutboxRow): Promise<Surroundings> {
  const { account } = row.payload as { readonly account?: unknown }
  const sender = typeof account === 'number' ? await findAccountById(room.db.queries, account as AccountId) : null
  return { repository: await room.documents.repository(repository), sender: room.documents.account(sender ?? ownerOf(repository)) }
}

function ownerOf({ ownerId: id, ownerLogin: login, ownerKind: kind, ownerIsAdmin: isAdmin }: Repository): HookAccount {
  return { id, login, kind, isAdmin }
}

async function* pushEvents(
  room: HookRoom,
  repository: Repository,
  about: Surroundings,
  changes: readonly RefMove[],
  wants: (event: string) => boolean,
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
    room.log.error(
      { err: error, alarm, repository: repository.id },
      alarm ? 'ALARM: stored data is wrong' : 'a push was told without its commits',
    )
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
  const { account } = row.payload as { readonly account?: unknown }
  const sender = typeof account === 'number' ? about.sender : room.documents.account(ownerOf(fork))
  yield forkEvent({ ...about, sender }, await room.documents.repository(fork))
}

function* updateEvents(about: Surroundings, told: Readonly<Record<string, unknown>>): Generator<HookEvent, void, undefined> {
  const event = (action: RepositoryAction, changes?: Readonly<Record<string, unknown>>) => repositoryEvent(about, action, changes)
  const { name, oldName, visibility, oldVisibility, description, oldDescription, head, oldHead } = told
  const isNew = (value: unknown, old: unknown) => value !== undefined && value !== old
  if (isNew(name, oldName)) yield event('renamed', { repository: { name: { from: oldName } } })
  if (isNew(visibility, oldVisibility)) yield event(visibility === 'public' ? 'publicized' : 'privatized')
  const changes = {
    ...(isNew(description, oldDescription) ? { description: { from: oldDescription } } : {}),
    ...(isNew(head, oldHead) ? { default_branch: { from: String(oldHead).replace('refs/heads/', '') } } : {}),
  }
  if (Object.keys(changes).length > 0) yield event('edited', changes)
}
