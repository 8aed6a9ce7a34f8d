// How a client brings a blob to an image of a simulated run: left out where it is told that it is there, mounted, in one request, or piece by piece on either node,
// with connections that break and wrong digests; each step as the registry's handlers take it.
import type { FastifyRequest } from 'fastify'
import { InputError } from '../../../src/base/index.ts'
import type { Tx } from '../../../src/db/index.ts'
import { findBlob, insertBlob } from '../../../src/oci/blob-rows.ts'
import { isLeaseShort, renewBlob } from '../../../src/oci/keeping/leases.ts'
import { mountBlob } from '../../../src/oci/protocol/mounts.ts'
import { referenceOf } from '../../../src/oci/keeping/references.ts'
import { rethrowFault } from '../../../src/oci/registry.ts'
import type { ContentInfo } from '../../../src/store/index.ts'
import type { Seeded } from '../../support/seeded.ts'
import type { SimulatedBlob } from './image-blobs.ts'
import type { KnownImage } from './images.ts'
import { leaseMs, type SimulatedNode } from './node.ts'
import type { SimulatedRun } from './run.ts'

const limitBytes = 1 << 30
const pieceBytes = 20_000

/** When it resolves, the image has it. */
export async function bring(run: SimulatedRun, node: SimulatedNode, image: KnownImage, blob: SimulatedBlob, random: Seeded): Promise<void> {
  const { images } = run
  images.blobs.set(blob.digest.text, blob)
  if (random.below(2) === 0 && (await isTold(node, image, blob))) return images.count('blobs left out')
  if (random.below(2) === 0) {
    const from = random.pick(images.all).one
    const request = { identity: identityOf(run) } as FastifyRequest
    const name = random.below(3) === 0 ? undefined : `${from.ownerLogin}/${from.name}`
    if (await mountBlob(node.registry, request, image.one, blob.digest, name)) return images.count('blobs mounted')
  }
  if (random.below(2) === 0) {
    await receive(run, node, image, blob)
    return images.count('blobs in one request')
  }
  await inParts(run, node, image, blob, random)
  images.count('blobs in parts')
}

/** In one request. */
export async function receive({ images }: SimulatedRun, { store }: SimulatedNode, image: KnownImage, blob: SimulatedBlob): Promise<void> {
  images.blobs.set(blob.digest.text, blob)
  await store.uploads.receive(pieces(blob.bytes), keeping(image, blob)).catch(rethrowFault)
}

function identityOf({ world: { account } }: SimulatedRun) {
  return { kind: 'account', accountId: account.id, login: account.login, isAdmin: true, grant: null, tokenId: 0 } as const
}

/** As HEAD tells it. */
async function isTold({ db }: SimulatedNode, { one }: KnownImage, { digest }: SimulatedBlob): Promise<boolean> {
  const found = await findBlob(db, one.id, digest)
  if (found === null) return false
  const isDue = isLeaseShort(found.leasedUntil.getTime(), Date.now(), leaseMs)
  return !isDue || (await renewBlob(db.queries, one.id, digest.bytes, leaseMs))
}

function keeping({ one }: KnownImage, { digest }: SimulatedBlob) {
  return {
    expected: { algorithm: digest.algorithm, digest: digest.bytes },
    limitBytes,
    reference: referenceOf(one),
    visible: (tx: Tx, content: ContentInfo) =>
      insertBlob(tx, one, digest, { content: content.digest, sizeBytes: content.sizeBytes }, { leaseMs, isLimited: false }),
  }
}

/** An upload: begun, carried on by either node, asked about when something failed, and ended. */
async function inParts(run: SimulatedRun, node: SimulatedNode, image: KnownImage, blob: SimulatedBlob, random: Seeded): Promise<void> {
  const { bytes, digest } = blob
  const scope = `oci/${image.one.id}`
  const { id } = await node.store.uploads.begin({ scope, algorithm: random.below(4) === 0 ? 'sha256' : digest.algorithm })
  const cuts = Array.from({ length: random.below(4) }, () => random.below(bytes.length + 1)).toSorted((a, b) => a - b)
  let at = 0
  for (const cut of cuts) {
    const { uploads } = run.someNode(random, node).store
    const isBroken = random.below(5) === 0
    try {
      const { removals } = run.images
      const state = await uploads.append(id, scope, { source: pieces(bytes.subarray(at, cut), isBroken), offset: at, limitBytes })
      if (state === null) return gone(run, removals)
      if (state.sizeBytes !== cut) run.fault(`an upload of ${cut} bytes says that it has ${state.sizeBytes}`)
      at = cut
    } catch (error) {
      if (!(error instanceof InputError && error.code === 'connection')) throw error
      at = await askedAgain(run, node, { id, scope, least: at, most: cut })
    }
  }
  if (random.below(16) === 0) {
    run.images.count('uploads cancelled')
    await node.store.uploads.cancel(id, scope)
    throw givenUp()
  }
  if (random.below(16) === 0) {
    run.images.count('uploads left')
    throw givenUp()
  }
  await finish(run, run.someNode(random, node), image, blob, { id, scope, at, isWrong: random.below(16) === 0 })
}

async function finish(
  run: SimulatedRun,
  { store }: SimulatedNode,
  image: KnownImage,
  blob: SimulatedBlob,
  { id, scope, at, isWrong }: { readonly id: string; readonly scope: string; readonly at: number; readonly isWrong: boolean },
): Promise<void> {
  const { removals } = run.images
  const rest = blob.bytes.subarray(at)
  const last = rest.length === 0 ? {} : { last: { source: pieces(isWrong ? rest.map((byte) => byte ^ 1) : rest), offset: at } }
  const content = await store.uploads.finish(id, scope, { ...keeping(image, blob), ...last }).catch(rethrowFault)
  if (content === null) return gone(run, removals)
  if (isWrong && rest.length > 0) run.fault(`an upload of other bytes became ${blob.digest.text}`)
}

/** The connection broke: what the upload has now is no less than was acknowledged, and no more than was sent. */
async function askedAgain(
  run: SimulatedRun,
  { store }: SimulatedNode,
  { id, scope, least, most }: { readonly id: string; readonly scope: string; readonly least: number; readonly most: number },
): Promise<number> {
  const { removals } = run.images
  const state = await store.uploads.find(id, scope)
  if (state === null) gone(run, removals)
  const sizeBytes = state?.sizeBytes ?? least
  if (sizeBytes < least || sizeBytes > most) run.fault(`an upload has ${sizeBytes} bytes, of ${least} acknowledged and ${most} sent`)
  return sizeBytes
}

/** Uploads go by themselves when nobody has touched them for long, and not before. */
function gone(run: SimulatedRun, removals: number): never {
  if (run.images.removals === removals) run.fault('an upload has gone, and nobody ended it')
  throw new InputError('upload-unknown', 'the upload has gone')
}

function givenUp(): InputError {
  return new InputError('cancelled', 'the client has changed its mind')
}

/** @param isBroken the connection breaks in the middle */
async function* pieces(bytes: Uint8Array, isBroken = false): AsyncGenerator<Uint8Array, void, undefined> {
  const end = isBroken ? bytes.length >> 1 : bytes.length
  // a piece is its taker's
  for (let at = 0; at < end; at += pieceBytes) yield bytes.slice(at, Math.min(end, at + pieceBytes))
  if (isBroken) throw new InputError('connection', 'told to break off')
}
