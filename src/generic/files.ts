// Files as they come, are sent, and go: PUT, GET, HEAD, DELETE of `/generic/{owner}/{name}/{version}[/{file}]`. docs/design/generic.md.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, createOrFindPackageIn, momentOf, packageOf, type PackageToCreate } from '../access/index.ts'
import { InputError } from '../base/index.ts'
import { sqlState } from '../db/index.ts'
import { notFound, requestBody, sentOrigin } from '../http/index.ts'
import { findFileRoom, findVersion, findVersionFile, findVersionFiles, keepFile, removeFile, sendFile } from '../packages/index.ts'
import { digestBytes } from '../store/index.ts'
import { expectedDigest } from './format/expected-digest.ts'
import { assertName, type FilePlace, versionKey } from './format/names.ts'
import { renderIndex } from './format/version-index.ts'
import { genericFormat } from './format-room.ts'
import type { GenericRegistry } from './registry.ts'

/** PUT of a file: takes its bytes in while they come, and makes the package and the version where there are none. */
export async function putFile(registry: GenericRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { db, store, uploads, limits } = registry
  const { version, file } = placeIn(request)
  const { package: there, packageToCreate } = request
  const to = there ?? packageToCreate
  if (to === null) throw notFound()
  assertName('package', to.name)
  const actor = actorOf(request)
  const { 'content-encoding': encoding = 'identity', 'content-length': length } = request.headers
  // what unpacks to any size is nobody's upload
  if (encoding !== 'identity') throw new InputError('unsupported-encoding', 'A file is sent as it is, without Content-Encoding')
  const expected = expectedDigest(request.headers)
  const { limitBytes, isLimited, faultOf } = await findFileRoom(db, to, limits.fileBytes)
  let isNew = false
  const content = await uploads
    .receive(requestBody(request, { limitBytes: limits.fileBytes }), {
      limitBytes,
      ...(expected === null ? {} : { expected }),
      ...(length === undefined ? {} : { sizeBytes: Number(length) }),
      visible: async (tx, received) => {
        const one = there ?? (await createOrFindPackageIn(tx, to as PackageToCreate, actor))
        isNew = await keepFile(tx, store, {
          one,
          version: { version, key: versionKey(version) },
          file,
          content: received,
          actor,
          isLimited,
        })
      },
    })
    .catch((error: unknown) => {
      // no such package: it was deleted meanwhile
      throw sqlState(error) === '23503' ? notFound() : faultOf(error)
    })
  const url = `${versionUrl(registry, request)}/${file}`
  reply.header('location', url)
  return sendJson(reply, isNew ? 201 : 200, { name: file, size: content.sizeBytes, sha256: content.digest, url })
}

/** GET and HEAD of a file, whole or one range. */
export async function getFile(registry: GenericRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { version, file } = placeIn(request)
  const moment = momentOf(request)
  const found = await findVersionFile(moment, packageOf(request).id, versionKey(version), file)
  if (found === null) throw notFound()
  reply.headers({
    'content-disposition': `attachment; filename="${file}"`,
    'cache-control': 'private, no-cache',
    'repr-digest': `sha-256=:${Buffer.from(digestBytes(found.content)).toString('base64')}:`,
    'x-checksum-sha256': found.content,
    vary: 'Authorization',
  })
  return sendFile(registry.sending, request, reply, { ...found, moment }, () => registry.downloads.count(found.versionId))
}

/** DELETE of a file; the version goes with its last one. */
export async function dropFile({ db }: GenericRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const [one, { version, file }, actor] = [packageOf(request), placeIn(request), actorOf(request)]
  if (!(await db.transaction((tx) => removeFile(tx, one, { key: versionKey(version), file }, actor), { mayRetry: true }))) throw notFound()
  return reply.code(204).send()
}

/** GET of a version: its files. */
export async function getIndex(registry: GenericRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const one = packageOf(request)
  const stored = await findVersionFiles(registry.db.queries, one.id, versionKey(versionIn(request)))
  if (stored === null) throw notFound()
  return sendJson(reply, 200, renderIndex(one.name, stored, versionUrl(registry, request)))
}

/** DELETE of a version with all its files. */
export async function dropVersion({ db }: GenericRegistry, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const one = packageOf(request)
  const found = await findVersion(db.queries, one.id, versionKey(versionIn(request)))
  const version = found && { id: found.id, name: found.version, tags: [] }
  if (version === null || !(await genericFormat.deleteVersion(db, one, version, actorOf(request)))) throw notFound()
  return reply.code(204).send()
}

function versionIn({ params }: FastifyRequest): string {
  return assertName('version', (params as FilePlace).version)
}

function placeIn(request: FastifyRequest): FilePlace {
  return { version: versionIn(request), file: assertName('file', (request.params as FilePlace).file) }
}

function versionUrl({ publicUrl }: GenericRegistry, request: FastifyRequest): string {
  const { owner, package: name, version } = request.params as FilePlace & { readonly owner: string; readonly package: string }
  return [publicUrl ?? sentOrigin(request), 'generic', owner, name, version].join('/')
}

function sendJson(reply: FastifyReply, status: number, value: unknown): FastifyReply {
  return reply
    .code(status)
    .headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
    .send(Buffer.from(JSON.stringify(value)))
}
