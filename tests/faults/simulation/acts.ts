// What nodes of a simulated run do: pushes of every kind, forks, deletions, and the background work. Each is what a request or a job of the server does.
import { deleteRepository, forkRepository } from '../../../src/access/index.ts'
import { mergePacks } from '../../../src/git/compact/index.ts'
import { collectionJob, collectNetwork } from '../../../src/git/gc/index.ts'
import { type Finding, fsck, historyBuilder } from '../../../src/git/index.ts'
import { repackNetwork, repackUnderLease, underLease } from '../../../src/git/repack/index.ts'
import { packStream } from '../../../src/git/pack-stream.ts'
import type { ObjectId } from '../../../src/git/format/object-id.ts'
import { everything, visibleRefs } from '../../../src/git/refs/index.ts'
import { sweepOrphans } from '../../../src/jobs/index.ts'
import { hex, makeLog } from '../../../src/base/index.ts'
import { Seeded } from '../../support/seeded.ts'
import { indexBytes } from '../../support/pack-indexing.ts'
import type { SimulatedNode } from './node.ts'
import { sendPush } from './push.ts'
import { type Change, type Known, type Outcome, readRefs, type Refs } from './repositories.ts'
import type { SimulatedRun } from './run.ts'

/** @param random of this act alone: what it chooses is the same, whatever goes on beside it */
export type Act = (run: SimulatedRun, node: SimulatedNode, random: Seeded) => Promise<void>

const silent = makeLog('silent')

/** How often each is chosen, out of all: with repositories. */
export const repositoryActs: readonly (readonly [share: number, name: string, act: Act])[] = [
  [36, 'push', push],
  [6, 'regret', regret],
  [8, 'merge', merge],
  [6, 'searched merge', searchedMerge],
  [8, 'repack', repack],
  [3, 'collections', collections],
  [10, 'collect', (run, node, random) => collect(run, node, random, false)],
  [3, 'purge', purge],
  [5, 'history', history],
  [12, 'clone', clone],
  [4, 'fork', fork],
  [2, 'delete', remove],
  [3, 'fsck', check],
]

/** With whatever there is. */
export const commonActs: readonly (readonly [share: number, name: string, act: Act])[] = [
  [8, 'sweep', sweep],
  [6, 'time', time],
]

async function push(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const target = run.somewhere(random)
  if (!target) return
  const view = await see(run, target, random)
  const changes = chooseChanges(run, target.repository.id, view, random)
  const isAtomic = random.below(3) === 0
  const tips = changes.flatMap(({ new: value }) => value ?? [])
  const has = run.objects.reachable(await believed(run, target, view, random))
  await pushed(run, node, target, { changes, isAtomic, pack: run.objects.pack(tips, has, random) })
}

interface Pushed {
  readonly changes: readonly Change[]
  readonly isAtomic: boolean
  readonly pack: Uint8Array | null
}

/** Pushes, and notes what came of it. */
async function pushed(run: SimulatedRun, node: SimulatedNode, { repository }: Known, { changes, isAtomic, pack }: Pushed): Promise<void> {
  const { current } = run.turns
  const note = (outcomes: readonly Outcome[]) =>
    run.pushes.push({ isAtomic, changes: changes.map((change, i) => ({ change, outcome: outcomes[i] as Outcome })) })
  try {
    const told = await sendPush(run.world, node, repository.id, changes, pack, isAtomic)
    run.tell(`${node.name} pushed: ${told.text.replaceAll('\n', ' ')}`)
    // git's word for a deletion of what wasn't there
    const wasMissing = told.text.includes('deleting a non-existent ref')
    note(
      told.outcomes.map((word, i) => {
        if (word === 'done') return wasMissing && changes[i]?.new === null ? 'doubtful' : 'done'
        return current.isDoubtful || node.isDead ? 'doubtful' : 'refused'
      }),
    )
  } catch (error) {
    note(changes.map(() => (current.isDoubtful || node.isDead ? 'doubtful' : 'refused')))
    throw error
  }
}

/** A branch is deleted, and pushed again without an object, as its pusher knows that all are there, while they are about to leave. */
async function regret(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const target = run.somewhere(random)
  if (!target) return
  const view = await see(run, target, random)
  if (view.size === 0) return
  const [ref, old] = random.pick([...view])
  const change = { repositoryId: target.repository.id, ref, old, new: null }
  await pushed(run, node, target, { changes: [change], isAtomic: true, pack: null })
  const again = async () => {
    for (let turns = random.below(25); turns > 0; turns--) await run.turns.wait('thinks it over')
    await pushed(run, node, target, { changes: [{ ...change, old: null, new: old }], isAtomic: true, pack: null })
  }
  for (const end of await Promise.allSettled([collect(run, node, new Seeded(random.below(2 ** 31)), false), again()])) {
    if (end.status === 'rejected') throw end.reason
  }
}

/** What a client knows of the refs: as they are, or as they were some time ago. */
async function see({ turns, world }: SimulatedRun, { repository, views }: Known, random: Seeded): Promise<Refs> {
  if (random.below(4) === 0 && views.length > 0) return random.pick(views)
  const view = await turns.busy(() => readRefs(world.db.database.queries, repository.id))
  views.push(view)
  return view
}

/** Tips that the client takes for being there: of what it sees, or of what it saw once; of other repositories of the network, too. */
async function believed(run: SimulatedRun, target: Known, view: Refs, random: Seeded): Promise<string[]> {
  const tips = [...view.values()]
  if (random.below(2) === 0) for (const old of target.views) tips.push(...old.values())
  if (random.below(2) === 0) for (const { views } of run.repositories) tips.push(...(views.at(-1)?.values() ?? []))
  return random.below(6) === 0 ? [] : tips
}

function chooseChanges(run: SimulatedRun, repositoryId: number, view: Refs, random: Seeded): Change[] {
  const changes = new Map<string, Change>()
  for (let n = 1 + random.below(3); n > 0; n--) {
    const present = [...view.keys()]
    const isNew = present.length === 0 || random.below(3) === 0
    const ref = isNew
      ? random.pick(['refs/heads/main', 'refs/heads/side', `refs/heads/new-${random.below(9)}`, 'refs/tags/one'])
      : random.pick(present)
    const old = view.get(ref) ?? null
    changes.set(ref, { repositoryId, ref, old, new: chooseValue(run, ref, old, view, random) })
  }
  return [...changes.values()].filter((change) => change.old !== change.new)
}

/** A new commit on what was there, or on something else that there was once; a commit that there is, or was, already; or nothing. */
function chooseValue(run: SimulatedRun, ref: string, old: string | null, view: Refs, random: Seeded): string | null {
  const { objects } = run
  const commits = [...view.values()].map((id) => objects.peel(id))
  const former = run.repositories.flatMap(({ views }) => views.flatMap((one) => [...one.values()])).map((id) => objects.peel(id))
  const base = old === null ? null : objects.peel(old)
  if (ref.startsWith('refs/tags/') && old === null) return objects.tag(commits[0] ?? objects.commit(random, []))
  switch (random.below(10)) {
    case 0:
      return old === null ? objects.commit(random, []) : null
    case 1:
    case 2:
      return former.length > 0 ? random.pick(former) : objects.commit(random, [])
    case 3:
      return objects.commit(random, former.length > 0 ? [random.pick(former)] : [])
    case 4:
      return objects.commit(random, [])
    case 5:
      return objects.commit(random, [...new Set([...(base === null ? [] : [base]), ...commits])].slice(0, 2))
    default:
      return objects.commit(random, base === null ? commits.slice(0, 1) : [base])
  }
}

async function merge(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  await underLease(node.room, run.networkId, async (signal) => {
    const packs = await node.room.packs.open(run.networkId)
    const count = packs.handle.packs.length
    if (count > 1) await mergePacks(node.room, packs, random.below(count - 1), signal)
  })
}

const repacking = { window: 5, depth: 8, threads: 1, memoryBytes: 16 << 20, progress: () => {} }
const never = new AbortController().signal

/** A merge as it is where the network is near, or small. */
async function searchedMerge(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  await underLease(node.room, run.networkId, async (signal) => {
    const { handle } = await node.room.packs.open(run.networkId)
    if (handle.packs.length === 0) return
    const fromPack = random.pick(handle.packs).id
    await repackNetwork(node.room, run.networkId, { ...repacking, reuse: false, fromPack, signal })
  })
}

async function repack({ networkId }: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  await repackUnderLease(node.room, networkId, { ...repacking, reuse: random.below(2) === 0, signal: never })
}

async function collect({ networkId }: SimulatedRun, node: SimulatedNode, random: Seeded, isUrgent: boolean): Promise<void> {
  const graceS = isUrgent || random.below(2) === 0 ? 0 : 3600
  await collectNetwork(node.room, networkId, {
    ...repacking,
    reuse: random.below(2) === 0,
    graceS,
    collects: () => true,
    isUrgent,
    signal: never,
  })
}

async function history(_: SimulatedRun, { room }: SimulatedNode): Promise<void> {
  await historyBuilder(room, 0, 6).run(never)
}

/** What the background does, where the grace is over. */
async function collections(_: SimulatedRun, { room }: SimulatedNode): Promise<void> {
  await collectionJob(room, { graceS: 3600 }).run(never)
}

async function purge(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  run.purges++
  run.disturbances++
  try {
    await collect(run, node, random, true)
    await sweepOrphans(node.db, node.bucket, silent)
  } finally {
    run.purges--
    run.disturbances++
  }
}

/** A client fetches everything, and gets all of it whole. */
async function clone(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const target = run.somewhere(random)
  if (!target) return
  const { room } = node
  const snapshot = await room.refs.read(target.repository.id)
  if (snapshot.refs.length === 0) return
  const packs = await room.packs.open(target.repository.networkId)
  // a slow client: what it reads may have been replaced long ago
  for (let turns = random.below(12); turns > 0; turns--) await run.turns.wait('slowly')
  const wants = [...new Set(snapshot.refs.map(({ oid }) => oid))]
  const workers = { pool: room.workers, memory: room.fetchMemory }
  const pack: Uint8Array[] = []
  const options = { wants, haves: [], isThin: false, refs: visibleRefs(snapshot, everything), cutOff: [], signal: never }
  for await (const bytes of packStream(workers, packs, options)) pack.push(bytes)
  const { oids } = await run.turns.busy(() => indexBytes(Buffer.concat(pack)))
  const got = new Set(Array.from({ length: oids.length / 20 }, (_, i) => hex(oids.subarray(i * 20, i * 20 + 20))))
  const lacking = [...run.objects.reachable(wants as ObjectId[])].filter((id) => !got.has(id))
  if (lacking.length > 0) run.fault(`a clone from ${node.name} lacks ${lacking.join(' ')}`)
}

async function fork(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const source = run.somewhere(random)
  if (!source || run.repositories.length > 4) return
  const name = `fork-${run.forks++}`
  const request = { sourceId: source.repository.id, ownerId: run.world.account.id, name, takesRef: () => true }
  let isMade = false
  try {
    isMade = (await forkRepository(node.db, request)) !== null
  } finally {
    await run.find(name, isMade)
  }
}

async function remove(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  const target = run.somewhere(random)
  // one stays, so that there is a network
  if (!target || target === run.repositories[0]) return
  target.isGone = 'maybe'
  await deleteRepository(node.db, target.repository.id)
  target.isGone = true
}

async function check(run: SimulatedRun, node: SimulatedNode): Promise<void> {
  const found: Finding[] = []
  const report = (one: Finding) => void found.push(one)
  await fsck(node.room, { signal: never, progress: () => {}, report })
  for (const one of found) run.fault(`fsck on ${node.name}: ${JSON.stringify(one)}`)
}

/** Long enough for leases and graces to end: who is at work then is told so, and changes nothing. Most often the sweeper comes at once. */
async function time(run: SimulatedRun, node: SimulatedNode, random: Seeded): Promise<void> {
  run.disturbances++
  for (const write of run.late) if (run.late.delete(write)) await run.turns.busy(write)
  // of images, leases of a day end
  await run.turns.busy(() => run.images.removing(() => run.world.hoursPass(run.hasImages ? 26 : 2)))
  if (random.below(4) > 0) await sweep(run, node)
}

async function sweep(_: SimulatedRun, { bucket, db }: SimulatedNode): Promise<void> {
  await sweepOrphans(db, bucket, silent)
}
