// Tags by themselves: `-/package/NAME/dist-tags[/TAG]`, as npm, pnpm and yarn ask for them.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, packageOf } from '../../access/index.ts'
import { concatBytes, fromUtf8, InputError } from '../../base/index.ts'
import { notFound, requestBody, type Routes } from '../../http/index.ts'
import { parseName } from '../format/names.ts'
import { assertTag } from '../format/versions.ts'
import { sendJson } from '../protocol/form.ts'
import { onNamed } from '../protocol/targets.ts'
import type { NpmRegistry } from '../registry.ts'
import { cachedName } from '../upstream/cached-name.ts'
import { changing, removeTags, setTags } from './change-rows.ts'
import { assertTags } from './packument-changes.ts'

const mostBodyBytes = 64 << 10

export function registerDistTags(routes: Routes, registry: NpmRegistry, prefix: string): void {
  const access = { read: onNamed(registry.root, 'package:read'), write: onNamed(registry.root, 'package:write') }
  const [all, one] = [`${prefix}/-/package/:package/dist-tags`, `${prefix}/-/package/:package/dist-tags/:tag`]
  const onAll = (isWhole: boolean) => (request: FastifyRequest, reply: FastifyReply) => setAll(registry, request, reply, isWhole)
  const onOne = (request: FastifyRequest, reply: FastifyReply) => setOne(registry, request, reply)
  routes.get(all, { config: { access: access.read, encodedSlash: true } }, (request, reply) => listTags(registry, request, reply))
  routes.put(all, { config: { access: access.write, encodedSlash: true } }, onAll(true))
  routes.post(all, { config: { access: access.write, encodedSlash: true } }, onAll(false))
  routes.put(one, { config: { access: access.write, encodedSlash: true } }, onOne)
  routes.post(one, { config: { access: access.write, encodedSlash: true } }, onOne)
  routes.delete(one, { config: { access: access.write, encodedSlash: true } }, (request, reply) => deleteOne(registry, request, reply))
}

/** GET */
async function listTags({ db, upstreams }: NpmRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = parseName((request.params as { readonly package: string }).package)
  const cached = name === null ? null : cachedName(request, { name })
  if (name !== null && cached !== null) return sendJson(reply, 200, JSON.parse(await upstreams.tags(request, cached, name)))
  const rows = await db.queries
    .selectFrom('npm_tag')
    .innerJoin('package_version', 'package_version.id', 'npm_tag.version_id')
    .select(['npm_tag.tag', 'package_version.version'])
    .where('npm_tag.package_id', '=', packageOf(request).id)
    .orderBy('npm_tag.tag')
    .execute()
  if (rows.length === 0) throw notFound()
  return sendJson(reply, 200, Object.fromEntries(rows.map(({ tag, version }) => [tag, version])))
}

/** PUT: these and `latest`; POST: these, too. */
async function setAll({ db }: NpmRegistry, request: FastifyRequest, reply: FastifyReply, isWhole: boolean): Promise<FastifyReply> {
  const wanted = await jsonOf(request)
  if (wanted === null || typeof wanted !== 'object' || Array.isArray(wanted))
    throw new InputError('bad-document', 'Tags come as an object: {"tag": "version"}')
  const actor = actorOf(request)
  await changing(db, packageOf(request), null, async (tx, locked) => {
    const tags = assertTags(
      wanted as Readonly<Record<string, unknown>>,
      locked.versions.map(({ version }) => version),
    )
    const isSet = await setTags(tx, locked, tags, actor)
    const gone = isWhole ? [...locked.tags.keys()].filter((tag) => tag !== 'latest' && !tags.has(tag)) : []
    return (await removeTags(tx, locked, gone, actor)) || isSet
  })
  return sendJson(reply, 201, { ok: true })
}

/** PUT and POST of a tag: its version, as a JSON text. */
async function setOne({ db }: NpmRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const tag = assertTag(tagOf(request))
  const version = await jsonOf(request)
  const actor = actorOf(request)
  await changing(db, packageOf(request), null, (tx, locked) =>
    setTags(
      tx,
      locked,
      assertTags(
        { [tag]: version },
        locked.versions.map((stored) => stored.version),
      ),
      actor,
    ),
  )
  return sendJson(reply, 201, { ok: true, id: packageOf(request).name, 'dist-tags': { [tag]: version } })
}

async function deleteOne({ db }: NpmRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const tag = tagOf(request)
  const actor = actorOf(request)
  await changing(db, packageOf(request), null, (tx, locked) => removeTags(tx, locked, [tag], actor))
  return sendJson(reply, 200, { ok: true, id: packageOf(request).name, 'dist-tags': {} })
}

function tagOf(request: FastifyRequest): string {
  return (request.params as { tag: string }).tag
}

async function jsonOf(request: FastifyRequest): Promise<unknown> {
  const pieces: Uint8Array[] = []
  for await (const piece of requestBody(request, { limitBytes: mostBodyBytes })) pieces.push(piece)
  try {
    return JSON.parse(fromUtf8(concatBytes(pieces))) as unknown
  } catch (cause) {
    throw new InputError('bad-document', 'Problems parsing JSON', { cause })
  }
}
