// git-upload-archive: what `git archive --remote` speaks, over HTTP and SSH alike (git-upload-archive(1)). Arguments in pkt-lines; the answer is an ACK,
// then side-bands: 1 the archive, 2 what git would print, 3 that it failed. A refusal has status 200, like everything git says itself.
import { CorruptError, InputError, latin1, utf8 } from '../../base/index.ts'
import { settingsOf } from '../context.ts'
import { untilGone } from '../fetch-serving.ts'
import { type GitAnswer, type GitCall, repositoryIn } from '../git-call.ts'
import { encodePkt, flushPkt, PktLineReader, withoutNewline } from '../format/pkt-line.ts'
import type { GitRoom } from '../git-room.ts'
import { SidebandWriter } from '../upload-pack/sideband.ts'
import { type ArchiveArguments, parseArchiveArguments, remoteFormats } from './arguments.ts'
import { refNames } from './ref-names.ts'
import { parseObjectName, refName } from './revision.ts'
import { refsOf, serveArchive, taskOf } from './serve.ts'

const mostArguments = 64
/** All arguments together. */
export const archiveRequestBytes = 1 << 20
const died = 'git upload-archive: archiver died with error'

/** @param open called when the arguments were read. InputError `service-disabled`; and before anything was answered what is wrong with the body */
export async function uploadArchive(room: GitRoom, call: GitCall, body: AsyncIterable<Uint8Array>, open: () => GitAnswer): Promise<void> {
  assertArchiveEnabled(room, call)
  const given = await readArguments(body)
  const answer = open()
  const frames = new SidebandWriter(answer, 65520)
  await answer.write(Buffer.concat([encodePkt('ACK\n'), flushPkt]))
  try {
    const asked = given instanceof InputError ? given : parse(given)
    if (asked instanceof InputError) throw asked
    if (asked.type === 'list')
      await frames.data(
        utf8(
          Object.keys(remoteFormats)
            .map((name) => `${name}\n`)
            .join(''),
        ),
      )
    else await answerArchive(room, call, asked, answer, frames)
    await frames.end()
  } catch (error) {
    await tell(room, call, error, answer, frames)
    return answer.fail()
  }
  answer.end()
}

/** InputError `service-disabled` where the repository's settings, or that nobody in particular calls, say so. */
export function assertArchiveEnabled(room: GitRoom, call: GitCall): void {
  const isEnabled = settingsOf(room, call).archive.isEnabled ?? call.identity.kind !== 'anonymous'
  if (!isEnabled) throw new InputError('service-disabled', "Service not enabled: 'upload-archive'")
}

async function tell(room: GitRoom, call: GitCall, error: unknown, answer: GitAnswer, frames: SidebandWriter): Promise<void> {
  const alarm = error instanceof CorruptError
  if (answer.gone.aborted && !alarm) return
  if (error instanceof InputError) {
    const text = error.code === 'archive-arguments' ? error.message : `fatal: ${error.message}`
    await frames.progress(Buffer.from(`${text}\n`, 'latin1').toString())
  } else {
    const words = alarm ? 'ALARM: stored data is wrong' : 'an archive broke off'
    room.options.log.error({ err: error, alarm, repository: call.repository?.id }, words)
  }
  await frames.fatal(died)
}

function parse(given: readonly string[]): ReturnType<typeof parseArchiveArguments> | InputError {
  try {
    return parseArchiveArguments(given)
  } catch (error) {
    if (error instanceof InputError) return error
    throw error
  }
}

/** What stands behind `argument `; an InputError for what the archiver itself would refuse. */
async function readArguments(body: AsyncIterable<Uint8Array>): Promise<string[] | InputError> {
  const reader = new PktLineReader(body)
  const found: string[] = []
  for (;;) {
    const line = await reader.read()
    if (line === null || line.type === 'flush') return found
    const text = line.type === 'data' ? latin1(withoutNewline(line.data)) : ''
    if (found.length >= mostArguments) return new InputError('too-many', `Too many options (>${mostArguments - 1})`)
    if (!text.startsWith('argument ')) return new InputError('no-argument', "'argument' token or flush expected")
    found.push(text.slice('argument '.length))
  }
}

async function answerArchive(
  room: GitRoom,
  call: GitCall,
  asked: ArchiveArguments,
  answer: GitAnswer,
  frames: SidebandWriter,
): Promise<void> {
  const repository = repositoryIn(call)
  const refs = await refsOf(room, call)
  const treeish = Buffer.from(asked.treeish, 'latin1').toString()
  const mayNameAll = settingsOf(room, call).archive.allowsUnreachable
  const name = mayNameAll ? parseObjectName(treeish, refs, repository.objectFormat) : refName(treeish, refs)
  if (name === null) {
    const message = mayNameAll ? `not a valid object name: ${asked.treeish}` : `no such ref: ${asked.treeish.replace(/:.*$/s, '')}`
    throw new InputError('no-such-object', message)
  }
  const { format, level, pathspecs, prefix, time, usesAttributes } = asked
  const wishes = { format, level, pathspecs, prefix, time, usesAttributes, tellsPaths: asked.isVerbose }
  await serveArchive(room, call, taskOf(room, call, name, refs, wishes), answer.gone, async (head, take) => {
    for await (const item of untilGone(take(refNames(refs, head.commit)), answer.gone)) {
      if (item instanceof Uint8Array) await frames.data(item)
      else await frames.progress(Buffer.from(`${item.path}\n`, 'latin1').toString())
    }
  })
}
