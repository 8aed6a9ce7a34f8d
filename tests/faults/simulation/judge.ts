// What must be true after a simulated run, whatever went wrong in it: what was acknowledged is there and whole, what wasn't is nowhere or whole, rows and keys
// agree, a healed node does all its work, and when all is deleted nothing is left. It goes by what was asked for and by the rows, not by the product's words.
import { deleteRepository } from '../../../src/access/index.ts'
import { equalBytes, fromHex, hex, makeLog } from '../../../src/base/index.ts'
import { segmentPrefix, wholePrefix } from '../../../src/bucket/index.ts'
import { sql } from '../../../src/db/index.ts'
import { collectNetwork } from '../../../src/git/gc/index.ts'
import { type Finding, fsck } from '../../../src/git/index.ts'
import { ObjectCache, ObjectReader } from '../../../src/git/odb/index.ts'
import { sweepOrphans } from '../../../src/jobs/index.ts'
import { judgeDeleted, judgeImages, judgeSettled } from './image-judge.ts'
import type { SimulatedNode } from './node.ts'
import { sendPush } from './push.ts'
import { type Change, keyOf, readRefs } from './repositories.ts'
import type { SimulatedRun } from './run.ts'

const never = new AbortController().signal
const silent = makeLog('silent')
const healing = { window: 5, depth: 8, threads: 1, memoryBytes: 16 << 20, reuse: true, progress: () => {}, signal: never }

/** Judges, and cleans the world up for the next run. What is wrong is in `run.faults`. @param inspect looks once more at what is there after the run */
export async function judge(run: SimulatedRun, inspect: (node: SimulatedNode) => Promise<void> = async () => {}): Promise<void> {
  const node = await run.heal()
  try {
    if (run.hasImages) await judgeImages(run, node)
    if (run.hasRepositories) await judgeRepositories(run, node, inspect)
    if (run.hasImages) await judgeSettled(run, node)
    if (run.hasRepositories) await judgeTidied(run, node)
    if (run.hasImages) await judgeDeleted(run, node)
    await judgeEmpty(run)
  } catch (error) {
    run.fault(`the judge could not go on: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  } finally {
    await node.close()
    await cleanUp(run)
  }
}

/** Whatever a crash left undone; then a healed node does its work. */
async function judgeRepositories(run: SimulatedRun, node: SimulatedNode, inspect: (node: SimulatedNode) => Promise<void>): Promise<void> {
  await judgeRefs(run)
  await judgeObjects(run, node)
  await judgeChecks(run, node)
  await inspect(node)
  await run.world.hoursPass(1) // leases of who died have ended
  await pushAgain(run, node)
  await collectNetwork(node.room, run.networkId, { ...healing, graceS: 0, collects: () => true, isUrgent: false })
  await judgeCollected(run, node)
}

async function judgeTidied(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  await judgeObjects(run, node)
  await judgeSwept(run)
  await judgeChecks(run, node)
}

/** Each ref went from value to value by changes that were asked for; those that were acknowledged are among them, and none that was refused. */
async function judgeRefs(run: SimulatedRun): Promise<void> {
  const { queries } = run.world.db.database
  const done = new Set<string>()
  const left = new Map<string, { done: number; doubtful: number }>()
  for (const { change, outcome } of run.pushes.flatMap(({ changes }) => changes)) {
    const counts = left.get(keyOf(change)) ?? { done: 0, doubtful: 0 }
    if (outcome !== 'refused') counts[outcome]++
    left.set(keyOf(change), counts)
  }
  const gone = new Set<number>()
  for (const known of run.repositories) {
    const id = known.repository.id
    const isThere = (await sql`select 1 from repository where id = ${id}`.execute(queries)).rows.length > 0
    if (known.isGone === false && !isThere) run.fault(`repository ${id} is gone, and nobody deleted it`)
    if (known.isGone === true && isThere) run.fault(`repository ${id} was deleted, and is there`)
    known.isGone = !isThere
    if (!isThere) gone.add(id)
    else for (const key of await judgeLog(run, id, known.first, left)) done.add(key)
  }
  for (const [key, counts] of left) {
    if (counts.done > 0 && !gone.has(Number(key.split(' ')[0]))) run.fault(`acknowledged, and not in the reflog: ${key}`)
  }
  judgeAtomic(run, done)
}

/** What was pushed as one was done as one, also where nobody knows whether it was. */
function judgeAtomic(run: SimulatedRun, done: ReadonlySet<string>): void {
  const asked = run.pushes.flatMap(({ changes }) => changes.map(({ change }) => keyOf(change)))
  for (const { changes, isAtomic } of run.pushes) {
    const own = changes.filter(({ change, outcome }) => {
      const isUnique = asked.indexOf(keyOf(change)) === asked.lastIndexOf(keyOf(change))
      return isUnique && (outcome !== 'doubtful' || change.new !== null) // a deletion of nothing is no change
    })
    if (isAtomic && new Set(own.map(({ change }) => done.has(keyOf(change)))).size > 1) {
      run.fault(`an atomic push was done in parts: ${JSON.stringify(changes)}`)
    }
  }
}

async function judgeLog(
  run: SimulatedRun,
  repositoryId: number,
  first: ReadonlyMap<string, string>,
  left: Map<string, { done: number; doubtful: number }>,
): Promise<readonly string[]> {
  const { queries } = run.world.db.database
  const { rows } = await sql<{ ref: string; old: string | null; new: string | null }>`
    select name as ref, encode(old_oid, 'hex') as old, encode(new_oid, 'hex') as new from reflog
    where repository_id = ${repositoryId} order by id`.execute(queries)
  const refs = new Map(first)
  for (const row of rows) {
    const change: Change = { repositoryId, ...row }
    if ((refs.get(row.ref) ?? null) !== row.old)
      run.fault(`the reflog tells of a change from ${row.old}, where ${row.ref} was at ${refs.get(row.ref)}`)
    if (row.new === null) refs.delete(row.ref)
    else refs.set(row.ref, row.new)
    const counts = left.get(keyOf(change))
    if (counts && counts.done > 0) counts.done--
    else if (counts && counts.doubtful > 0) counts.doubtful--
    else run.fault(`done, and nobody who asked for it may see it so: ${keyOf(change)}`)
  }
  const now = await readRefs(queries, repositoryId)
  const same = [...now].every(([name, oid]) => refs.get(name) === oid) && now.size === refs.size
  if (!same) run.fault(`refs of ${repositoryId} are ${JSON.stringify([...now])}; by the reflog ${JSON.stringify([...refs])}`)
  const told = await sql<{ changes: number }>`
    select coalesce(sum(jsonb_array_length(payload -> 'changes')), 0)::int as changes from outbox
    where kind = 'push' and repository_id = ${repositoryId}`.execute(queries)
  if (told.rows[0]?.changes !== rows.length) run.fault(`the outbox tells of ${told.rows[0]?.changes} changes, the reflog of ${rows.length}`)
  return rows.map((row) => keyOf({ repositoryId, ...row }))
}

async function tips(run: SimulatedRun): Promise<string[]> {
  const open = run.repositories.filter(({ isGone }) => isGone === false)
  const refs = await Promise.all(open.map(({ repository }) => readRefs(run.world.db.database.queries, repository.id)))
  return refs.flatMap((one) => [...one.values()])
}

/** Everything that refs lead to is there, byte for byte as it was made. */
async function judgeObjects(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  const { set } = await node.room.packs.open(run.networkId)
  const reader = new ObjectReader(set, new ObjectCache(8 << 20))
  for (const id of run.objects.reachable(await tips(run))) {
    const found = await reader.readById(fromHex(id)).catch((error: unknown) => error)
    if (found === null) run.fault(`object ${id} is missing`)
    else if (!isObject(found)) run.fault(`object ${id} can't be read: ${String(found)}`)
    else if (!equalBytes(found.bytes, run.objects.get(id).bytes)) run.fault(`object ${id} is another one`)
  }
}

function isObject(found: unknown): found is { readonly bytes: Uint8Array } {
  return typeof found === 'object' && found !== null && 'bytes' in found
}

/** What the product says of itself. */
async function judgeChecks(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  await fsck(node.room, { signal: never, progress: () => {}, report: (one: Finding) => run.fault(`fsck: ${JSON.stringify(one)}`) })
}

/** Whatever went wrong is over: a push goes through. */
async function pushAgain(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  const open = run.repositories.filter(({ isGone }) => isGone === false)
  for (const { repository } of open) {
    const value = run.objects.commit(run.random, [])
    const changes = [{ repositoryId: repository.id, ref: 'refs/heads/again', old: null, new: value }]
    const told = await sendPush(run.world, node, repository.id, changes, run.objects.pack([value], new Set(), run.random), false)
    if (told.outcomes[0] !== 'done') run.fault(`a push after all faults: ${told.text}`)
  }
}

/** A collection without grace has left what refs lead to, each once, and nothing else. */
async function judgeCollected(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  const { set } = await node.room.packs.open(run.networkId)
  const stored = new Set(Array.from({ length: set.size }, (_, number) => hex(set.oid(number))))
  const needed = run.objects.reachable(await tips(run))
  const extra = [...stored].filter((id) => !needed.has(id))
  if (extra.length > 0) run.fault(`collected, and still stored: ${extra.join(' ')}`)
}

/** When all leases and graces are over and the sweeper was there, each key has its row, each row its key, and no row waits for anything. */
async function judgeSwept(run: SimulatedRun): Promise<void> {
  const { bucket, db } = run.world
  await run.world.hoursPass(48)
  await sweepOrphans(db.database, bucket, silent)
  const { rows } = await sql<{ key: string }>`select key from pack where key is not null union all select key from history
    union all select key from path_table`.execute(db.database.queries)
  const named = new Set(rows.map((row) => row.key))
  // of contents, others say
  const stored = new Set([...(await storedKeys(run))].filter((key) => !key.startsWith(segmentPrefix) && !key.startsWith(wholePrefix)))
  for (const key of stored) if (!named.has(key)) run.fault(`leaked: ${key}`)
  for (const key of named) if (!stored.has(key)) run.fault(`no such key: ${key}`)
  for (const table of ['upload_intent', 'key_deletion'] as const) {
    const waiting = await db.database.queries.selectFrom(table).select('key').execute()
    if (waiting.length > 0) run.fault(`${table} after the sweep: ${waiting.map(({ key }) => key).join(' ')}`)
  }
}

async function storedKeys({ world }: SimulatedRun): Promise<Set<string>> {
  const keys = new Set<string>()
  for await (const { key } of world.bucket.list('')) keys.add(key)
  return keys
}

/** When the last repository is deleted and swept, there is nothing. */
async function judgeEmpty(run: SimulatedRun): Promise<void> {
  const { bucket, db } = run.world
  for (const { isGone, repository } of run.repositories) if (isGone === false) await deleteRepository(db.database, repository.id)
  await run.world.hoursPass(48)
  await sweepOrphans(db.database, bucket, silent)
  const { rows } = await sql<{ name: string; count: number }>`
    select 'repository' as name, count(*)::int as count from repository union all select 'network', count(*)::int from network
    union all select 'ref', count(*)::int from ref union all select 'reflog', count(*)::int from reflog
    union all select 'pack', count(*)::int from pack union all select 'history', count(*)::int from history
    union all select 'upload_intent', count(*)::int from upload_intent union all select 'key_deletion', count(*)::int from key_deletion`.execute(
    db.database.queries,
  )
  for (const { count, name } of rows) if (count > 0) run.fault(`everything is deleted, and ${count} rows of ${name} are left`)
  const stored = await storedKeys(run)
  if (stored.size > 0) run.fault(`everything is deleted, and these are left: ${[...stored].join(' ')}`)
}

/** The next run begins with nothing. */
async function cleanUp(run: SimulatedRun): Promise<void> {
  const { bucket, db } = run.world
  for await (const { key } of bucket.list('')) await bucket.delete(key)
  run.world.removeFolders()
  const { queries } = db.database
  await sql`delete from repository`.execute(queries)
  await sql`delete from network`.execute(queries)
  await sql`truncate package, content, content_upload, whole_part, segment, chunk, content_reference, oci_review cascade`.execute(queries)
  for (const table of ['upload_intent', 'key_deletion', 'job', 'outbox'] as const) await queries.deleteFrom(table).execute()
}
