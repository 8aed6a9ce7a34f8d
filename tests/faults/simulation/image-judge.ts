// What must be true of images after a simulated run: tags lead where an acknowledged act says, whatever they lead to is there and whole, also when it has been opened
// and its first copy is gone; what nothing needs goes; rows and keys agree; and when all is deleted, nothing is left.
import { operator } from '../../../src/access/index.ts'
import { hex, makeLog } from '../../../src/base/index.ts'
import { segmentPrefix, wholePrefix } from '../../../src/bucket/index.ts'
import { sql } from '../../../src/db/index.ts'
import { sweepOrphans } from '../../../src/jobs/index.ts'
import { ociFormat } from '../../../src/oci/index.ts'
import { deleteWhole } from '../../../src/packages/index.ts'
import { digestNamed } from '../../../src/oci/format/digests.ts'
import { collect } from '../../../src/oci/keeping/review.ts'
import { judge as countLeftovers } from '../../support/registry-stress/judge.ts'
import { checkImages, pushAgain } from './image-acts.ts'
import { pullManifest } from './image-pull.ts'
import { tagNames } from './images.ts'
import { leaseMs, type SimulatedNode } from './node.ts'
import type { SimulatedRun } from './run.ts'

const never = new AbortController().signal
const silent = makeLog('silent')

/** Whatever a crash left undone. */
export async function judgeImages(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  await findGone(run)
  const { rows } = await sql`select from content_opened`.execute(run.world.db.database.queries)
  for (const _ of rows) run.images.count('contents opened')
  await judgeTags(run)
  await judgePulls(run, node)
  await judgeRows(run, ['manifests lost', 'blobs lost', 'blobs not held', 'holds left', 'content forgotten'])
  await checkImages(node, (found) => run.fault(`fsck: ${JSON.stringify(found)}`))
}

/** A healed node does all its work, and nothing is lost by it. */
export async function judgeSettled(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  await pushAgain(run, node)
  await settle(run, node)
  await judgeRows(run)
  await judgeOpening(run, node)
  await node.store.tend()
  await settle(run, node)
  await judgeRows(run)
  await judgeKeys(run)
  await judgePulls(run, node)
  await checkImages(node, (found) => run.fault(`fsck at the end: ${JSON.stringify(found)}`))
}

/** All is looked into, also what was begun by who died: hours have passed since. */
async function judgeOpening(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  await node.store.openDue(never)
  const { rows } = await sql<{ attempts: number }>`select attempts from content_opening where due_at is not null`.execute(
    run.world.db.database.queries,
  )
  for (const { attempts } of rows) run.fault(`a content waits to be looked into, after ${attempts} times`)
}

/** All images are deleted: nothing of them is left. */
export async function judgeDeleted(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  const { queries } = run.world.db.database
  const { rows } = await sql<{ id: number }>`select id::float8 as id from package`.execute(queries)
  for (const row of rows) await deleteWhole(node.db, [ociFormat], { ...row, format: 'oci' } as Parameters<typeof deleteWhole>[2], operator)
  await settle(run, node)
  const tables = [
    'content',
    'content_whole',
    'whole_part',
    'content_upload',
    'content_reference',
    'content_opened',
    'content_listed',
    'content_opening',
  ]
  const more = ['content_review', 'content_segment', 'segment', 'chunk', 'oci_blob', 'oci_manifest', 'oci_tag', 'oci_review']
  for (const table of [...tables, ...more]) {
    const { rows: left } = await sql<{ count: number }>`select count(*)::int as count from ${sql.table(table)}`.execute(queries)
    const count = left[0]?.count ?? 0
    if (count > 0) run.fault(`all images are deleted, and ${count} rows of ${table} are left`)
  }
  await judgeKeys(run)
}

async function findGone(run: SimulatedRun): Promise<void> {
  const { rows } = await sql<{ id: number }>`select id::float8 as id from package`.execute(run.world.db.database.queries)
  const there = new Set(rows.map(({ id }) => id))
  for (const image of run.images.all) {
    const isThere = there.has(image.one.id)
    if (image.isGone === false && !isThere) run.fault(`the image ${image.one.name} is gone, and nobody deleted it`)
    if (image.isGone === true && isThere) run.fault(`the image ${image.one.name} was deleted, and is there`)
    if (!isThere) image.isGone = true
  }
}

async function judgeTags(run: SimulatedRun): Promise<void> {
  const found = await tagsOf(run)
  // of one that is half deleted tags may have gone
  for (const image of run.images.all.filter(({ isGone }) => isGone === false)) {
    for (const tag of tagNames) {
      const value = found.find((one) => one.packageId === image.one.id && one.name === tag)?.digest ?? null
      const at = value === null ? null : hex(value)
      if (!run.images.mayLeadTo(image, tag, at)) {
        const acts = run.images.tagActs.filter((act) => act.image === image && act.tag === tag)
        const said = acts.map(({ value: to, only, outcome, since, until }) => `${since}–${until} ${outcome} ${to ?? `none${only ?? ''}`}`)
        run.fault(`${image.one.name}:${tag} leads to ${at}, after ${said.join(', ')}`)
      }
    }
  }
}

async function tagsOf({ world }: SimulatedRun) {
  const { rows } = await sql<{ packageId: number; name: string; digest: Uint8Array }>`
    select package_id::float8 as "packageId", name, digest from oci_tag`.execute(world.db.database.queries)
  return rows
}

/** All that tags lead to can be pulled, and all that refers to it. */
async function judgePulls(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  const { rows } = await sql<{ packageId: number; digest: Uint8Array }>`
    select package_id::float8 as "packageId", digest from oci_manifest`.execute(run.world.db.database.queries)
  for (const { packageId, digest } of rows) {
    const image = run.images.all.find(({ one }) => one.id === packageId)
    if (image === undefined) run.fault(`nobody made an image ${packageId} that has a manifest`)
    const missing = image === undefined ? null : await pullManifest(run, node, image, digestNamed(digest))
    if (missing !== null) run.fault(`the manifest ${hex(digest)} is there, and ${missing} is missing`)
  }
}

async function judgeRows(run: SimulatedRun, which?: readonly string[]): Promise<void> {
  const left = await countLeftovers(run.world.db.database.queries)
  for (const [what, count] of Object.entries(left)) {
    if (count !== 0 && which?.includes(what) !== false) run.fault(`${what}: ${count}`)
  }
}

/** Everything that nothing needs goes, in as many passes as it takes: one thing's end is the next one's. */
async function settle(run: SimulatedRun, { bucket, db, store }: SimulatedNode): Promise<void> {
  for (let pass = 0; pass < 10; pass++) {
    await run.world.hoursPass(50)
    const gone = {
      ...(await collect(db, { delayMs: 0, leaseMs, untaggedMs: 0 })),
      ...(await store.tidy()),
      ...(await sweepOrphans(db, bucket, silent)),
    }
    if (Object.values(gone).every((count) => count === 0)) return
  }
  run.fault('it never comes to rest')
}

/** Each key has its row, each row its key, and nothing waits. */
async function judgeKeys(run: SimulatedRun): Promise<void> {
  const { bucket, db } = run.world
  const { rows } = await sql<{ uuid: string }>`
    select uuid::text as uuid from segment where tail is null union all select uuid::text from whole_part where tail is null`.execute(
    db.database.queries,
  )
  const named = new Set(rows.map(({ uuid }) => uuid))
  const stored = new Set<string>()
  for (const prefix of [segmentPrefix, wholePrefix]) for await (const { key } of bucket.list(prefix)) stored.add(key.slice(-36))
  for (const uuid of stored) if (!named.has(uuid)) run.fault(`leaked content: ${uuid}`)
  for (const uuid of named) if (!stored.has(uuid)) run.fault(`no such key of content: ${uuid}`)
  const waiting = await sql<{ key: string }>`
    select key from upload_intent union all select key from key_deletion union all select 'upload ' || id from content_upload`.execute(
    db.database.queries,
  )
  if (waiting.rows.length > 0) run.fault(`after all that was swept: ${waiting.rows.map(({ key }) => key).join(' ')}`)
}
