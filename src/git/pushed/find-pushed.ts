// What a push brought, asked by those who are told of pushes later: of the repository as it is by then.
import type { Repository } from '../../access/index.ts'
import { MessageStream } from '../../base/index.ts'
import type { ObjectId } from '../format/object-id.ts'
import type { GitRoom } from '../git-room.ts'
import type { PushedJob } from './pushed-job.ts'
import type { Pushed } from './pushed-task.ts'

export interface PushedMove {
  readonly ref: string
  readonly before: ObjectId | null
  readonly after: ObjectId
  /** Refs that moved in the same push. */
  readonly beside: readonly string[]
  /** The newest so many commits are told. */
  readonly most: number
}

/** So many other branches are looked at to tell what is on none of them. */
const mostOthers = 1000
/** A push of a whole history is walked once; nobody waits for longer. */
const limitMs = 60_000

/** InputError 'repository-deleted', CorruptError, UnavailableError. */
export async function findPushed(room: GitRoom, repository: Repository, move: PushedMove): Promise<Pushed> {
  const { ref, before, after, beside, most } = move
  const isTag = !ref.startsWith('refs/heads/')
  const snapshot = await room.refs.read(repository.id, repository.refsVersion)
  const moved = new Set([ref, ...beside])
  const branches = isTag ? [] : snapshot.refs.filter(({ name }) => name.startsWith('refs/heads/') && !moved.has(name))
  const others = [...new Set(branches.map(({ oid }) => oid))].slice(0, mostOthers)
  const packs = await room.packs.open(repository.networkId) // after the refs: they may rest on no newer pack
  const { cutOff } = room.settings.read(repository.settings)
  const job: PushedJob = { packs: packs.handle, cutOff, question: { before, after, isTag, others, most } }
  const signal = AbortSignal.timeout(limitMs)
  return await room.workers.run('pushed', job, [], (port) => new MessageStream<Pushed>(port).message(), signal)
}
