// Manifests as they are pulled, pushed and deleted (distribution-spec, Pulling manifests, Pushing Manifests, Deleting tags, Deleting Manifests).
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, momentOf, packageOf, packageToWrite } from '../../access/index.ts'
import { concatBytes, hex, InputError } from '../../base/index.ts'
import { isSame, requestBody } from '../../http/index.ts'
import { sendEmpty } from './form.ts'
import { type OciDigest, parseDigest } from '../format/digests.ts'
import { ociError } from '../format/errors.ts'
import { parseManifest } from '../format/manifest.ts'
import { assertTag } from '../format/names.ts'
import type { Reference, Target } from '../format/target.ts'
import { pushManifest } from '../manifest-push.ts'
import { deleteManifest, deleteTag, findManifest, manifestBytes } from '../manifest-rows.ts'
import { isLeaseShort, renewManifest } from '../keeping/leases.ts'
import { type Registry, rethrowFault } from '../registry.ts'
import { linkBySource } from './source-label.ts'

type ManifestTarget = Extract<Target, { readonly kind: 'manifest' }>

/** More than a header line of tags can hold is refused. */
const mostTags = 100

/** GET and HEAD. What Accept says is passed over: a client that can't read what it gets says so better than a 404. */
export async function getManifest(
  registry: Registry,
  request: FastifyRequest,
  reply: FastifyReply,
  { reference }: ManifestTarget,
): Promise<FastifyReply> {
  const { id } = packageOf(request)
  const found = await findManifest(momentOf(request), id, reference)
  if (found === null) throw ociError('manifest-unknown')
  const { digest } = found
  // who is told that it is there may push an index that names it: until then it stays
  const isDue = request.identity.kind !== 'anonymous' && isRenewalDue(registry, found.leaseBegan)
  if (isDue && !(await renewManifest(registry.db.queries, id, digest.bytes))) throw ociError('manifest-unknown')
  const etag = `"${digest.text}"`
  reply.headers({
    'content-type': found.mediaType,
    'docker-content-digest': digest.text,
    etag,
    'cache-control': 'private, no-cache',
    'x-content-type-options': 'nosniff',
    vary: 'Authorization',
  })
  if (isSame(request, etag)) return reply.code(304).send()
  reply.header('content-length', String(found.sizeBytes))
  if (request.method === 'HEAD') return reply.send()
  const bytes = await manifestBytes(registry, id, digest)
  if (bytes === null) throw ociError('manifest-unknown')
  registry.pulls.count(id, digest.text)
  return reply.send(bytes)
}

function isRenewalDue({ clock, limits: { leaseMs } }: Registry, began: Date): boolean {
  return isLeaseShort(began.getTime() + leaseMs, clock.now(), leaseMs)
}

/** PUT, by tag, or by digest with tags in the query. */
export async function putManifest(
  registry: Registry,
  request: FastifyRequest,
  reply: FastifyReply,
  { name, reference }: ManifestTarget,
): Promise<FastifyReply> {
  const { limits, db } = registry
  const tags = tagsOf(request, reference)
  const bytes = await bytesOf(request, limits.manifest.bytes)
  const digest = digestOf(bytes, reference)
  const manifest = parseManifest(bytes, request.headers['content-type'], limits.manifest)
  const one = await packageToWrite(db, request)
  await pushManifest(registry, one, { manifest, bytes, digest, tags, actor: actorOf(request) })
  linkBySource(registry, request, one, manifest)
  return sendEmpty(reply, 201, {
    location: `/v2/${name.text}/manifests/${reference.kind === 'tag' ? reference.tag : digest.text}`,
    'docker-content-digest': digest.text,
    ...(manifest.subject === null ? {} : { 'oci-subject': manifest.subject.text }),
    ...((request.query as { tag?: unknown }).tag === undefined ? {} : { 'oci-tag': tags.join(', ') }),
  })
}

/** DELETE, of a tag or of a manifest with all its tags. */
export async function dropManifest(
  registry: Registry,
  request: FastifyRequest,
  reply: FastifyReply,
  { reference }: ManifestTarget,
): Promise<FastifyReply> {
  const [one, actor] = [packageOf(request), actorOf(request)]
  await registry.db
    .transaction(
      (tx) => (reference.kind === 'tag' ? deleteTag(tx, one, reference.tag, actor) : deleteManifest(tx, one, reference.digest, actor)),
      { mayRetry: true },
    )
    .catch(rethrowFault)
  return sendEmpty(reply, 202, {})
}

function tagsOf(request: FastifyRequest, reference: Reference): readonly string[] {
  const { tag } = request.query as { tag?: unknown }
  const more = tag === undefined ? [] : [tag].flat().map(assertTag)
  if (more.length > mostTags) throw ociError('tag-invalid', `At most ${mostTags} tags at once`)
  return [...new Set(reference.kind === 'tag' ? [reference.tag, ...more] : more)]
}

async function bytesOf(request: FastifyRequest, limitBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of requestBody(request, { limitBytes })) pieces.push(piece)
  } catch (error) {
    if (error instanceof InputError && error.code === 'too-large')
      throw ociError('manifest-large', `A manifest has at most ${limitBytes} bytes`)
    throw error
  }
  return concatBytes(pieces)
}

/** Of what came; the one that it was pushed by must be the same. */
function digestOf(bytes: Uint8Array, reference: Reference): OciDigest {
  const algorithm = reference.kind === 'digest' ? reference.digest.algorithm : 'sha256'
  const text = `${algorithm}:${hex(createHash(algorithm).update(bytes).digest())}`
  if (reference.kind === 'digest' && reference.digest.text !== text)
    throw ociError('digest-invalid', `The manifest’s digest is ${text}, not ${reference.digest.text}`)
  return parseDigest(text) as OciDigest
}
