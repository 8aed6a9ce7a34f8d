// How answers look: git-lfs's media type, its form of errors, and where its clients find the routes.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ProblemForm, sentOrigin } from '../http/index.ts'

export const mediaType = 'application/vnd.git-lfs+json'
export const documentationUrl = 'https://github.com/git-lfs/git-lfs/tree/main/docs/api'

const challenge = 'Basic realm="Stemma", charset="UTF-8"'

/** Every error of the room. The challenge stands twice on 401: clients look for their own header first. */
export const lfsForm: ProblemForm = (problem, request) => ({
  type: mediaType,
  body: JSON.stringify(errorJson(problem.message, request)),
  headers: problem.status === 401 ? { 'lfs-authenticate': challenge, 'www-authenticate': challenge } : {},
})

export function errorJson(message: string, request: FastifyRequest) {
  return { message, request_id: request.id, documentation_url: documentationUrl }
}

/** Answers may hold the caller's credentials: nobody keeps them. */
export function sendJson(reply: FastifyReply, status: number, body: unknown): FastifyReply {
  return reply.code(status).type(mediaType).header('cache-control', 'no-store').send(body)
}

/** The LFS URL of the request's repository, as this client reaches it; no slash at the end. */
export function lfsUrl(request: FastifyRequest, publicUrl: string | null): string {
  const { owner, repo } = request.params as { owner: string; repo: string }
  const origin = (publicUrl ?? sentOrigin(request)).replace(/\/+$/, '')
  return `${origin}/${encodeURIComponent(owner)}/${encodeURIComponent(repo)}.git/info/lfs`
}
