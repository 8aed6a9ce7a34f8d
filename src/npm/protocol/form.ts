// How answers look: npm's form of errors, whichever part of the server they come from.
import type { FastifyReply } from 'fastify'
import type { ProblemForm } from '../../http/index.ts'

/** Clients send what they have without being asked; some show the scheme. */
const challenge = 'Bearer realm="Stemma", charset="UTF-8"'

/** Every error of the room: the clients show `error`, or `message`. */
export const npmForm: ProblemForm = ({ status, code, message, headers }) => ({
  type: 'application/json',
  body: JSON.stringify({ error: message, code }),
  headers: status === 401 && !('www-authenticate' in headers) ? { 'www-authenticate': challenge } : {},
})

export function sendJson(reply: FastifyReply, status: number, value: unknown): FastifyReply {
  const bytes = Buffer.from(JSON.stringify(value))
  return reply
    .code(status)
    .headers({ 'content-type': 'application/json', 'content-length': String(bytes.length), 'cache-control': 'no-store' })
    .send(bytes)
}
