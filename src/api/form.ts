// Errors in GitHub's shape: `{ message, documentation_url, status, errors? }`.
import type { FastifyRequest } from 'fastify'
import type { FieldFault, Problem, ProblemAnswer } from '../http/index.ts'

const documentationUrl = 'https://docs.github.com/rest'

/** The form of every problem below /api/v3. The faults of a 422 name the resource by the first tag of the route's schema. */
export function githubForm(problem: Problem, request: FastifyRequest): ProblemAnswer {
  const tags = (request.routeOptions.schema as { tags?: readonly string[] } | undefined)?.tags
  const resource = tags?.[0] ?? 'Request'
  const errors = (problem.details as readonly FieldFault[] | undefined)?.map((fault) => ({ resource, ...fault }))
  return {
    type: 'application/json; charset=utf-8',
    body: JSON.stringify({
      message: problem.message,
      ...(errors ? { errors } : {}),
      documentation_url: documentationUrl,
      status: String(problem.status),
    }),
    headers: problem.status === 401 ? { 'www-authenticate': 'Bearer realm="Stemma"' } : {},
  }
}
