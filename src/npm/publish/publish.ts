// A version is published: its tarball goes into the content store while it comes, and its rows are written by the transaction that makes it content there.
// docs/design/npm.md, A publish.
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  type AccountId,
  type Actor,
  actorOf,
  findQuota,
  type Identity,
  type OwnerQuota,
  type Package,
  packageOf,
  type PackageToCreate,
  quotaExceeded,
} from '../../access/index.ts'
import { InputError } from '../../base/index.ts'
import type { Queries, Tx } from '../../db/index.ts'
import type { ContentInfo } from '../../store/index.ts'
import { assertNewName, type NpmName } from '../format/names.ts'
import { sendJson } from '../protocol/form.ts'
import type { NpmRegistry } from '../registry.ts'
import type { Incoming } from './incoming.ts'
import { insertAlone, insertPublication, type PublishedTo } from './insert-publication.ts'
import { linkByRepository } from './linking.ts'
import { type Attestation, verifyProvenance } from './provenance.ts'
import { type Publication, readPublication, type Tarball } from './publication.ts'

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
  const by = { actor: actorOf(request), identity: request.identity }
  const { one, publication } = await publishVersion(registry, placeOf(request, name), { incoming, attachment, name }, by)
  linkByRepository(registry, request, one, publication.repository)
  return sendJson(reply, 201, { ok: true, success: true, id: `${name.full}@${publication.version}` })
}

/** The package is made with its first version, or not at all. */
export function publishVersion(
  registry: NpmRegistry,
  to: Package | PackageToCreate,
  from: Omit<ReceiveOptions, 'ownerId'>,
  by: { readonly actor: Actor; readonly identity: Identity },
): Promise<{ readonly one: PublishedTo; readonly publication: Publication }> {
  const wanted = (received: Received, content: ContentInfo) => ({ ...received, ...by, to, name: from.name, content })
  const visible = async (tx: Tx, received: Received, content: ContentInfo) => ({
    one: await insertPublication(tx, wanted(received, content)),
    publication: received.publication,
  })
  const alone = async (queries: Queries, received: Received, content: ContentInfo) => ({
    one: await insertAlone(registry.db, queries, wanted(received, content)),
    publication: received.publication,
  })
  return receive(registry, { ...from, ownerId: to.ownerId }, visible, alone)
}

/** The package, or what it will be. InputError 'bad-name', 'name-mismatch'. */
function placeOf(request: FastifyRequest, name: NpmName): Package | PackageToCreate {
  const { packageToCreate } = request
  if (request.package !== null || packageToCreate === null) {
    const one = packageOf(request)
    if (one.name !== name.full) throw new InputError('name-mismatch', `The package is called ${one.name}`)
    return one
  }
  assertNewName(name.full)
  return packageToCreate
}

export interface ReceiveOptions {
  readonly incoming: Incoming
  readonly attachment: string
  readonly name: NpmName
  /** Who has to have room for it. */
  readonly ownerId: AccountId
}

type Visible<Q, T> = (queries: Q, received: Received, content: ContentInfo) => Promise<T>

/**
 * Takes the tarball and what is said of it, and has the caller write it down in the transaction that makes the tarball content: whoever holds nothing there leaves it
 * to its lease. InputErrors of `readPublication` and `verifyProvenance`, 'too-large', 'quota-exceeded', and what `visible` throws: then nothing is written.
 * @param alone in place of `visible` for a small tarball, when that is content already: for who needs one statement only
 */
export async function receive<T>(
  { db, uploads, limits, roots }: NpmRegistry,
  { incoming, attachment, name, ownerId }: ReceiveOptions,
  visible: Visible<Tx, T>,
  alone?: Visible<Queries, T>,
): Promise<T> {
  let received: Received | null = null
  let made: { readonly value: T } | null = null
  const accept = (document: unknown, tarball: Tarball) => {
    const publication = readPublication(document, tarball, name)
    const attested = { name, version: publication.version, sha512: tarball.sha512 }
    received = { publication, attestation: publication.bundle === null ? null : verifyProvenance(publication.bundle, attested, roots) }
  }
  const making =
    <Q>(write: Visible<Q, T>) =>
    async (queries: Q, content: ContentInfo) => {
      if (received === null) throw new Error('a tarball has come whole, and nobody has looked at it')
      made = { value: await write(queries, received, content) }
    }
  const { source, isSmall } = await peek(incoming.tarball(attachment, accept))
  // of what is small the transaction that charges says what is too much
  const quota = isSmall ? null : await findQuota(db, ownerId)
  const limitBytes = Math.min(limits.tarballBytes, quota?.leftBytes ?? limits.tarballBytes)
  await uploads
    .receive(source, { limitBytes, visible: making(visible), ...(alone === undefined ? {} : { alone: making(alone) }) })
    .catch((error: unknown) => rethrow(error, quota, limits.tarballBytes))
  if (made === null) throw new Error('content was made without its rows')
  return (made as { readonly value: T }).value
}

/** More than this is asked about before it is taken. */
const smallBytes = 64 << 10

/** The same source, and whether it ends before it has much. */
async function peek(
  source: AsyncGenerator<Uint8Array>,
): Promise<{ readonly source: AsyncGenerator<Uint8Array>; readonly isSmall: boolean }> {
  const first: Uint8Array[] = []
  let sizeBytes = 0
  let isSmall = false
  while (!isSmall && sizeBytes <= smallBytes) {
    const next = await source.next()
    if (next.done === true) isSmall = true
    else {
      first.push(new Uint8Array(next.value)) // good until the next is asked for
      sizeBytes += next.value.length
    }
  }
  return { source: joined(first, source), isSmall }
}

async function* joined(first: readonly Uint8Array[], rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* first
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

function rethrow(error: unknown, quota: OwnerQuota | null, tarballBytes: number): never {
  if (!(error instanceof InputError) || error.code !== 'too-large') throw error
  if (quota !== null && quota.leftBytes < tarballBytes) throw quotaExceeded(quota)
  throw error
}
