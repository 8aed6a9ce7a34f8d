// A content, or one range of it, as the answer to a client who was found to have it: small ones out of memory, large ones as the store reads them.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { identityKey } from '../access/index.ts'
import { CorruptError, type Log, type SharedPlaces } from '../base/index.ts'
import type { Moment } from '../db/index.ts'
import { addressKey } from '../http/index.ts'
import type { ContentRange, ContentStore, Digest } from '../store/index.ts'
import type { SmallContents } from './small-contents.ts'

export interface ContentSending {
  readonly store: ContentStore
  readonly small: SmallContents
  /** For large ones: each reads some MiB ahead. */
  readonly places: SharedPlaces
  readonly log: Log
}

export interface SentContent {
  readonly content: Digest
  /** Of the whole. */
  readonly sizeBytes: number
  readonly range: ContentRange
  readonly moment: Moment
}

/** Everything of the answer but its length and its bytes stands in the reply. */
export async function sendContent(
  { store, small, places, log }: ContentSending,
  request: FastifyRequest,
  reply: FastifyReply,
  { content: digest, sizeBytes, range, moment }: SentContent,
): Promise<FastifyReply> {
  reply.header('content-length', String(range.sizeBytes))
  if (range.sizeBytes === 0) return reply.send()
  if (sizeBytes <= small.mostBytes) {
    const bytes = await small.get(digest, moment)
    return reply.send(bytes.subarray(range.offset, range.offset + range.sizeBytes))
  }
  const gone = new AbortController()
  const content = await store.get(digest, range, gone.signal, moment)
  if (content === null) throw new CorruptError('content', `the content ${digest} is not there`)
  const free = await places.take(identityKey(request.identity) ?? addressKey(request.ip))
  const leave = (): void => {
    gone.abort(new Error('the client closed the connection'))
    free()
  }
  reply.raw.once('close', leave) // also at the answer's end
  if (reply.raw.destroyed) leave()
  let isBegun = false
  const begin = (): void => {
    isBegun = true
    reply.hijack()
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) reply.raw.setHeader(name, value)
    reply.raw.statusCode = reply.statusCode
  }
  try {
    await content.sendTo(reply.raw, begin)
    reply.raw.end()
  } catch (error) {
    free()
    const alarm = error instanceof CorruptError
    if (alarm || !gone.signal.aborted)
      log.error({ err: error, alarm, content: digest }, alarm ? 'ALARM: stored data is wrong' : 'a download broke off')
    if (!isBegun) throw error
    // what fails behind the answer's beginning can only be logged: the connection ends in the middle
    reply.raw.destroy()
  }
  return reply
}
