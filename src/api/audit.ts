// The audit: /orgs/{org}/audit-log (GitHub Enterprise REST "Audit log"), and, Stemma's own, that of the server, of the caller and of a repository. As JSON in
// pages, or with `Accept: application/x-ndjson` all of it, one entry a line, while it is read.
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import {
  accountOf,
  type AuditFilter,
  type AuditRow,
  auditRows,
  onOrganization,
  onRepository,
  onSelf,
  parsePhrase,
  readAudit,
  repositoryOf,
} from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { type Routes, validationFailed } from '../http/index.ts'
import { AuditEntryJson, AuditQuery } from './audit-schemas.ts'
import { originOf, timeJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { pageOf } from './paging.ts'
import { ErrorJson, OrganizationParams, RepositoryParams } from './schemas.ts'

const tags = ['Audit']
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }
const response = { 200: Type.Array(AuditEntryJson), ...errors }
const produces = ['application/json', 'application/x-ndjson']
const jsonLines = 'application/x-ndjson'

type Query = Static<typeof AuditQuery>

export function registerAudit(routes: Routes, options: ApiOptions): void {
  const ofServer = { tags, summary: 'The server’s audit (Stemma’s own)', querystring: AuditQuery, produces, response }
  routes.get('/audit-log', { config: { access: onSelf('server:read') }, schema: ofServer }, async (request, reply) =>
    answer(options, request, reply, { filter: {}, query: request.query, isWhole: true }),
  )

  const own = {
    tags,
    summary: 'What was done to the caller’s account and to his things (Stemma’s own)',
    querystring: AuditQuery,
    produces,
    response,
  }
  routes.get('/user/audit-log', { config: { access: onSelf('self:administer') }, schema: own }, async (request, reply) =>
    answer(options, request, reply, { filter: { ownerId: accountOf(request).id }, query: request.query, isWhole: false }),
  )

  const params = OrganizationParams
  const ofOrganization = {
    tags,
    summary: 'An organization’s audit, its repositories’ included',
    params,
    querystring: AuditQuery,
    produces,
    response,
  }
  routes.get(
    '/orgs/:org/audit-log',
    { config: { access: onOrganization('organization:administer') }, schema: ofOrganization },
    async (request, reply) =>
      answer(options, request, reply, { filter: { ownerId: accountOf(request).id }, query: request.query, isWhole: false }),
  )

  const ofRepository = {
    tags,
    summary: 'A repository’s audit, since it belongs to its owner (Stemma’s own)',
    params: RepositoryParams,
    querystring: AuditQuery,
    produces,
    response,
  }
  routes.get(
    '/repos/:owner/:repo/audit-log',
    { config: { access: onRepository('repository:administer') }, schema: ofRepository },
    async (request, reply) => {
      // what went on under another owner was his business
      const { id: repositoryId, ownerId } = repositoryOf(request)
      return answer(options, request, reply, { filter: { repositoryId, ownerId }, query: request.query, isWhole: false })
    },
  )
}

interface Wanted {
  readonly filter: AuditFilter
  readonly query: Query
  /** With where requests came from: for those who administer the server. */
  readonly isWhole: boolean
}

async function answer(options: ApiOptions, request: FastifyRequest, reply: FastifyReply, { filter, query, isWhole }: Wanted) {
  const { queries } = options.db
  const wanted = { ...phraseOf(query), ...filter }
  const order = query.order ?? 'desc'
  const position = { ...cursor('after', query.after), ...cursor('before', query.before) }
  if (position.after !== undefined && position.before !== undefined) throw fault('before', 'after and before exclude each other')
  const show = (row: AuditRow) => entryJson(row, isWhole)
  if ((request.headers.accept ?? '').includes(jsonLines)) {
    return reply.type(jsonLines).send(Readable.from(lines(auditRows(queries, wanted, order), show)) as never)
  }
  const { perPage: most } = pageOf(query)
  const { rows, isMore } = await readAudit(queries, wanted, { order, most, ...position })
  tellNeighbours(request, reply, originOf(request, options.publicUrl), {
    rows,
    isMore,
    isBackward: position.before !== undefined,
    ...position,
  })
  return rows.map(show)
}

async function* lines(rows: AsyncIterable<AuditRow>, show: (row: AuditRow) => AuditEntryJson): AsyncGenerator<string> {
  for await (const row of rows) yield `${JSON.stringify(show(row))}\n`
}

function phraseOf({ phrase }: Query): AuditFilter {
  try {
    return parsePhrase(phrase ?? '')
  } catch (error) {
    if (error instanceof InputError && error.code === 'bad-phrase') throw fault('phrase', error.message)
    throw error
  }
}

function fault(field: string, message: string) {
  return validationFailed([{ field, code: 'invalid', message }])
}

/** A cursor is an entry's id, wrapped so that nobody counts on it. */
const cursorOf = (id: number) => Buffer.from(`audit:${id}`).toString('base64url')

function cursor<K extends 'after' | 'before'>(name: K, text: string | undefined): { readonly [P in K]?: number } {
  if (text === undefined) return {}
  const [, id] = /^audit:(\d{1,15})$/.exec(Buffer.from(text, 'base64url').toString('latin1')) ?? []
  if (id === undefined) throw fault(name, `${name} is no cursor of a Link header`)
  return { [name]: Number(id) } as { readonly [P in K]?: number }
}

interface Found {
  readonly rows: readonly AuditRow[]
  readonly isMore: boolean
  readonly isBackward: boolean
  readonly after?: number
}

/** On which sides there is more is known of the one that was gone to; on the other there is what the cursor came from. */
function tellNeighbours(request: FastifyRequest, reply: FastifyReply, origin: string, { rows, isMore, isBackward, after }: Found): void {
  const [first, last] = [rows[0], rows.at(-1)]
  if (first === undefined || last === undefined) return
  const to = (name: 'after' | 'before', id: number, relation: string): string => {
    const link = new URL(`${origin}${request.raw.url ?? ''}`)
    link.searchParams.delete('after')
    link.searchParams.delete('before')
    link.searchParams.set(name, cursorOf(id))
    return `<${link.href}>; rel="${relation}"`
  }
  const links = [
    ...(isBackward || isMore ? [to('after', last.id, 'next')] : []),
    ...((isBackward ? isMore : after !== undefined) ? [to('before', first.id, 'prev')] : []),
  ]
  if (links.length > 0) reply.header('link', links.join(', '))
}

const removals = /\.(?:delete|remove|revoke)$/
const makings = /\.(?:create|add|fork)$/

function entryJson(row: AuditRow, isWhole: boolean): AuditEntryJson {
  const ms = row.at.getTime()
  const isMaking = makings.test(row.action)
  return {
    '@timestamp': ms,
    _document_id: String(row.id),
    action: row.action,
    operation_type: row.action.endsWith('.transfer') ? 'transfer' : isMaking ? 'create' : removals.test(row.action) ? 'remove' : 'modify',
    created_at: ms,
    time: timeJson(row.at),
    actor: row.actor,
    actor_id: row.actorId,
    ...(isWhole ? { actor_ip: row.ip } : {}),
    owner_id: row.ownerId,
    repo_id: row.repositoryId,
    target: row.target,
    details: row.details,
    request_id: row.requestId,
  }
}
