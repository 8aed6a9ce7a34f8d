// A file as the answer to a client who was found to have it: whole, one range of it, or that he has it already (RFC 9110 §13–14).
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isSame, parseRange, Refusal } from '../http/index.ts'
import { type ContentSending, sendContent, type SentContent } from './send-content.ts'

/** What is the format's own stands in the reply already. @param counted is called when all of it is about to be sent. Refusal 416. */
export async function sendFile(
  sending: ContentSending,
  request: FastifyRequest,
  reply: FastifyReply,
  file: Omit<SentContent, 'range'>,
  counted: () => void,
): Promise<FastifyReply> {
  const { content, sizeBytes } = file
  const etag = `"${content}"`
  reply.headers({ etag, 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff' })
  if (isSame(request, etag)) return reply.code(304).send()
  if (request.method === 'HEAD') return reply.header('content-length', String(sizeBytes)).send()
  const { 'if-range': condition, range: asked } = request.headers
  const range = parseRange(condition === undefined || condition === etag ? asked : undefined, sizeBytes)
  if (range === null) throw new Refusal(416, 'range', 'There are no such bytes', { headers: { 'content-range': `bytes */${sizeBytes}` } })
  const { from, to } = range
  if (to - from < sizeBytes) reply.code(206).header('content-range', `bytes ${from}-${to - 1}/${sizeBytes}`)
  else counted()
  return sendContent(sending, request, reply, { ...file, range: { offset: from, sizeBytes: to - from } })
}
