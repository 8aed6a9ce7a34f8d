// What downloads and git-upload-archive share: an archive of one repository, as one call may see it, made in a worker.
import { UnavailableError } from '../../base/index.ts'
import { scopeOf, settingsOf } from '../context.ts'
import { type GitCall, placeKey, repositoryIn } from '../git-call.ts'
import type { GitRoom } from '../git-room.ts'
import type { VisibleRefs } from '../refs/index.ts'
import { packedTips } from '../upload-pack/index.ts'
import { runArchive } from './archive-job.ts'
import type { ObjectName } from './revision.ts'
import type { ArchiveTask } from './task.ts'

/** The refs that the call may see, as of the moment when the gate read the repository's row. */
export async function refsOf(room: GitRoom, call: GitCall): Promise<VisibleRefs> {
  const repository = repositoryIn(call)
  const snapshot = await room.refs.read(repository.id, repository.refsVersion)
  return room.views.of(snapshot, scopeOf(room, call, 'fetch'))
}

type Wishes = Pick<ArchiveTask, 'format' | 'level' | 'prefix' | 'pathspecs' | 'usesAttributes' | 'tellsPaths' | 'time'>

export function taskOf(room: GitRoom, call: GitCall, name: ObjectName, refs: VisibleRefs, wishes: Wishes): ArchiveTask {
  return {
    ...wishes,
    name,
    tips: name.isTip ? new Uint8Array(0) : room.views.once(refs, packedTips),
    umask: settingsOf(room, call).archive.umask,
    now: Math.floor(room.options.clock.now() / 1000),
  }
}

/**
 * Waits for a place among the fetches. Finding out what is asked for, making the archive and sending it take no longer than a request may: a few
 * objects can stand for an archive without end, and a client can take it for as long as it lasts.
 * @param gone aborted when nobody waits for the archive any more
 * @throws as `runArchive`; UnavailableError 'request-time'
 */
export async function serveArchive(
  room: GitRoom,
  call: Pick<GitCall, 'repository' | 'identity' | 'actor'>,
  task: ArchiveTask,
  gone: AbortSignal | null,
  use: Parameters<typeof runArchive<void>>[3],
): Promise<void> {
  const free = await room.fetches.take(placeKey(call))
  const late = AbortSignal.timeout(room.options.limits.requestTimeoutMs)
  const end = gone === null ? late : AbortSignal.any([gone, late])
  try {
    const packs = await room.packs.open(repositoryIn(call).networkId) // after the refs: they may rest on no newer pack
    const { cutOff } = settingsOf(room, call)
    const job = { packs: packs.handle, cutOff, task }
    await runArchive(room.workers, job, end, use)
  } catch (cause) {
    if (!late.aborted || gone?.aborted) throw cause
    throw new UnavailableError('request-time', 'the archive took longer than a request may', { cause })
  } finally {
    free()
  }
}
