// PATCH /user and GET /users (GitHub REST "Users"). Who lists users has an account.
import Type from 'typebox'
import { accountOf, actorOf, changeAccount, listAccounts, onSelf } from '../access/index.ts'
import { notFound, type Routes } from '../http/index.ts'
import { originOf, ownerJson } from './documents.ts'
import { rethrowAsFault } from './faults.ts'
import type { ApiOptions } from './index.ts'
import { pageOf } from './paging.ts'
import { SinceQuery, UserChangeJson } from './people-schemas.ts'
import { ErrorJson, OwnerJson, UserJson } from './schemas.ts'
import { tellNext } from './since.ts'
import { userJson } from './users.ts'

const tags = ['User']
const errors = { 401: ErrorJson, 403: ErrorJson, 422: ErrorJson }

export function registerAccounts(routes: Routes, options: ApiOptions): void {
  const { db, publicUrl } = options

  const changing = { tags, summary: 'Changes the caller', body: UserChangeJson, response: { 200: UserJson, 404: ErrorJson, ...errors } }
  routes.patch('/user', { config: { access: onSelf('self:administer') }, schema: changing }, async (request) => {
    const { name: displayName, email } = request.body
    const change = { ...(displayName === undefined ? {} : { displayName }), ...(email === undefined ? {} : { email }) }
    const changed = await changeAccount(db, accountOf(request).id, change, actorOf(request)).catch(rethrowAsFault())
    if (changed === null) throw notFound()
    return userJson(options, request, changed, true)
  })

  const listing = {
    tags,
    summary: 'All users and organizations, in the order in which they were made',
    querystring: SinceQuery,
    response: { 200: Type.Array(OwnerJson), ...errors },
  }
  routes.get('/users', { config: { access: onSelf('self:read') }, schema: listing }, async (request, reply) => {
    const { perPage } = pageOf(request.query)
    const found = await listAccounts(db.queries, { since: request.query.since ?? 0, most: perPage })
    tellNext(request, reply, publicUrl, found, perPage)
    return found.map((account) => ownerJson(originOf(request, publicUrl), account))
  })
}
