// A version is published: its tarball goes into the content store while it comes, and its rows are written by the transaction that makes it content there.
// docs/design/npm.md, A publish.
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  type AccountId,
  type Actor,
  actorOf,
  createOrFindPackageIn,
  findQuota,
  type OwnerQuota,
  type Package,
  packageOf,
  type PackageToCreate,
  quotaExceeded,
} from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import type { Tx } from '../../db/index.ts'
import type { ContentInfo } from '../../store/index.ts'
import { assertNewName, type NpmName } from '../format/names.ts'
import { sendJson } from '../protocol/form.ts'
import type { NpmRegistry } from '../registry.ts'
import { assertNotAlike } from './alike.ts'
import type { Incoming } from './incoming.ts'
import { insertPublication } from './insert-publication.ts'
import { linkByRepository } from './linking.ts'
import { type Attestation, verifyProvenance } from './provenance.ts'
import { type Publication, readPublication } from './publication.ts'

/** What a publish has come to, when all of it is there. */
export interface Received {
  readonly publication: Publication
  readonly attestation: Attestation | null
}

/** PUT of a document with a tarball. */
export async function publish(
  registry: NpmRegistry,
  request: FastifyRequest,
  reply: FastifyReply,
  name: NpmName,
  incoming: Incoming,
  attachment: string,
): Promise<FastifyReply> {
  const to = await placeOf(registry, request, name)
  const { one, publication } = await publishVersion(registry, to, { incoming, attachment, name }, actorOf(request))
  linkByRepository(registry, request, one, publication.repository)
  return sendJson(reply, 201, { ok: true, success: true, id: `${name.full}@${publication.version}` })
}

/** The package is made in the same transaction, where there is none. */
export function publishVersion(
  registry: NpmRegistry,
  to: Package | PackageToCreate,
  from: Omit<ReceiveOptions, 'ownerId'>,
  actor: Actor,
): Promise<{ readonly one: Package; readonly publication: Publication }> {
  return receive(registry, { ...from, ownerId: to.ownerId }, async (tx, received, content, isLimited) => {
    const one = 'id' in to ? to : await createOrFindPackageIn(tx, to, actor)
    await insertPublication(tx, { ...received, one, name: from.name, content, actor, isLimited })
    return { one, publication: received.publication }
  })
}

/** The package, or what it will be. InputError 'bad-name', 'name-mismatch', 'name-alike'. */
async function placeOf(registry: NpmRegistry, request: FastifyRequest, name: NpmName): Promise<Package | PackageToCreate> {
  const { packageToCreate } = request
  if (request.package !== null || packageToCreate === null) {
    const one = packageOf(request)
    if (one.name !== name.full) throw new InputError('name-mismatch', `The package is called ${one.name}`)
    return one
  }
  assertNewName(name.full)
  await assertNotAlike(registry.db.queries, packageToCreate, name, request.identity)
  return packageToCreate
}

export interface ReceiveOptions {
  readonly incoming: Incoming
  readonly attachment: string
  readonly name: NpmName
  /** Who has to have room for it. */
  readonly ownerId: AccountId
}

/**
 * Takes the tarball and what is said of it, and has the caller write it down in the transaction that makes the tarball content: whoever holds nothing there leaves it
 * to its lease. InputErrors of `readPublication` and `verifyProvenance`, 'too-large', 'quota-exceeded', and what `visible` throws: then nothing is written.
 */
export async function receive<T>(
  { db, uploads, limits, roots }: NpmRegistry,
  { incoming, attachment, name, ownerId }: ReceiveOptions,
  visible: (tx: Tx, received: Received, content: ContentInfo, isLimited: boolean) => Promise<T>,
): Promise<T> {
  const quota = await findQuota(db, ownerId)
  let received: Received | null = null
  let made: { readonly value: T } | null = null
  const source = incoming.tarball(attachment, (document, tarball) => {
    const publication = readPublication(document, tarball, name)
    const attestation =
      publication.bundle === null
        ? null
        : verifyProvenance(publication.bundle, { name, version: publication.version, sha512: tarball.sha512 }, roots)
    received = { publication, attestation }
  })
  await uploads
    .receive(source, {
      limitBytes: Math.min(limits.tarballBytes, quota?.leftBytes ?? limits.tarballBytes),
      visible: async (tx, content) => {
        if (received === null) throw new Error('a tarball has come whole, and nobody has looked at it')
        made = { value: await visible(tx, received, content, quota !== null) }
      },
    })
    .catch((error: unknown) => rethrow(error, quota, limits.tarballBytes))
  if (made === null) throw new Error('content was made without its rows')
  return (made as { readonly value: T }).value
}

function rethrow(error: unknown, quota: OwnerQuota | null, tarballBytes: number): never {
  if (!(error instanceof InputError) || error.code !== 'too-large') throw error
  if (quota !== null && quota.leftBytes < tarballBytes) throw quotaExceeded(quota)
  throw error
}
