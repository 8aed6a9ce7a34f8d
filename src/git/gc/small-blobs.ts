// Small blobs of one repository in which given bytes stand: for rooms that keep their own things in such files (Git LFS' pointers).
import type { RepositorySettings } from '../../access/index.ts'
import { InputError, MessageStream } from '../../base/index.ts'
import type { GitRoom } from '../git-room.ts'
import { repositoryRoots } from './roots.ts'
import type { SmallBlobsJob } from './small-blobs-job.ts'

export interface WantedBlobs {
  readonly mostBytes: number
  readonly contains: Uint8Array
  /** What a ref pointed to so lately counts; 0: only what refs reach. */
  readonly graceS: number
}

/**
 * Gives each blob that refs of the repository reach, hidden ones too. The bytes are the taker's.
 * @returns the version of the refs that was looked at, or an earlier one: what came later was not seen
 * @throws InputError 'repository-deleted'; CorruptError when something that is reached can't be read; UnavailableError
 */
export async function reachedBlobs(
  room: GitRoom,
  repositoryId: number,
  wanted: WantedBlobs,
  take: (blob: Uint8Array) => void,
  signal: AbortSignal,
): Promise<number> {
  const { queries } = room.options.db
  const repository = await queries
    .selectFrom('repository')
    .select(['network_id', 'refs_version', 'settings'])
    .where('id', '=', repositoryId)
    .executeTakeFirst()
  if (!repository) throw new InputError('repository-deleted', 'the repository was deleted')
  const { graceS, ...which } = wanted
  const { tips } = await repositoryRoots(queries, repositoryId, graceS)
  const { handle } = await room.packs.open(repository.network_id) // behind the roots: all that they reach is there
  const { cutOff } = room.settings.read(repository.settings as RepositorySettings)
  const job = { packs: handle, cutOff, tips, ...which } satisfies SmallBlobsJob
  await room.workers.run(
    'smallBlobs',
    job,
    [],
    async (port) => {
      for await (const blob of new MessageStream<never>(port).bytes()) take(blob)
    },
    signal,
  )
  return repository.refs_version
}
