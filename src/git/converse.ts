// Git's services on a line that client and server talk on, as `git upload-pack` and its like do over SSH.
import { InputError } from '../base/index.ts'
import { assertArchiveEnabled, archiveRequestBytes, uploadArchive } from './archive/index.ts'
import { talkFetch } from './fetch-talk.ts'
import type { GitCall } from './git-call.ts'
import { type GitLine, Requests, sendAdvertisement } from './git-line.ts'
import type { GitRoom } from './git-room.ts'
import { advertisePushes, freshNonce, push, pushLimitBytes } from './serve-push.ts'

export const gitServices = ['git-upload-pack', 'git-receive-pack', 'git-upload-archive'] as const
export type GitService = (typeof gitServices)[number]

/**
 * Serves the client to the end of what it wants. What git tells in its own protocol is told there (and `line.isOver` then); the rest is thrown.
 * @throws InputError `service-disabled`, `client-gone`, `slow-body`, …: its message is for the client's eyes; what `line.renew` throws;
 * CorruptError; UnavailableError
 */
export async function converse(room: GitRoom, service: GitService, call: GitCall, line: GitLine): Promise<void> {
  switch (service) {
    case 'git-upload-pack':
      return await talkFetch(room, call, line)
    case 'git-receive-pack':
      return await talkPush(room, call, line)
    case 'git-upload-archive':
      assertArchiveEnabled(room, call)
      return await uploadArchive(room, call, new Requests(line, archiveRequestBytes).next(), () => line.answer())
  }
}

async function talkPush(room: GitRoom, call: GitCall, line: GitLine): Promise<void> {
  const nonce = freshNonce(room, call)
  await sendAdvertisement(line, await advertisePushes(room, call, nonce))
  const requests = new Requests(line, room.options.limits.requestBytes)
  if (!(await requests.hasNext())) return // nothing to push
  const present = await line.renew()
  // a client looks for deltas between its commands and its pack, and says nothing meanwhile: only who holds up others has to hurry
  let pace: 'patient' | 'paced' = 'patient'
  const body = limited(
    requests.rest(() => pace),
    pushLimitBytes(room),
  )
  const onPlace = () => {
    pace = 'paced'
  }
  await push(room, present, { body, onPlace, nonce, open: () => line.answer() })
  await line.flush()
}

async function* limited(bytes: AsyncIterable<Uint8Array>, limitBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  let sizeBytes = 0
  for await (const piece of bytes) {
    sizeBytes += piece.length
    if (sizeBytes > limitBytes) throw new InputError('too-large', `The request is larger than ${limitBytes} bytes`)
    yield piece
  }
}
