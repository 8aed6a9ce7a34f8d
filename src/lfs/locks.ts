// The routes of the locking API: lock, list, list for a push, unlock.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, callerOf, repositoryOf } from '../access/index.ts'
import type { Database } from '../db/index.ts'
import { Refusal } from '../http/index.ts'
import { errorJson, sendJson } from './answers.ts'
import { type Fields, fieldsOf } from './format/fields.ts'
import { encodeCursor, type LockQuery, parseLock, parseLockQuery, parseUnlock } from './format/lock.ts'
import { addLock, findLocks, type Lock, removeLock } from './lock-rows.ts'
import { writableRepository } from './transfers.ts'

interface LockParts {
  readonly db: Database
}

/** POST locks: 201, or 409 with the lock that is in the way — also when it is the caller's own. */
export async function lock(parts: LockParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const path = parseLock(request.body)
  const { accountId } = callerOf(request)
  const repository = await writableRepository(parts, request)
  const { lock: held, isNew } = await addLock(parts.db.queries, repository.id, accountId, path)
  if (isNew) return sendJson(reply, 201, { lock: lockJson(held) })
  return sendJson(reply, 409, { lock: lockJson(held), ...errorJson('already created lock', request) })
}

/** GET locks */
export async function list({ db }: LockParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const query = parseLockQuery(request.query as Fields)
  const { locks, next } = await page((asked) => findLocks(db.queries, repositoryOf(request).id, asked), query)
  return sendJson(reply, 200, { locks: locks.map(lockJson), ...next })
}

/** POST locks/verify: which locks a push has to mind. A repository that the push is about to create has none. */
export async function listForPush({ db }: LockParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { cursor, limit, ref } = fieldsOf(request.body ?? {})
  const query = parseLockQuery({ cursor, limit, ref })
  const { repository, identity } = request
  const { locks, next } = await page(async (asked) => (repository === null ? [] : findLocks(db.queries, repository.id, asked)), query)
  // of a deployment's or a CI job's token none are: locks are accounts'
  const isOurs = ({ owner }: Lock): boolean => identity.kind === 'account' && owner.accountId === identity.accountId
  return sendJson(reply, 200, {
    ours: locks.filter(isOurs).map(lockJson),
    theirs: locks.filter((held) => !isOurs(held)).map(lockJson),
    ...next,
  })
}

/** POST locks/:id/unlock */
export async function unlock({ db }: LockParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { isForced } = parseUnlock(request.body)
  const { id } = request.params as { id: string }
  const { accountId } = callerOf(request)
  const removed = await removeLock(db, repositoryOf(request), id, { accountId, isForced, actor: actorOf(request) })
  if (removed === null) throw new Refusal(404, 'not-found', 'Lock does not exist')
  if (removed === 'foreign') throw new Refusal(403, 'foreign-lock', 'The lock belongs to somebody else; --force breaks it')
  return sendJson(reply, 200, { lock: lockJson(removed) })
}

/** One more than is asked for tells whether there is another page. */
async function page(find: (query: LockQuery) => Promise<Lock[]>, query: LockQuery) {
  const found = await find({ ...query, limit: query.limit + 1 })
  const locks = found.slice(0, query.limit)
  const last = locks.at(-1)
  return { locks, next: found.length > query.limit && last ? { next_cursor: encodeCursor(last.path) } : {} }
}

function lockJson({ id, path, lockedAt, owner }: Lock) {
  return { id, path, locked_at: lockedAt.toISOString().replace(/\.\d+Z$/, 'Z'), owner: { name: owner.login } }
}
