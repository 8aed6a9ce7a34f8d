// /admin/upstreams: registries that images and npm packages come from when somebody asks for them, and places that are claimed (docs/design/oci-upstream.md,
// npm-upstream.md). Ours.
import Type, { type Static } from 'typebox'
import { actorOf, findAccount, onSelf, type UpstreamId } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { notFound, type Routes, validationFailed } from '../http/index.ts'
import { npmUpstreams } from '../npm/index.ts'
import { ociUpstreams } from '../oci/index.ts'
import {
  changeUpstream,
  claimPlace,
  type Declared,
  declareUpstream,
  findDeclaredById,
  listDeclared,
  parsePlace,
  removeDeclared,
} from '../packages/index.ts'
import { timeJson } from './documents.ts'
import type { ApiOptions } from './index.ts'
import { ErrorJson, time } from './schemas.ts'

const tags = ['Upstream']
const formats = { oci: ociUpstreams, npm: npmUpstreams }
const errors = { 401: ErrorJson, 403: ErrorJson, 404: ErrorJson, 422: ErrorJson }
const mostSeconds = 2 ** 31 - 1
const Visibility = Type.Enum(['public', 'internal', 'private'])
const OriginJson = Type.String({
  maxLength: 300,
  description: 'of a token endpoint elsewhere, which credentials may go to: https://auth.example',
})
const Seconds = Type.Integer({ minimum: 0, maximum: mostSeconds })
const Bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

const Format = Type.Enum(['oci', 'npm'])

const UpstreamJson = Type.Object({
  id: Type.Integer(),
  format: Format,
  place: Type.String({ description: 'OWNER, or OWNER/NAME…: names that begin so come from there' }),
  url: Type.Union([Type.String(), Type.Null()], {
    description: 'null: a claim: the place is the owner’s own, and nothing of it comes from elsewhere',
  }),
  username: Type.Union([Type.String(), Type.Null()], { description: 'null: nothing is signed in with' }),
  auth: Type.Union([Type.String(), Type.Null()]),
  visibility: Visibility,
  fresh_seconds: Type.Integer({ description: 'so long a tag isn’t compared again' }),
  keep_seconds: Type.Integer({ description: 'what nobody has pulled for so long is evicted' }),
  most_bytes: Type.Union([Type.Number(), Type.Null()]),
  min_age_seconds: Type.Integer({ description: 'of npm: versions that were published more recently aren’t shown' }),
  created_at: time,
  updated_at: time,
})
const settings = {
  credentials: Type.Optional(
    Type.Union([
      Type.Object({ username: Type.String({ maxLength: 4096 }), password: Type.String({ maxLength: 4096 }) }),
      Type.Null({ description: 'none' }),
    ]),
  ),
  auth: Type.Optional(Type.Union([OriginJson, Type.Null()])),
  visibility: Type.Optional(Visibility),
  fresh_seconds: Type.Optional(Seconds),
  keep_seconds: Type.Optional(Seconds),
  most_bytes: Type.Optional(Type.Union([Bytes, Type.Null()])),
  min_age_seconds: Type.Optional(Seconds),
}
const NewUpstreamJson = Type.Object({
  format: Type.Optional(Type.Enum(['oci', 'npm'], { description: 'oci where it isn’t said' })),
  place: Type.String({ maxLength: 300 }),
  url: Type.Union([Type.String({ maxLength: 2000 }), Type.Null({ description: 'a claim; of npm alone' })]),
  ...settings,
})
const UpstreamChangeJson = Type.Object(settings)
const UpstreamParams = Type.Object({ id: Type.Integer() })

export function registerUpstreams(routes: Routes, { db, sealer }: ApiOptions): void {
  const reader = { access: onSelf('server:read') }
  const config = { access: onSelf('server:administer') }
  const parts = { db, sealer }

  const listing = {
    tags,
    summary: 'Registries that images and npm packages come from, and claimed places (Stemma’s own)',
    response: { 200: Type.Array(UpstreamJson), ...errors },
  }
  routes.get('/admin/upstreams', { config: reader, schema: listing }, async () => (await listDeclared(db.queries)).map(upstreamJson))

  const declaring = {
    tags,
    summary: 'Declares where images or npm packages of certain names come from, or claims a place (Stemma’s own)',
    body: NewUpstreamJson,
    response: { 201: UpstreamJson, ...errors },
  }
  routes.post('/admin/upstreams', { config, schema: declaring }, async (request, reply) => {
    const { place, url, credentials = null, format: formatName = 'oci', ...wanted } = request.body
    const format = formats[formatName]
    const made = await (async () => {
      const { owner, path } = parsePlace(place, format)
      const account = await findAccount(db.queries, owner)
      if (account === null) throw new InputError('bad-upstream-place', `There is no account '${owner}'`)
      if (url === null) return claimPlace(db, format, account, path, actorOf(request))
      return declareUpstream(parts, format, account, { path, url, credentials, ...settingsOf(wanted) }, actorOf(request))
    })().catch(asFault)
    return reply.code(201).send(upstreamJson(made))
  })

  const one = {
    tags,
    summary: 'A registry that images or npm packages come from, or a claimed place (Stemma’s own)',
    params: UpstreamParams,
    response: { 200: UpstreamJson, ...errors },
  }
  routes.get('/admin/upstreams/:id', { config: reader, schema: one }, async (request) => {
    const found = await findDeclaredById(db.queries, request.params.id as UpstreamId)
    if (found === null) throw notFound()
    return upstreamJson(found)
  })

  const changing = { ...one, summary: 'Changes its credentials, visibility or times (Stemma’s own)', body: UpstreamChangeJson }
  routes.patch('/admin/upstreams/:id', { config, schema: changing }, async (request) => {
    const { credentials, ...wanted } = request.body
    const change = { ...settingsOf(wanted), ...(credentials === undefined ? {} : { credentials }) }
    const before = await findDeclaredById(db.queries, request.params.id as UpstreamId)
    if (before === null) throw notFound()
    const changed = await changeUpstream(parts, formats[before.format], before.id, change, actorOf(request)).catch(asFault)
    if (changed === null) throw notFound()
    return upstreamJson(changed)
  })

  const removing = {
    tags,
    summary: 'Removes it, with all that came from there (Stemma’s own)',
    params: UpstreamParams,
    response: { 204: Type.Null(), ...errors },
  }
  routes.delete('/admin/upstreams/:id', { config, schema: removing }, async (request, reply) => {
    const before = await findDeclaredById(db.queries, request.params.id as UpstreamId)
    if (before === null || (await removeDeclared(db, formats[before.format], before.id, actorOf(request))) === null) throw notFound()
    return reply.code(204).send(null)
  })
}

function settingsOf(given: Omit<Static<typeof UpstreamChangeJson>, 'credentials'>) {
  const {
    auth: authOrigin,
    visibility,
    fresh_seconds: freshS,
    keep_seconds: keepS,
    most_bytes: mostBytes,
    min_age_seconds: minAgeS,
  } = given
  return {
    ...(authOrigin === undefined ? {} : { authOrigin }),
    ...(visibility === undefined ? {} : { visibility }),
    ...(freshS === undefined ? {} : { freshS }),
    ...(keepS === undefined ? {} : { keepS }),
    ...(mostBytes === undefined ? {} : { mostBytes }),
    ...(minAgeS === undefined ? {} : { minAgeS }),
  }
}

function upstreamJson({
  id,
  format,
  place,
  url,
  username,
  authOrigin,
  visibility,
  freshS,
  keepS,
  mostBytes,
  minAgeS,
  ...times
}: Declared): Static<typeof UpstreamJson> {
  return {
    id,
    format,
    place,
    url,
    username,
    auth: authOrigin,
    visibility,
    fresh_seconds: freshS,
    keep_seconds: keepS,
    most_bytes: mostBytes,
    min_age_seconds: minAgeS,
    created_at: timeJson(times.createdAt),
    updated_at: timeJson(times.updatedAt),
  }
}

const fields: Readonly<Record<string, string>> = {
  'bad-upstream-place': 'place',
  'upstream-exists': 'place',
  'upstream-covers': 'place',
  'bad-upstream-url': 'url',
  'bad-upstream-auth': 'auth',
  'bad-upstream-credentials': 'credentials',
  'bad-upstream-settings': 'keep_seconds',
}

function asFault(error: unknown): never {
  const field = error instanceof InputError ? fields[error.code] : undefined
  if (!(error instanceof InputError) || field === undefined) throw error
  throw validationFailed([{ field, code: error.code === 'upstream-exists' ? 'already_exists' : 'custom', message: error.message }])
}
