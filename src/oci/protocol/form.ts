// How answers look: the protocol's form of errors, whichever part of the server they come from, and the headers that every answer has.
import type { FastifyReply } from 'fastify'
import type { ProblemForm } from '../../http/index.ts'
import { challengeOf } from './challenge.ts'
import { ociCode } from '../format/errors.ts'

/** Whoever got a pass for less than this asks again and gets no more: he may not, or there is no such image; which of it, he isn't told. */
const notInPass =
  'You may not do this here, or there is no such image (or owner): are the name, the account, its role and the scope of your token the right ones?'

/** Every error of the room; with 401, where clients sign in, and for what. */
export function ociForm(publicUrl: string | null): ProblemForm {
  return ({ code, status, message, details, headers }, request) => ({
    type: 'application/json',
    body: JSON.stringify({
      errors: [
        {
          code: ociCode(code, status),
          message: code === 'not-in-pass' ? notInPass : message,
          ...(details === undefined ? {} : { detail: details }),
        },
      ],
    }),
    headers: {
      ...versionHeader,
      ...(status === 401 && !('www-authenticate' in headers) ? { 'www-authenticate': challengeOf(request, publicUrl, code) } : {}),
    },
  })
}

/** Docker's clients tell a registry by it. */
export const versionHeader = { 'docker-distribution-api-version': 'registry/2.0' }

/** JSON as bytes: Fastify would put a charset behind the type of a text, and clients compare types. */
export function sendJson(reply: FastifyReply, status: number, value: unknown, type = 'application/json'): FastifyReply {
  const bytes = Buffer.from(JSON.stringify(value))
  return reply
    .code(status)
    .headers({ ...versionHeader, 'content-type': type, 'content-length': String(bytes.length), 'cache-control': 'no-store' })
    .send(bytes)
}

/** Without a body. */
export function sendEmpty(reply: FastifyReply, status: number, headers: Readonly<Record<string, string>>): FastifyReply {
  const length = status === 204 ? {} : { 'content-length': '0' }
  return reply
    .code(status)
    .headers({ ...length, 'cache-control': 'no-store', ...headers })
    .send()
}
