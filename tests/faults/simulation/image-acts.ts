// What nodes of a simulated run do with images: pushes of every kind, pulls, deletions, and the background work. Each is what a request or a job of the server does.
import { createOrFindPackage, operator } from '../../../src/access/index.ts'
import { hex, InputError } from '../../../src/base/index.ts'
import { sql } from '../../../src/db/index.ts'
import { deleteBlob, findBlob } from '../../../src/oci/blob-rows.ts'
import { ociFormat } from '../../../src/oci/index.ts'
import { parseManifest } from '../../../src/oci/format/manifest.ts'
import { type BlobFinding, checkBlobs } from '../../../src/oci/keeping/kept-content.ts'
import { collect } from '../../../src/oci/keeping/review.ts'
import { pushManifest } from '../../../src/oci/manifest-push.ts'
import { deleteManifest, deleteTag, findManifest } from '../../../src/oci/manifest-rows.ts'
import { rethrowFault } from '../../../src/oci/registry.ts'
import { deleteWhole } from '../../../src/packages/index.ts'
import type { ContentFinding } from '../../../src/store/index.ts'
import type { Seeded } from '../../support/seeded.ts'
import type { Act } from './acts.ts'
import { blobOf, commonLayers, type SimulatedBlob } from './image-blobs.ts'
import { pullManifest } from './image-pull.ts'
import { bring, receive } from './image-upload.ts'
import { type KnownImage, type SimulatedManifest, type TagAct, tagNames } from './images.ts'
import { leaseMs, type SimulatedNode } from './node.ts'
import type { SimulatedRun } from './run.ts'

const never = new AbortController().signal
const ociImage = 'application/vnd.oci.image.manifest.v1+json'
const ociIndex = 'application/vnd.oci.image.index.v1+json'

/** How often each is chosen, out of all. */
export const imageActs: readonly (readonly [share: number, name: string, act: Act])[] = [
  [20, 'push image', pushImage],
  [5, 'push index', pushIndex],
  [5, 'push referrer', pushReferrer],
  [12, 'pull image', pull],
  [6, 'untag', untag],
  [6, 'delete manifest', dropManifest],
  [5, 'delete blob', dropBlob],
  [3, 'delete image', dropImage],
  [12, 'collect images', collectImages],
  [8, 'tidy content', (_, node) => node.store.tidy().then(() => {})],
  [12, 'open', (_, node) => node.store.openDue(never).then(() => {})],
  [8, 'tend', tend],
  [4, 'check content', check],
]

/** One of a few; made by whoever comes first. */
async function somewhere(run: SimulatedRun, { db }: SimulatedNode, random: Seeded): Promise<KnownImage> {
  const { images, world } = run
  const open = images.all.filter(({ isGone }) => isGone === false)
  if (open.length > 1 || (open.length > 0 && random.below(4) > 0)) return random.pick(open)
  const name = `image-${images.all.length + random.below(2)}`
  const wanted = { ownerId: world.account.id, ownerLogin: world.account.login, format: 'oci', name, repositoryId: null } as const
  const one = await createOrFindPackage(db, { ...wanted, visibility: 'private' }, operator)
  const known = images.all.find((image) => image.one.id === one.id)
  if (known !== undefined) return known
  const made: KnownImage = { one, manifests: [], isGone: false }
  images.all.push(made)
  return made
}

async function pushImage(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const image = await somewhere(run, node, random)
  const { removals } = run.images
  const again = random.below(6) === 0 ? image.manifests.at(-1) : undefined
  if (again !== undefined) return putManifest(run, node, image, again, { removals: -1, tag: tagOf(random) })
  const config = blobOf(Buffer.from(JSON.stringify({ words: `${run.seed} ${random.below(2 ** 31)}` })))
  const common = commonLayers()
  const layers = Array.from({ length: 1 + random.below(3) }, () => random.pick(random.below(2) === 0 ? common.slice(0, 5) : common))
  for (const blob of [...layers, config]) await bring(run, node, image, blob, random)
  const value = { schemaVersion: 2, mediaType: ociImage, config: described(config), layers: layers.map(described) }
  await putManifest(run, run.someNode(random, node), image, manifestOf(run, value), { removals, tag: tagOf(random) })
}

/** Whatever went wrong is over: a push goes through. */
export async function pushAgain(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  const image = await somewhere(run, node, run.random)
  const config = blobOf(Buffer.from(JSON.stringify({ words: 'again' })))
  const layers = [...commonLayers()].slice(0, 9)
  for (const blob of [...layers, config]) await receive(run, node, image, blob)
  const value = { schemaVersion: 2, mediaType: ociImage, config: described(config), layers: layers.map(described) }
  await putManifest(run, node, image, manifestOf(run, value), { removals: run.images.removals, tag: 'again' })
}

const tagOf = (random: Seeded): string | null => (random.below(5) === 0 ? null : random.pick(tagNames))

function described({ digest, bytes }: SimulatedBlob) {
  return { mediaType: 'application/octet-stream', digest: digest.text, size: bytes.length }
}

function manifestOf({ images }: SimulatedRun, value: { readonly mediaType: string }): SimulatedManifest {
  const { bytes, digest } = blobOf(Buffer.from(JSON.stringify(value)))
  const made = { bytes, digest, mediaType: value.mediaType }
  images.manifests.set(digest.text, made)
  return made
}

/** @param removals when the first thing was brought that the manifest names; −1: nothing was */
async function putManifest(
  run: SimulatedRun,
  node: SimulatedNode,
  image: KnownImage,
  made: SimulatedManifest,
  { removals, tag }: { readonly removals: number; readonly tag: string | null },
): Promise<void> {
  const { bytes, digest, mediaType } = made
  const { images, turns } = run
  const { registry } = node
  const manifest = parseManifest(bytes, mediaType, registry.limits.manifest)
  const act = tag === null ? null : images.begin(image, tag, hex(digest.bytes))
  try {
    await pushManifest(registry, image.one, { manifest, bytes, digest, tags: tag === null ? [] : [tag], actor: operator })
    if (act) images.end(act, 'done')
    image.manifests.push(made)
    images.count('manifests pushed')
  } catch (error) {
    if (!(error instanceof InputError) || node.isDead || turns.current.isDoubtful) throw error
    if (act) images.end(act, 'refused')
    if (error.code === 'parts-unknown' && images.removals === removals) run.fault(`what was brought has gone: ${error.message}`)
    throw error
  }
}

async function pushIndex(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const image = await somewhere(run, node, random)
  const { manifests } = image
  if (manifests.length === 0) return
  const children = [...new Set([random.pick(manifests), random.pick(manifests)])]
  const isThere = await Promise.all(children.map(({ digest }) => findManifest(node.db, image.one.id, { kind: 'digest', digest })))
  if (isThere.includes(null)) return
  const value = { schemaVersion: 2, mediaType: ociIndex, manifests: children.map(linked), annotations: { n: `${random.below(2 ** 31)}` } }
  // what was found wasn't promised to stay
  await putManifest(run, node, image, manifestOf(run, value), { removals: -1, tag: tagOf(random) })
}

function linked({ digest, bytes, mediaType }: SimulatedManifest) {
  return { mediaType, digest: digest.text, size: bytes.length }
}

async function pushReferrer(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const image = await somewhere(run, node, random)
  if (image.manifests.length === 0) return
  const { removals } = run.images
  const empty = blobOf(Buffer.from('{}'))
  await bring(run, node, image, empty, random)
  const subject = linked(random.pick(image.manifests))
  const annotations = { n: `${random.below(2 ** 31)}` }
  const value = {
    schemaVersion: 2,
    mediaType: ociImage,
    artifactType: 'x/signature',
    config: described(empty),
    layers: [],
    subject,
    annotations,
  }
  await putManifest(run, node, image, manifestOf(run, value), { removals, tag: null })
}

/** What a tag leads to, to the last byte, slowly; what is missing must have been on its way out. */
async function pull(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const image = await somewhere(run, node, random)
  const found = await findManifest(node.db, image.one.id, { kind: 'tag', tag: pulledTag(run, image, random) })
  if (found === null) return
  const { removals } = run.images
  const acts = run.images.tagActs.length
  const wait = async () => {
    for (let turns = random.below(4); turns > 0; turns--) await run.turns.wait('slowly')
  }
  const missing = await pullManifest(run, node, image, found.digest, wait)
  if (missing === null) return run.images.count('images pulled')
  // a tag that moved meanwhile may have been the last
  if (run.images.removals === removals && run.images.tagActs.length === acts) run.fault(`a pull from ${node.name} lacks ${missing}`)
}

/** One that somebody was told of, if there is any. */
function pulledTag({ images }: SimulatedRun, image: KnownImage, random: Seeded): string {
  const told = images.tagActs.filter((act) => act.image === image && act.outcome === 'done' && act.value !== null)
  return told.length > 0 ? random.pick(told).tag : random.pick(tagNames)
}

async function untag(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const image = await somewhere(run, node, random)
  const tag = random.pick(tagNames)
  await taking(run, node, [run.images.begin(image, tag, null)], () =>
    node.db.transaction((tx) => deleteTag(tx, image.one, tag, operator), { mayRetry: true }),
  )
}

async function dropManifest(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const image = await somewhere(run, node, random)
  if (image.manifests.length === 0) return
  const { digest } = random.pick(image.manifests)
  const acts = tagNames.map((tag) => run.images.begin(image, tag, null, hex(digest.bytes)))
  await taking(run, node, acts, () => node.db.transaction((tx) => deleteManifest(tx, image.one, digest, operator), { mayRetry: true }))
}

async function taking(
  { images, turns }: SimulatedRun,
  node: SimulatedNode,
  acts: readonly TagAct[],
  work: () => Promise<void>,
): Promise<void> {
  try {
    await images.removing(work)
    for (const act of acts) images.end(act, 'done')
    images.count('tags and manifests deleted')
  } catch (error) {
    if (error instanceof InputError && !node.isDead && !turns.current.isDoubtful) for (const act of acts) images.end(act, 'refused')
    throw error
  }
}

async function dropBlob(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const image = await somewhere(run, node, random)
  const { digest } = random.pick(commonLayers())
  if ((await findBlob(node.db, image.one.id, digest)) === null) return
  await run.images.removing(() =>
    node.db.transaction((tx) => deleteBlob(tx, image.one, digest, operator), { mayRetry: true }).catch(rethrowFault),
  )
  run.images.count('blobs deleted')
}

async function dropImage(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const image = await somewhere(run, node, random)
  image.isGone = 'maybe'
  await run.images.removing(() => deleteWhole(node.db, [ociFormat], image.one, operator))
  image.isGone = true
  run.images.count('images deleted')
}

async function collectImages(run: SimulatedRun, { db }: SimulatedNode, random: Seeded): Promise<void> {
  const untaggedMs = random.below(4) === 0 ? null : 0
  const { blobs, manifests } = await collect(db, { delayMs: 0, leaseMs, untaggedMs })
  if (blobs + manifests > 0) run.images.count('collections')
}

/** Whole copies go, or, where it has been asked for often enough, come again. */
async function tend(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  if (random.below(2) === 0) {
    const often = sql`insert into content_cold_read (digest, reads) select digest, 5 from content_opened on conflict do nothing`
    await run.turns.busy(() => often.execute(run.world.db.database.queries))
  }
  const { cooled, warmed } = await node.store.tend()
  if (cooled > 0) run.images.count('coolings')
  if (warmed > 0) run.images.count('warmings')
}

async function check(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  await checkImages(node, (found) => run.fault(`fsck on ${node.name}: ${JSON.stringify(found)}`))
}

/** What the product says of itself. */
export async function checkImages({ db, store }: SimulatedNode, report: (found: ContentFinding | BlobFinding) => void): Promise<void> {
  await store.check({ threads: 1, signal: never, progress: () => {}, report })
  for await (const found of checkBlobs(db.queries)) report(found)
}
